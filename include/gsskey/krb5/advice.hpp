// gsskey/krb5/advice: the failures that everybody meets with Kerberos, told apart, and what to do about each.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/status.hpp>
#include <gsskey/krb5/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Tells the failures apart that everybody meets with Kerberos.
enum class Failure : unsigned char {
  other,              ///< none of these, or the implementation does not tell (Heimdal 7.8 through SPNEGO)
  no_credential,      ///< no ticket or no key, and the implementation does not tell which
  no_ticket,          ///< the initiator's cache
  ticket_expired,     ///< or the context that was made with it
  clock_skew,         ///< two clocks differ by more than five minutes
  no_key,             ///< the acceptor's keytab has none for the service
  wrong_key_version,  ///< it has one, of another version or another realm; or two KDCs have not the same for krbtgt
  unknown_realm,      ///< the configuration names no KDC of it, or one that speaks for another
  unknown_service,    ///< the realm has none of that name, or there is no way to its realm; Heimdal 7.8: or one fails
  unknown_user,       ///< the realm has none of that name
  kdc_unreachable,    ///< no answer; Heimdal 7.8: an unknown realm, too
  wrong_password,     ///< or, of MIT krb5 with a certificate, the KDC's is not good
  replay,             ///< the acceptor has seen the initiator's token before
  not_mutual,         ///< the acceptor did not prove who it is
  bad_binding,        ///< the peers' channels differ, or one gave none
  not_delegated,      ///< delegation was demanded and not granted, or the ticket is not forwardable
  account_locked,
  account_expired,        ///< or it is not valid yet
  password_expired,       ///< or it must be changed before the first use
  service_disabled,       ///< locked, expired, not valid yet, or for user-to-user tickets only
  refused_by_policy,      ///< the KDC's, or that of a realm on the way
  path_refused,           ///< the acceptor or a KDC does not accept the realms on the way from the client's
  no_common_enctype,      ///< client, KDC and service permit no encryption type or checksum together
  more_than_password,     ///< the KDC wants another proof: a certificate, a one-time password, FAST; or there is a
                          ///< certificate, and it cannot be used here
  certificate,            ///< one of PKINIT is not trusted, not valid, or not for this name and use
  configuration,          ///< krb5.conf: not readable, malformed, or without a default realm
  cache_unusable,         ///< the initiator's is damaged, of no known type, or cannot be written
  replay_cache_unusable,  ///< the acceptor's cannot be read or written
  foreign_token,          ///< what came is no token of the mechanism: the peer speaks something else, or it was damaged
  told_in_log,            ///< the acceptor or the KDC has failed, and tells the reason to its log only
};

