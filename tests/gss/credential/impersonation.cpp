// S4U2Self and S4U2Proxy: MIT's KDC does the first and, with its database, refuses the second; Heimdal's does both.
#include <gsskey/gss/credential/impersonation.hpp>
#include <gsskey/gss/handshake.hpp>

#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/heimdal_root.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;
using support::shown;

#if defined(GSSKEY_GSS_MIT)

namespace {

/// Heimdal's KDC, which lets host/localhost go on to other/localhost.
struct HeimdalRealm {
  TestRealm realm = must(TestRealm::start({.users = {{"alice", "secret"}, {"bob", "hunter2"}},
                                           .services = {"host/localhost", "other/localhost", "third/localhost"},
                                           .kdc = Kdc::heimdal,
                                           .delegations = {{"host/localhost", {"other/localhost"}}}}));
  std::string alice = must(realm.login("alice"));
};
HeimdalRealm& heimdal_realm() {
  support::realm();  // its variables are there for the whole program
  static HeimdalRealm realm;
  return realm;
}

/// host/localhost, with a ticket from its own keytab.
template <Mechanism M, Usage U>
Credential<M, U> service_in(const TestRealm& realm) {
  const std::string keys = must(realm.export_keytab("host/localhost"));
  const std::string keytab = "FILE:" + keys;
  const std::string cache = "MEMORY:" + keys;
  return must(Credential<M, U>::acquire_from(
      {.ccache = cache.c_str(), .client_keytab = keys.c_str(), .keytab = keytab.c_str()}, support::target()));
}

/// The same, allowed to act for others, in the realm that everything else uses.
template <Mechanism M, Usage U>
Credential<M, U> service() {
  auto& realm = support::realm().realm;
  must(realm.kadmin("modprinc +ok_to_auth_as_delegate +ok_as_delegate host/localhost"));
  return service_in<M, U>(realm);
}

Name user(const char* name) { return must(Name::user(name)); }

/// Whom the acceptor sees.
template <Mechanism M>
Result<std::string> peer_of(const Credential<M, Initiate>& credential, const char* target_service) {
  Initiator<M> initiator{must(Name::host_service(target_service, "localhost")), credential};
  auto ends = support::establish(std::move(initiator), support::acceptor<M>());
  if (!ends) return unexpected(ends.error());
  return shown(must(ends->acceptor.inquire()).initiator);
}

/// In Kerberos' table (RFC 4120 section 7.5.9), whatever number the process gives its minor status.
constexpr const char* bad_option = "KDC can't fulfill requested option";
constexpr const char* unknown_client = "Client not found in Kerberos database";

bool says(const Error& error, const char* text) { return error.text().find(text) != std::string_view::npos; }

}  // namespace

TEMPLATE_TEST_CASE("a service gets a credential of a user from its own, and reaches itself as that user", "",
                   mech::Krb5, mech::Spnego, mech::Negotiate<mech::Krb5>) {
  auto& realm = support::realm().realm;
  const auto check = [&](const auto& own) {
    const Credential<TestType, Initiate> bob = must(impersonate(own, user("bob")));
    const auto info = must(bob.inquire());
    CHECK(shown(info.name) == realm.principal("bob"));
    CHECK(info.lifetime > Seconds{0});
    CHECK(info.mechanisms.size() == 1);
    CHECK(info.mechanisms.contains(TestType::oid));
    CHECK(shown(must(impersonator(bob))) == realm.principal("host/localhost"));
    CHECK(must(peer_of(bob, "host")) == realm.principal("bob"));
  };
  SECTION("that initiates") { check(service<TestType, Initiate>()); }
  SECTION("that does both") { check(service<TestType, Both>()); }
}

TEST_CASE("the credential outlives the service's own") {
  Credential<mech::Krb5, Initiate> bob;
  {
    const auto own = service<mech::Krb5, Initiate>();
    bob = must(impersonate(own, user("bob")));
  }
  CHECK(must(peer_of(bob, "host")) == support::realm().realm.principal("bob"));
}

TEST_CASE("another target is S4U2Proxy, which this KDC refuses") {
  const auto bob = must(impersonate(service<mech::Krb5, Both>(), user("bob")));
  const auto peer = peer_of(bob, "other");
  REQUIRE_FALSE(peer);
  CHECK(peer.error().domain() == Domain::gss);
  CHECK(std::string{peer.error().operation()} == "gss_init_sec_context");
  CHECK(peer.error().major_status() == GSS_S_FAILURE);
  CHECK(says(peer.error(), bad_option));
}

