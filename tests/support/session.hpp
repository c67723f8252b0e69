// tests/support/session: keys and rings for one test case, out of everybody's way, and what is left of them counted.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <string>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/must.hpp"
#include "support/quota.hpp"

namespace support {

using namespace gsskey;

/// What counts against this user.
inline InQuota in_quota() {
  InQuota counted;
  REQUIRE(count(::geteuid(), counted));
  return counted;
}
inline long keys_in_quota() { return in_quota().keys; }

/// Whether this user may have thousands of keys. Others than root have 200, and what is dead counts for a while.
inline bool has_large_quota() {
  const auto quota = key_quota(::geteuid());
  return quota && quota->max_keys >= 10000 && quota->max_bytes >= 10'000'000;
}

/// Whether this user has a persistent ring already. It stays for days, so who makes it takes it away.
inline bool has_persistent_ring() {
  const auto name = "_persistent." + std::to_string(::geteuid()) + ':';
  bool found = false;
  must(ProcKeys::acquire()).for_each([&](const ProcKey& key) { found = found || key.text.starts_with(name); });
  return found;
}

/// A new anonymous session ring for this thread. At the end it must be as empty as at the beginning, and no more keys
/// and bytes be in the user's quota: whatever a test case makes, it has to take down.
class Session {
 public:
  Session() : before_{in_quota()}, ring_{must(Keyring::join_session())} {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    CHECK(eventually([this] {  // what is dead stays until it is collected
      const auto left = ring_.members();
      return !left || left->empty();
    }));
    static_cast<void>(Keyring::join_session());  // the old one dies, and a new one takes its place in the quota
    auto expected = before_;
    if (!had_own_) {
      expected.keys += 1;
      expected.bytes += static_cast<long>(sizeof "_ses");  // its description
    }
    InQuota left;
    if (!eventually([&] { return is_within(left = in_quota(), expected); })) {
      FAIL_CHECK("in the quota are " << left << "; before: " << expected);
    }
    had_own_ = true;
  }
  const KeyringRef& operator*() const noexcept { return ring_; }
  const KeyringRef* operator->() const noexcept { return &ring_; }

 private:
  static inline bool had_own_ = false;  // whether the session before was one of these
  InQuota before_;
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
