// S4U2Self and S4U2Proxy, with MIT's KDC: it does the first and, with this database, refuses the second.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/impersonation.hpp>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

#if defined(GSSKEY_GSS_MIT)

namespace {

std::string shown(const Name& name) { return std::string{must(name.display()).text()}; }

/// host/localhost, allowed to act for others, with a ticket from its own keytab.
template <Mechanism M, Usage U>
Credential<M, U> service() {
  auto& realm = support::realm().realm;
  must(realm.kadmin("modprinc +ok_to_auth_as_delegate +ok_as_delegate host/localhost"));
  const std::string keys = must(realm.export_keytab("host/localhost"));
  const std::string keytab = "FILE:" + keys;
  const std::string cache = "MEMORY:" + keys;
  return must(Credential<M, U>::from_store(
      {.ccache = cache.c_str(), .client_keytab = keys.c_str(), .keytab = keytab.c_str()}, support::target()));
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

TEST_CASE("a user that the realm does not know cannot be impersonated") {
  const auto nobody = impersonate(service<mech::Krb5, Both>(), user("nobody"));
  REQUIRE_FALSE(nobody);
  CHECK(std::string{nobody.error().operation()} == "gss_acquire_cred_impersonate_name");
  CHECK(nobody.error().major_status() == GSS_S_FAILURE);
  CHECK(says(nobody.error(), unknown_client));
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

#endif
