// Somebody between the two ends of a negotiation: whatever he does to its tokens, never do both ends believe in one
// that he has altered, unless it is one of the alterations that change nothing, which are named here with the reason.
#include <gsskey/gss.hpp>

#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/alterations.hpp"
#include "support/catch.hpp"
#include "support/foreign_initiator.hpp"
#include "support/middle.hpp"
#include "support/ntlm.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Leg;
using support::must;
using support::Outcome;
using support::Plan;

namespace {

/// What neither end can notice, and why it does not matter: it ends as it would have.
const std::map<std::string, const char*>& harmless() {
  constexpr const char* behind = "the first choice is taken, so what is behind it is not signed (RFC 4178 section 5)";
  constexpr const char* same = "it names the same mechanism";
  constexpr const char* state =
      "of the states only request-mic is believed, to the good; the mechanism's own token decides";
  constexpr const char* answered = "the mechanism's own token decides; to be turned to another one takes a signature";
  constexpr const char* early = "before the mechanism is complete nobody looks at a MIC, and none is counted";
  constexpr const char* unwanted = "the first choice is not taken, and its token with it";
  constexpr const char* nothing = "the initiator asks for no proof, and waits for no token";
  static const std::map<std::string, const char*> table{
      {"Kerberos alone", behind},
      {"NTLM behind", behind},
      {"an unknown one behind", behind},
      {"last mechanism struck", behind},
      {"first mechanism twice", same},
      {"Kerberos misprinted", same},
      {"supportedMech: Kerberos, misprinted", same},
      {"request flags", "they were never of use (RFC 4178 section 4.2.1), and nobody looks at them"},
      {"request flags of another length", "as those (Heimdal)"},
      {"no state", state},
      {"accept-completed", state},
      {"accept-incomplete", state},
      {"reject", state},
      {"request-mic", state},
      {"no supportedMech", answered},
      {"supportedMech: Kerberos", answered},
      {"supportedMech: NTLM", answered},
      {"supportedMech: NTLM, accept-incomplete, no token", answered},
      {"supportedMech: SPNEGO", answered},
      {"supportedMech: unknown", answered},
      {"a MIC where there is none", early},
      {"an empty MIC where there is none", early},
      {"no token, a MIC of nothing", early},
      {"token and MIC exchanged", early},
      {"no token", unwanted},
      {"an empty token", unwanted},
      {"token changed in its first byte", unwanted},
      {"token changed in its last byte", unwanted},
      {"token cut", unwanted},
      {"the token of another handshake", unwanted},  // or Heimdal has no replay cache: no message passes
      {"the token of another handshake, whole", unwanted},
      {"an empty token where there is none", nothing},
      {"nothing", nothing},
      {"nothing but accept-completed", nothing},
      {"nothing but accept-incomplete", nothing},
      {"MIC cut", "gss-ntlmssp reads 16 bytes, all of which must be right, however long the MIC says that it is"},
  };
  return table;
}

struct Tally {
  std::size_t runs = 0;
  std::size_t both = 0;
};
std::set<std::string> used;  // of the names in the table

/// All alterations of what the two that `start` makes say to each other.
template <class Start>
Tally try_all(const std::string& pair, const std::vector<Plan>& plans, Start start) {
  Tally tally;
  const Outcome honest = start([](const Leg& leg) { return leg.token; });
  CAPTURE(pair, honest.initiator.error, honest.acceptor.error);
  REQUIRE(honest.both_believe());
  REQUIRE(honest.talk);
  support::another_handshake = honest.sent;
  const auto one = [&](const Plan& plan, std::size_t only) {
    std::set<std::string> done;
    const Outcome outcome = start(support::middle_of(plan, only, done));
    if (!outcome.altered) return;
    ++tally.runs;
    if (!outcome.both_believe()) return;
    ++tally.both;
    CAPTURE(plan.front().name, plan.back().name, only);
    // Then it is the negotiation that it would have been, with no less of a signature.
    const auto is_the_same = [](support::End ended, const support::End& expected) {
      ended.peer_signed = ended.peer_signed && expected.peer_signed;
      return ended == expected;
    };
    CHECK(is_the_same(outcome.initiator, honest.initiator));
    CHECK(is_the_same(outcome.acceptor, honest.acceptor));
    // Where there is no replay cache, an initiator who wants no proof has a context that nobody else has.
    const bool is_replayed =
        done.count("the token of another handshake") + done.count("the token of another handshake, whole") != 0;
    CHECK(outcome.talk == (capabilities.replay_cache || !is_replayed));
    for (const auto& name : done) {
      CAPTURE(name);
      const bool is_own_reply = known_faults.accepts_own_dce_reply && name == "the receiver's last token" &&
                                honest.acceptor.flags.contains(ContextFlag::dce_style);
      const bool is_named = harmless().count(name) != 0 || is_own_reply;
      CHECK(is_named);
      used.insert(name);
    }
  };
  // Of each pair of ends others, where not all are tried.
  constexpr std::size_t step = support::plan_step;
  static std::size_t turn = 0;
  for (std::size_t at = turn++ % step; at < plans.size(); at += step) {
    const Plan& plan = plans[at];
    for (std::size_t leg = 0; leg < honest.sent.size() && plan.size() == 1; ++leg) one(plan, leg);
    one(plan, support::all_legs);
  }
  return tally;
}

template <Mechanism Ours, Mechanism Theirs>
Tally try_pair(const char* name, const std::vector<Plan>& plans, InitiatorOptions options) {
  const auto& client = support::initiator_credential<Ours>();
  const auto& server = support::acceptor_credential<Theirs>();
  // NTLM's acceptors tell no replay detection, Spnego's demand it.
  const AcceptorOptions<Theirs> accepting{.demand = ContextFlag::confidentiality | ContextFlag::integrity};
  return try_all(name, plans, [&](const support::Middle& middle) {
    return support::run(Initiator<Ours>{support::target(), client, options}, Acceptor<Theirs>{server, accepting},
                        middle);
  });
}

template <Mechanism Theirs>
Tally try_foreign(const char* name, const std::vector<Plan>& plans) {
  const auto& server = support::acceptor_credential<Theirs>();
  return try_all(name, plans, [&](const support::Middle& middle) {
    // What that one reads, and how strictly, is not what is looked at here.
    return support::run(support::ForeignInitiator{}, Acceptor<Theirs>{server},
                        [&](const Leg& leg) { return leg.to_acceptor() ? middle(leg) : leg.token; });
  });
}

constexpr ContextFlags protection = ContextFlag::confidentiality | ContextFlag::integrity;

}  // namespace

