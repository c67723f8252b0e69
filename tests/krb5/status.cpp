// The names of Kerberos' reasons: their numbers are the library's own, and real failures have them.
#include <gsskey/gss.hpp>
#include <gsskey/krb5/status.hpp>

#if defined(GSSKEY_GSS_HEIMDAL)
#include <krb5_err.h>
#else
#include <krb5/krb5.h>
#endif

#include <string>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Environment;
using support::must;

namespace {

constexpr bool is(long code, Krb5Status status) {
  return static_cast<std::uint32_t>(code) == static_cast<std::uint32_t>(status);
}
static_assert(is(KRB5KDC_ERR_NAME_EXP, Krb5Status::client_expired));
static_assert(is(KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN, Krb5Status::client_unknown));
static_assert(is(KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN, Krb5Status::server_unknown));
static_assert(is(KRB5KDC_ERR_CLIENT_REVOKED, Krb5Status::client_revoked));
static_assert(is(KRB5KDC_ERR_PREAUTH_FAILED, Krb5Status::preauth_failed));
static_assert(is(KRB5KRB_AP_ERR_BAD_INTEGRITY, Krb5Status::bad_integrity));
static_assert(is(KRB5KRB_AP_ERR_TKT_EXPIRED, Krb5Status::ticket_expired));
static_assert(is(KRB5KRB_AP_ERR_TKT_NYV, Krb5Status::ticket_not_yet_valid));
static_assert(is(KRB5KRB_AP_ERR_REPEAT, Krb5Status::replay));
static_assert(is(KRB5KRB_AP_ERR_NOT_US, Krb5Status::not_us));
static_assert(is(KRB5KRB_AP_ERR_SKEW, Krb5Status::clock_skew));
static_assert(is(KRB5KRB_AP_ERR_MODIFIED, Krb5Status::message_modified));
static_assert(is(KRB5KRB_AP_ERR_BADKEYVER, Krb5Status::wrong_key_version));
static_assert(is(KRB5KRB_AP_ERR_NOKEY, Krb5Status::no_key));
static_assert(is(KRB5KRB_AP_ERR_MUT_FAIL, Krb5Status::mutual_failed));
static_assert(is(KRB5_REALM_UNKNOWN, Krb5Status::realm_unknown));
static_assert(is(KRB5_KDC_UNREACH, Krb5Status::kdc_unreachable));
static_assert(is(KRB5_CC_NOTFOUND, Krb5Status::not_in_cache));
static_assert(is(KRB5_KT_NOTFOUND, Krb5Status::not_in_keytab));
static_assert(is(KRB5_KT_END, Krb5Status::end_of_keytab));
static_assert(is(KRB5_FCC_NOFILE, Krb5Status::no_cache));
#if defined(GSSKEY_GSS_HEIMDAL)
static_assert(is(KRB5KDC_ERR_KEY_EXPIRED, Krb5Status::password_expired));
#else
static_assert(is(KRB5KDC_ERR_KEY_EXP, Krb5Status::password_expired));
static_assert(is(KRB5_KT_KVNONOTFOUND, Krb5Status::key_version_not_in_keytab));
#endif

/// Why alice gets no ticket for `service`.
Error refusal(const char* service, const char* host = "localhost") {
  Initiator<mech::Krb5> initiator{must(Name::host_service(service, host)), support::initiator_credential<mech::Krb5>()};
  const auto step = initiator.step();
  REQUIRE_FALSE(step);
  CAPTURE(step.error().error.text());
  return step.error().error;
}

}  // namespace

TEST_CASE("a service that the realm does not have") {
  support::realm();
  CHECK(krb5_status(refusal("nobody")) == Krb5Status::server_unknown);
}

