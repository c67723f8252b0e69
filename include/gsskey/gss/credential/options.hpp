// gsskey/gss/credential/options: a credential's answers per mechanism and by OID, and what can be set on it.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <utility>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/buffer_set.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What inquire_use() says of a credential: both sides apart, unlike CredentialInfo.
struct CredentialUse {
  bool can_initiate;
  bool can_accept;
  Seconds initiator_lifetime;  ///< 0: expired, or it cannot initiate
  Seconds acceptor_lifetime;   ///< 0: it cannot accept
};

/// Returns what a credential is good for. Not for SPNEGO, of which no implementation answers.
/// Calls: gss_inquire_cred_by_mech.
/// Errors: usage, for an empty credential; gss.
/// Blocks: as Credential::inquire() does.
/// See: RFC 2744 section 5.22.
template <Mechanism M, Usage U>
  requires(!M::negotiates && !M::oid.empty())
[[nodiscard]] inline Result<CredentialUse> inquire_use(const Credential<M, U>& credential) noexcept {
  constexpr const char* operation = "gss_inquire_cred_by_mech";
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  OM_uint32 initiator_lifetime = 0;  // implementations leave alone what has no meaning
  OM_uint32 acceptor_lifetime = 0;
  gss_cred_usage_t usage = GSS_C_BOTH;
  // Without the name: it is that of gss_inquire_cred, and Heimdal 7.8 makes one that crashes for a nameless acceptor.
  const OM_uint32 major = gss_inquire_cred_by_mech(&minor, credential.get(), gss_detail::raw_oid<M::oid>(), nullptr,
                                                   &initiator_lifetime, &acceptor_lifetime, &usage);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return CredentialUse{usage != GSS_C_ACCEPT, usage != GSS_C_INITIATE, Seconds{initiator_lifetime},
                       Seconds{acceptor_lifetime}};
}

/// Returns what the implementation documents for `Object`; an empty set where it has nothing to say.
/// Calls: gss_inquire_cred_by_oid.
/// Errors: usage, for an empty credential; gss, for an object that the implementation does not know
///   RoutineError::unavailable or, on Heimdal, failure; unavailable, without Capabilities::credential_options.
template <const Oid& Object, Mechanism M, Usage U>
[[nodiscard]] inline Result<BufferSet> inquire_credential(const Credential<M, U>& credential) noexcept {
  constexpr const char* operation = "gss_inquire_cred_by_oid";
  if constexpr (!capabilities.credential_options) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_inquire_cred_by_oid"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  BufferSet answers;
  const OM_uint32 major =
      gss_detail::gss_inquire_cred_by_oid(&minor, credential.get(), gss_detail::raw_oid<Object>(), answers.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return answers;
}

namespace gss_detail {
/// GSS_KRB5_CRED_NO_CI_FLAGS_X
GSSKEY_HIDDEN inline constexpr Oid no_ci_flags{"1.2.752.43.13.29"};
}  // namespace gss_detail

/// Makes `credential` ask for confidentiality and integrity only where they are demanded or requested, for SASL and
/// LDAP peers that choose their layers by these flags. Kerberos would ask for them always.
/// Calls: gss_set_cred_option (GSS_KRB5_CRED_NO_CI_FLAGS_X).
/// Errors: usage, for an empty credential; gss; unavailable, without Capabilities::credential_options.
/// Threads: not while others use the credential.
template <Mechanism M, Usage U>
  requires(!std::same_as<U, Accept>)
[[nodiscard]] inline Result<void> set_no_ci_flags(Credential<M, U>& credential) noexcept {
  constexpr const char* operation = "gss_set_cred_option";
  if constexpr (!capabilities.credential_options) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_set_cred_option"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  gss_buffer_desc nothing{0, nullptr};
  gss_cred_id_t raw = credential.release();  // the call may replace it
  const OM_uint32 major =
      gss_detail::gss_set_cred_option(&minor, &raw, gss_detail::raw_oid<gss_detail::no_ci_flags>(), &nothing);
  credential = Credential<M, U>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return {};
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
