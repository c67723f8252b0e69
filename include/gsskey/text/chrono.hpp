// gsskey/text/chrono: Seconds as std::chrono knows them, and points in time where something ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <gsskey/core/seconds.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// The other direction is Seconds' constructor. Indefinite becomes the longest duration that there is.
[[nodiscard]] constexpr std::chrono::seconds to_chrono(Seconds seconds) noexcept {
  return seconds.is_indefinite() ? std::chrono::seconds::max() : std::chrono::seconds{seconds.count()};
}

/// When something ends that is good for `lifetime` from `now` on, of a credential or a context for instance. Indefinite
/// becomes the last time that there is. Clocks: system_clock for people, steady_clock for timers.
template <class Clock = std::chrono::system_clock>
[[nodiscard]] constexpr typename Clock::time_point expiry(Seconds lifetime,
                                                          typename Clock::time_point now = Clock::now()) noexcept {
  if (lifetime.is_indefinite() || Clock::time_point::max() - now < to_chrono(lifetime)) return Clock::time_point::max();
  return now + to_chrono(lifetime);
}

/// How long until then, in whole seconds, the last one begun counted: 0 if it is over, indefinite from the last time
/// that there is.
template <class Clock, class Duration>
[[nodiscard]] constexpr Seconds until(std::chrono::time_point<Clock, Duration> end,
                                      std::chrono::time_point<Clock, Duration> now = Clock::now()) noexcept {
  if (end == std::chrono::time_point<Clock, Duration>::max()) return Seconds::indefinite();
  if (end <= now) return Seconds{};
  return Seconds{end - now};
}

GSSKEY_END_ABI
}  // namespace gsskey
