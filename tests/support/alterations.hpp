// tests/support/alterations: what somebody between two ends may do to the tokens of a negotiation (support/middle.hpp).
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/middle.hpp"
#include "support/spnego_token.hpp"

namespace support {

inline constexpr gsskey::Oid misprint{"1.2.840.48018.1.2.2"};  // Microsoft's, of Kerberos
inline constexpr gsskey::Oid unknown{"1.2.3.4"};

/// One thing that he does to a token; the token itself: he does nothing.
struct Alteration {
  std::string name;
  std::function<std::string(const Leg&)> alter;
};
inline constexpr std::size_t all_legs = ~std::size_t{0};
/// Of the tokens that an honest handshake of the same two ends had.
inline std::vector<std::string> another_handshake;

inline std::string flipped(std::string bytes, std::size_t at) {
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

inline std::string ntlm_negotiate() {
  return std::string{"NTLMSSP\0\1\0\0\0\x15\x82\x08\x62\0\0\0\0\x28\0\0\0\0\0\0\0\x28\0\0\0\6\1\0\0\0\0\0\x0f", 40};
}

/// Each is done to one token of the handshake at a time, and then to all of them.
inline std::vector<Alteration> alterations() {
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
      first_token("Kerberos alone", [](Token& t) { t.mechanisms = List{oid(gsskey::mech::Krb5::oid)}; }),
      first_token("NTLM alone", [](Token& t) { t.mechanisms = List{oid(gsskey::mech::Ntlmssp::oid)}; }),
      first_token("NTLM alone, with a token of his",
                  [](Token& t) {
                    t.mechanisms = List{oid(gsskey::mech::Ntlmssp::oid)};
                    t.token = ntlm_negotiate();
                  }),
      first_token("NTLM alone, without a token",
                  [](Token& t) {
                    t.mechanisms = List{oid(gsskey::mech::Ntlmssp::oid)};
                    t.token.reset();
                  }),
      first_token("NTLM first",
                  [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), oid(gsskey::mech::Ntlmssp::oid)); }),
      first_token("NTLM first, with a token of his",
                  [](Token& t) {
                    t.mechanisms->insert(t.mechanisms->begin(), oid(gsskey::mech::Ntlmssp::oid));
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
      first_token("NTLM behind", [](Token& t) { t.mechanisms->push_back(oid(gsskey::mech::Ntlmssp::oid)); }),
      first_token("first mechanism twice",
                  [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), t.mechanisms->front()); }),
      first_token("SPNEGO in SPNEGO",
                  [](Token& t) { t.mechanisms->insert(t.mechanisms->begin(), oid(Token::spnego)); }),
      first_token("Kerberos misprinted",
                  [](Token& t) {
                    for (auto& name : *t.mechanisms) {
                      if (name == oid(gsskey::mech::Krb5::oid)) name = oid(misprint);
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
               if (leg.number >= another_handshake.size()) return;
               if (const auto other = SpnegoToken::parse(another_handshake[leg.number])) t.token = other->token;
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
      later_token("supportedMech: Kerberos", [](Token& t, const Leg&) { t.mechanism = oid(gsskey::mech::Krb5::oid); }),
      later_token("supportedMech: Kerberos, misprinted", [](Token& t, const Leg&) { t.mechanism = oid(misprint); }),
      later_token("supportedMech: NTLM", [](Token& t, const Leg&) { t.mechanism = oid(gsskey::mech::Ntlmssp::oid); }),
      later_token("supportedMech: NTLM, request-mic, no token",
                  [](Token& t, const Leg&) {
                    t.mechanism = oid(gsskey::mech::Ntlmssp::oid);
                    t.state = Token::request_mic;
                    t.token.reset();
                    t.mic.reset();
                  }),
      later_token("supportedMech: NTLM, accept-incomplete, no token",
                  [](Token& t, const Leg&) {
                    t.mechanism = oid(gsskey::mech::Ntlmssp::oid);
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
               if (leg.number >= another_handshake.size()) return;
               const auto other = SpnegoToken::parse(another_handshake[leg.number]);
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
       [](const Leg& leg) {
         return leg.number < another_handshake.size() ? another_handshake[leg.number] : leg.token;
       }},
  };
  return all;
}

/// Several things at once: the list is changed, and so is what would show it.
using Plan = std::vector<Alteration>;
inline std::vector<Plan> combinations() {
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

inline std::vector<Plan> all_plans() {
  std::vector<Plan> all = combinations();
  for (const auto& alteration : alterations()) all.push_back({alteration});
  return all;
}
/// ASan takes fifty times as long: there a test tries one in so many.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t plan_step = 16;
#else
inline constexpr std::size_t plan_step = 1;
#endif
/// The middle that does it, to one leg or to all_legs; the names of what changed something go into `done`.
inline Middle middle_of(const Plan& plan, std::size_t only, std::set<std::string>& done) {
  return [&plan, only, &done](Leg leg) {
    if (only != all_legs && leg.number != only) return leg.token;
    for (const auto& alteration : plan) {
      auto altered = alteration.alter(leg);
      if (altered != leg.token) done.insert(alteration.name);
      leg.token = std::move(altered);
    }
    return leg.token;
  };
}

}  // namespace support
