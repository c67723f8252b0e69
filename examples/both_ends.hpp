// examples/both_ends: both ends of a handshake in one program, without any wire.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/gss/handshake.hpp>

namespace example {

/// What the acceptor has when the handshake is over.
inline gsskey::Result<gsskey::SecurityContext<gsskey::mech::Krb5>> accept_from(
    gsskey::Initiator<gsskey::mech::Krb5> initiator, gsskey::Acceptor<gsskey::mech::Krb5> acceptor) {
  using namespace gsskey;
  Buffer token;
  while (!acceptor.is_complete()) {
    auto ours = initiator.step(token);
    if (!ours) return unexpected(std::move(ours.error().error));
    auto theirs = acceptor.step(ours->token);
    if (!theirs) return unexpected(std::move(theirs.error().error));
    token = std::move(theirs->token);
  }
  return std::move(acceptor).establish();
}

}  // namespace example
