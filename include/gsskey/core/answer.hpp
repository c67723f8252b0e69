// gsskey/core/answer: Answer, what a question comes to: yes, no, or an Error where there is no answer.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/config.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Answers a question: yes, no, or an Error. A question that failed has no answer: then yes() and no() are both false.
/// So ask for the one that lets somebody in, and a failure lets nobody in, whether the `if` opens the door or keeps it
/// shut:
///
///     if (peer.equals(admin).yes()) open();                        if (!peer.equals(admin).yes()) return refuse();
///     if (peer.is_anonymous().no()) open();                        if (!peer.is_anonymous().no()) return refuse();
///
/// Asking for the other one would let a failure in: `if (peer.is_anonymous().yes()) return refuse();` refuses only a
/// peer that is known to be anonymous. An Answer converts to nothing and compares with nothing, so `if
/// (peer.equals(admin))`, which would ask whether the question could be answered, does not compile.
class [[nodiscard]] Answer {
 public:
  /// Makes a yes or a no.
  [[nodiscard]] static Answer of(bool yes) noexcept { return Answer{Result<void>{}, yes}; }
  /// Makes an Answer that failed.
  [[nodiscard]] static Answer failure(Error error) noexcept { return Answer{unexpected(std::move(error)), false}; }

  /// Says whether the answer is yes; false where the question failed.
  [[nodiscard]] bool yes() const noexcept { return answered_.has_value() && yes_; }
  /// Says whether the answer is no; false where the question failed.
  [[nodiscard]] bool no() const noexcept { return answered_.has_value() && !yes_; }
  /// Says whether there is no answer: error() says why.
  [[nodiscard]] bool failed() const noexcept { return !answered_.has_value(); }
  /// Returns why there is no answer. Only where the question failed(): undefined else, as the error() of a Result.
  [[nodiscard]] const Error& error() const& noexcept GSSKEY_LIFETIMEBOUND { return answered_.error(); }
  [[nodiscard]] Error error() && noexcept { return std::move(answered_).error(); }

 private:
  Answer(Result<void> answered, bool yes) noexcept : answered_{std::move(answered)}, yes_{yes} {}

  Result<void> answered_;
  bool yes_;
};

GSSKEY_END_ABI
}  // namespace gsskey
