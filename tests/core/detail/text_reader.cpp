// gsskey/core/detail/text_reader: numbers to the last that a type holds, fields, runs of letters, quotation marks.
// SPDX-License-Identifier: MIT
#include <gsskey/core/detail/text_reader.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "support/catch.hpp"

using gsskey::detail::parse_number;
using gsskey::detail::TextReader;
using namespace std::string_view_literals;

namespace {

template <class Number>
bool refused(std::string_view text, int base = 10) {
  Number number = 77;
  return !parse_number(text, base, number) && number == 77;
}
template <class Number>
Number value(const std::string& text, int base = 10) {
  Number number = 77;
  REQUIRE(parse_number(text, base, number));
  return number;
}

/// The largest and the smallest number, and what is one more, or has a digit more.
template <class Number>
void ends_at_its_limits() {
  constexpr Number max = std::numeric_limits<Number>::max();
  constexpr Number min = std::numeric_limits<Number>::min();
  CHECK(value<Number>(std::to_string(max)) == max);
  CHECK(value<Number>("000" + std::to_string(max)) == max);
  CHECK(value<Number>(std::to_string(min)) == min);
  std::string more = std::to_string(max);
  ++more.back();  // no limit ends with 9
  CHECK(refused<Number>(more));
  CHECK(refused<Number>(std::to_string(max) + "0"));
  CHECK(refused<Number>(std::to_string(max) + std::string(100, '9')));
  if (min != 0) {
    std::string less = std::to_string(min);
    ++less.back();
    CHECK(refused<Number>(less));
  } else {
    CHECK(refused<Number>("-0"));
    CHECK(refused<Number>("-1"));
  }
}

}  // namespace

TEST_CASE("a number is all digits, and fits, or is none") {
  ends_at_its_limits<std::uint8_t>();
  ends_at_its_limits<std::int8_t>();
  ends_at_its_limits<std::uint16_t>();
  ends_at_its_limits<std::uint32_t>();
  ends_at_its_limits<std::int32_t>();
  ends_at_its_limits<std::uint64_t>();
  ends_at_its_limits<std::int64_t>();
  for (const std::string_view text :
       {""sv, "-"sv, "+1"sv, " 1"sv, "1 "sv, "1\0"sv, "0x1"sv, "1.0"sv, "--1"sv, "1-"sv}) {
    CAPTURE(text);
    CHECK(refused<std::int64_t>(text));
    CHECK(refused<std::uint32_t>(text));
  }
  CHECK(value<std::uint32_t>("3f010000", 16) == 0x3f010000);
  CHECK(value<std::uint32_t>("FFFFffff", 16) == 0xffffffff);
  CHECK(refused<std::uint32_t>("100000000", 16));
  CHECK(refused<std::uint32_t>("3g", 16));
  CHECK(value<std::uint32_t>("37777777777", 8) == 0xffffffff);
  CHECK(refused<std::uint32_t>("40000000000", 8));
  CHECK(refused<std::uint32_t>("8", 8));
}

TEST_CASE("what is taken goes, what is not there does not") {
  TextReader in{"type;0;1;;any;thing"};
  std::string_view field = "before";
  REQUIRE(in.take_field(';', field));
  CHECK(field == "type");
  REQUIRE(in.take_field(';', field));
  CHECK(field == "0");
  REQUIRE(in.take_field(';', field));
  REQUIRE(in.take_field(';', field));
  CHECK(field.empty());
  CHECK_FALSE(in.take_field(':', field));
  CHECK(field.empty());
  CHECK(in.rest() == "any;thing");
  CHECK_FALSE(in.take(10, field));
  CHECK_FALSE(in.take(std::numeric_limits<std::size_t>::max(), field));
  CHECK(in.rest() == "any;thing");
  REQUIRE(in.take(9, field));
  CHECK(field == "any;thing");
  CHECK(in.at_end());
  CHECK_FALSE(in.take_field(';', field));
  CHECK_FALSE(in.take(1, field));
  CHECK_FALSE(in.at('\0'));
  CHECK_FALSE(in.skip_only('\0'));
  CHECK(in.take(0, field));
  CHECK(field.empty());
}

TEST_CASE("runs of letters") {
  TextReader in{"  12 words,\t,more\0"sv};
  CHECK(in.take_all_of("x").empty());
  CHECK(in.take_all_of(" ") == "  ");
  CHECK(in.take_until_any(" ") == "12");
  in.skip_all_of(" ");
  CHECK(in.at('w'));
  CHECK_FALSE(in.skip_only('x'));
  CHECK(in.skip_only('w'));
  CHECK(in.take_until_any(", ") == "ords");
  CHECK(in.take_all_of(", \t") == ",\t,");
  CHECK(in.take_until_any(",") == "more\0"sv);
  CHECK(in.at_end());
  CHECK(in.take_until_any(",").empty());
}

TEST_CASE("what is quoted ends at its quotation mark, or is none") {
  std::string_view inside = "before";
  for (const std::string_view text :
       {""sv, "a"sv, "\""sv, "\"a"sv, "\"a\\\""sv, "\"\\"sv, "\"a\\\\\\\""sv, "a\"\""sv}) {
    TextReader in{text};
    CAPTURE(text);
    CHECK_FALSE(in.take_quoted(inside));
    CHECK(inside == "before");
    CHECK(in.rest() == text);
  }
  TextReader in{R"("" "a, b" "\"" "\\" rest)"};
  for (const std::string_view expected : {"", "a, b", R"(\")", R"(\\)"}) {
    REQUIRE(in.take_quoted(inside));
    CHECK(inside == expected);
    in.skip_all_of(" ");
  }
  CHECK(in.rest() == "rest");
}

namespace {
// In constants, too.
constexpr bool in_a_constant = [] {
  TextReader in{"a:\"b\" c"};
  std::string_view field;
  std::string_view quoted;
  return in.take_field(':', field) && field == "a" && in.take_quoted(quoted) && quoted == "b" &&
         in.take_all_of(" ") == " " && in.take_until_any(" ") == "c" && in.at_end();
}();
static_assert(in_a_constant);
}  // namespace
