// One credential for several mechanisms.
#include <gsskey/gss.hpp>
#include <gsskey/gss/credential/add.hpp>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// Whether an acceptor with `credential` takes initiators of M.
template <Mechanism M>
bool takes(const Credential<mech::Any, Accept>& credential) {
  auto initiator = support::initiator<M>();
  Acceptor<mech::Any> acceptor{credential};
  Buffer token;
  while (!acceptor.is_complete()) {
    token = std::move(must(initiator.step(token)).token);
    auto step = acceptor.step(token);
    if (!step) return false;
    token = std::move(step->token);
  }
  CHECK(must(acceptor.peer_name().display()).text() == "alice@GSSKEY.TEST");
  return true;
}

}  // namespace

TEST_CASE("where gss_add_cred cannot be used") {
  const auto added = add_credential<mech::Spnego>(support::acceptor_credential<mech::Krb5>());
  CHECK(added.has_value() == !known_faults.add_cred_is_unusable);
  if (!added) CHECK(added.error().domain() == Domain::unavailable);
}

TEST_CASE("an acceptor of Kerberos takes SPNEGO too, once that was added") {
  if (known_faults.add_cred_is_unusable) return;
  const auto& kerberos = support::acceptor_credential<mech::Krb5>();
  static_cast<void>(support::initiator_credential<mech::Krb5>());  // they stay to the end
  static_cast<void>(support::initiator_credential<mech::Spnego>());
  const support::Handles handles;
  {
    const auto both = must(add_credential<mech::Spnego>(kerberos));
    CHECK(takes<mech::Krb5>(both));
    CHECK(takes<mech::Spnego>(both));
  }
  CHECK(handles.leaked() == 0);
  static_cast<void>(support::pair<mech::Krb5>());  // what it was made of stays good
}

TEST_CASE("each mechanism has its own keys, those of a store for one") {
  if (!capabilities.credential_store) {
    CHECK(add_credential<mech::Spnego>(support::acceptor_credential<mech::Krb5>(), {.keytab = "FILE:/x"})
              .error()
              .domain() == Domain::unavailable);
    return;
  }
  const auto& kerberos = support::acceptor_credential<mech::Krb5>();
  const std::string other = "FILE:" + must(support::realm().realm.export_keytab("other/localhost@GSSKEY.TEST"));
  const auto both = must(add_credential<mech::Spnego>(kerberos, {.keytab = other.c_str()}));
  CHECK(takes<mech::Krb5>(both));
  CHECK_FALSE(takes<mech::Spnego>(both));  // whose tickets are for host/localhost
  CHECK(add_credential<mech::Spnego>(kerberos, {}).error().domain() == Domain::usage);
}

TEST_CASE("what is there already, and what is not") {
  if (known_faults.add_cred_is_unusable) return;
  const auto& kerberos = support::acceptor_credential<mech::Krb5>();
  const auto twice = add_credential<mech::Krb5>(kerberos);
  REQUIRE_FALSE(twice);
  CHECK(routine_error(twice.error()) == RoutineError::duplicate_element);
  CHECK(add_credential<mech::Krb5>(Credential<mech::Spnego, Accept>{}).error().domain() == Domain::usage);
}
