// Lists of mechanisms: what is a name, the choice, and a downgrade.
#include <gsskey/sasl/mechanism_list.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using sasl::MechanismList;
using support::must;

namespace {
constexpr std::string_view preferred[] = {"GS2-KRB5-PLUS", "GSSAPI", "SCRAM-SHA-256"};
}

TEST_CASE("the first of the preferred that is offered") {
  CHECK(must(must(MechanismList::parse("PLAIN SCRAM-SHA-256 GSSAPI")).choose(preferred)) == "GSSAPI");
  CHECK(must(must(MechanismList::parse("  GSSAPI   GS2-KRB5-PLUS ")).choose(preferred)) == "GS2-KRB5-PLUS");
  for (const std::string_view none : {"", "   ", "PLAIN LOGIN", "GSSAPIX XGSSAPI GS2-KRB5"}) {
    const auto chosen = must(MechanismList::parse(none)).choose(preferred);
    REQUIRE_FALSE(chosen);
    CHECK(chosen.error().domain() == Domain::policy);
  }
  CHECK_FALSE(MechanismList{}.contains(""));
  CHECK_FALSE(must(MechanismList::parse("A  B")).contains(""));
}

TEST_CASE("what is no name") {
  CHECK(MechanismList::parse("A0-_ " + std::string(20, 'A')));
  for (const std::string text : {"gssapi", "GSSAPI,PLAIN", "GSSAPI\tPLAIN", "GSSAPI\r\n", "A.B", "\xc3\x9c"}) {
    const auto list = MechanismList::parse(text);
    REQUIRE_FALSE(list);
    CHECK(list.error().domain() == Domain::transport);
  }
  CHECK_FALSE(MechanismList::parse(std::string(21, 'A')));
  CHECK_FALSE(MechanismList::parse(std::string_view{"GSSAPI\0", 7}));
}

TEST_CASE("a list that has come protected shows what was struck from the first") {
  const auto honest = must(MechanismList::parse("PLAIN SCRAM-SHA-256 GSSAPI"));
  CHECK(honest.confirm("GSSAPI", preferred));
  for (const std::string_view chosen : {"SCRAM-SHA-256", "PLAIN", ""}) {
    const auto downgraded = honest.confirm(chosen, preferred);
    REQUIRE_FALSE(downgraded);
    CHECK(downgraded.error().domain() == Domain::policy);
  }
  CHECK_FALSE(must(MechanismList::parse("PLAIN")).confirm("GSSAPI", preferred));  // the mechanism is no longer there
}
