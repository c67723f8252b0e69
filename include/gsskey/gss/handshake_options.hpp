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
// It is the initiator that asks. Real ones want replay detection and no order (stock gss-client), or order and no
// replay detection (Cyrus SASL): each keeps a message from being taken twice. Clients that only log in, and protect no
// message with the context, want neither (PostgreSQL's without encryption): `.demand = {}` serves them. NTLM's
// acceptors do not say what they grant of the last two. Mutual authentication is the initiator's concern.

/// What an initiator may say beyond target and credential. It is fixed for all legs.
/// See: RFC 7546 section 3.
struct InitiatorOptions {
  /// Must be granted, or there is no context. The table is above.
  ContextFlags demand{ContextFlag::mutual, ContextFlag::confidentiality, ContextFlag::integrity, ContextFlag::replay,
                      ContextFlag::sequence};
  /// Asked for, not demanded: ContextFlag::delegate, for one.
  ContextFlags request{};
  /// How long the context shall last; 0: as the mechanism likes.
  Seconds lifetime{};
  /// The channel that the context belongs to. The acceptor has to give the same one, or none.
  ChannelBindings bindings{};
  /// Whether a negotiation that does not end in the first choice (of Negotiate; of Spnego: Kerberos), or that the
  /// acceptor has turned to another mechanism, gives a context though the acceptor has not signed it. Somebody on the
  /// way can have struck the better mechanisms. Windows Server 2003 and older do not sign.
  bool allow_unsigned_negotiation = false;
};

/// What an acceptor may say beyond its credential. `Usual` says what is demanded where nothing else is.
template <Mechanism M, class Usual>
struct AcceptorOptions {
  /// Must be granted, or there is no context. The table is above.
  ContextDemand demand = Usual::acceptor_demand;
  /// The channel that the context belongs to: an initiator with others is refused, one without any is not, unless
  /// ContextFlag::channel_bound is demanded.
  ChannelBindings bindings{};
  /// Whether an anonymous peer gets a context: one with ContextFlag::anonymous, which neither MIT krb5 nor Heimdal
  /// tells an acceptor of Kerberos, without a name, or with one that Name::is_anonymous(). A ticket proves only that a
  /// KDC gave it to somebody.
  bool allow_anonymous = false;
  /// Whether a negotiation that InitiatorOptions::allow_unsigned_negotiation is about gives a context though the
  /// initiator has not signed it. Initiators of NTLM always sign, but for Heimdal's.
  bool allow_unsigned_negotiation = false;
  /// Whether accept() gives the credential that the initiator delegated; establish() drops it.
  bool keep_delegated = false;

  /// Converts to options with another usual demand; what is demanded stays.
  template <class Other>
  [[nodiscard]] constexpr operator AcceptorOptions<M, Other>() const noexcept {
    const auto& [demanded, channel, anonymous, is_unsigned, keeps] = *this;  // all that there is
    return {demanded, channel, anonymous, is_unsigned, keeps};
  }
};

/// Demands nothing, as `Usual` of AcceptorOptions.
struct NoDemand {
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand{};
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
