// tests/support/middle: two ends of a handshake, and somebody between them who hands on what he likes.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// A token on its way.
struct Leg {
  std::size_t number;  ///< 0: the initiator's first
  std::string token;
  std::vector<std::string> seen;  ///< those of the legs before, as they were sent
  [[nodiscard]] bool to_acceptor() const { return number % 2 == 0; }
};
/// What he hands on.
using Middle = std::function<std::string(const Leg&)>;

/// What an end has come to.
struct End {
  bool believes = false;  ///< it has a context
  bool peer_signed = false;
  std::string mechanism;
  std::string peer;  ///< the acceptor's
  gsskey::ContextFlags flags;
  std::string error;
  friend bool operator==(const End&, const End&) = default;
};
struct Outcome {
  End initiator;
  End acceptor;
  bool talk = false;  ///< if both have a context: messages pass both ways
  bool altered = false;
  std::vector<std::string> sent;
  [[nodiscard]] bool both_believe() const { return initiator.believes && acceptor.believes; }
};

/// Runs the two against each other until neither has anything to say. An end that has failed says what it left for the
/// peer, and nothing any more.
template <class Initiating, class Accepting>
Outcome step_through(Initiating& initiator, Accepting& acceptor, const Middle& middle) {
  constexpr std::size_t most_legs = 10;
  Outcome outcome;
  std::string token;        // on its way
  bool is_altered = false;  // and not what was sent
  bool is_first = true;
  const auto step = [&](auto& end, End& told) {
    outcome.altered |= is_altered;
    auto stepped = end.step(is_first ? std::string{} : token);
    is_first = false;
    if (!stepped) told.error = stepped.error().error.text();
    Leg leg{outcome.sent.size(), std::string{(stepped ? stepped->token : stepped.error().token).text()}, outcome.sent};
    outcome.sent.push_back(leg.token);
    token = middle(leg);
    is_altered = token != leg.token;
    return stepped.has_value();
  };
  bool ours_go_on = true;
  bool theirs_go_on = true;
  while (outcome.sent.size() < most_legs) {
    const bool is_ours = outcome.sent.size() % 2 == 0;
    bool& goes_on = is_ours ? ours_go_on : theirs_go_on;
    const bool other_goes_on = is_ours ? theirs_go_on : ours_go_on;
    // Who is done reads no more; who failed has said its last word.
    if (!goes_on || (token.empty() && !other_goes_on)) break;
    goes_on = is_ours ? step(initiator, outcome.initiator) : step(acceptor, outcome.acceptor);
    if (is_ours ? initiator.is_complete() : acceptor.is_complete()) goes_on = false;
  }
  outcome.initiator.peer_signed = initiator.peer_signed_negotiation();
  outcome.acceptor.peer_signed = acceptor.peer_signed_negotiation();
  return outcome;
}
/// The same, and what the two have then.
template <class Initiating, class Accepting>
Outcome run(Initiating initiator, Accepting acceptor, const Middle& middle) {
  Outcome outcome = step_through(initiator, acceptor, middle);
  auto ours = std::move(initiator).establish();
  auto theirs = std::move(acceptor).establish();
  const auto tell = [](End& told, auto& context) {
    if (!context) {
      if (told.error.empty()) told.error = context.error().text();
      return;
    }
    told.believes = true;
    if (const auto info = context->inquire()) {
      told.mechanism = info->mechanism.to_text().view();
      told.flags = info->flags;
      if (!info->is_initiator) {
        if (const auto name = info->initiator.display()) told.peer = name->text();
      }
    }
  };
  tell(outcome.initiator, ours);
  tell(outcome.acceptor, theirs);
  if (ours && theirs) {
    const auto passes = [](auto& from, auto& to) {
      const auto sent = from.wrap("a message");
      if (!sent) return false;
      const auto got = to.unwrap(*sent);
      return got && got->text() == "a message";
    };
    outcome.talk = passes(*ours, *theirs) && passes(*theirs, *ours);
  }
  return outcome;
}

}  // namespace support
