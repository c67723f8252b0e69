// gsskey/core/answer: Answer, what a question comes to: yes, no, or an Error where there is no answer.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/config.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Yes, no, or an Error. A question that failed has no answer: then yes() and no() are both false. So ask for the one
/// that lets somebody in, and a failure lets nobody in, whether the `if` opens the door or keeps it shut:
///
///     if (peer.equals(admin).yes()) open();                        if (!peer.equals(admin).yes()) return refuse();
///     if (peer.is_anonymous().no()) open();                        if (!peer.is_anonymous().no()) return refuse();
///
/// The other one would let a failure in: `if (peer.is_anonymous().yes()) return refuse();` refuses only who is known to
/// be anonymous. An Answer converts to nothing and compares with nothing, so `if (peer.equals(admin))`, which would ask
/// whether the question could be answered, does not compile.
class [[nodiscard]] Answer {
 public:
  [[nodiscard]] static Answer of(bool yes) noexcept { return Answer{Result<void>{}, yes}; }
  [[nodiscard]] static Answer failure(Error error) noexcept { return Answer{unexpected(std::move(error)), false}; }

  [[nodiscard]] bool yes() const noexcept { return answered_.has_value() && yes_; }
  [[nodiscard]] bool no() const noexcept { return answered_.has_value() && !yes_; }
  /// Neither: error() says why.
  [[nodiscard]] bool failed() const noexcept { return !answered_.has_value(); }
  /// Only where it failed(), as the error() of a Result.
  [[nodiscard]] const Error& error() const& noexcept GSSKEY_LIFETIMEBOUND { return answered_.error(); }
  [[nodiscard]] Error error() && noexcept { return std::move(answered_).error(); }

 private:
  Answer(Result<void> answered, bool yes) noexcept : answered_{std::move(answered)}, yes_{yes} {}

  Result<void> answered_;
  bool yes_;
};

GSSKEY_END_ABI
}  // namespace gsskey
