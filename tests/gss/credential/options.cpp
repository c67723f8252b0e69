// What a credential says per mechanism and by OID, and what can be set on it.
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/gss/handshake.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::must;
using support::Server;

namespace {
constexpr Oid unknown_object{"1.2.752.43.13.126"};
/// GSS_KRB5_GET_CRED_IMPERSONATOR
constexpr Oid impersonator_object{"1.2.840.113554.1.2.2.5.14"};

constexpr ContextFlags confidentiality_and_integrity{ContextFlag::confidentiality, ContextFlag::integrity};

/// What both ends were granted when `credential` initiates and nothing but mutual authentication is asked for.
template <Mechanism M>
ContextFlags granted(const Credential<M, Initiate>& credential) {
  auto ends = must(support::establish(Initiator<M>{support::target(), credential, {.demand = {ContextFlag::mutual}}},
                                      support::acceptor<M>({.demand = {}})));
  const auto ours = must(ends.initiator.inquire()).flags;
  const auto theirs = must(ends.acceptor.inquire()).flags;
  CHECK((ours.bits() & confidentiality_and_integrity.bits()) == (theirs.bits() & confidentiality_and_integrity.bits()));
  return ours;
}
}  // namespace

TEST_CASE("by mechanism a credential tells its sides apart") {
  const auto client = must(inquire_use(support::initiator_credential<mech::Krb5>()));
  CHECK(client.can_initiate);
  CHECK_FALSE(client.can_accept);
  CHECK(client.initiator_lifetime > Seconds{0});
  CHECK(client.initiator_lifetime <= Seconds{10 * 3600});
  CHECK(client.acceptor_lifetime == Seconds{0});

  const auto server = must(inquire_use(support::acceptor_credential<mech::Krb5>()));
  CHECK_FALSE(server.can_initiate);
  CHECK(server.can_accept);
  CHECK(server.initiator_lifetime == Seconds{0});
  CHECK(server.acceptor_lifetime.is_indefinite());
}

TEST_CASE("by OID: an answer, nothing to say, and an object that nobody knows") {
  auto& credential = support::initiator_credential<mech::Krb5>();
  const auto unknown = inquire_credential<unknown_object>(credential);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().domain() == Domain::gss);
  CHECK(std::string{unknown.error().operation()} == "gss_inquire_cred_by_oid");
#if defined(GSSKEY_GSS_MIT)
  CHECK(routine_error(unknown.error()) == RoutineError::unavailable);
  CHECK(must(inquire_credential<impersonator_object>(credential)).size() == 0);
#else
  CHECK(routine_error(unknown.error()) == RoutineError::failure);
  CHECK(routine_error(inquire_credential<impersonator_object>(credential).error()) == RoutineError::failure);
#endif
}

TEMPLATE_TEST_CASE("no-CI-flags takes confidentiality and integrity off the wire", "", mech::Krb5, mech::Spnego) {
  support::realm();
  auto credential = must(Credential<TestType, Initiate>::acquire_default());
  CHECK(granted(credential).contains(ContextFlag::confidentiality));
  CHECK(granted(credential).contains(ContextFlag::integrity));
  must(set_no_ci_flags(credential));
  REQUIRE(credential);
  CHECK_FALSE(granted(credential).contains(ContextFlag::confidentiality));
  CHECK_FALSE(granted(credential).contains(ContextFlag::integrity));
  // of this credential only
  const auto other = must(Credential<TestType, Initiate>::acquire_default());
  CHECK(granted(other).contains(ContextFlag::integrity));
}

TEST_CASE("with no-CI-flags what is demanded is still asked for") {
  support::realm();
  auto credential = must(Client::acquire_default());
  must(set_no_ci_flags(credential));
  auto ends = support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>());
  CHECK(ends);
}

TEST_CASE("an empty credential has no options") {
  Client none;
  CHECK(inquire_use(none).error().domain() == Domain::usage);
  CHECK(inquire_credential<unknown_object>(none).error().domain() == Domain::usage);
  const auto set = set_no_ci_flags(none);
  REQUIRE_FALSE(set);
  CHECK(set.error().domain() == Domain::usage);
}
