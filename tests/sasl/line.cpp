// Messages as lines of text: an empty message and none are two things.
#include <gsskey/sasl/line.hpp>

#include <cerrno>
#include <optional>
#include <string_view>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("initial responses: none, empty, some") {
  CHECK(sasl::to_initial_response(std::nullopt).empty());
  CHECK(sasl::to_initial_response(ByteView{}) == "=");
  CHECK(sasl::to_initial_response(ByteView{"foob"}) == "Zm9vYg==");

  CHECK_FALSE(must(sasl::from_initial_response("")).has_value());
  const auto empty = must(sasl::from_initial_response("="));
  REQUIRE(empty.has_value());
  CHECK(empty->empty());
  CHECK(must(sasl::from_initial_response("Zm9vYg=="))->text() == "foob");
  for (const std::string_view text : {"==", "= ", "====", "Zg", "Zg==\r\n", "*"}) {
    CHECK_FALSE(sasl::from_initial_response(text));
  }
}

TEST_CASE("challenges and other responses: an empty line is an empty message, and * the end") {
  CHECK(sasl::to_line(ByteView{}).empty());
  CHECK(sasl::to_line("foo") == "Zm9v");
  CHECK(must(sasl::from_line("")).empty());
  CHECK(must(sasl::from_line("Zm9v")).text() == "foo");
  const auto cancelled = sasl::from_line("*");
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().minor_status() == ECANCELED);
  CHECK_FALSE(sasl::from_line("="));  // that is for initial responses
  CHECK_FALSE(sasl::from_line("**"));
}
