// Masks: how they are built, which of them are refused, and that the kernel takes the rest.
#include <gsskey/keyring.hpp>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::error_of;
using support::must;

static_assert(Permissions{}.possessor(all_rights).user(Right::view).bits() == 0x3f010000);
static_assert(Permissions{}.possessor(all_rights).possessor(Right::view).bits() == 0x01000000);  // the last one counts
static_assert(Permissions{}.group({Right::view, Right::set_attributes}).other(Right::read).bits() == 0x2102);
static_assert(Permissions::from_bits(0x01020408).possessor() == Rights{Right::view});
static_assert(Permissions::from_bits(0x01020408).user() == Rights{Right::read});
static_assert(Permissions::from_bits(0x01020408).group() == Rights{Right::write});
static_assert(Permissions::from_bits(0x01020408).other() == Rights{Right::search});
static_assert(Permissions{}.is_default());
static_assert(sizeof(Permissions) == 8);

namespace {
constexpr Permissions owner = Permissions{}.possessor(all_rights);
constexpr bool warns(Permissions permissions, Risk risk) {
  return permissions.risks() == Risks{risk} && permissions.accepting(risk).risks().empty();
}
}  // namespace

static_assert(owner.risks().empty());
static_assert(owner.user(all_rights).risks().empty());
static_assert(warns(owner.group(Right::search), Risk::others_may_invalidate));
static_assert(warns(owner.other(Right::search), Risk::others_may_invalidate));
static_assert(warns(owner.other(Right::view), Risk::others_see_description));
static_assert(warns(owner.possessor(all_rights.without(Right::read)), Risk::possessor_reads_anyway));
static_assert(warns(owner.possessor({Right::view, Right::read, Right::link}), Risk::nobody_may_change_again));
static_assert(warns(owner.possessor(all_rights.without(Right::search)), Risk::nobody_may_change_again));
static_assert(owner.possessor(Right::read).user(Right::set_attributes).risks().empty());
// Search may be the user's, and read the possessor's or the user's.
static_assert(warns(Permissions{}.user(all_rights.without(Right::read)), Risk::possessor_reads_anyway));
static_assert(Permissions{}.possessor(Right::read).user(Right::search | Right::set_attributes).risks().empty());
static_assert(Permissions{}.possessor(Right::view).user(all_rights).risks().empty());
// Who may link it gets what the possessor may, where that is more.
static_assert(warns(owner.user(Right::link), Risk::link_gives_possession));
static_assert(warns(owner.user(all_rights.without(Right::write)), Risk::link_gives_possession));
static_assert(Permissions::from_bits(0xff3f0000).risks().empty());  // bits that are no right are nothing to have
static_assert(warns(owner.group(Right::link), Risk::link_gives_possession));
static_assert(warns(owner.other(Right::link), Risk::link_gives_possession));
static_assert(Permissions{}.possessor(Right::view).user(all_rights).other(Right::link).risks().empty());
static_assert(owner.other(all_rights).accepting(Risk::others_may_invalidate).risks() ==
              Risks{Risk::others_see_description});

TEST_CASE("a mask with a risk is refused until it says that it is meant") {
  const support::Session session;
  const auto key = must(session->create(key_type::User{"gsskey:test"}, "x"));
  const auto risky = owner.other({Right::view, Right::search});
  const auto refused = key.set_permissions(risky);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::policy);
  CHECK(must(key.describe()).permissions().bits() == 0x3f010000);
  const auto accepted = risky.accepting({Risk::others_may_invalidate, Risk::others_see_description});
  REQUIRE(key.set_permissions(accepted));
  CHECK(must(key.describe()).permissions() == risky);
}

TEST_CASE("the risks are real") {
  const support::Session session;
  const auto key = must(session->create(key_type::User{"gsskey:test"}, "secret"));
  SECTION("a possessor without the right to read reads, if it may search") {
    REQUIRE(
        key.set_permissions(owner.possessor(all_rights.without(Right::read)).accepting(Risk::possessor_reads_anyway)));
    CHECK(must(key.read()).text() == "secret");
    REQUIRE(key.set_permissions(owner.possessor({Right::view, Right::link}).user(Right::set_attributes)));
    CHECK(error_of(key.read()) == EACCES);
  }
  SECTION("a possessor who may search it as its user reads it too") {
    REQUIRE(key.set_permissions(Permissions{}
                                    .possessor(Right::link)
                                    .user(Right::view | Right::search | Right::set_attributes)
                                    .accepting(Risk::possessor_reads_anyway)));
    CHECK(must(key.read()).text() == "secret");
  }
  SECTION("who may link it reads and overwrites it") {
    if (::geteuid() != 0) return support::skip("needs root, to become another user");
    const auto mask = owner.other(Right::link);
    CHECK(key.set_permissions(mask).error().domain() == Domain::policy);
    REQUIRE(key.set_permissions(mask.accepting(Risk::link_gives_possession)));
    const auto answers = support::as_user(support::nobody, [&](support::Answers& found) {
      found.push_back(support::outcome(key.read()));
      found.push_back(support::outcome(must(Keyring::session()).link(key)));
      found.push_back(support::outcome(key.read()));
      found.push_back(support::outcome(key.update("theirs", no_timeout)));
    });
    CHECK(answers == support::Answers{EACCES, 0, 0, 0});
    CHECK(must(key.read()).text() == "theirs");
  }
  SECTION("a mask that nobody may change stays, for root too") {
    REQUIRE(key.set_permissions(
        Permissions{}.possessor(all_rights.without(Right::set_attributes)).accepting(Risk::nobody_may_change_again)));
    CHECK(error_of(key.set_permissions(owner)) == EACCES);
    CHECK(error_of(key.set_timeout(Seconds{1})) == EACCES);
  }
}

TEST_CASE("bits that are no right are the kernel's to refuse") {
  const support::Session session;
  const auto key = must(session->create(key_type::User{"gsskey:test"}, "x"));
  constexpr Risks all = Risks::from_bits(0xffffffff);
  CHECK(error_of(key.set_permissions(Permissions::from_bits(0xffffffff).accepting(all))) == EINVAL);
  CHECK(error_of(key.set_permissions(Permissions::from_bits(0x7f7f7f7f).accepting(all))) == EINVAL);
}
