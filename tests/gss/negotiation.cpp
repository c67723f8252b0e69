// Somebody between the two ends of a negotiation: whatever he does to its tokens, never do both ends believe in one
// that he has altered, unless it is one of the alterations that change nothing, which are named here with the reason.
#include <gsskey/gss.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/middle.hpp"
#include "support/realm.hpp"
#include "support/spnego_token.hpp"

using namespace gsskey;
using support::der;
using support::Leg;
using support::must;
using support::oid;
using support::Outcome;
using support::SpnegoToken;

namespace {

constexpr Oid misprint{"1.2.840.48018.1.2.2"};  // Microsoft's, of Kerberos
constexpr Oid unknown{"1.2.3.4"};

/// gss-ntlmssp's users, one of whom is the default one; with the realm. False: there is one mechanism only.
bool has_ntlm() {
#if defined(GSSKEY_GSS_MIT)
  constexpr const char* plugin = "/etc/gss/mech.d/mech.ntlmssp.conf";
  if (::access(plugin, R_OK) == 0) {
    ::setenv("GSS_MECH_CONFIG", plugin, 1);  // before the first gss call
    static const bool ready = [] {
      const std::string users = support::realm().realm.folder() + "/ntlm-users";
      std::ofstream{users} << "GSSKEY:carol:secret\n";
      ::setenv("NTLM_USER_FILE", users.c_str(), 1);
      return true;
    }();
    return ready;
  }
#endif
  support::realm();
  return false;
}

/// One thing that he does to a token; the token itself: he does nothing.
struct Alteration {
  std::string name;
  std::function<std::string(const Leg&)> alter;
};
constexpr std::size_t all_legs = ~std::size_t{0};
/// Of the tokens that an honest handshake of the same two ends had.
std::vector<std::string> another;

std::string flipped(std::string bytes, std::size_t at) {
  if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ 1);
  return bytes;
}

/// An alteration of the fields of a token; of those that have them.
template <class Change>
Alteration fields(std::string name, Change change) {
  return {std::move(name), [change](const Leg& leg) {
            auto token = SpnegoToken::parse(leg.token);
            if (!token) return leg.token;
            change(*token, leg);
            return token->write();
          }};
}
template <class Change>
Alteration first_token(std::string name, Change change) {
  return fields(std::move(name), [change](SpnegoToken& token, const Leg&) {
    if (token.is_init) change(token);
  });
}
template <class Change>
Alteration later_token(std::string name, Change change) {
  return fields(std::move(name), [change](SpnegoToken& token, const Leg& leg) {
    if (!token.is_init) change(token, leg);
  });
}

std::string ntlm_negotiate() {
  return std::string{"NTLMSSP\0\1\0\0\0\x15\x82\x08\x62\0\0\0\0\x28\0\0\0\0\0\0\0\x28\0\0\0\6\1\0\0\0\0\0\x0f", 40};
}

