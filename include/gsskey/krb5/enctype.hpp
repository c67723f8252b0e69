// gsskey/krb5/enctype: the encryption types of Kerberos, which ones a credential may use, and which one a context has.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/krb5/detail/functions.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Names encryption types of Kerberos. The numbers are those of the IANA registry "Kerberos Encryption Type Numbers".
enum class Enctype : std::int32_t {
  aes128_cts_hmac_sha1_96 = 17,
  aes256_cts_hmac_sha1_96 = 18,
  aes128_cts_hmac_sha256_128 = 19,
  aes256_cts_hmac_sha384_192 = 20,
};

/// Limits the types of the keys that are negotiated with this credential from here on.
/// Calls: gss_krb5_set_allowable_enctypes.
/// Errors: usage, for an empty credential, an empty list, more than four types, and a number that is no Enctype:
///   Heimdal 7.8 would allow every type then; unavailable, without Capabilities::krb5_extensions; gss.
/// Threads: not while others use the credential.
template <Usage U>
[[nodiscard]] inline Result<void> set_allowable_enctypes(Credential<mech::Krb5, U>& credential,
                                                         std::initializer_list<Enctype> enctypes) noexcept {
  constexpr const char* operation = "gss_krb5_set_allowable_enctypes";
  if (!credential) return unexpected(gsskey::detail::empty_credential(operation));
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
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_krb5_set_allowable_enctypes"));
  }
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_detail::gss_krb5_set_allowable_enctypes(&minor, credential.get(), count, numbers);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<mech::Krb5>(operation, major, minor));
  return {};
}

namespace GSSKEY_HIDDEN context_object {
inline constexpr Oid subkey{"1.2.752.43.13.8"};  ///< Heimdal's GSS_KRB5_GET_SUBKEY_X: 16 bits of type, and the key
}  // namespace GSSKEY_HIDDEN context_object

/// Returns the type of the key that protects the messages of a context, or any other number of the IANA registry: 23 is
/// RC4. The library gives it together with the key, which is wiped.
/// Calls: gss_inquire_sec_context_by_oid (GSS_C_INQ_SSPI_SESSION_KEY; if that tells no type, Heimdal's
///   GSS_KRB5_GET_SUBKEY_X).
/// Errors: those of inquire_context_object(): gss, if what was negotiated is not Kerberos; policy, if the answer is no
///   type.
template <Mechanism M>
  requires(M::accepts(mech::Krb5::oid))
[[nodiscard]] inline Result<Enctype> enctype(const SecurityContext<M>& context) noexcept {
  static constexpr Oid types{"1.2.840.113554.1.2.2.4"};  // the number follows
  const auto key = inquire_context_object<context_object::session_key>(context);
  if (!key) return unexpected(key.error());
  gsskey::detail::Reader named{(*key)[1]};
  ByteView prefix;
  unsigned char number = 0;
  if (named.take(types.size(), prefix) && prefix == ByteView{types} && named.take_byte(number) && named.at_end()) {
    return static_cast<Enctype>(number);
  }
  const auto subkey = inquire_context_object<context_object::subkey>(context);
  if (!subkey) return unexpected(subkey.error());
  gsskey::detail::Reader typed{(*subkey)[0]};
  std::uint16_t type = 0;
  if (!typed.take_big_endian(type)) {
    return unexpected(Error::policy("gss_inquire_sec_context_by_oid", 0, "the answer has no encryption type"));
  }
  return static_cast<Enctype>(type);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
