// gsskey/core/seconds: real chrono durations in, whole seconds out.
// SPDX-License-Identifier: MIT
#include <gsskey/core/seconds.hpp>

#include <chrono>
#include <limits>

#include "support/catch.hpp"

using gsskey::Seconds;
using namespace std::chrono_literals;

TEST_CASE("whole durations stay what they are") {
  CHECK(Seconds{30s}.count() == 30);
  CHECK(Seconds{2min}.count() == 120);
  CHECK(Seconds{24h}.count() == 86400);
  CHECK(Seconds{3000ms}.count() == 3);
  CHECK(Seconds{0s}.count() == 0);
  CHECK(Seconds{std::chrono::days{1}} == Seconds{86400});
}

TEST_CASE("parts of a second round up: 0 would mean something else") {
  CHECK(Seconds{1ns}.count() == 1);
  CHECK(Seconds{500ms}.count() == 1);
  CHECK(Seconds{1001ms}.count() == 2);
  CHECK(Seconds{std::chrono::duration<double>{1.25}}.count() == 2);
}

TEST_CASE("what does not fit is the nearest that does") {
  CHECK(Seconds{-1s}.count() == 0);
  CHECK(Seconds{-1ns}.count() == 0);
  CHECK(Seconds{std::chrono::hours::min()}.count() == 0);
  CHECK(Seconds{std::chrono::hours::max()}.is_indefinite());
  CHECK(Seconds{std::chrono::seconds{0xfffffffe}}.count() == 0xfffffffe);
  CHECK(Seconds{std::chrono::seconds{0xffffffff}}.is_indefinite());
  CHECK(Seconds{std::chrono::seconds{0x100000000}}.is_indefinite());
  using Real = std::chrono::duration<double>;
  CHECK(Seconds{Real{std::numeric_limits<double>::infinity()}}.is_indefinite());
  CHECK(Seconds{Real{std::numeric_limits<double>::quiet_NaN()}}.count() == 0);
}

TEST_CASE("seconds compare, and indefinite is the longest") {
  CHECK(Seconds{1s} < Seconds{1min});
  CHECK(Seconds{1h} < Seconds::indefinite());
  CHECK(Seconds::indefinite().count() == 0xffffffff);
  CHECK(Seconds{}.count() == 0);
}
