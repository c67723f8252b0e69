// gsskey/gss/mechanism: mechanisms as types: which one is asked for, and which ones are accepted in the end.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// A mechanism, which is an empty type. To add one, write its five members like mech::Krb5 does; one that negotiates
/// may have a sixth, prefers(oid): what it can end in without the peer's signature.
///
///     name             static text for errors
///     oid              what is passed to the C calls; the empty Oid passes GSS_C_NO_OID
///     negotiates       it is SPNEGO or a restriction of it: tokens are framed as SPNEGO
///     acceptor_demand  what its acceptors demand unless asked otherwise: no more than they ever report
///     accepts(oid)     whether a context of that mechanism, as gss_inquire_context names it, is one of this type
template <class M>
concept Mechanism = requires(const Oid& oid) {
  { M::name } -> std::convertible_to<const char*>;
  { M::oid } -> std::convertible_to<const Oid&>;
  { M::negotiates } -> std::convertible_to<bool>;
  { M::acceptor_demand } -> std::convertible_to<ContextDemand>;
  { M::accepts(oid) } -> std::same_as<bool>;
};

namespace mech {

/// Kerberos 5.
/// See: RFC 4121.
struct Krb5 {
  static constexpr const char* name = "krb5";
  GSSKEY_HIDDEN static constexpr Oid oid{"1.2.840.113554.1.2.2"};
  static constexpr bool negotiates = false;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand =
      ContextDemand{ContextFlag::integrity, ContextFlag::confidentiality}.and_one_of(ContextFlag::replay |
                                                                                     ContextFlag::sequence);
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept { return actual == oid; }
};

/// Kerberos with the acceptor as the way to the KDC; MIT krb5 only. An initiator that has a ticket to the service needs
/// no such way and is refused: Krb5 is for it. A password's credential has a ticket after its first handshake.
/// See: draft-ietf-kitten-iakerb.
struct Iakerb {
  static constexpr const char* name = "iakerb";
  GSSKEY_HIDDEN static constexpr Oid oid{"1.3.6.1.5.2.5"};
  static constexpr bool negotiates = false;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand = Krb5::acceptor_demand;
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept {
    return actual == oid || actual == Krb5::oid;  // an established IAKERB context is a Kerberos context
  }
};

/// NTLM, by the gss-ntlmssp plugin. Its acceptors report neither replay nor sequence detection.
/// See: MS-NLMP.
struct Ntlmssp {
  static constexpr const char* name = "ntlmssp";
  GSSKEY_HIDDEN static constexpr Oid oid{"1.3.6.1.4.1.311.2.2.10"};
  static constexpr bool negotiates = false;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand{ContextFlag::integrity, ContextFlag::confidentiality};
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept { return actual == oid; }
};

/// SPNEGO: whatever the credential and the peer have in common. Negotiate says what may come out. The first choice is
/// Kerberos, as it is every implementation's: if something else comes out, the peer has to sign the negotiation.
/// See: RFC 4178.
struct Spnego {
  static constexpr const char* name = "spnego";
  GSSKEY_HIDDEN static constexpr Oid oid{"1.3.6.1.5.5.2"};
  static constexpr bool negotiates = true;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand = Krb5::acceptor_demand;
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept { return !actual.empty(); }
  [[nodiscard]] static constexpr bool prefers(const Oid& actual) noexcept { return Krb5::accepts(actual); }
};

/// SPNEGO that ends in First or one of Others and in nothing else. With Capabilities::neg_mechs the offer is limited;
/// the result is checked everywhere. If it is not First, the peer has to sign the negotiation.
/// See: RFC 4178.
template <Mechanism First, Mechanism... Others>
  requires(!(First::negotiates || ... || Others::negotiates) && !(First::oid.empty() || ... || Others::oid.empty()))
struct Negotiate {
  static constexpr const char* name = "spnego";
  GSSKEY_HIDDEN static constexpr Oid oid = Spnego::oid;
  static constexpr bool negotiates = true;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand =
      (ContextDemand{First::acceptor_demand} & ... & ContextDemand{Others::acceptor_demand});
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept {
    return (First::accepts(actual) || ... || Others::accepts(actual));
  }
  [[nodiscard]] static constexpr bool prefers(const Oid& actual) noexcept { return First::accepts(actual); }
  /// Returns what gss_set_neg_mechs takes.
  [[nodiscard]] static gss_OID_set offer() noexcept { return raw_oid_set<First::oid, Others::oid...>(); }
};

/// No choice at compile time: the implementation's default as initiator, whatever comes as acceptor.
struct Any {
  static constexpr const char* name = "any";
  GSSKEY_HIDDEN static constexpr Oid oid{};
  static constexpr bool negotiates = false;
  GSSKEY_HIDDEN static constexpr ContextDemand acceptor_demand = Krb5::acceptor_demand;
  [[nodiscard]] static constexpr bool accepts(const Oid& actual) noexcept { return !actual.empty(); }
};

}  // namespace mech

namespace gss_detail {
template <class M>
concept LimitsOffer = requires { M::offer(); };

/// desired_mechs of a gss_acquire_cred for M.
template <Mechanism M>
[[nodiscard]] inline gss_OID_set desired_mechs() noexcept {
  if constexpr (M::oid.empty()) {
    return GSS_C_NO_OID_SET;
  } else {
    return raw_oid_set<M::oid>();
  }
}

/// failed_call() for a call that was given M.
template <Mechanism M>
[[gnu::cold]] inline Error failed_call_of(const char* operation, OM_uint32 major, OM_uint32 minor) noexcept {
  return failed_call(operation, major, minor, raw_oid<M::oid>(), M::name);
}
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
