// Host names: Debian's default turns an alias into the canonical name before the ticket is asked for; MIT has ways
// between that and none. Runs with libnss-wrapper preloaded (see meson.build), which answers for names of the hosts
// file beside this one.
#include <gsskey/gss.hpp>
#include <gsskey/krb5/authorize.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

/// What the acceptor has when the handshake is over.
template <Mechanism M>
Result<SecurityContext<M>> accepted(const char* host, CredentialRef<M, Accept> key) {
  const auto ticket = must(Credential<M, Initiate>::acquire_default());
  Initiator<M> initiator{must(Name::host_service("host", host)), ticket};
  Acceptor<M> acceptor{key};
  Buffer token;
  while (!acceptor.is_complete()) {
    auto ours = initiator.step(token);
    if (!ours) return unexpected(ours.error().error);
    auto theirs = acceptor.step(ours->token);
    if (!theirs) return unexpected(theirs.error().error);
    token = std::move(theirs->token);
  }
  return std::move(acceptor).establish();
}
/// The name whose key the ticket was for, as the acceptor knows it: with fallback, MIT's initiator says the name that
/// it was given.
Result<std::string> handshake(const char* host, CredentialRef<mech::Krb5, Accept> key) {
  const auto context = accepted(host, key);
  if (!context) return unexpected(context.error());
  return std::string{must(must(context->inquire()).acceptor.display()).text()};
}

/// Each of two virtual hosts lets in who has asked for it, and nobody else.
template <Mechanism M>
void ask_virtual_hosts() {
  const auto all = must(Credential<M, Accept>::acquire_default());
  const std::string hosts[] = {"server.gsskey.test", "second.gsskey.test"};
  for (const auto& asked : hosts) {
    const auto context = must(accepted<M>(asked.c_str(), all));
    for (const auto& host : hosts) {
      CAPTURE(asked, host);
      const auto allowed = authorize(context, {.any_principal = true, .services = {"host/" + host + "@GSSKEY.TEST"}});
      CHECK(allowed.has_value() == (asked == host));
      if (!allowed) CHECK(allowed.error().text() == "services: none of them is host/" + asked + "@GSSKEY.TEST");
    }
  }
}

}  // namespace

TEST_CASE("a service is found under its host's alias, as its canonical name") {
  REQUIRE(std::getenv("NSS_WRAPPER_HOSTS") != nullptr);
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}},
                                            .services = {"host/server.gsskey.test", "host/second.gsskey.test"},
                                            .canonicalize_hostnames = true}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto key = must(Credential<mech::Krb5, Accept>::acquire_default());
  CHECK(must(handshake("alias.gsskey.test", key)) == realm.principal("host/server.gsskey.test"));
  CHECK(must(handshake("server.gsskey.test", key)) == realm.principal("host/server.gsskey.test"));
  CHECK(must(handshake("second.gsskey.test", key)) == realm.principal("host/second.gsskey.test"));
}

namespace {

void ask_for_several_names() {
  const auto realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}},
       .services = {"host/server.gsskey.test", "host/second.gsskey.test", "host/second.gsskey.test:8080"}}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto all = must(Credential<mech::Krb5, Accept>::acquire_default());
#if defined(GSSKEY_GSS_MIT)  // Heimdal 7.8 takes the service of this machine's own host name for it
  const auto service = must(Credential<mech::Krb5, Accept>::acquire(must(Name::service("host"))));
