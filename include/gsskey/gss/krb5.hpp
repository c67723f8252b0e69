// gsskey/gss/krb5: what only Kerberos has, and needs krb5.h for: the encryption types that a credential may use.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/api.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/enctype.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/usage.hpp>

#ifdef GSSKEY_GSS_KRB5_H
#include <gssapi/gssapi_krb5.h>
#endif

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// gss_krb5_set_allowable_enctypes: keys of no other type are negotiated with this credential from here on. Not while
/// other threads use the credential. Errors: usage (empty credential or list, or a number that is no Enctype: Heimdal
/// 7.8 would allow every type then), gss, unavailable.
template <Usage U>
[[nodiscard]] Result<void> set_allowable_enctypes(Credential<mech::Krb5, U>& credential,
                                                  std::initializer_list<Enctype> enctypes) noexcept {
  constexpr const char* operation = "gss_krb5_set_allowable_enctypes";
  if (!credential) return unexpected(Error::usage(operation, "the credential is empty: moved from, or never set"));
  std::int32_t numbers[4];
  OM_uint32 count = 0;
  for (const Enctype enctype : enctypes) {
    if (count == std::size(numbers)) return unexpected(Error::usage(operation, "more types than there are"));
    if (enctype < Enctype::aes128_cts_hmac_sha1_96 || enctype > Enctype::aes256_cts_hmac_sha384_192) {
      return unexpected(Error::usage(operation, "not an encryption type of Enctype"));
    }
    numbers[count++] = static_cast<std::int32_t>(enctype);
  }
  if (count == 0) return unexpected(Error::usage(operation, "no encryption type would be left"));
#ifndef GSSKEY_GSS_KRB5_H
  return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_krb5_set_allowable_enctypes"));
#else
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_krb5_set_allowable_enctypes(&minor, credential.get(), count, numbers);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<mech::Krb5>(operation, major, minor));
  return {};
#endif
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
