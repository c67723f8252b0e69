// What is demanded by default, by whom, and that it can be replaced.
#include <gsskey/gss/handshake_options.hpp>

#include "support/catch.hpp"

using namespace gsskey;

static_assert(InitiatorOptions{}.demand == ContextFlags{ContextFlag::mutual, ContextFlag::confidentiality,
                                                        ContextFlag::integrity, ContextFlag::replay,
                                                        ContextFlag::sequence});
static_assert(AcceptorOptions<mech::Krb5>{}.demand ==
              ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality}.and_one_of(ContextFlag::replay |
                                                                                             ContextFlag::sequence));
static_assert(AcceptorOptions<mech::Negotiate<mech::Krb5, mech::Ntlmssp>>{}.demand ==
              ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality});
static_assert(AcceptorOptions<mech::Krb5>{.demand = {}}.demand.empty());
static_assert(AcceptorOptions<mech::Krb5, NoDemand>{.allow_anonymous = true}.demand.empty());

TEST_CASE("options that demand nothing by themselves are as good as others, with all that they say") {
  const AcceptorOptions<mech::Krb5> options = AcceptorOptions<mech::Krb5, NoDemand>{.bindings = {"prefix", "data"},
                                                                                    .allow_anonymous = true,
                                                                                    .allow_unsigned_negotiation = true,
                                                                                    .keep_delegated = true};
  CHECK(options.demand.empty());
  CHECK_FALSE(options.bindings.empty());
  CHECK(options.allow_anonymous);
  CHECK(options.allow_unsigned_negotiation);
  CHECK(options.keep_delegated);
  const AcceptorOptions<mech::Krb5, NoDemand> back = AcceptorOptions<mech::Krb5>{};
  CHECK(back.demand == mech::Krb5::acceptor_demand);
}

TEST_CASE("nothing but the demand is set where nothing is said") {
  const InitiatorOptions initiator;
  CHECK(initiator.request.empty());
  CHECK(initiator.lifetime == Seconds{});
  CHECK_FALSE(initiator.allow_unsigned_negotiation);
  const AcceptorOptions<mech::Spnego> acceptor;
  CHECK(acceptor.demand == mech::Krb5::acceptor_demand);
  CHECK_FALSE(acceptor.allow_anonymous);
  CHECK_FALSE(acceptor.allow_unsigned_negotiation);
  CHECK(AcceptorOptions<mech::Ntlmssp>{}.demand == ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality});
}
