// tests/support/session: keys and rings for one test case, out of everybody's way, and what is left of them counted.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <poll.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/must.hpp"

namespace support {

using namespace gsskey;

/// The number of keys that count against this user, once the collector has taken away what is dead: asked until it is
/// `wanted` or `patience` (10 ms each) is over.
inline long keys_in_quota(long wanted = -1, int patience = 500) {
  while (true) {
    const auto quota = key_quota(::geteuid());
    const long keys = quota ? static_cast<long>(quota->keys) : 0;
    if (wanted < 0 || keys == wanted || patience-- == 0) return keys;
    ::poll(nullptr, 0, 10);
  }
}

/// A new anonymous session ring for this thread. At the end it must be as empty as at the beginning, and as many keys
/// be in the user's quota: whatever a test case makes, it has to take down.
class Session {
 public:
  Session() : keys_before_{keys_in_quota()}, ring_{must(Keyring::join_session())} {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    const auto left = ring_.members();
    CHECK((!left || left->empty()));
    static_cast<void>(Keyring::join_session());  // the old one dies, and a new one takes its place in the quota
    CHECK(keys_in_quota(keys_before_ + (had_own_ ? 0 : 1)) == keys_before_ + (had_own_ ? 0 : 1));
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

}  // namespace support
