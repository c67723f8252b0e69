// tests/faults/played: the kernel's part in an upcall, played: see played.cpp.
// SPDX-License-Identifier: MIT
#pragma once

#include <keyutils.h>

#include <cstring>
#include <string_view>

namespace faults {

/// The kernel's part in an upcall, which it starts for itself alone: the authority is granted, what is answered is
/// counted.
struct Played {
  static inline bool is_on = false;
  static inline int answers = 0;
  Played() { is_on = true, answers = 0; }
  Played(const Played&) = delete;
  Played& operator=(const Played&) = delete;
  ~Played() { is_on = false; }

  [[nodiscard]] static bool takes(int command, const unsigned long* words, long& result) {
    constexpr std::string_view callout = "for whom";
    switch (command) {
      case KEYCTL_ASSUME_AUTHORITY:
        result = 0;
        return true;
      case KEYCTL_READ:
        if (static_cast<int>(words[0]) != KEY_SPEC_REQKEY_AUTH_KEY) return false;
        if (words[2] >= callout.size()) std::memcpy(reinterpret_cast<char*>(words[1]), callout.data(), callout.size());
        result = static_cast<long>(callout.size());
        return true;
      case KEYCTL_INSTANTIATE:
      case KEYCTL_INSTANTIATE_IOV:
      case KEYCTL_NEGATE:
      case KEYCTL_REJECT:
        ++answers;
        result = 0;
        return true;
      default:
        return false;
    }
  }
};

}  // namespace faults