/// Each is done to one token of the handshake at a time, and then to all of them.
std::vector<Alteration> alterations() {
  using Token = SpnegoToken;
  using List = std::vector<std::string>;
  std::vector<Alteration> all{
      // the list of mechanisms
      first_token("first mechanism struck", [](Token& t) { t.mechanisms->erase(t.mechanisms->begin()); }),
      first_token("first mechanism and its token struck",
                  [](Token& t) {
                    t.mechanisms->erase(t.mechanisms->begin());
                    t.token.reset();
                  }),
      first_token("last mechanism struck", [](Token& t) { t.mechanisms->pop_back(); }),
      first_token("all mechanisms struck", [](Token& t) { t.mechanisms->clear(); }),
      first_token("list struck", [](Token& t) { t.mechanisms.reset(); }),
      first_token("Kerberos alone", [](Token& t) { t.mechanisms = List{oid(mech::Krb5::oid)}; }),
      first_token("NTLM alone", [](Token& t) { t.mechanisms = List{oid(mech::Ntlmssp::oid)}; }),
      first_token("NTLM alone, with a token of his",
                  [](Token& t) {
                    t.mechanisms = List{oid(mech::Ntlmssp::oid)};
                    t.token = ntlm_negotiate();
                  }),
      first_token("NTLM alone, without a token",
                  [](Token& t) {
                    t.mechanisms = List{oid(mech::Ntlmssp::oid)};
                    t.token.reset();
                  }),
      first_token("NTLM first", [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), oid(mech::Ntlmssp::oid)); }),
      first_token("NTLM first, with a token of his",
                  [](Token& t) {
                    t.mechanisms->insert(t.mechanisms->begin(), oid(mech::Ntlmssp::oid));
                    t.token = ntlm_negotiate();
                  }),
      first_token("reversed", [](Token& t) { std::reverse(t.mechanisms->begin(), t.mechanisms->end()); }),
      first_token("an unknown one first", [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), oid(unknown)); }),
      first_token("an unknown one first, and no token",
                  [](Token& t) {
                    t.mechanisms->insert(t.mechanisms->begin(), oid(unknown));
                    t.token.reset();
                  }),
      first_token("an unknown one behind", [](Token& t) { t.mechanisms->push_back(oid(unknown)); }),
      first_token("NTLM behind", [](Token& t) { t.mechanisms->push_back(oid(mech::Ntlmssp::oid)); }),
      first_token("first mechanism twice",
                  [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), t.mechanisms->front()); }),
      first_token("SPNEGO in SPNEGO",
                  [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), oid(Token::spnego)); }),
      first_token("Kerberos misprinted",
                  [](Token& t) {
                    for (auto& name : *t.mechanisms) {
                      if (name == oid(mech::Krb5::oid)) name = oid(misprint);
                    }
                  }),
      first_token("an element that is no mechanism", [](Token& t) { t.mechanisms->push_back(der(0x04, "x")); }),
      // the rest of the first token
      first_token("request flags", [](Token& t) { t.request_flags = std::string{"\1\xfe", 2}; }),
      first_token("request flags of another length", [](Token& t) { t.request_flags = std::string{"\0\0\0\0", 4}; }),
      first_token("hints", [](Token& t) { t.behind = der(0xa3, der(0x30, der(0xa0, der(0x1b, "host@elsewhere")))); }),
      first_token("hints and a MIC",
                  [](Token& t) {
                    t.behind = der(0xa3, der(0x30, der(0xa0, der(0x1b, "host@elsewhere")))) + der(0xa4, der(0x04, "x"));
                  }),
      {"the mechanism's token alone",
       [](const Leg& leg) {
         const auto token = SpnegoToken::parse(leg.token);
         return token && token->token ? *token->token : leg.token;
       }},
      {"NTLM, raw", [](const Leg& leg) { return leg.number == 0 ? ntlm_negotiate() : leg.token; }},
      // the token of the mechanism
      fields("no token", [](Token& t, const Leg&) { t.token.reset(); }),
      fields("an empty token",
             [](Token& t, const Leg&) {
               if (t.token) t.token = "";
             }),
      fields("a token where there is none",
             [](Token& t, const Leg&) {
               if (!t.token) t.token = "a token";
             }),
      fields("an empty token where there is none",
             [](Token& t, const Leg&) {
               if (!t.token) t.token = "";
             }),
      fields("token changed in its first byte",
             [](Token& t, const Leg&) {
               if (t.token) t.token = flipped(*t.token, 0);
             }),
      fields("token changed in its last byte",
             [](Token& t, const Leg&) {
               if (t.token) t.token = flipped(*t.token, t.token->size() - 1);
             }),
      fields("token cut",
             [](Token& t, const Leg&) {
               if (t.token && !t.token->empty()) t.token->pop_back();
             }),
      fields("the token of another handshake",
             [](Token& t, const Leg& leg) {
               if (leg.number >= another.size()) return;
               if (const auto other = SpnegoToken::parse(another[leg.number])) t.token = other->token;
             }),
      // state
      later_token("no state", [](Token& t, const Leg&) { t.state.reset(); }),
      later_token("accept-completed", [](Token& t, const Leg&) { t.state = Token::completed; }),
      later_token("accept-incomplete", [](Token& t, const Leg&) { t.state = Token::incomplete; }),
      later_token("reject", [](Token& t, const Leg&) { t.state = Token::rejected; }),
      later_token("request-mic", [](Token& t, const Leg&) { t.state = Token::request_mic; }),
      later_token("a state that there is not", [](Token& t, const Leg&) { t.state = "\4"; }),
      later_token("a state of two bytes", [](Token& t, const Leg&) { t.state = std::string{"\0\1", 2}; }),
      // supportedMech
      later_token("no supportedMech", [](Token& t, const Leg&) { t.mechanism.reset(); }),
      later_token("supportedMech: Kerberos", [](Token& t, const Leg&) { t.mechanism = oid(mech::Krb5::oid); }),
      later_token("supportedMech: Kerberos, misprinted", [](Token& t, const Leg&) { t.mechanism = oid(misprint); }),
      later_token("supportedMech: NTLM", [](Token& t, const Leg&) { t.mechanism = oid(mech::Ntlmssp::oid); }),
      later_token("supportedMech: NTLM, request-mic, no token",
                  [](Token& t, const Leg&) {
                    t.mechanism = oid(mech::Ntlmssp::oid);
                    t.state = Token::request_mic;
                    t.token.reset();
                    t.mic.reset();
                  }),
      later_token("supportedMech: NTLM, accept-incomplete, no token",
                  [](Token& t, const Leg&) {
                    t.mechanism = oid(mech::Ntlmssp::oid);
                    t.state = Token::incomplete;
                    t.token.reset();
                    t.mic.reset();
                  }),
      later_token("supportedMech: SPNEGO", [](Token& t, const Leg&) { t.mechanism = oid(Token::spnego); }),
      later_token("supportedMech: unknown", [](Token& t, const Leg&) { t.mechanism = oid(unknown); }),
      later_token("supportedMech: empty", [](Token& t, const Leg&) { t.mechanism = der(0x06, ""); }),
      // the MIC
      fields("no MIC", [](Token& t, const Leg&) { t.mic.reset(); }),
      fields("an empty MIC",
             [](Token& t, const Leg&) {
               if (t.mic) t.mic = "";
             }),
      fields("an empty MIC where there is none",
             [](Token& t, const Leg&) {
               if (!t.mic) t.mic = "";
             }),
      fields("a MIC that is a copy of the token",
             [](Token& t, const Leg&) {
               if (t.token) t.mic = t.token;
             }),
      fields("a MIC and a copy of it in the place of the token",
             [](Token& t, const Leg&) {
               if (t.mic) t.token = t.mic;
             }),
      fields("token and MIC exchanged", [](Token& t, const Leg&) { std::swap(t.token, t.mic); }),
      fields("a MIC of zeros",
             [](Token& t, const Leg&) {
               if (t.mic) t.mic->assign(t.mic->size(), '\0');
             }),
      fields("MIC changed in its first byte",
             [](Token& t, const Leg&) {
               if (t.mic) t.mic = flipped(*t.mic, 0);
             }),
      fields("MIC changed in its last byte",
             [](Token& t, const Leg&) {
               if (t.mic) t.mic = flipped(*t.mic, t.mic->size() - 1);
             }),
      fields("MIC cut",
             [](Token& t, const Leg&) {
               if (t.mic && !t.mic->empty()) t.mic->pop_back();
             }),
      fields("a MIC where there is none",
             [](Token& t, const Leg&) {
               if (!t.mic) t.mic = "a signature of nothing";
             }),
      fields("the MIC of another handshake",
             [](Token& t, const Leg& leg) {
               if (leg.number >= another.size()) return;
               const auto other = SpnegoToken::parse(another[leg.number]);
               if (other && other->mic) t.mic = other->mic;
             }),
      fields("the receiver's own MIC",
             [](Token& t, const Leg& leg) {
               if (leg.seen.empty()) return;
               const auto theirs = SpnegoToken::parse(leg.seen.back());
               if (theirs && theirs->mic) t.mic = theirs->mic;
             }),
      // more fields than there are
      fields("two MICs",
             [](Token& t, const Leg&) {
               if (t.mic) t.behind = der(0xa3, der(0x04, *t.mic));
             }),
      fields("a MIC behind a MIC of nothing",
             [](Token& t, const Leg&) {
               if (t.mic) t.before_mic = der(0xa3, der(0x04, "a signature"));
             }),
      fields("two tokens",
             [](Token& t, const Leg&) {
               if (t.token) t.before_mic = der(0xa2, der(0x04, *t.token));
             }),
      fields("a second token behind the MIC", [](Token& t, const Leg&) { t.behind = der(0xa2, der(0x04, "a token")); }),
      later_token("two states", [](Token& t, const Leg&) { t.behind = der(0xa0, der(0x0a, Token::completed)); }),
      fields("a field that there is not", [](Token& t, const Leg&) { t.behind = der(0xa5, der(0x04, "x")); }),
      fields("bytes behind the fields", [](Token& t, const Leg&) { t.behind = std::string{"\0\0", 2}; }),
      fields("MIC as something else than octets",
             [](Token& t, const Leg&) {
               if (!t.mic) return;
               t.behind = der(0xa3, der(0x24, der(0x04, *t.mic)));
               t.mic.reset();
             }),
      // nothing but a state
      later_token("nothing but accept-completed",
                  [](Token& t, const Leg&) {
                    t = Token{};
                    t.state = Token::completed;
                  }),
      later_token("nothing but accept-incomplete",
                  [](Token& t, const Leg&) {
                    t = Token{};
                    t.state = Token::incomplete;
                  }),
      later_token("nothing but reject",
                  [](Token& t, const Leg&) {
                    t = Token{};
                    t.state = Token::rejected;
                  }),
      later_token("nothing but request-mic",
                  [](Token& t, const Leg&) {
                    t = Token{};
                    t.state = Token::request_mic;
                  }),
      later_token("nothing", [](Token& t, const Leg&) { t = Token{}; }),
      later_token("no token, a MIC of nothing",
                  [](Token& t, const Leg&) {
                    t.token.reset();
                    t.mic = "a signature of nothing";
                  }),
      // framing
      {"a byte behind", [](const Leg& leg) { return leg.token + '\0'; }},
      {"cut by a byte",
       [](const Leg& leg) { return leg.token.substr(0, leg.token.empty() ? 0 : leg.token.size() - 1); }},
      {"cut in half", [](const Leg& leg) { return leg.token.substr(0, leg.token.size() / 2); }},
      {"nothing at all", [](const Leg&) { return std::string{}; }},
      {"a length longer than needed",
       [](const Leg& leg) {
         const auto outer = support::element(leg.token);
         return outer.tag == 0 ? leg.token : der(outer.tag, outer.content, 1);
       }},
      {"an indefinite length",
       [](const Leg& leg) {
         const auto outer = support::element(leg.token);
         return outer.tag == 0
                    ? leg.token
                    : std::string{static_cast<char>(outer.tag), '\x80'}.append(outer.content) + std::string{"\0\0", 2};
       }},
      fields("a length longer than needed: sequence", [](Token& t, const Leg&) { t.spare_inside = 2; }),
      fields("a length longer than needed: token", [](Token& t, const Leg&) { t.spare_token = t.token ? 1 : 0; }),
      fields("a length longer than needed: MIC", [](Token& t, const Leg&) { t.spare_mic = t.mic ? 1 : 0; }),
      {"framed like a first token",
       [](const Leg& leg) { return leg.number == 0 ? leg.token : der(0x60, oid(SpnegoToken::spnego) + leg.token); }},
      // other tokens
      {"the first token again", [](const Leg& leg) { return leg.seen.empty() ? leg.token : leg.seen.front(); }},
      {"the last token of the same end again",
       [](const Leg& leg) { return leg.number < 2 ? leg.token : leg.seen[leg.number - 2]; }},
      {"the receiver's last token", [](const Leg& leg) { return leg.seen.empty() ? leg.token : leg.seen.back(); }},
      {"the token of another handshake, whole",
       [](const Leg& leg) { return leg.number < another.size() ? another[leg.number] : leg.token; }},
  };
  return all;
}

