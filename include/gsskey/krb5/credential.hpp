// gsskey/krb5/credential: credentials from and to the caches and keytabs that a program opened with libkrb5.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <utility>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/keytab_guard.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // who has a krb5_ccache is linked with libkrb5

#include GSSKEY_GSS_KRB5_H
#include <krb5.h>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
#ifdef GSSKEY_GSS_KEYTABS_CRASH
/// "TYPE:residual", of a keytab that the guard has to know: see gss/platform/keytab_guard.hpp. Empty if there is none.
class KeytabName {
 public:
  explicit KeytabName(krb5_keytab keytab) noexcept {  // neither call uses the context that it wants
    constexpr std::size_t type_size = 32;
    if (keytab == nullptr || krb5_kt_get_type(nullptr, keytab, text_, type_size) != 0) {
      text_[0] = '\0';
      return;
    }
    const std::size_t type = std::strlen(text_);
    text_[type] = ':';
    if (krb5_kt_get_name(nullptr, keytab, text_ + type + 1, max_keytab_name - type_size) != 0) text_[0] = '\0';
  }
  [[nodiscard]] bool empty() const noexcept { return text_[0] == '\0'; }
  [[nodiscard]] const char* get() const noexcept { return text_; }

 private:
  char text_[max_keytab_name];
};
#endif

template <Usage U>
[[nodiscard]] inline Result<Credential<mech::Krb5, U>> import_krb5(krb5_ccache cache, krb5_keytab keytab,
                                                                   krb5_principal principal) noexcept {
  constexpr const char* operation = "gss_krb5_import_cred";
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  const KeytabName name{keytab};
  if (!name.empty()) {
    if (auto checked = check_keytab<mech::Krb5>(operation, name.get()); !checked) {
      return unexpected(std::move(checked).error());
    }
  }
#endif
  OM_uint32 minor = 0;
  gss_cred_id_t raw = GSS_C_NO_CREDENTIAL;
  const OM_uint32 major = gss_krb5_import_cred(&minor, cache, principal, keytab, &raw);
  auto credential = Credential<mech::Krb5, U>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(failed_call_of<mech::Krb5>(operation, major, minor));
#ifdef GSSKEY_GSS_KEYTABS_CRASH
  if (!name.empty() && !KnownKeytabs::add(credential.get(), name.get())) {
    return unexpected(Error::system(operation, ENOMEM));
  }
#endif
  return credential;
}
}  // namespace gss_detail

/// Returns the credential that is in `cache`.
/// Calls: gss_krb5_import_cred.
/// Errors: usage, for nullptr; gss.
/// Blocks: on the cache: disk, or a daemon that has it.
/// Owner: of `cache`, the caller, who may close it afterwards. To destroy it takes the tickets away from the credential
///   too.
[[nodiscard]] inline Result<Credential<mech::Krb5, Initiate>> import_cache(krb5_ccache cache) noexcept {
  if (cache == nullptr) return unexpected(Error::usage("gss_krb5_import_cred", "no cache"));
  return gss_detail::import_krb5<Initiate>(cache, nullptr, nullptr);
}

/// Returns a credential that accepts for `principal`, or for every key of `keytab` if `principal` is nullptr.
/// Calls: gss_krb5_import_cred.
/// Errors: usage, for no keytab; gss; on Heimdal also system, for a file that cannot be looked at.
/// Blocks: on the keytab's disk.
/// Owner: of both arguments, the caller, who may close and free them afterwards.
[[nodiscard]] inline Result<Credential<mech::Krb5, Accept>> import_keytab(krb5_keytab keytab,
                                                                          krb5_principal principal = nullptr) noexcept {
  if (keytab == nullptr) return unexpected(Error::usage("gss_krb5_import_cred", "no keytab"));
  return gss_detail::import_krb5<Accept>(nullptr, keytab, principal);
}

/// Returns a credential that initiates with the tickets of `cache` and accepts for the cache's principal with its keys
/// in `keytab`, as a service that is its own client does.
/// Calls: gss_krb5_import_cred.
/// Errors: usage, for nullptr; gss; on Heimdal also system, for a keytab's file that cannot be looked at.
/// Blocks: on the cache and the keytab: disk, or a daemon that has the cache.
/// Owner: of both arguments, the caller, who may close them afterwards. To destroy the cache takes the tickets away
///   from the credential too.
[[nodiscard]] inline Result<Credential<mech::Krb5, Both>> import_cache_and_keytab(krb5_ccache cache,
                                                                                  krb5_keytab keytab) noexcept {
  if (cache == nullptr || keytab == nullptr) {
    return unexpected(Error::usage("gss_krb5_import_cred", "no cache, or no keytab"));
  }
  return gss_detail::import_krb5<Both>(cache, keytab, nullptr);
}

/// Copies what the credential has into `to`, a cache that was initialised and is not the credential's own. MIT krb5
/// adds to what is there, Heimdal replaces it. store_credential_into() needs no libkrb5.
/// Calls: gss_krb5_copy_ccache.
/// Errors: usage, for an empty credential and for no cache; gss.
/// Blocks: on both caches: disk, or a daemon that has one.
/// Owner: of `to`, the caller.
template <Usage U>
  requires(!std::same_as<U, Accept>)
[[nodiscard]] inline Result<void> copy_to_cache(const Credential<mech::Krb5, U>& credential, krb5_ccache to) noexcept {
  constexpr const char* operation = "gss_krb5_copy_ccache";
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
  if (to == nullptr) return unexpected(Error::usage(operation, "no cache"));
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_krb5_copy_ccache(&minor, credential.get(), to);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<mech::Krb5>(operation, major, minor));
  return {};
}

/// Takes the tickets for `service`, of whichever realm, out of `cache`, so that the next handshake asks the KDC for a
/// new one. A ticket that was made with an old key of the service is of no use and stays to its end, however often a
/// credential is acquired from that cache. Credentials that were acquired from the cache see the tickets go. That there
/// are none is no error. In a file Heimdal leaves them behind as tickets that have ended.
///
///     krb5_cc_resolve(context, "MEMORY:daemon", &cache);
///     krb5_sname_to_principal(context, "db.example.org", "postgres", KRB5_NT_SRV_HST, &service);
///     if (client.report(*lease, error) && forget_ticket(context, cache, service)) lease = client.lease();
///
/// Calls: krb5_cc_remove_cred.
/// Errors: usage, for nullptr; gss, with the code of libkrb5 as minor status.
/// Blocks: on the cache: disk, or a daemon that has it.
/// Owner: of all arguments, the caller.
[[nodiscard]] inline Result<void> forget_ticket(krb5_context context, krb5_ccache cache,
                                                krb5_principal service) noexcept {
  constexpr const char* operation = "krb5_cc_remove_cred";
  if (context == nullptr || cache == nullptr || service == nullptr) {
    return unexpected(Error::usage(operation, "no context of libkrb5, no cache, or no service"));
  }
  krb5_creds match{};
  match.server = service;
  const krb5_error_code code = krb5_cc_remove_cred(context, cache, KRB5_TC_MATCH_SRV_NAMEONLY, &match);
  if (code == 0) return {};
  return unexpected(gss_detail::failed_krb5(context, operation, code));
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
