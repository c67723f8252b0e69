// tests/support/session: keys and rings for one test case, out of everybody's way, and what is left of them counted.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <string>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/must.hpp"

namespace support {

using namespace gsskey;

/// The number of keys that count against this user.
inline long keys_in_quota() {
  const auto quota = key_quota(::geteuid());
  return quota ? static_cast<long>(quota->keys) : 0;
}

/// Whether this user may have thousands of keys. Others than root have 200, and what is dead counts for a while.
inline bool has_large_quota() {
  const auto quota = key_quota(::geteuid());
  return quota && quota->max_keys >= 10000 && quota->max_bytes >= 10'000'000;
}

/// Whether this user has a persistent ring already. It stays for days, so who makes it takes it away.
inline bool has_persistent_ring() {
  const auto name = "_persistent." + std::to_string(::geteuid()) + ':';
  bool found = false;
  must(ProcKeys::read()).for_each([&](const ProcKey& key) { found = found || key.text.starts_with(name); });
  return found;
}

/// A new anonymous session ring for this thread. At the end it must be as empty as at the beginning, and as many keys
/// be in the user's quota: whatever a test case makes, it has to take down.
class Session {
 public:
  Session() {
    static_cast<void>(Keyring::user_session());  // made when first asked for, and counted from then on
    keys_before_ = keys_in_quota();
    ring_ = must(Keyring::join_session());
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    CHECK(eventually([this] {  // what is dead stays until it is collected
      const auto left = ring_.members();
      return !left || left->empty();
    }));
    static_cast<void>(Keyring::join_session());  // the old one dies, and a new one takes its place in the quota
    const long expected = keys_before_ + (had_own_ ? 0 : 1);
    eventually([expected] { return keys_in_quota() <= expected; });
    CHECK(keys_in_quota() <= expected);  // less: what was dead before is collected now
    had_own_ = true;
  }
  const KeyringRef& operator*() const noexcept { return ring_; }
  const KeyringRef* operator->() const noexcept { return &ring_; }

 private:
  static inline bool had_own_ = false;  // whether the session before was one of these
  long keys_before_;
  KeyringRef ring_;
};

/// errno of a failed call, 0 of one that did not fail.
template <class T>
int error_of(const Result<T>& result) {
  if (result) return 0;
  CAPTURE(result.error().operation(), result.error().text());
  CHECK(result.error().domain() == Domain::keyring);
  return static_cast<int>(result.error().minor_status());
}

/// Whether we refused, and not the kernel.
template <class T>
bool is_usage(const Result<T>& result) {
  return !result && result.error().domain() == Domain::usage;
}

/// Whether the collector has taken the key away.
inline bool is_collected(AnyKeyRef key) {
  return eventually([key] { return error_of(key.describe()) == ENOKEY; });
}
template <KeyType T>
bool is_collected(KeyRef<T> key) {
  return is_collected(AnyKeyRef::from_serial(key.serial()));
}

}  // namespace support