TEST_CASE("a wrong password") {
  auto& realm = support::realm().realm;
  const auto refused =
      Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::principal(realm.principal("alice"))), "wrong");
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().text(), refused.error().minor_status());
  const auto status = krb5_status(refused.error());
  CHECK((status == Krb5Status::preauth_failed || status == Krb5Status::bad_integrity));
  const auto unknown = Credential<mech::Krb5, Initiate>::acquire_with_password(
      must(Name::principal(realm.principal("mallory"))), "wrong");
  REQUIRE_FALSE(unknown);
  CHECK(krb5_status(unknown.error()) == Krb5Status::client_unknown);
}

TEST_CASE("a token that comes twice") {
  if (!capabilities.replay_cache) return;  // a line of the table
  support::realm();
  const auto token = must(support::initiator<mech::Krb5>().step()).token;
  REQUIRE(support::acceptor<mech::Krb5>().step(token));
  const auto refused = support::acceptor<mech::Krb5>().step(token);
  REQUIRE_FALSE(refused);
  CHECK(krb5_status(refused.error().error) == Krb5Status::replay);
}

TEST_CASE("no KDC") {
  auto& realm = support::realm().realm;
  realm.stop_kdc();
  const auto status = krb5_status(refusal("other"));
  must(realm.restart_kdc());
  CHECK(status == Krb5Status::kdc_unreachable);
}

namespace {
/// Each reason of the other cases, when it comes through M.
template <Mechanism M>
void tells_reasons() {
  if (known_faults.acquire_drops_reason) return;  // Heimdal 7.8 has none through SPNEGO
  auto& realm = support::realm().realm;
  const auto reason = [](const auto& refused) {
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().text());
    return krb5_status(refused.error());
  };
  const auto reason_of_step = [](const auto& refused) {
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().error.text());
    return krb5_status(refused.error().error);
  };
  using Client = Credential<M, Initiate>;
  const auto login = [](const char* principal) {
    return Client::acquire_with_password(must(Name::user(principal)), "wrong");
  };
  CHECK(reason(login("alice")) == Krb5Status::bad_integrity);
  CHECK(reason(login("mallory")) == Krb5Status::client_unknown);
  CHECK(reason(login("alice@NOWHERE.TEST")) == Krb5Status::realm_unknown);
  {
    const Environment nowhere{"KRB5CCNAME", "FILE:/nonexistent/cache"};
    CHECK(reason(Client::acquire_default()) == Krb5Status::not_in_cache);
    CHECK(reason(Client::acquire(must(Name::user("alice")))) == Krb5Status::not_in_cache);
    CHECK(reason(Client::acquire_from({.ccache = "FILE:/nonexistent/other"})) == Krb5Status::no_cache);
  }
  {
    const Environment nowhere{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
    CHECK(reason(Credential<M, Accept>::acquire_default()) == Krb5Status::not_in_keytab);
  }
  auto& alice = support::initiator_credential<M>();
  const auto ask = [&](const char* service) {
    return Initiator<M>{must(Name::host_service(service, "localhost")), alice}.step();
  };
  CHECK(reason_of_step(ask("nobody")) == Krb5Status::server_unknown);
  realm.stop_kdc();
  const auto unreachable = ask("other");
  must(realm.restart_kdc());
  CHECK(reason_of_step(unreachable) == Krb5Status::kdc_unreachable);

  auto initiator = support::initiator<M>();
  const auto token = must(initiator.step()).token;
  REQUIRE(support::acceptor<M>().step(token));
  const auto refused = support::acceptor<M>().step(token);
  CHECK(reason_of_step(refused) == Krb5Status::replay);
  CHECK(reason_of_step(initiator.step(refused.error().token)) == Krb5Status::replay);
}
}  // namespace

TEST_CASE("through SPNEGO the reasons are the same") { tells_reasons<mech::Spnego>(); }
TEST_CASE("through Negotiate the reasons are the same") { tells_reasons<mech::Negotiate<mech::Krb5>>(); }

TEST_CASE("errors of other domains have no reason of Kerberos") {
  CHECK(krb5_status(Error::usage("x", "y")) == Krb5Status{});
  CHECK(krb5_status(Error::policy("x", 37, "y")) == Krb5Status{});
}
