// gsskey/gss/credential/impersonation: a service that acts for a user who did not come with Kerberos (S4U2Self,
// S4U2Proxy).
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <utility>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential/options.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// GSS_KRB5_GET_CRED_IMPERSONATOR
GSSKEY_HIDDEN inline constexpr Oid get_impersonator{"1.2.840.113554.1.2.2.5.14"};
}  // namespace gss_detail

/// Makes a credential of `user`, whom the caller has authenticated by other means, with the tickets of `service`
/// (S4U2Self). It has a life of its own.
///
/// With the service itself as the target it is good. Any other target is S4U2Proxy: the KDC decides in the handshake's
/// first step, by +ok_to_auth_as_delegate of the service and a list of targets. MIT's KDC keeps that list in LDAP only,
/// and with DB2 refuses all ("KDC can't fulfill requested option"); Heimdal's has it in its own database.
/// Calls: gss_acquire_cred_impersonate_name.
/// Errors: usage, for an empty credential or name; gss, with the user in its words; unavailable, without
///   Capabilities::impersonation.
/// Blocks: on the KDC.
/// See: MS-SFU; MIT krb5, "Constrained delegation (S4U)" of its application developer documentation.
template <Mechanism M, Usage U>
  requires(!std::same_as<U, Accept>)
[[nodiscard]] inline Result<Credential<M, Initiate>> impersonate(const Credential<M, U>& service,
                                                                 const Name& user) noexcept {
  constexpr const char* operation = "gss_acquire_cred_impersonate_name";
  if constexpr (!capabilities.impersonation) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_acquire_cred_impersonate_name"));
  }
  if (!service) return unexpected(gsskey::detail::empty_credential(operation));
  if (!user) return unexpected(gsskey::detail::empty_name(operation));
  OM_uint32 minor = 0;
  gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
  const OM_uint32 major = gss_detail::gss_acquire_cred_impersonate_name(
      &minor, service.get(), user.get(), GSS_C_INDEFINITE, gss_detail::desired_mechs<M>(), Initiate::usage, &raw,
      static_cast<gss_OID_set*>(nullptr), static_cast<OM_uint32*>(nullptr));
  auto credential = Credential<M, Initiate>::adopt(raw);
  if (major != GSS_S_COMPLETE) {
    return unexpected(gss_detail::about(user, gss_detail::failed_call_of<M>(operation, major, minor)));
  }
  if (auto limited = gss_detail::limit_offer<M>(raw); !limited) return unexpected(limited.error());
  return credential;
}

/// Returns the name of the service that acts with this credential: it made it with impersonate(), or the KDC turned a
/// user's own ticket over to it. Empty where the credential is the user's own.
/// Calls: gss_inquire_cred_by_oid, gss_import_name.
/// Errors: usage, for an empty credential; gss; unavailable, without Capabilities::impersonation.
template <Mechanism M, Usage U>
  requires(!std::same_as<U, Accept>)
[[nodiscard]] inline Result<Name> impersonator(const Credential<M, U>& credential) noexcept {
  if constexpr (!capabilities.impersonation) {
    return unexpected(Error::unavailable("gss_inquire_cred_by_oid", GSSKEY_GSS_NAME " does not know impersonators"));
  }
  auto names = inquire_credential<gss_detail::get_impersonator>(credential);
  if (!names) return unexpected(names.error());
  if (names->size() == 0) return Name{};
  return Name::principal((*names)[0].text());
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