#endif
  struct Asked {
    const char* host;
    const char* principal;
  };
  // What URLs have beside a host's name is for the program to know: case, and for MIT krb5 a dot at the end, make no
  // difference; a port is another service.
  constexpr Asked names[] = {
      {"server.gsskey.test", "host/server.gsskey.test"},  {"second.gsskey.test", "host/second.gsskey.test"},
      {"SECOND.GssKey.Test", "host/second.gsskey.test"},  {"second.gsskey.test:8080", "host/second.gsskey.test:8080"},
#if defined(GSSKEY_GSS_MIT)
      {"second.gsskey.test.", "host/second.gsskey.test"},
#endif
  };
  for (const Asked& asked : names) {
    CAPTURE(asked.host);
    CHECK(must(handshake(asked.host, all)) == realm.principal(asked.principal));
#if defined(GSSKEY_GSS_MIT)
    CHECK(must(handshake(asked.host, service)) == realm.principal(asked.principal));
#endif
    for (const auto* own : {"server.gsskey.test", "second.gsskey.test"}) {
      CAPTURE(own);
      const auto one = must(Credential<mech::Krb5, Accept>::acquire(must(Name::host_service("host", own))));
      CHECK(handshake(asked.host, one).has_value() == (asked.principal == "host/" + std::string{own}));
    }
  }
#if defined(GSSKEY_GSS_HEIMDAL)
  CHECK_FALSE(handshake("second.gsskey.test.", all));
#endif
  ask_virtual_hosts<mech::Krb5>();
  ask_virtual_hosts<mech::Spnego>();
  const auto refused = handshake("second.gsskey.test:8081", all);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text().find("host/second.gsskey.test:8081") != std::string_view::npos);
}

}  // namespace

TEST_CASE("one keytab, several names: an acceptor of one answers to that, one of all to each, and says to which") {
  // Heimdal reads krb5.conf once in a thread.
  std::async(std::launch::async, &ask_for_several_names).get();
}

#if defined(GSSKEY_GSS_MIT)

namespace {

/// A copy of the realm's krb5.conf, in which one line became another.
std::string configuration(const TestRealm& realm, std::string_view name, std::string_view line,
                          const std::string& replacement) {
  std::ifstream in{realm.krb5_conf()};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto at = text.find(line);
  REQUIRE(at != std::string::npos);
  text.replace(at, line.size(), replacement);
  const std::string path = realm.folder() + "/" + std::string{name};
  std::ofstream{path} << text;
  return path;
}

constexpr std::string_view no_dns = "dns_canonicalize_hostname = false";

}  // namespace

TEST_CASE("MIT: with fallback the name as it is comes first, the canonical one second") {
  const auto realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}}, .services = {"host/server.gsskey.test", "host/second.gsskey.test"}}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto key = must(Credential<mech::Krb5, Accept>::acquire_default());
  const auto refused = handshake("alias.gsskey.test", key);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text().find("not found in Kerberos database") != std::string_view::npos);

  const support::Environment fallback{
      "KRB5_CONFIG", configuration(realm, "fallback.conf", no_dns, "dns_canonicalize_hostname = fallback")};
  CHECK(must(handshake("alias.gsskey.test", key)) == realm.principal("host/server.gsskey.test"));
  CHECK(must(handshake("second.gsskey.test", key)) == realm.principal("host/second.gsskey.test"));
}

TEST_CASE("MIT: an acceptor's host counts, unless the configuration says that it does not") {
  const auto realm = must(
      TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/server.gsskey.test", "other/localhost"}}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto accepts = [](const Name& name) {
    const auto key = Credential<mech::Krb5, Accept>::acquire(name);
    return key && handshake("server.gsskey.test", *key);
  };
  const auto elsewhere = must(Name::host_service("host", "localhost"));
  CHECK(accepts(must(Name::host_service("host", "server.gsskey.test"))));
  CHECK_FALSE(accepts(elsewhere));
  // A host that is empty is no host: every one.
  CHECK(accepts(must(Name::import_name<name_type::host_service>("host@"))));
  CHECK_FALSE(accepts(must(Name::import_name<name_type::host_service>("other@"))));

  const support::Environment ignoring{
      "KRB5_CONFIG",
      configuration(realm, "ignoring.conf", no_dns, std::string{no_dns} + "\n ignore_acceptor_hostname = true")};
  CHECK(accepts(elsewhere));
  CHECK_FALSE(accepts(must(Name::host_service("other", "localhost"))));
}

#endif
