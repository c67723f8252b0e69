// gsskey/gss/handshake_options: what the two ends of a handshake demand, and what else they may say.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/channel_bindings.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/fwd.hpp>
#include <gsskey/gss/mechanism.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

// What must be granted unless `demand`, which replaces all of it, says otherwise:
//
//                                        mutual  confidentiality  integrity  replay  sequence
//   Initiator                              x            x             x        x        x
//   Acceptor of Krb5, Iakerb, Spnego, Any               x             x        one of the two
//   Acceptor of Ntlmssp                                 x             x
//   Acceptor of Negotiate                what the acceptors of all its mechanisms demand
//   HttpAcceptor                           nothing: HTTP protects no messages with the context
//
// It is the initiator who asks. Real ones want replay detection and no order (stock gss-client), or order and no replay
// detection (Cyrus SASL): each keeps a message from being taken twice. Who only logs in, and protects no message with
// the context, wants neither (PostgreSQL's clients without encryption): `.demand = {}` serves them. What NTLM's
// acceptors grant of it they do not say. Mutual authentication is the initiator's concern.

/// What an initiator may say beyond target and credential; fixed for all legs (RFC 7546 section 3).
struct InitiatorOptions {
  /// Must be granted, or there is no context. The table is above.
  ContextFlags demand{ContextFlag::mutual, ContextFlag::confidentiality, ContextFlag::integrity, ContextFlag::replay,
                      ContextFlag::sequence};
  /// Asked for, not demanded: ContextFlag::delegate, for one.
  ContextFlags request{};
  /// 0: as the mechanism likes.
  Seconds lifetime{};
  /// The channel that the context belongs to; the acceptor is to give the same, or none.
  ChannelBindings bindings{};
  /// Whether a negotiation that does not end in the first choice (of Negotiate; of Spnego: Kerberos), or that the
  /// acceptor has turned to another mechanism, gives a context though the acceptor has not signed it. Somebody on the
  /// way can have struck the better mechanisms. Windows Server 2003 and older do not sign.
  bool allow_unsigned_negotiation = false;
};

/// What an acceptor may say. `Usual` says what is demanded where nothing else is.
template <Mechanism M, class Usual>
struct AcceptorOptions {
  /// Must be granted, or there is no context. The table is above.
  ContextDemand demand = Usual::acceptor_demand;
  /// Where establish() puts the credential that the initiator delegated. The first step empties it, so that it never
  /// holds that of another. It must live as long as the Acceptor. Without a slot such a credential is not kept.
  Credential<M, Initiate>* delegated = nullptr;
  /// The channel that the context belongs to: an initiator with others is refused, one without any is not, unless
  /// ContextFlag::channel_bound is demanded.
  ChannelBindings bindings{};
  /// Whether a peer who says nothing of who it is gets a context: ContextFlag::anonymous, which neither MIT krb5 nor
  /// Heimdal tells an acceptor of Kerberos, no name, or Name::is_anonymous(). A ticket proves only that a KDC gave it
  /// to somebody.
  bool allow_anonymous = false;
  /// As InitiatorOptions has it; here it is the initiator who has to sign. Initiators of NTLM always do, but Heimdal's.
  bool allow_unsigned_negotiation = false;
  /// Whether accept() gives the credential that the initiator delegated; establish() has nowhere to put it.
  bool keep_delegated = false;

  /// The same, with the demand that is here.
  template <class Other>
  [[nodiscard]] constexpr operator AcceptorOptions<M, Other>() const noexcept {
    const auto& [demanded, slot, channel, anonymous, is_unsigned, keeps] = *this;  // all that there is
    return {demanded, slot, channel, anonymous, is_unsigned, keeps};
  }
};

/// For AcceptorOptions: nothing is demanded where nothing is said.
struct NoDemand {
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand{};
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
