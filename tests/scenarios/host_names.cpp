// Host names: Debian's default turns an alias into the canonical name before the ticket is asked for; MIT has ways
// between that and none. Runs with libnss-wrapper preloaded (see meson.build), which answers for names of the hosts
// file beside this one.
#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

/// The name whose key the ticket was for, as the acceptor knows it: with fallback, MIT's initiator says the name that
/// it was given.
Result<std::string> handshake(const char* host, CredentialRef<mech::Krb5, Accept> key) {
  const auto ticket = must(Credential<mech::Krb5, Initiate>::acquire_default());
  Initiator<mech::Krb5> initiator{must(Name::host_service("host", host)), ticket};
  Acceptor<mech::Krb5> acceptor{key};
  const auto first = initiator.step();
  if (!first) return unexpected(first.error().error);
  const auto second = acceptor.step(first->token);
  if (!second) return unexpected(second.error().error);
  REQUIRE(must(initiator.step(second->token)).complete);
  const auto context = must(std::move(acceptor).establish());
  return std::string{must(must(context.inquire()).acceptor.display()).text()};
}

}  // namespace

TEST_CASE("a service is found under its host's alias, as its canonical name") {
  REQUIRE(std::getenv("NSS_WRAPPER_HOSTS") != nullptr);
  const auto realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}}, .services = {"host/server.gsskey.test"}, .canonicalize_hostnames = true}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  const auto key = must(Credential<mech::Krb5, Accept>::acquire_default());
  CHECK(must(handshake("alias.gsskey.test", key)) == realm.principal("host/server.gsskey.test"));
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
