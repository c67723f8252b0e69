// gsskey/gss/credential/add: one credential for several mechanisms, each with its own keys.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential_store.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Makes a credential that has what `credential` has and, for M, the default one, for acceptors of mech::Any, which
/// then take M too. SPNEGO's part offers what it was acquired with, and does not see others beside it.
/// Calls: gss_add_cred, into a copy.
/// Errors: usage, for an empty credential; gss, with RoutineError::duplicate_element if it has M already; unavailable,
///   with KnownFaults::add_cred_is_unusable.
/// Blocks: as acquiring does.
/// Owner: `credential` stays as it was.
/// See: RFC 2744 section 5.3.
template <Mechanism M, Mechanism N, Usage U>
  requires(!M::oid.empty())
[[nodiscard]] inline Result<Credential<mech::Any, U>> add_credential(const Credential<N, U>& credential) noexcept {
  constexpr const char* operation = "gss_add_cred";
  if constexpr (known_faults.add_cred_is_unusable) {
    return unexpected(Error::unavailable(operation, "gss_add_cred of " GSSKEY_GSS_NAME " is of no use"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
  const OM_uint32 major = gss_add_cred(&minor, credential.get(), GSS_C_NO_NAME, gss_detail::raw_oid<M::oid>(), U::usage,
                                       GSS_C_INDEFINITE, GSS_C_INDEFINITE, &raw, nullptr, nullptr, nullptr);
  auto both = Credential<mech::Any, U>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return both;
}

/// Makes a credential that has what `credential` has and, for M, the one of `store`.
/// Calls: gss_add_cred_from, into a copy.
/// Errors: usage, for an empty credential, and if `store` names nothing; gss, with RoutineError::duplicate_element if
///   it has M already; unavailable, without Capabilities::credential_store.
/// Blocks: as acquiring does.
/// Owner: `credential` stays as it was.
template <Mechanism M, Mechanism N, Usage U>
  requires(!M::oid.empty())
[[nodiscard]] inline Result<Credential<mech::Any, U>> add_credential(const Credential<N, U>& credential,
                                                                     const CredentialStore& store) noexcept {
  constexpr const char* operation = "gss_add_cred_from";
  if constexpr (!capabilities.credential_store) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_add_cred_from"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  const gss_detail::KeyValueList options{store};
  if (options.empty()) return unexpected(Error::usage(operation, "the credential store names nothing"));
  OM_uint32 minor = 0;
  gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
  const OM_uint32 major = gss_detail::gss_add_cred_from(
      &minor, credential.get(), GSS_C_NO_NAME, gss_detail::raw_oid<M::oid>(), U::usage, GSS_C_INDEFINITE,
      GSS_C_INDEFINITE, options.get(), &raw, static_cast<gss_OID_set*>(nullptr), static_cast<OM_uint32*>(nullptr),
      static_cast<OM_uint32*>(nullptr));
  auto both = Credential<mech::Any, U>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return both;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
