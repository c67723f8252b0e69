// gsskey/krb5/status: the reasons of Kerberos errors that programs ask for, by name.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Minor status of the Kerberos mechanism: RFC 4120 section 7.5.9, and the library's own beyond 128; MIT krb5 and
/// Heimdal number them alike. Through SPNEGO MIT krb5's are the same (KnownFaults::minor_codes_are_mapped), Heimdal
/// 7.8's are lost.
enum class Krb5Status : std::uint32_t {
  client_expired = 0x96c73a01,             ///< KDC_ERR_NAME_EXP
  client_unknown = 0x96c73a06,             ///< KDC_ERR_C_PRINCIPAL_UNKNOWN
  server_unknown = 0x96c73a07,             ///< KDC_ERR_S_PRINCIPAL_UNKNOWN: the realm has no such service
  client_revoked = 0x96c73a12,             ///< KDC_ERR_CLIENT_REVOKED: locked
  password_expired = 0x96c73a17,           ///< KDC_ERR_KEY_EXPIRED
  preauth_failed = 0x96c73a18,             ///< KDC_ERR_PREAUTH_FAILED: wrong password, most often
  bad_integrity = 0x96c73a1f,              ///< KRB_AP_ERR_BAD_INTEGRITY: wrong key or password
  ticket_expired = 0x96c73a20,             ///< KRB_AP_ERR_TKT_EXPIRED
  ticket_not_yet_valid = 0x96c73a21,       ///< KRB_AP_ERR_TKT_NYV
  replay = 0x96c73a22,                     ///< KRB_AP_ERR_REPEAT
  not_us = 0x96c73a23,                     ///< KRB_AP_ERR_NOT_US: the ticket is for another service
  clock_skew = 0x96c73a25,                 ///< KRB_AP_ERR_SKEW: the clocks differ by more than five minutes
  message_modified = 0x96c73a29,           ///< KRB_AP_ERR_MODIFIED
  wrong_key_version = 0x96c73a2c,          ///< KRB_AP_ERR_BADKEYVER
  no_key = 0x96c73a2d,                     ///< KRB_AP_ERR_NOKEY
  mutual_failed = 0x96c73a2e,              ///< KRB_AP_ERR_MUT_FAIL: the acceptor is not who it should be
  realm_unknown = 0x96c73a9a,              ///< the configuration knows no KDC of the realm
  kdc_unreachable = 0x96c73a9c,            ///< no KDC of the realm answers
  not_in_cache = 0x96c73a8d,               ///< the credential cache holds no such ticket
  not_in_keytab = 0x96c73ab5,              ///< the keytab holds no such key
  end_of_keytab = 0x96c73ab6,              ///< Heimdal 7.8: the keytab holds no such key
  no_cache = 0x96c73ac3,                   ///< there is no such credential cache
  key_version_not_in_keytab = 0x96c73ae6,  ///< MIT krb5 only
  no_ticket_of_that_name = 0x025ea100,     ///< MIT krb5 only: the credential cache is somebody else's
  no_key_of_that_name = 0x025ea101,        ///< MIT krb5 only: the keytab has no key for that acceptor
};

/// Returns the reason of a gss error, to be compared with the names of Krb5Status; of no meaning for an error of
/// another domain.
[[nodiscard]] inline Krb5Status krb5_status(const Error& error) noexcept {
  return static_cast<Krb5Status>(error.domain() == Domain::gss ? error.minor_status() : 0);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
