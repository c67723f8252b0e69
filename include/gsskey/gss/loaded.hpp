// gsskey/gss/loaded: what the GSS library can do that this process finds at run time (GSSKEY_GSS_DLOPEN).
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/rfc2744.hpp>
#include <gsskey/gss/platform/select.hpp>

#ifdef GSSKEY_GSS_DLOPEN
#include <dlfcn.h>
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
#ifdef GSSKEY_GSS_DLOPEN
/// What there is only with this function, or variable.
struct NeededFunction {
  bool Capabilities::* capability;
  const char* name;
};
GSSKEY_HIDDEN inline constexpr NeededFunction needed_functions[] = {
    {&Capabilities::credential_store, "gss_acquire_cred_from"},
    {&Capabilities::neg_mechs, "gss_set_neg_mechs"},
    {&Capabilities::password, "gss_acquire_cred_with_password"},
    {&Capabilities::credential_export, "gss_export_cred"},
    {&Capabilities::store_credential, "gss_store_cred"},
    {&Capabilities::store_into, "gss_store_cred_into"},
    {&Capabilities::impersonation, "gss_acquire_cred_impersonate_name"},
    {&Capabilities::credential_options, "gss_set_cred_option"},
    {&Capabilities::iov, "gss_wrap_iov"},
    {&Capabilities::mic_iov, "gss_get_mic_iov"},
    {&Capabilities::pseudo_random, "gss_pseudo_random"},
    {&Capabilities::local_names, "gss_localname"},
    {&Capabilities::name_attributes, "gss_get_name_attribute"},
    {&Capabilities::mechanism_attributes, "gss_inquire_attrs_for_mech"},
    {&Capabilities::context_options, "gss_inquire_sec_context_by_oid"},
    {&Capabilities::krb5_extensions, "gss_krb5_export_lucid_sec_context"},
    {&Capabilities::str_to_oid, "gss_str_to_oid"},
    {&Capabilities::sasl_ssf, "GSS_C_SEC_CONTEXT_SASL_SSF"},
};

[[nodiscard]] inline Error lacking(const char* function) noexcept {
  return Error::unavailable("dlsym", GSSKEY_GSS_DLOPEN " lacks a function of RFC 2744")
      .with_text(GSSKEY_GSS_DLOPEN " has no ", function);
}
[[nodiscard]] inline Result<Capabilities> look_for_library() noexcept {
  void* const library = ::dlopen(GSSKEY_GSS_DLOPEN, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = ::dlerror();
    return unexpected(Error::unavailable("dlopen", GSSKEY_GSS_NAME " is not there")
                          .with_text(reason == nullptr ? GSSKEY_GSS_DLOPEN : reason));
  }
#define GSSKEY_GSS_REQUIRED(name) \
  if (::dlsym(library, #name) == nullptr) return unexpected(lacking(#name))
  GSSKEY_GSS_RFC2744(GSSKEY_GSS_REQUIRED);
#undef GSSKEY_GSS_REQUIRED
  Capabilities found = capabilities;
  found.kdc_exchange = false;  // krb5/kdc_exchange.hpp is for programs that are linked with libkrb5
  for (const NeededFunction& needed : needed_functions) {
    if (::dlsym(library, needed.name) == nullptr) found.*needed.capability = false;
  }
  return found;
}
#endif
}  // namespace gss_detail

/// Returns what the library has: `capabilities`, without those whose functions are not in it. Where the program is
/// linked with the library, `capabilities`.
/// Calls: dlopen, dlsym.
/// Errors: unavailable, with the words of the dynamic linker, or the function of RFC 2744 that is missing. Every call
///   of that function then answers RoutineError::unavailable.
/// Blocks: on files, the first time.
[[nodiscard]] inline Result<Capabilities> loaded_capabilities() noexcept {
#ifdef GSSKEY_GSS_DLOPEN
  return gss_detail::look_for_library();
#else
  return capabilities;
#endif
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