/// Several things at once: the list is changed, and so is what would show it.
using Plan = std::vector<Alteration>;
std::vector<Plan> combinations() {
  std::vector<Plan> all;
  const auto single = alterations();
  const auto named = [&](const std::string& name) {
    return *std::find_if(single.begin(), single.end(), [&](const Alteration& one) { return one.name == name; });
  };
  const auto unsigned_one = named("no MIC");
  for (const char* list : {"first mechanism struck", "first mechanism and its token struck", "reversed", "NTLM alone",
                           "NTLM alone, without a token", "NTLM alone, with a token of his", "NTLM behind",
                           "an unknown one first, and no token", "Kerberos alone"}) {
    for (const char* cover : {"no MIC", "a MIC that is a copy of the token", "a MIC of zeros", "accept-incomplete",
                              "accept-completed", "no supportedMech", "supportedMech: NTLM", "request-mic",
                              "the receiver's own MIC", "supportedMech: Kerberos"}) {
      all.push_back({named(list), named(cover)});
    }
    all.push_back({named(list), unsigned_one, named("accept-incomplete")});
    all.push_back({named(list), unsigned_one, named("accept-incomplete"), named("no supportedMech")});
  }
  return all;
}

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
  another = honest.sent;
  const auto one = [&](const Plan& plan, std::size_t only) {
    std::set<std::string> done;
    const Outcome outcome = start([&](Leg leg) {
      if (only != all_legs && leg.number != only) return leg.token;
      for (const auto& alteration : plan) {
        auto altered = alteration.alter(leg);
        if (altered != leg.token) done.insert(alteration.name);
        leg.token = std::move(altered);
      }
      return leg.token;
    });
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
      const bool is_named = harmless().count(name) != 0;
      CHECK(is_named);
      used.insert(name);
    }
  };
  for (const auto& plan : plans) {
    for (std::size_t leg = 0; leg < honest.sent.size() && plan.size() == 1; ++leg) one(plan, leg);
    one(plan, all_legs);
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

constexpr ContextFlags protection = ContextFlag::confidentiality | ContextFlag::integrity;

}  // namespace

TEST_CASE("never do both ends believe in a negotiation that was altered") {
  using Krb5 = mech::Negotiate<mech::Krb5>;
  const bool ntlm = has_ntlm();
  std::vector<Plan> plans = combinations();
  for (const auto& alteration : alterations()) plans.push_back({alteration});
  Tally all;
  int pairs = 0;
  const auto add = [&](const Tally& tally) {
    all.runs += tally.runs;
    all.both += tally.both;
    ++pairs;
  };
  for (const ContextFlags demand :
       {protection | ContextFlag::mutual | ContextFlag::replay, protection | ContextFlag::replay}) {
    const InitiatorOptions options{.demand = demand};
    add(try_pair<mech::Spnego, mech::Spnego>("Spnego, Spnego", plans, options));
    add(try_pair<mech::Spnego, Krb5>("Spnego, Negotiate<Krb5>", plans, options));
    add(try_pair<Krb5, mech::Spnego>("Negotiate<Krb5>, Spnego", plans, options));
    add(try_pair<Krb5, Krb5>("Negotiate<Krb5>, Negotiate<Krb5>", plans, options));
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
