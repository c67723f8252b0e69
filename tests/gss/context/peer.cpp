// The other end of a context, seen from both: its name, its principal, the user that it is here.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/context/peer.hpp>
#include <gsskey/krb5/principal.hpp>

#include <future>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// `peer` is alice, or the service.
void is_alice(const Peer& peer) {
  CHECK(must(peer.display()).text() == "alice@GSSKEY.TEST");
  CHECK(must(peer.principal()) == must(Principal::parse("alice@GSSKEY.TEST")));
  CHECK(must(peer.local_name()).text() == "alice");
  CHECK(peer.is_anonymous().no());
  CHECK(peer.mechanism() == mech::Krb5::oid);
  CHECK(peer.name());
}
void is_host(const Peer& peer) {
  CHECK(must(peer.display()).text() == "host/localhost@GSSKEY.TEST");
  const auto principal = must(peer.principal());
  CHECK(principal.component(0) == "host");
  CHECK(principal.component(1) == "localhost");
  CHECK(principal.realm() == "GSSKEY.TEST");
  CHECK(peer.local_name().error().domain() == Domain::gss);
  CHECK(peer.is_anonymous().no());
}

}  // namespace

TEMPLATE_TEST_CASE("each end knows the other", "", mech::Krb5, mech::Spnego, mech::Any) {
  auto ends = support::pair<TestType>();
  is_alice(must(ends.acceptor.peer()));
  is_host(must(ends.initiator.peer()));
  is_alice(must(must(ExpiringContext<TestType>::from_context(std::move(ends.acceptor))).peer()));
}

/// Heimdal displays them without escapes: "alice/admin@GSSKEY.TEST".
TEMPLATE_TEST_CASE("who has a name with the letters that separate names is nobody else", "", mech::Krb5, mech::Spnego) {
  support::realm();  // its variables are there for the whole program
  // A KDC that makes PACs does not know its own tickets of such a client again.
  const std::string name = GENERATE("alice\\/admin", "alice\\@OTHER");
  static auto realm = must(TestRealm::start({.users = {{"alice\\/admin", "secret"}, {"alice\\@OTHER", "secret"}},
                                             .services = {"host/localhost"},
                                             .kdc_settings = {"disable_pac = true"}}));
  std::async(std::launch::async,
             [&name] {  // Heimdal reads its configuration once per thread
               const auto environment = must(realm.enter(must(realm.login(name))));
               const auto credential = must(Credential<TestType, Initiate>::acquire_default());
               const auto service = must(Credential<TestType, Accept>::acquire_default());
               const auto ends = must(
                   support::establish(Initiator<TestType>{support::target(), credential}, Acceptor<TestType>{service}));
               const auto principal = must(must(ends.acceptor.peer()).principal());
               CHECK(principal.text() == name + "@GSSKEY.TEST");
               CHECK(principal.size() == 1);
               CHECK(principal.realm() == "GSSKEY.TEST");
             })
      .get();
}

TEST_CASE("of nothing there is no peer") {
  CHECK(SecurityContext<mech::Krb5>{}.peer().error().domain() == Domain::usage);
  const Peer nobody;
  CHECK(nobody.display().error().domain() == Domain::usage);
  CHECK(nobody.principal().error().domain() == Domain::usage);
  CHECK(nobody.local_name().error().domain() == Domain::usage);
  CHECK(nobody.is_anonymous().failed());
}

TEST_CASE("who did not use Kerberos is no principal, whatever the name") {
  support::realm();
  ContextInfo info;
  info.initiator = must(Name::user("alice"));
  info.mechanism = mech::Ntlmssp::oid;
  const Peer peer{std::move(info)};
  const auto principal = peer.principal();
  REQUIRE_FALSE(principal);
  CHECK(principal.error().domain() == Domain::policy);
}

TEST_CASE("a flag that says anonymous is enough; a name that is not told is no answer") {
  const Peer flagged{ContextInfo{{}, {}, {}, mech::Krb5::oid, {ContextFlag::anonymous}, false}};
  CHECK(flagged.is_anonymous().yes());
  const Peer acceptor{ContextInfo{{}, {}, {}, mech::Krb5::oid, {ContextFlag::anonymous}, true}};
  CHECK(acceptor.is_anonymous().failed());
}
