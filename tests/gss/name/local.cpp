// Local names: what a principal is mapped to, and who may act as whom.
#include <gsskey/gss/name/local.hpp>

#include <pwd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// The realm, whose bob is the local user nobody. Heimdal reads its configuration once, so every case calls this first.
TestRealm& realm() {
  static TestRealm& mapped = []() -> TestRealm& {
    TestRealm& started = support::realm().realm;
    const std::string file = started.folder() + "/local-names.conf";
    std::ofstream{file} << "[realms]\n " << started.realm()
                        << " = {\n  auth_to_local_names = {\n   bob = nobody\n  }\n }\n";
    ::setenv("KRB5_CONFIG", (file + ":" + started.krb5_conf()).c_str(), 1);
    return started;
  }();
  return mapped;
}

MechName<mech::Krb5> principal(const std::string& name) {
  return must(must(Name::principal(name)).canonicalize<mech::Krb5>());
}
MechName<mech::Krb5> member(const std::string& name) { return principal(realm().principal(name)); }

bool may(const Name& name, const char* user) {
  const auto by_name = may_act_as(name, must(Name::user(user)));
  const auto in_words = may_act_as(name, user);
  CHECK(by_name.has_value() == in_words.has_value());
  for (const auto& answer : {by_name, in_words}) {
    if (answer) continue;
    const auto shown = must(name.display());
    CHECK(answer.error().domain() == Domain::policy);
    CHECK(answer.error().text() == std::string{shown.text()} + " may not act as the local user " + user);
  }
  return by_name.has_value();
}

}  // namespace

TEMPLATE_TEST_CASE(
    "a principal of the realm is the user of its name, unless "
    "the configuration says who",
    "", mech::Krb5, mech::Any) {
  CHECK(must(local_name<TestType>(member("alice"))).text() == "alice");
  CHECK(must(local_name<TestType>(member("bob"))).text() == "nobody");
  CHECK(must(local_name<TestType>(must(Name::principal(realm().principal("bob"))))).text() == "nobody");
}

TEST_CASE("services and principals of other realms are no users") {
  realm();
  for (const auto& name : {member("host/localhost"), principal("alice@OTHER.TEST")}) {
    for (const Error& error : {local_name<mech::Krb5>(name).error(), local_uid<mech::Krb5>(name).error()}) {
      CHECK(error.domain() == Domain::gss);
      CHECK(routine_error(error) == RoutineError::unavailable);
    }
    CHECK_FALSE(may(name, "alice"));
    CHECK_FALSE(may(name, "nobody"));
  }
  CHECK(std::string{local_name<mech::Krb5>(member("host/localhost")).error().operation()} == "gss_localname");
}

TEST_CASE(
    "the number of a user is the system's; one whom the system does not "
    "know has none") {
  CHECK(must(local_uid<mech::Krb5>(member("root"))) == 0);
  CHECK(must(local_uid<mech::Krb5>(member("bob"))) == ::getpwnam("nobody")->pw_uid);
  REQUIRE(::getpwnam("gsskey-no-such-user") == nullptr);
  const auto uid = local_uid<mech::Krb5>(member("gsskey-no-such-user"));
  REQUIRE_FALSE(uid);
  CHECK(uid.error().domain() == Domain::gss);
  CHECK(std::string{uid.error().operation()} == "gss_pname_to_uid");
}

TEST_CASE("who may act as whom") {
  CHECK(may(member("bob"), "nobody"));
  CHECK_FALSE(may(member("bob"), "bob"));
  CHECK_FALSE(may(member("alice"), "nobody"));
  CHECK_FALSE(may(member("nobody"), "daemon"));
}

TEST_CASE(
    "a user who does not exist: MIT krb5 lets nobody act as it, Heimdal "
    "7.8 does not ask") {
  REQUIRE(::getpwnam("gsskey-no-such-user") == nullptr);
#if defined(GSSKEY_GSS_HEIMDAL)
  CHECK(may(member("gsskey-no-such-user"), "gsskey-no-such-user"));
#else
  CHECK_FALSE(may(member("gsskey-no-such-user"), "gsskey-no-such-user"));
#endif
  CHECK_FALSE(may(member("alice"), "gsskey-no-such-user"));
}

TEST_CASE("the name that an acceptor has authenticated is one to ask about") {
  realm();
  const auto bob = must(realm().login("bob"));
  const auto environment = must(realm().enter(bob));
  ::setenv("KRB5_CONFIG", (realm().folder() + "/local-names.conf:" + realm().krb5_conf()).c_str(), 1);
  const auto credential = must(Credential<mech::Krb5, Initiate>::acquire_default());
  const auto ends =
      must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>()));
  const Name peer = std::move(must(ends.acceptor.inquire()).initiator);
  CHECK(must(peer.display()).text() == realm().principal("bob"));
  CHECK(must(local_name<mech::Krb5>(peer)).text() == "nobody");
  CHECK(may(peer, "nobody"));
  CHECK_FALSE(may(peer, "bob"));
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("a canonical name in the place of the user is an error, not a no") {
  const auto answer = may_act_as(member("bob"), member("bob"));
  REQUIRE_FALSE(answer);
  CHECK(routine_error(answer.error()) == RoutineError::bad_name);
}

TEST_CASE("MIT krb5 lets no name act that is not a mechanism's") {
  CHECK_FALSE(may(must(Name::principal(realm().principal("bob"))), "nobody"));
}
#endif

TEST_CASE("empty names answer") {
  realm();
  const Name none;
  const auto bob = member("bob");
  for (const Error& error :
       {local_name<mech::Krb5>(none).error(), local_uid<mech::Krb5>(none).error(), may_act_as(none, "bob").error(),
        may_act_as(bob, none).error(), may_act_as(none, bob).error(), may_act_as(bob, "").error(),
        may_act_as(bob, nullptr).error()}) {
    CHECK(error.domain() == Domain::usage);
  }
}
