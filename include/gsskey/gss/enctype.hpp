// gsskey/gss/enctype: the numbers of Kerberos' encryption types, without krb5.h.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/gss/api.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// Numbers of the IANA registry "Kerberos Encryption Type Numbers".
enum class Enctype : std::int32_t {
  aes128_cts_hmac_sha1_96 = 17,
  aes256_cts_hmac_sha1_96 = 18,
  aes128_cts_hmac_sha256_128 = 19,
  aes256_cts_hmac_sha384_192 = 20,
};

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