namespace gss_detail {
/// What the codes of krb5.h say, from the first to the last of each line. Not here is what is a fault of somebody's
/// program, or can have many reasons.
struct CodesOfFailure {
  unsigned char first;
  unsigned char last;
  Failure failure;
};
GSSKEY_HIDDEN inline constexpr CodesOfFailure codes_of_failures[] = {
    {0x01, 0x01, Failure::account_expired},        // KDC_ERR_NAME_EXP
    {0x02, 0x02, Failure::service_disabled},       // KDC_ERR_SERVICE_EXP
    {0x06, 0x06, Failure::unknown_user},           // KDC_ERR_C_PRINCIPAL_UNKNOWN
    {0x07, 0x07, Failure::unknown_service},        // KDC_ERR_S_PRINCIPAL_UNKNOWN
    {0x0a, 0x0d, Failure::refused_by_policy},      // KDC_ERR_CANNOT_POSTDATE, NEVER_VALID, POLICY, BADOPTION
    {0x0e, 0x0f, Failure::no_common_enctype},      // KDC_ERR_ETYPE_NOSUPP, SUMTYPE_NOSUPP
    {0x10, 0x10, Failure::more_than_password},     // KDC_ERR_PADATA_TYPE_NOSUPP
    {0x11, 0x11, Failure::refused_by_policy},      // KDC_ERR_TRTYPE_NOSUPP
    {0x12, 0x12, Failure::account_locked},         // KDC_ERR_CLIENT_REVOKED
    {0x13, 0x13, Failure::service_disabled},       // KDC_ERR_SERVICE_REVOKED
    {0x14, 0x14, Failure::ticket_expired},         // KDC_ERR_TGT_REVOKED
    {0x15, 0x15, Failure::account_expired},        // KDC_ERR_CLIENT_NOTYET
    {0x16, 0x16, Failure::service_disabled},       // KDC_ERR_SERVICE_NOTYET
    {0x17, 0x17, Failure::password_expired},       // KDC_ERR_KEY_EXPIRED
    {0x18, 0x18, Failure::wrong_password},         // KDC_ERR_PREAUTH_FAILED
    {0x19, 0x19, Failure::more_than_password},     // KDC_ERR_PREAUTH_REQUIRED
    {0x1b, 0x1b, Failure::service_disabled},       // KDC_ERR_MUST_USE_USER2USER
    {0x1c, 0x1c, Failure::path_refused},           // KDC_ERR_PATH_NOT_ACCEPTED
    {0x1d, 0x1d, Failure::kdc_unreachable},        // KDC_ERR_SVC_UNAVAILABLE
    {0x20, 0x20, Failure::ticket_expired},         // KRB_AP_ERR_TKT_EXPIRED
    {0x21, 0x21, Failure::clock_skew},             // KRB_AP_ERR_TKT_NYV
    {0x22, 0x22, Failure::replay},                 // KRB_AP_ERR_REPEAT
    {0x23, 0x23, Failure::no_key},                 // KRB_AP_ERR_NOT_US
    {0x25, 0x25, Failure::clock_skew},             // KRB_AP_ERR_SKEW
    {0x29, 0x29, Failure::wrong_key_version},      // KRB_AP_ERR_MODIFIED
    {0x2b, 0x2b, Failure::path_refused},           // KRB_AP_ERR_ILL_CR_TKT
    {0x2c, 0x2c, Failure::wrong_key_version},      // KRB_AP_ERR_BADKEYVER
    {0x2d, 0x2d, Failure::no_key},                 // KRB_AP_ERR_NOKEY
    {0x2e, 0x2e, Failure::not_mutual},             // KRB_AP_ERR_MUT_FAIL
    {0x33, 0x33, Failure::path_refused},           // KRB_AP_PATH_NOT_ACCEPTED
    {0x3c, 0x3c, Failure::told_in_log},            // KRB_ERR_GENERIC
    {0x3e, 0x42, Failure::certificate},            // KDC_ERR_CLIENT_NOT_TRUSTED … CERTIFICATE_MISMATCH (RFC 4556)
    {0x44, 0x44, Failure::unknown_realm},          // KDC_ERR_WRONG_REALM
    {0x45, 0x45, Failure::service_disabled},       // KRB_AP_ERR_USER_TO_USER_REQUIRED
    {0x46, 0x51, Failure::certificate},            // KDC_ERR_CANT_VERIFY_CERTIFICATE …
    {0x55, 0x56, Failure::kdc_unreachable},        // KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, KDC_NO_RESPONSE
    {0x5a, 0x5d, Failure::more_than_password},     // KDC_ERR_PREAUTH_EXPIRED … UNKNOWN_CRITICAL_FAST_OPTIONS (RFC 6113)
    {0x64, 0x64, Failure::no_common_enctype},      // KDC_ERR_NO_ACCEPTABLE_KDF
    {0x87, 0x89, Failure::configuration},          // KRB5_CONFIG_CANTOPEN, BADFORMAT, NOTENUFSPACE
    {0x8b, 0x8c, Failure::cache_unusable},         // KRB5_CC_BADNAME, UNKNOWN_TYPE
    {0x8d, 0x8f, Failure::no_ticket},              // KRB5_CC_NOTFOUND, CC_END, NO_TKT_SUPPLIED
    {0x90, 0x90, Failure::no_key},                 // KRB5KRB_AP_WRONG_PRINC
    {0x94, 0x94, Failure::clock_skew},             // KRB5_KDCREP_SKEW
    {0x95, 0x95, Failure::unknown_realm},          // KRB5_IN_TKT_REALM_MISMATCH
    {0x96, 0x99, Failure::no_common_enctype},      // KRB5_PROG_ETYPE_NOSUPP … PROG_SUMTYPE_NOSUPP
    {0x9a, 0x9a, Failure::unknown_realm},          // KRB5_REALM_UNKNOWN
    {0x9b, 0x9b, Failure::unknown_service},        // KRB5_SERVICE_UNKNOWN
    {0x9c, 0x9c, Failure::kdc_unreachable},        // KRB5_KDC_UNREACH
    {0x9e, 0x9e, Failure::not_mutual},             // KRB5_MUTUAL_FAILED
    {0xa3, 0xa3, Failure::replay},                 // KRB5_RC_REPLAY
    {0x9f, 0xac, Failure::replay_cache_unusable},  // KRB5_RC_*
    {0xb3, 0xb8, Failure::no_key},                 // KRB5_KT_*
    {0xb9, 0xb9, Failure::unknown_service},        // KRB5_NO_TKT_IN_RLM
    {0xbc, 0xbc, Failure::no_common_enctype},      // KRB5_BAD_ENCTYPE
    {0xc3, 0xc3, Failure::no_ticket},              // KRB5_FCC_NOFILE
    {0xc1, 0xc7, Failure::cache_unusable},         // KRB5_CC_IO, FCC_PERM … CC_FORMAT
    {0xc8, 0xc8, Failure::no_common_enctype},      // KRB5_CC_NOT_KTYPE
    {0xcb, 0xcb, Failure::no_ticket},              // KRB5_NOCREDS_SUPPLIED
    {0xd0, 0xd2, Failure::more_than_password},     // KRB5_PREAUTH_*
    {0xd3, 0xd3, Failure::replay_cache_unusable},  // KRB5_RCACHE_BADVNO
    {0xd4, 0xd4, Failure::cache_unusable},         // KRB5_CCACHE_BADVNO
    {0xd5, 0xd5, Failure::no_key},                 // KRB5_KEYTAB_BADVNO
    {0xd7, 0xd7, Failure::replay_cache_unusable},  // KRB5_RC_REQUIRED
    {0xd8, 0xd8, Failure::unknown_service},        // KRB5_ERR_BAD_HOSTNAME
    {0xd9, 0xd9, Failure::unknown_realm},          // KRB5_ERR_HOST_REALM_UNKNOWN
    {0xdc, 0xdc, Failure::kdc_unreachable},        // KRB5_REALM_CANT_RESOLVE
    {0xdd, 0xdd, Failure::not_delegated},          // KRB5_TKT_NOT_FORWARDABLE
    {0xdf, 0xdf, Failure::more_than_password},     // KRB5_GET_IN_TKT_LOOP: no proof is the last
    {0xe0, 0xe0, Failure::configuration},          // KRB5_CONFIG_NODEFREALM
    {0xe1, 0xe4, Failure::more_than_password},     // KRB5_SAM_*
    {0xe5, 0xe5, Failure::no_key},                 // KRB5_KT_NAME_TOOLONG
    {0xe6, 0xe6, Failure::wrong_key_version},      // KRB5_KT_KVNONOTFOUND
    {0xeb, 0xeb, Failure::no_key},                 // KRB5_KT_FORMAT
    {0xec, 0xed, Failure::no_common_enctype},      // KRB5_NOPERM_ETYPE, CONFIG_ETYPE_NOSUPP
    {0xef, 0xf2, Failure::kdc_unreachable},        // KRB5_EAI_*
    {0xf3, 0xf3, Failure::unknown_realm},          // KRB5_ERR_NUMERIC_REALM
    {0xf6, 0xf7, Failure::cache_unusable},         // KRB5_CC_READONLY, CC_NOSUPP
    {0xfc, 0xfc, Failure::more_than_password},     // KRB5_ERR_FAST_REQUIRED
};
/// Whether a number may be one of Kerberos' or of a file that it reads: SPNEGO and a default mechanism pass them on.
[[nodiscard]] inline bool may_be_of_kerberos(const Error& error) noexcept {
  for (const char* name : {mech::Krb5::name, mech::Iakerb::name, mech::Spnego::name, mech::Any::name, ""}) {
    if (std::strcmp(error.mechanism(), name) == 0) return true;
  }
  return false;
}
[[nodiscard]] inline bool is_of_call(const Error& error, std::string_view call) noexcept {
  return std::strncmp(error.operation(), call.data(), call.size()) == 0;
}
}  // namespace gss_detail

