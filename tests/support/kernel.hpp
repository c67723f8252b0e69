// tests/support/kernel: what this kernel has of the key service; what it lacks is named, and its refusal tested.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <cstdio>
#include <string>

#include "support/session.hpp"

namespace support {

inline bool has(KeyringCapability capability) { return must(keyring_capabilities()).contains(capability); }

inline void lacks(const char* what) { std::fprintf(stderr, "this kernel lacks %s\n", what); }

/// Whether keys of such a type can be made; if not, what the kernel says must be ENODEV.
template <KeyType T>
bool has_type(const KeyringRef& ring, const T& type, const typename T::Payload& payload) {
  const auto key = ring.create(type, payload);
  if (key) return true;
  CHECK(error_of(key) == ENODEV);
  lacks(T::name);
  return false;
}

/// As /proc/keys has it: "perm", "2h", "expd".
inline std::string timeout_of(const KeyHandle auto& key) {
  const auto keys = must(ProcKeys::acquire());
  return std::string{must(keys.find(key)).timeout};
}

}  // namespace support
