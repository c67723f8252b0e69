// tests/faults/played: the kernel's part, played: see played.cpp.
// SPDX-License-Identifier: MIT
#pragma once

#include <keyutils.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace faults {

/// The kernel's part in an upcall, which it starts for itself alone: the authority is granted, what is answered is
/// counted. And what this kernel may not be built for: events of keys, and public keys.
struct Played {
  static inline bool is_on = false;
  static inline int answers = 0;
  static inline bool is_owner_only = false;  // the next change of permissions is refused
  static inline bool is_locked = false;      // another has the lock of a ring, once
  static inline int authorisation = 0;       // a key whose line in /proc/keys is that of an authorisation key
  static inline int events = -1;             // where an event of a key is written to
  Played() { is_on = true, answers = 0, is_owner_only = false, is_locked = false; }
  Played(const Played&) = delete;
  Played& operator=(const Played&) = delete;
  ~Played() { is_on = false; }

  [[nodiscard]] static bool takes(int command, const unsigned long* words, long& result) {
    constexpr std::string_view callout = "for whom";
    switch (command) {
      case KEYCTL_ASSUME_AUTHORITY:
        result = 0;
        return true;
      case KEYCTL_GET_KEYRING_ID:
        if (static_cast<int>(words[0]) != KEY_SPEC_REQKEY_AUTH_KEY || authorisation == 0) return false;
        result = authorisation;
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
      case KEYCTL_SETPERM:
        if (!is_owner_only) return false;
        is_owner_only = false;
        return refused(EACCES, result);
      case KEYCTL_LINK:
        if (static_cast<int>(words[0]) != -8) return false;  // KEY_SPEC_REQUESTOR_KEYRING
        result = 0;
        return true;
      case KEYCTL_MOVE:
        if (!is_locked || !is_lock(words[0])) return false;
        is_locked = false;
        return refused(EEXIST, result);
      case KEYCTL_WATCH_KEY:
      case KEYCTL_PKEY_VERIFY:
        result = 0;
        return true;
      case KEYCTL_PKEY_QUERY: {
        struct ::keyctl_pkey_query answer{};
        answer.supported_ops = 15;
        answer.key_size = answer.max_data_size = answer.max_sig_size = size;
        answer.max_enc_size = answer.max_dec_size = size;
        std::memcpy(reinterpret_cast<void*>(words[3]), &answer, sizeof answer);
        result = 0;
        return true;
      }
      case KEYCTL_PKEY_ENCRYPT:
      case KEYCTL_PKEY_DECRYPT:
      case KEYCTL_PKEY_SIGN:
        std::memset(reinterpret_cast<void*>(words[3]), 'p', size);
        result = size;
        return true;
      case KEYCTL_DH_COMPUTE:
        if (words[2] >= size) std::memset(reinterpret_cast<void*>(words[1]), 'p', size);
        result = size;
        return true;
      default:
        return false;
    }
  }

  static constexpr unsigned size = 32;  // of what is made with a public key

 private:
  static bool refused(int error, long& result) {
    errno = error;
    result = -1;
    return true;
  }
  static bool is_lock(unsigned long key) {
    char text[100] = {};
    ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof text - 1);
    return std::string_view{text}.ends_with(";gsskey-replacing");
  }
};

}  // namespace faults