/// Returns which Failure an Error is: by its numbers, never by its words.
[[nodiscard]] inline Failure failure_of(const Error& error) noexcept {
  using gss_detail::is_of_call;
  if (error.domain() == Domain::policy) {
    const auto missing = ContextFlags::from_bits(error.minor_status());
    if (missing.contains(ContextFlag::mutual)) return Failure::not_mutual;
    if (missing.contains(ContextFlag::delegate)) return Failure::not_delegated;
    if (missing.contains(ContextFlag::channel_bound)) return Failure::bad_binding;
    return Failure::other;
  }
  if (error.domain() != Domain::gss) return Failure::other;
  const bool accepts = is_of_call(error, "gss_accept_sec_context");
  const bool acquires = is_of_call(error, "gss_acquire_cred") || is_of_call(error, "gss_inquire_cred");
  switch (krb5_status(error)) {
    case Krb5Status::bad_integrity:  // of what the KDC sent, or of a ticket, which the peer may have said
      return acquires ? Failure::wrong_password : Failure::wrong_key_version;
    case Krb5Status::no_ticket_of_that_name:
      return Failure::no_ticket;
    case Krb5Status::no_key_of_that_name:
      return Failure::no_key;
    default:
      break;
  }
  const std::uint32_t code = error.minor_status() - 0x96c73a00;
  for (const auto& codes : gss_detail::codes_of_failures) {
    if (codes.first <= code && code <= codes.last) return codes.failure;
  }
  const bool is_of_file = gss_detail::is_of_file(error.minor_status()) && gss_detail::may_be_of_kerberos(error);
  switch (routine_error(error)) {
    case RoutineError::no_cred:
      if (gss_detail::is_of_kerberos(error.minor_status())) return Failure::other;
      if (accepts && error.minor_status() == 0) return Failure::foreign_token;  // of a mechanism that it has no key for
      // errno is that of the keytab's file: caches have codes of their own
      return is_of_file && (error.minor_status() == ENOENT || error.minor_status() == EACCES) ? Failure::no_key
                                                                                              : Failure::no_credential;
    case RoutineError::credentials_expired:
    case RoutineError::context_expired:
      return Failure::ticket_expired;
    case RoutineError::bad_bindings:
      return Failure::bad_binding;
    case RoutineError::bad_mech:  // to initiators through SPNEGO Heimdal 7.8 says that of everything
      return accepts ? Failure::foreign_token : Failure::other;
    case RoutineError::defective_token:
      return accepts || is_of_call(error, "gss_init_sec_context") ? Failure::foreign_token : Failure::other;
    case RoutineError::bad_name:
    case RoutineError::failure:
      if (!is_of_file) return Failure::other;
      return accepts ? Failure::replay_cache_unusable : Failure::configuration;
    default:
      return Failure::other;
  }
}
/// Returns which Failure the Error of a call is that used `credential`. The credential is asked first: where its ticket
/// has ended, that is the reason, whatever the implementation made of it.
/// Blocks: as Credential::lifetime() does.
template <Mechanism M>
[[nodiscard]] inline Failure failure_of(const Error& error, const Credential<M, Initiate>& credential) noexcept {
  if (error.domain() == Domain::gss && credential) {
    const auto left = credential.lifetime();
    if (left && *left == Seconds{}) return Failure::ticket_expired;
  }
  return failure_of(error);
}