TEMPLATE_TEST_CASE("S4U2Proxy: a service reaches the services that it may, as a user who gave it nothing", "",
                   mech::Krb5, mech::Spnego, mech::Negotiate<mech::Krb5>) {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const HeimdalRealm& realm = heimdal_realm();
  const auto environment = must(realm.realm.enter());
  const support::Handles handles;
  {
    const auto own = service_in<TestType, Both>(realm.realm);
    const auto bob = must(impersonate(own, user("bob")));
    CHECK(shown(must(impersonator(bob))) == realm.realm.principal("host/localhost"));

    const auto acceptor_credential = must(Credential<TestType, Accept>::acquire_default());
    const auto reach = [&](const char* target) -> Result<std::string> {
      Initiator<TestType> initiator{must(Name::host_service(target, "localhost")), bob};
      auto ends = support::establish(std::move(initiator), Acceptor<TestType>{acceptor_credential});
      if (!ends) return unexpected(ends.error());
      const auto token = must(ends->initiator.wrap("from the service"));
      CHECK(must(ends->acceptor.unwrap(token)).text() == "from the service");
      return shown(must(ends->acceptor.inquire()).initiator);
    };
    CHECK(must(reach("host")) == realm.realm.principal("bob"));
    CHECK(must(reach("other")) == realm.realm.principal("bob"));
    CHECK(must(reach("other")) == realm.realm.principal("bob"));  // with the ticket that it has by now
    const auto refused = reach("third");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().major_status() == GSS_S_FAILURE);
    CHECK(says(refused.error(), bad_option));
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("an acceptor that also initiates gets a credential of who came, delegated or not, for S4U2Proxy") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const HeimdalRealm& realm = heimdal_realm();
  const auto environment = must(realm.realm.enter(realm.alice));
  const auto own = service_in<mech::Krb5, Both>(realm.realm);
  const auto ends = must(support::establish(Initiator<mech::Krb5>{support::target()},
                                            Acceptor<mech::Krb5>{own, {.keep_delegated = true}}));
  const auto& alice = ends.delegated;
  REQUIRE(alice);
  CHECK(shown(must(alice.inquire()).name) == realm.realm.principal("alice"));
  CHECK(shown(must(impersonator(alice))) == realm.realm.principal("host/localhost"));
  // Heimdal 7.8's KDC takes only tickets of S4U2Self as evidence, not one that the user got for herself.
  const auto refused = Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")), alice}.step();
  REQUIRE_FALSE(refused);
  CHECK(says(refused.error().error, bad_option));
}

TEST_CASE("a user that the realm does not know cannot be impersonated") {
  const auto nobody = impersonate(service<mech::Krb5, Both>(), user("nobody"));
  REQUIRE_FALSE(nobody);
  CHECK(std::string{nobody.error().operation()} == "gss_acquire_cred_impersonate_name");
  CHECK(nobody.error().major_status() == GSS_S_FAILURE);
  CHECK(says(nobody.error(), unknown_client));
  CHECK(std::string{nobody.error().text()}.find("nobody") != std::string::npos);
}

TEST_CASE("a user who impersonates somebody reaches no service that way") {
  const auto bob = must(impersonate(support::initiator_credential<mech::Krb5>(), user("bob")));
  const auto peer = peer_of(bob, "host");
  REQUIRE_FALSE(peer);
  CHECK(peer.error().major_status() == GSS_S_FAILURE);
  CHECK(says(peer.error(), bad_option));
}

TEST_CASE("a user's own credential has no impersonator") {
  CHECK_FALSE(must(impersonator(support::initiator_credential<mech::Krb5>())));
}

TEST_CASE("an empty credential or name is a misuse") {
  const Credential<mech::Krb5, Both> none;
  CHECK(impersonate(none, user("bob")).error().domain() == Domain::usage);
  CHECK(impersonator(none).error().domain() == Domain::usage);
  CHECK(impersonate(support::initiator_credential<mech::Krb5>(), Name{}).error().domain() == Domain::usage);
}

#else

TEST_CASE("impersonation is named as missing") {
  auto& credential = support::initiator_credential<mech::Krb5>();
  const auto check = [](const auto& result, const char* operation) {
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::unavailable);
    CHECK(std::string{result.error().operation()} == operation);
    CHECK(result.error().text().find(GSSKEY_GSS_NAME) != std::string_view::npos);
  };
  check(impersonate(credential, must(Name::user("bob"))), "gss_acquire_cred_impersonate_name");
  check(impersonator(credential), "gss_inquire_cred_by_oid");
}

TEST_CASE("Heimdal uses the tickets of S4U2Proxy that MIT's kvno has got for a user") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const auto realm = must(TestRealm::start({.users = {{"bob", "hunter2"}},
                                            .services = {"host/localhost", "other/localhost"},
                                            .kdc = Kdc::heimdal,
                                            .delegations = {{"host/localhost", {"other/localhost"}}}}));
  const auto run = [&](const char* name, std::vector<std::string> command) {
    command.insert(command.begin(), must(test_detail::find_program(name, "krb5-user", "/usr/bin")));
    must(test_detail::run(name, command, realm.environment()));
  };
  const std::string cache = "FILE:" + realm.folder() + "/bob";
  run("kinit", {"-k", "host/localhost"});
  run("kvno", {"-k", realm.keytab(), "-U", "bob", "-P", "--out-cache", cache, "other/localhost"});
  const auto environment = must(realm.enter(cache));
  const auto bob = must(Credential<mech::Krb5, Initiate>::acquire_default());
  const auto ends = must(support::establish(Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")), bob},
                                            Acceptor<mech::Krb5>{}));
  CHECK(must(must(ends.acceptor.inquire()).initiator.display()).text() == realm.principal("bob"));
}

#endif