TEST_CASE("never do both ends believe in a negotiation that was altered") {
  using Krb5 = mech::Negotiate<mech::Krb5>;
  const bool ntlm = support::has_ntlm();
  const auto plans = support::all_plans();
  Tally all;
  int pairs = 0;
  const auto add = [&](const Tally& tally) {
    all.runs += tally.runs;
    all.both += tally.both;
    ++pairs;
  };
  add(try_foreign<mech::Spnego>("an initiator of another make, Spnego", plans));
  add(try_foreign<Krb5>("an initiator of another make, Negotiate<Krb5>", plans));
  for (const ContextFlags demand :
       {protection | ContextFlag::mutual | ContextFlag::replay, protection | ContextFlag::replay}) {
    const InitiatorOptions options{.demand = demand};
    add(try_pair<mech::Spnego, mech::Spnego>("Spnego, Spnego", plans, options));
    add(try_pair<mech::Spnego, Krb5>("Spnego, Negotiate<Krb5>", plans, options));
    add(try_pair<Krb5, mech::Spnego>("Negotiate<Krb5>, Spnego", plans, options));
    add(try_pair<Krb5, Krb5>("Negotiate<Krb5>, Negotiate<Krb5>", plans, options));
    if (demand.contains(ContextFlag::mutual)) {
      add(try_pair<mech::Spnego, Krb5>("Spnego, Negotiate<Krb5>, in DCE style", plans,
                                       {.demand = demand | ContextFlag::dce_style}));
    }
    if (!ntlm) continue;
    using KN = mech::Negotiate<mech::Krb5, mech::Ntlmssp>;
    using NK = mech::Negotiate<mech::Ntlmssp, mech::Krb5>;
    using N = mech::Negotiate<mech::Ntlmssp>;
    add(try_pair<KN, KN>("Negotiate<Krb5, Ntlmssp>, the same", plans, options));
    add(try_pair<NK, Krb5>("Negotiate<Ntlmssp, Krb5>, Negotiate<Krb5>", plans, options));
    add(try_pair<KN, mech::Spnego>("Negotiate<Krb5, Ntlmssp>, Spnego", plans, options));
    add(try_pair<mech::Spnego, KN>("Spnego, Negotiate<Krb5, Ntlmssp>", plans, options));
    const InitiatorOptions few{.demand = protection};
    add(try_pair<KN, N>("Negotiate<Krb5, Ntlmssp>, Negotiate<Ntlmssp>", plans, few));
    add(try_pair<NK, NK>("Negotiate<Ntlmssp, Krb5>, the same", plans, few));
    add(try_pair<NK, KN>("Negotiate<Ntlmssp, Krb5>, Negotiate<Krb5, Ntlmssp>", plans, few));
    add(try_pair<N, KN>("Negotiate<Ntlmssp>, Negotiate<Krb5, Ntlmssp>", plans, few));
    add(try_pair<N, N>("Negotiate<Ntlmssp>, the same", plans, few));
    add(try_pair<N, mech::Spnego>("Negotiate<Ntlmssp>, Spnego", plans, few));
  }
  std::cout << plans.size() << " alterations, " << pairs << " pairs of ends, " << all.runs
            << " altered handshakes; both ends went on in " << all.both << ", as they would have anyway\n";
  CHECK(plans.size() >= 77);
}
