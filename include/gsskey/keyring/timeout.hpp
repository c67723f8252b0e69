// gsskey/keyring/timeout: when a key ends by itself: in so many seconds, or never. Both have a name of their own.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// How long a key lasts from now on. Made of any chrono duration, or of Seconds: `{.timeout = 10min}`, and
/// `{.timeout = deadline - now}`, which the call refuses (usage) once the deadline has passed: to the kernel 0 is "for
/// ever", and a secret that was to be gone would stay. What lasts for ever says no_timeout; Seconds::indefinite() does
/// too.
class Timeout {
 public:
  /// Lasts for ever, as no_timeout.
  constexpr Timeout() noexcept = default;
  constexpr Timeout(Seconds seconds) noexcept
      : count_{seconds.is_indefinite() ? 0 : (seconds.count() == 0 ? over : seconds.count())} {}
  template <detail::DurationLike D>
  constexpr Timeout(D duration) noexcept : Timeout{Seconds{duration}} {}

  [[nodiscard]] constexpr bool is_none() const noexcept { return count_ == 0; }
  /// Tells whether it was 0 or negative.
  [[nodiscard]] constexpr bool is_over() const noexcept { return count_ == over; }
  /// Returns the number for keyctl_set_timeout; of no use when is_over().
  /// Units: seconds; 0 is for ever.
  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return count_; }

  [[nodiscard]] friend constexpr bool operator==(Timeout, Timeout) noexcept = default;

 private:
  static constexpr std::uint32_t over = 0xffffffff;  // no Seconds but the indefinite ones have this number

  std::uint32_t count_ = 0;
};

/// The timeout of a key that does not end by itself.
GSSKEY_HIDDEN inline constexpr Timeout no_timeout{};

namespace keyring_detail {
/// Asked before anything is made.
[[nodiscard]] inline Result<void> check_timeout(const char* operation, Timeout timeout) noexcept {
  if (!timeout.is_over()) return {};
  return unexpected(Error::usage(operation, "the timeout is over already: 0 or negative; no_timeout is for ever"));
}
}  // namespace keyring_detail

GSSKEY_END_ABI
}  // namespace gsskey
