// A negotiation that both ends sign (RFC 4178 section 5) is the first message of each, and so it is counted, whatever
// somebody between the two has made of its tokens.
#include <gsskey/gss.hpp>
#include <gsskey/messages/take_over.hpp>

#include <iostream>
#include <set>
#include <string>
#include <utility>

#include "support/alterations.hpp"
#include "support/catch.hpp"
#include "support/foreign_initiator.hpp"
#include "support/ntlm.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;

namespace {

using NtlmFirst = mech::Negotiate<mech::Ntlmssp, mech::Krb5>;
using Kerberos = mech::Negotiate<mech::Krb5>;

template <class H>
MessageProtector taken(H handshake) {
  auto made = take_over(std::move(handshake));
  if (!made) must(Result<void>{unexpected(made.error().error)});
  return *std::move(made);
}
template <class Ours, class Theirs>
void check(Ours ours, Theirs theirs) {
  CHECK(must(ours.unwrap(must(theirs.wrap("there")))).text() == "there");
  CHECK(must(theirs.unwrap(must(ours.wrap("and back")))).text() == "and back");
}

/// Whatever the middle does to them: who has a context can take it over, and its numbers are the peer's.
template <Mechanism Ours, Mechanism Theirs>
int taken_over(const Credential<Ours, Initiate>& client, const Credential<Theirs, Accept>& server,
               InitiatorOptions options) {
  int count = 0;
  int turn = 0;
  const auto run = [&](const support::Middle& middle, int who) {
    Initiator<Ours> initiator{support::target(), client, options};
    Acceptor<Theirs> acceptor{server};
    const auto outcome = support::step_through(initiator, acceptor, middle);
    if (!initiator.is_complete() || !acceptor.is_complete()) return outcome;
    CAPTURE(who, outcome.initiator.peer_signed, outcome.acceptor.peer_signed);
    ++count;
    if (who == 0) check(taken(std::move(initiator)), must(std::move(acceptor).establish()));
    if (who == 1) check(must(std::move(initiator).establish()), taken(std::move(acceptor)));
    if (who == 2) check(taken(std::move(initiator)), taken(std::move(acceptor)));
    return outcome;
  };
  const auto honest = run([](const support::Leg& leg) { return leg.token; }, 2);
  REQUIRE(count == 1);
  for (const auto& plan : support::all_plans()) {
    CAPTURE(plan.front().name, plan.back().name);
    for (std::size_t leg = 0; leg <= honest.sent.size(); ++leg) {
      const std::size_t only = leg == honest.sent.size() ? support::all_legs : leg;
      CAPTURE(only);
      std::set<std::string> done;
      run(support::middle_of(plan, only, done), turn++ % 3);
    }
  }
  return count;
}

}  // namespace

TEST_CASE("what is counted and what the library has verified cannot differ, whatever is done to the tokens") {
  const bool ntlm = support::has_ntlm();
  const auto mutual = InitiatorOptions{}.demand;
  int count = 0;
  for (const ContextFlags demand : {mutual, mutual.without(ContextFlag::mutual | ContextFlag::sequence)}) {
    const InitiatorOptions options{.demand = demand};
    count +=
        taken_over(support::initiator_credential<Kerberos>(), support::acceptor_credential<mech::Spnego>(), options);
    if (!ntlm) continue;
    count += taken_over(support::initiator_credential<NtlmFirst>(), support::acceptor_credential<Kerberos>(), options);
  }
  std::cout << count << " negotiations that came to a context were taken over\n";
}

TEST_CASE("the message of an initiator of another make that protects a negotiation is counted") {
  support::has_ntlm();
  support::ForeignInitiator initiator;
  auto acceptor = support::acceptor<mech::Spnego>();
  support::step_through(initiator, acceptor, [](const support::Leg& leg) { return leg.token; });
  CHECK(acceptor.peer_signed_negotiation());
  check(taken(std::move(acceptor)), must(std::move(initiator).establish()));
}

TEST_CASE("the message that protects a negotiation is counted") {
  if (!support::has_ntlm()) {                       // what the initiator would rather have, and the acceptor has not
    if constexpr (!capabilities.neg_mechs) return;  // MIT krb5 loads it
    return support::skip("gss-ntlmssp is not installed");
  }
  const auto& initiating = support::initiator_credential<NtlmFirst>();
  const auto& accepting = support::acceptor_credential<Kerberos>();
  const int who = GENERATE(0, 1, 2);
  CAPTURE(who);
  Initiator<NtlmFirst> initiator{support::target(), initiating};
  Acceptor<Kerberos> acceptor{accepting};
  Buffer token;
  while (true) {
    auto ours = must(initiator.step(token));
    if (acceptor.is_complete()) break;
    token = std::move(must(acceptor.step(ours.token)).token);
    if (initiator.is_complete()) break;
  }
  CHECK(initiator.peer_signed_negotiation());
  CHECK(acceptor.peer_signed_negotiation());
  if (who == 0) check(taken(std::move(initiator)), must(std::move(acceptor).establish()));
  if (who == 1) check(taken(std::move(acceptor)), must(std::move(initiator).establish()));
  if (who == 2) check(taken(std::move(acceptor)), taken(std::move(initiator)));
}
