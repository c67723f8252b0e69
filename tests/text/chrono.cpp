// Seconds and std::chrono: both directions, and the points in time where something ends.
#include <gsskey/text/chrono.hpp>

#include "support/catch.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using std::chrono::steady_clock;
using std::chrono::system_clock;

static_assert(to_chrono(Seconds{90}) == 90s);
static_assert(to_chrono(Seconds{}) == 0s);
static_assert(to_chrono(Seconds::indefinite()) == std::chrono::seconds::max());
static_assert(Seconds{to_chrono(Seconds{4'000'000'000})} == Seconds{4'000'000'000});
static_assert(Seconds{to_chrono(Seconds::indefinite())}.is_indefinite());

TEST_CASE("the end is so long after now") {
  const auto now = system_clock::now();
  CHECK(expiry(Seconds{10}, now) == now + 10s);
  CHECK(expiry(Seconds{}, now) == now);
  CHECK(expiry<steady_clock>(Seconds{10}) > steady_clock::now());
  CHECK(expiry(Seconds{10}) > system_clock::now());
}

TEST_CASE("what never ends is at the end of time, and so is what would be behind it") {
  CHECK(expiry(Seconds::indefinite()) == system_clock::time_point::max());
  CHECK(expiry(Seconds{10}, system_clock::time_point::max() - 9s) == system_clock::time_point::max());
  CHECK(expiry(Seconds{10}, system_clock::time_point::max() - 10s) == system_clock::time_point::max());
  CHECK(until(system_clock::time_point::max()).is_indefinite());
}

TEST_CASE("until an end: rounded up, and never negative") {
  const auto now = system_clock::now();
  CHECK(until(now + 10s, now) == Seconds{10});
  CHECK(until(now + 9500ms, now) == Seconds{10});
  CHECK(until(now, now) == Seconds{});
  CHECK(until(now - 1h, now) == Seconds{});
  CHECK(until(expiry(Seconds{600}, now), now) == Seconds{600});
  CHECK(until(steady_clock::now() - 1s) == Seconds{});
}
