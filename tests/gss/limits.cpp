// The most that goes into one call: the numbers, their words, and a call that refuses one byte more.
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/name.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace gsskey;

TEST_CASE("each limit admits its own size and not one byte more, and its words have the number") {
  for (const Limit& limit : {limits.message, limits.token, limits.name, limits.password, limits.pseudo_random}) {
    CAPTURE(limit.exceeded);
    CHECK(limit.admits(0));
    CHECK(limit.admits(limit.size));
    CHECK_FALSE(limit.admits(limit.size + 1));
    CHECK_FALSE(limit.admits(static_cast<std::size_t>(-1)));
    CHECK(std::string_view{limit.exceeded}.find(", " + std::to_string(limit.size) + " bytes") !=
          std::string_view::npos);
  }
}

TEST_CASE("what is refused for its size is a misuse, in the words of the limit") {
  const auto name = Name::user(std::string(limits.name.size + 1, 'a'));
  REQUIRE_FALSE(name);
  CHECK(name.error().domain() == Domain::usage);
  CHECK(name.error().text() == limits.name.exceeded);
}
