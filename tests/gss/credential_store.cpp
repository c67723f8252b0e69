// Credentials from stores that the call names: what MIT does with each, and what others refuse.
#include <gsskey/gss/credential_store.hpp>
#include <gsskey/gss/handshake.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::must;
using support::peer_of;
using support::Server;
using support::shown;

TEST_CASE("credential stores: a line of the capability table") {
  auto& realm = support::realm().realm;
  const std::string cache = must(realm.login("bob"));
  auto bob = Client::acquire_from({.ccache = cache.c_str()});
  if (!capabilities.credential_store) {
    REQUIRE_FALSE(bob);  // not a silent fallback to alice's default cache
    CHECK(bob.error().domain() == Domain::unavailable);
    CHECK(std::string{bob.error().operation()} == "gss_acquire_cred_from");
    CHECK(bob.error().text().find(GSSKEY_GSS_NAME) != std::string_view::npos);
    return;
  }
  CHECK(shown(must(must(std::move(bob)).inquire()).name) == realm.principal("bob"));
  CHECK(shown(must(must(Client::acquire_from({.ccache = cache.c_str()}, must(Name::user("bob")))).inquire()).name) ==
        realm.principal("bob"));
  CHECK_FALSE(Client::acquire_from({.ccache = cache.c_str()}, must(Name::user("alice"))));
  CHECK(Client::acquire_from({}).error().domain() == Domain::usage);
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("credential store: keytab, client keytab, rcache") {
  auto& realm = support::realm().realm;
  const Environment keys{"KRB5_KTNAME", "FILE:/nonexistent"};
  const Environment caches{"KRB5CCNAME", "FILE:/nonexistent"};
  const std::string keytab = "FILE:" + realm.keytab();
  const std::string client_keytab = must(realm.export_keytab("bob"));
  const std::string ccache = "MEMORY:from-client-keytab";

  const auto server = must(Server::acquire_from({.keytab = keytab.c_str()}));
  const auto client = must(Client::acquire_from({.ccache = ccache.c_str(), .client_keytab = client_keytab.c_str()}));
  const auto handshake = [&](const Server& acceptor) {
    return support::establish(Initiator<mech::Krb5>{support::target(), client}, Acceptor<mech::Krb5>{acceptor});
  };
  auto ends = must(handshake(server));
  CHECK(shown(must(ends.acceptor.inquire()).initiator) == realm.principal("bob"));

  // With a replay cache a token is good once, without one it is good twice.
  const std::string rcache = "file2:" + realm.folder() + "/rcache-of-this-test";
  const auto accepts_it_twice = [&](const char* name) {
    const auto acceptor = must(Server::acquire_from({.keytab = keytab.c_str(), .rcache = name}));
    Initiator<mech::Krb5> initiator{support::target(), client};
    const Buffer token = std::move(must(initiator.step()).token);
    Acceptor<mech::Krb5> first{acceptor};
    Acceptor<mech::Krb5> second{acceptor};
    REQUIRE(first.step(token));
    return second.step(token).has_value();
  };
  CHECK_FALSE(accepts_it_twice(rcache.c_str()));
  CHECK(accepts_it_twice("none:"));
}

TEST_CASE("credential store: password, verified by a keytab, and what may not go together") {
  auto& realm = support::realm().realm;
  const std::string keytab = "FILE:" + realm.keytab();
  const std::string ccache = must(realm.login("alice"));
  const std::string client_keytab = must(realm.export_keytab("bob"));
  const auto bob = must(Name::user("bob"));

  CHECK(peer_of<mech::Krb5>(must(Client::acquire_from({.password = "hunter2"}, bob))) == realm.principal("bob"));
  CHECK_FALSE(Client::acquire_from({.password = "wrong"}, bob));
  const std::string verify = realm.principal("host/localhost");
  CHECK(Client::acquire_from({.keytab = keytab.c_str(), .password = "hunter2", .verify = verify.c_str()}, bob));
  CHECK(Client::acquire_from({.keytab = keytab.c_str(), .password = "hunter2", .verify = ""}, bob));

  // t_credstore.py: a password needs a name, and excludes a cache of somebody else, a client keytab and accepting
  CHECK_FALSE(Client::acquire_from({.password = "hunter2"}));
  CHECK_FALSE(Client::acquire_from({.client_keytab = client_keytab.c_str(), .password = "hunter2"}, bob));
  CHECK_FALSE(Client::acquire_from({.ccache = ccache.c_str(), .password = "hunter2"}, bob));
  CHECK_FALSE(Server::acquire_from({.password = "hunter2"}, bob));
  const std::string empty_keytab = "FILE:" + client_keytab.substr(client_keytab.find('/'));
  CHECK_FALSE(
      Client::acquire_from({.keytab = empty_keytab.c_str(), .password = "hunter2", .verify = verify.c_str()}, bob));
}
#endif
