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

/// gss_export_cred: bytes from which import_credential() makes the credential again, in another process of the same
/// implementation. Treat them as the keys that they hold: tickets and session keys of a credential in memory
/// (delegated, from a password, impersonated), the names of cache and keytab of any other. `credential` stays as it is;
/// one thread at a time. Errors: usage (empty), gss, unavailable. Heimdal 7.8 exports none that can accept.
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

/// gss_import_cred: the credential of an exported token, owned by the result. Never take `token` from somebody with
/// fewer rights than this process: it names files that are opened with this process's rights, nothing proves where it
/// comes from, and parsers were not written against enemies. Reads caches and keytabs that it names. Of Heimdal 7.8 the
/// result has forgotten its end: its lifetime() is indefinite. Errors: usage, for more than limits.token; policy, if
/// the credential is not one of M for U (MIT krb5 would use the default one instead; from a SPNEGO credential
/// Heimdal 7.8 exports only the Kerberos part: import it as mech::Krb5); gss; unavailable. Source: MIT krb5, "Importing
/// and exporting credentials" of its application developer documentation.
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

/// How a credential is stored.
struct StoreOptions {
  /// Replace what is there. Without it that is an error: GSS_S_DUPLICATE_ELEMENT.
  bool overwrite = false;
  /// In a collection of caches (DIR:, KEYRING:), make this the one that is used by default.
  bool make_default = false;
};

/// gss_store_cred: tickets of `credential` into the default cache of the process (KRB5CCNAME); where that is a
/// collection, into the principal's own in it. Not for SPNEGO's, of which MIT krb5 stores nothing and reports success.
/// Writes files. Errors: usage (empty); gss; unavailable, on Heimdal 7.8
/// too, whose call destroys the credential.
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

/// gss_store_cred_into, where Capabilities::store_into: tickets of `credential` into `store.ccache`, which must be set;
/// nothing else in `store` has a meaning here. Not for SPNEGO's, as above. Writes files. Errors: usage (empty, no cache
/// named: the environment's would be taken), gss, unavailable.
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
