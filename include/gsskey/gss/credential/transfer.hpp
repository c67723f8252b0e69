// gsskey/gss/credential/transfer: credentials into bytes and back, and into credential caches.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential_store.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Makes a token from which import_credential() makes the credential again, in another process of the same
/// implementation. Treat it as the keys that it holds: tickets and session keys of a credential in memory (delegated,
/// from a password, impersonated), the names of cache and keytab of any other. Heimdal 7.8 exports none that can
/// accept.
/// Calls: gss_export_cred.
/// Errors: usage, for an empty credential; gss; unavailable, without Capabilities::credential_export.
/// Threads: one at a time.
/// Owner: `credential` stays as it was.
template <Mechanism M, Usage U>
[[nodiscard]] inline Result<SecretBytes> export_credential(const Credential<M, U>& credential) noexcept {
  constexpr const char* operation = "gss_export_cred";
  if constexpr (!capabilities.credential_export) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_export_cred"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  gss_buffer_desc token{0, nullptr};
  const OM_uint32 major = gss_detail::gss_export_cred(&minor, credential.get(), &token);
  SecretBytes exported = gss_detail::adopt_secret(token);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return exported;
}

/// Makes the credential of a token that export_credential() made. Never take `token` from somebody with fewer rights
/// than this process: it names files that are opened with this process's rights, nothing proves where it comes from,
/// and parsers were not written against enemies.
///
/// Heimdal 7.8 exports only the Kerberos part of a SPNEGO credential: import it as mech::Krb5. What it imports has
/// forgotten its end: its lifetime() is indefinite.
/// Calls: gss_import_cred, gss_inquire_cred.
/// Errors: usage, for more than limits.token; policy, if the credential is not one of M for U, in whose place MIT krb5
///   would use the default one; gss; unavailable, without Capabilities::credential_export.
/// Blocks: on the caches and keytabs that the token names.
/// See: MIT krb5, "Importing and exporting credentials" of its application developer documentation.
template <Mechanism M, Usage U>
[[nodiscard]] inline Result<Credential<M, U>> import_credential(ByteView token) noexcept {
  constexpr const char* operation = "gss_import_cred";
  if constexpr (!capabilities.credential_export) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_import_cred"));
  }
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long(operation, limits.token));
  OM_uint32 minor = 0;
  gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
  gss_buffer_desc in = gss_detail::borrow(token);
  OM_uint32 major = gss_detail::gss_import_cred(&minor, &in, &raw);
  auto credential = Credential<M, U>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  gss_cred_usage_t usage = -1;
  OidSet mechanisms;
  major = gss_inquire_cred(&minor, raw, nullptr, nullptr, &usage, mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>("gss_inquire_cred", major, minor));
  if (!M::oid.empty() && !mechanisms.contains(M::oid)) {
    return unexpected(Error::policy(operation, 0, "the credential is one of another mechanism"));
  }
  if (usage != U::usage && usage != GSS_C_BOTH) {
    return unexpected(Error::policy(operation, 0, "the credential is for the other side"));
  }
  if (auto limited = gss_detail::limit_offer<M>(raw); !limited) return unexpected(limited.error());
  return credential;
}

/// Says how a credential is stored.
struct StoreOptions {
  /// Whether what is there is replaced. Else that is an error, RoutineError::duplicate_element.
  bool overwrite = false;
  /// Whether this becomes the default one in a collection of caches (DIR:, KEYRING:).
  bool make_default = false;
};

/// Stores the tickets of `credential` in the default cache of the process (KRB5CCNAME); where that is a collection, in
/// the principal's own in it. Not for SPNEGO's, of which MIT krb5 stores nothing and reports success.
/// Calls: gss_store_cred.
/// Errors: usage, for an empty credential; gss; unavailable, without Capabilities::store_credential, and with
///   KnownFaults::store_destroys_credential.
/// Blocks: on files.
/// See: RFC 5588.
template <Mechanism M, Usage U>
  requires(!std::same_as<U, Accept> && !M::negotiates)
[[nodiscard]] inline Result<void> store_credential(const Credential<M, U>& credential,
                                                   const StoreOptions& options = {}) noexcept {
  constexpr const char* operation = "gss_store_cred";
  if constexpr (!capabilities.store_credential) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_store_cred"));
  }
  if constexpr (known_faults.store_destroys_credential) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " empties the cache that it should store"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_detail::gss_store_cred(
      &minor, credential.get(), GSS_C_INITIATE, gss_detail::raw_oid<M::oid>(), OM_uint32{options.overwrite},
      OM_uint32{options.make_default}, static_cast<gss_OID_set*>(nullptr), static_cast<gss_cred_usage_t*>(nullptr));
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return {};
}

/// Stores the tickets of `credential` in `store.ccache`; nothing else in `store` has a meaning here. Not for SPNEGO's,
/// of which MIT krb5 stores nothing and reports success.
/// Calls: gss_store_cred_into.
/// Errors: usage, for an empty credential, and if `store` names no ccache: the environment's would be taken; gss;
///   unavailable, without Capabilities::store_into.
/// Blocks: on files.
template <Mechanism M, Usage U>
  requires(!std::same_as<U, Accept> && !M::negotiates)
[[nodiscard]] inline Result<void> store_credential_into(const Credential<M, U>& credential,
                                                        const CredentialStore& store,
                                                        const StoreOptions& options = {}) noexcept {
  constexpr const char* operation = "gss_store_cred_into";
  if constexpr (!capabilities.store_into) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_store_cred_into"));
  }
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  if (store.ccache == nullptr) return unexpected(Error::usage(operation, "the credential store names no ccache"));
  const gss_detail::KeyValueList place{CredentialStore{.ccache = store.ccache}};
  OM_uint32 minor = 0;
  const OM_uint32 major =
      gss_detail::gss_store_cred_into(&minor, credential.get(), GSS_C_INITIATE, gss_detail::raw_oid<M::oid>(),
                                      OM_uint32{options.overwrite}, OM_uint32{options.make_default}, place.get(),
                                      static_cast<gss_OID_set*>(nullptr), static_cast<gss_cred_usage_t*>(nullptr));
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return {};
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
