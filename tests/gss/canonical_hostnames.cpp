// Host names as Debian's default has them: an alias becomes the canonical name before the ticket is asked for. Runs
// with libnss-wrapper preloaded (see meson.build), which answers for names of the hosts file beside this one.
#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <cstdlib>
#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("a service is found under its host's alias, as its canonical name") {
  REQUIRE(std::getenv("NSS_WRAPPER_HOSTS") != nullptr);
  const auto realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}}, .services = {"host/server.gsskey.test"}, .canonicalize_hostnames = true}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto ticket = must(Credential<mech::Krb5, Initiate>::acquire_default());
  const auto key = must(Credential<mech::Krb5, Accept>::acquire_default());

  Initiator<mech::Krb5> initiator{must(Name::host_service("host", "alias.gsskey.test")), ticket};
  Acceptor<mech::Krb5> acceptor{key};
  const auto first = must(initiator.step());
  const auto second = must(acceptor.step(first.token));
  REQUIRE(must(initiator.step(second.token)).complete);
  const auto context = must(std::move(initiator).establish());
  CHECK(must(must(context.inquire()).acceptor.display()).text() == realm.principal("host/server.gsskey.test"));
}
