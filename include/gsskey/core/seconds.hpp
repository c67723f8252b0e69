// gsskey/core/seconds: a number of seconds, as GSS-API and the key service count them, from any chrono duration.
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <concepts>
#include <cstdint>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace detail {
/// std::chrono::duration and whatever is shaped like it; <chrono> itself costs more than all of this library.
template <class D>
concept DurationLike = requires(const D& duration) {
  typename D::rep;
  typename D::period;
  { duration.count() } -> std::convertible_to<typename D::rep>;
  D::period::num;
  D::period::den;
};
}  // namespace detail

/// Counts whole seconds in 32 bits. A duration is rounded up: 500 ms are one second, because 0 would mean "no timeout"
/// to the kernel and "default" to GSS-API. A negative one counts as 0, one that does not fit as indefinite.
/// Units: seconds.
class Seconds {
 public:
  constexpr Seconds() noexcept = default;
  constexpr explicit Seconds(std::uint32_t count) noexcept : count_{count} {}

  /// Converts from std::chrono::duration, rounded up.
  template <detail::DurationLike D>
  constexpr Seconds(D duration) noexcept {
    const long double exact = static_cast<long double>(duration.count()) * D::period::num / D::period::den;
    if (!(exact > 0)) return;
    if (exact >= 0xffffffffL) {
      count_ = 0xffffffff;
      return;
    }
    count_ = static_cast<std::uint32_t>(exact);
    if (static_cast<long double>(count_) < exact) ++count_;
  }

  /// Returns GSS_C_INDEFINITE: for ever.
  /// See: RFC 2744 section 3.10.
  [[nodiscard]] static constexpr Seconds indefinite() noexcept { return Seconds{0xffffffff}; }

  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] constexpr bool is_indefinite() const noexcept { return count_ == 0xffffffff; }

  [[nodiscard]] friend constexpr auto operator<=>(Seconds, Seconds) noexcept = default;

 private:
  std::uint32_t count_ = 0;
};

GSSKEY_END_ABI
}  // namespace gsskey
