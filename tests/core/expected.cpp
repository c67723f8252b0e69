// gsskey/core/expected: the part of std::expected's interface that the library and its users may rely on in both modes.
// SPDX-License-Identifier: MIT
#include <gsskey/core/expected.hpp>

#include <memory>
#include <string>
#include <utility>

#include "support/catch.hpp"

namespace {

gsskey::expected<int, std::string> half(int number) {
  if (number % 2 != 0) return gsskey::unexpected(std::string{"odd"});
  return number / 2;
}

gsskey::expected<void, int> check(bool good) {
  if (!good) return gsskey::unexpected(5);
  return {};
}

}  // namespace

TEST_CASE("a value or an error") {
  const auto good = half(8);
  REQUIRE(good);
  CHECK(good.has_value());
  CHECK(*good == 4);
  CHECK(good.value() == 4);
  CHECK(good.value_or(1) == 4);

  const auto bad = half(7);
  REQUIRE_FALSE(bad);
  CHECK(bad.error() == "odd");
  CHECK(bad.value_or(1) == 1);
}

TEST_CASE("nothing or an error") {
  CHECK(check(true));
  REQUIRE_FALSE(check(false));
  CHECK(check(false).error() == 5);
}

TEST_CASE("value() of an error throws what the name says") {
  CHECK_THROWS_AS(half(7).value(), gsskey::bad_expected_access<std::string>);
}

TEST_CASE("owners move through") {
  gsskey::expected<std::unique_ptr<int>, int> made = std::make_unique<int>(3);
  REQUIRE(made);
  const std::unique_ptr<int> owner = *std::move(made);
  CHECK(*owner == 3);

  gsskey::expected<int, std::unique_ptr<int>> failed = gsskey::unexpected(std::make_unique<int>(4));
  const std::unique_ptr<int> error = std::move(failed).error();
  CHECK(*error == 4);
}

TEST_CASE("emplace and assignment change sides") {
  auto number = half(7);
  number = 5;
  REQUIRE(number);
  CHECK(*number == 5);
  number = gsskey::unexpected(std::string{"gone"});
  REQUIRE_FALSE(number);
  CHECK(number.error() == "gone");
  number.emplace(6);
  CHECK(number == 6);
}
