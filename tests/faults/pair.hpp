// tests/faults/pair: two ends of a handshake, in the realm of support/realm.hpp.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>

#include <utility>

#include "faults/faults.hpp"

namespace faults {

/// A step that fails is the end of a handshake: its error is judged. The owner has released everything.
template <class Initiator, class Acceptor>
void step_all(Initiator& initiator, Acceptor& acceptor) {
  gsskey::Buffer token;
  while (true) {
    auto ours = need(initiator.step(token));
    if (acceptor.is_complete()) return;
    auto theirs = need(acceptor.step(ours.token));
    token = std::move(theirs.token);
    if (initiator.is_complete()) return;
  }
}

template <gsskey::Mechanism M>
struct Handshakes {
  gsskey::Initiator<M> initiator;
  gsskey::Acceptor<M> acceptor;
};
/// Both complete.
template <gsskey::Mechanism M>
Handshakes<M> handshakes() {
  Handshakes<M> both{gsskey::Initiator<M>{need(gsskey::Name::host_service("host", "localhost"))},
                     gsskey::Acceptor<M>{}};
  step_all(both.initiator, both.acceptor);
  return both;
}

template <gsskey::Mechanism M>
struct Ends {
  gsskey::SecurityContext<M> initiator;
  gsskey::SecurityContext<M> acceptor;
};
template <gsskey::Mechanism M>
Ends<M> pair() {
  auto both = handshakes<M>();
  auto initiator = need(std::move(both.initiator).establish());
  return {std::move(initiator), need(std::move(both.acceptor).establish())};
}

}  // namespace faults