/// Returns what to do, in a sentence for those who run the program; empty for Failure::other. Static.
[[nodiscard]] constexpr std::string_view advice(Failure failure) noexcept {
  switch (failure) {
    case Failure::no_credential:
      return "an initiator needs a ticket that has not ended (kinit, klist), an acceptor a key that it may read (klist "
             "-k)";
    case Failure::no_ticket:
      return "get a ticket with kinit, or set KRB5CCNAME to the cache that has one, in a folder that is there; klist "
             "shows it";
    case Failure::ticket_expired:
      return "get a new ticket with kinit, then a new context; klist shows when tickets end";
    case Failure::clock_skew:
      return "set the clocks of client, server and KDC: at most five minutes apart";
    case Failure::no_key:
      return "give the acceptor a keytab with that key, of that version (KRB5_KTNAME), readable to it; klist -k shows "
             "it";
    case Failure::wrong_key_version:
      return "write the keytab anew (for another realm's service the key of krbtgt, in both KDCs), and let clients get "
             "new tickets; compare klist -k with kvno";
    case Failure::unknown_realm:
      return "correct the realm's name (of a host: [domain_realm] of krb5.conf), or name its KDCs ([realms], or DNS)";
    case Failure::unknown_service:
      return "correct the target's name and realm ([domain_realm] of krb5.conf), or add the service to the KDC; in "
             "another realm each KDC on the way needs the krbtgt of the next";
    case Failure::unknown_user:
      return "correct the user's name and realm, or add the user to the KDC";
    case Failure::kdc_unreachable:
      return "see that the realm's name is right, that a KDC runs there, and that port 88 is open on the way";
    case Failure::wrong_password:
      return "give the right password; a keytab in place of one may be out of date; with a certificate, the KDC's may "
             "have ended, or be of another name, use or authority (pkinit_anchors); KRB5_TRACE shows it";
    case Failure::replay:
      return "start a new handshake with a new token; if nobody repeated it, it is an attack";
    case Failure::not_mutual:
      return "let the initiator ask for mutual authentication; if it did, the acceptor is not who it should be";
    case Failure::bad_binding:
      return "let both ends bind to the same TLS connection; where they do, somebody is between them";
    case Failure::not_delegated:
      return "let the initiator ask for delegation, with a forwardable ticket (kinit -f)";
    case Failure::account_locked:
      return "let the KDC's administrator unlock the account; too many wrong passwords may have locked it";
    case Failure::account_expired:
      return "let the KDC's administrator renew the account: it has ended, or does not begin yet";
    case Failure::password_expired:
      return "change the password (kpasswd, kinit), then try again";
    case Failure::service_disabled:
      return "let the KDC's administrator see to the service's entry: locked, expired, or for other tickets only";
    case Failure::refused_by_policy:
      return "ask the KDC's administrator what its policy allows: the KDC's log has the reason";
    case Failure::path_refused:
      return "name the realms on the way in [capaths] of krb5.conf, on the acceptor's host and on those of the KDCs";
    case Failure::no_common_enctype:
      return "let client, KDC and service permit an encryption type in common (permitted_enctypes of krb5.conf), and "
             "have keys of it (klist -e, klist -ke)";
    case Failure::more_than_password:
      return "give the KDC what it wants besides the password: a certificate that is valid and can be read "
             "(pkinit_identities, pkinit_anchors), a one-time password, FAST; KRB5_TRACE shows it";
    case Failure::certificate:
      return "let client and KDC have valid certificates, of this name and for this use, that the other trusts "
             "(pkinit_anchors), and algorithms in common (pkinit_dh_min_bits)";
    case Failure::configuration:
      return "correct krb5.conf, or the one that KRB5_CONFIG names: readable, well-formed, with a default_realm";
    case Failure::cache_unusable:
      return "set KRB5CCNAME to a cache that can be used: of a known type, its folder there, writable and not full";
    case Failure::replay_cache_unusable:
      return "let the acceptor write its replay cache: KRB5RCACHENAME names another; remove one of another user's";
    case Failure::foreign_token:
      return "let the peer speak Kerberos here, or SPNEGO where that is expected (without a ticket, browsers send "
             "NTLM); if "
             "it does, look for what changes or cuts tokens on the way";
    case Failure::told_in_log:
      return "look into the log of the acceptor, or of the KDC: the reason is there only";
    case Failure::other:
      break;
  }
  return {};
}
/// Returns what to do about an Error.
[[nodiscard]] inline std::string_view advice(const Error& error) noexcept { return advice(failure_of(error)); }
/// Returns what to do about the Error of a call that used `credential`.
/// Blocks: as Credential::lifetime() does.
template <Mechanism M>
[[nodiscard]] inline std::string_view advice(const Error& error, const Credential<M, Initiate>& credential) noexcept {
  return advice(failure_of(error, credential));
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
