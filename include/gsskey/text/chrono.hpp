// gsskey/text/chrono: Seconds as std::chrono knows them, and points in time where something ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <gsskey/core/seconds.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Converts to std::chrono; the constructor of Seconds converts from it. Indefinite becomes the longest duration that
/// there is.
[[nodiscard]] constexpr std::chrono::seconds to_chrono(Seconds seconds) noexcept {
  return seconds.is_indefinite() ? std::chrono::seconds::max() : std::chrono::seconds{seconds.count()};
}

/// Returns when something ends that is good for `lifetime` from `now` on: a credential or a context, for instance.
/// Indefinite becomes the last time that there is. The clock is system_clock for people, steady_clock for timers.
/// GSS-API tells lifetimes in whole seconds, of which the first has begun: what it told ends up to a second earlier.
template <class Clock = std::chrono::system_clock>
[[nodiscard]] constexpr typename Clock::time_point expiry(Seconds lifetime,
                                                          typename Clock::time_point now = Clock::now()) noexcept {
  if (lifetime.is_indefinite() || Clock::time_point::max() - now < to_chrono(lifetime)) return Clock::time_point::max();
  return now + to_chrono(lifetime);
}

/// Returns how long it is until `end`, rounded up: 0 if `end` is over, indefinite if it is the last time that there is.
template <class Clock, class Duration>
[[nodiscard]] constexpr Seconds until(std::chrono::time_point<Clock, Duration> end,
                                      std::chrono::time_point<Clock, Duration> now = Clock::now()) noexcept {
  if (end == std::chrono::time_point<Clock, Duration>::max()) return Seconds::indefinite();
  if (end <= now) return Seconds{};
  return Seconds{end - now};
}

GSSKEY_END_ABI
}  // namespace gsskey
