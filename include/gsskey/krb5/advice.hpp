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
  wrong_key_version,  ///< it has one, of another version or another realm
  unknown_realm,      ///< the configuration names no KDC of it
  unknown_service,    ///< the realm has none of that name, or there is no way to the service's realm
  unknown_user,       ///< the realm has none of that name
  kdc_unreachable,    ///< no answer; Heimdal 7.8: an unknown realm, too
  wrong_password,
  replay,         ///< the acceptor has seen the initiator's token before
  not_mutual,     ///< the acceptor did not prove who it is
  bad_binding,    ///< the peers' channels differ, or one gave none
  not_delegated,  ///< delegation was demanded and not granted
};

/// Returns which Failure an Error is: by its numbers, never by its words.
[[nodiscard]] inline Failure failure_of(const Error& error) noexcept {
  if (error.domain() == Domain::policy) {
    const auto missing = ContextFlags::from_bits(error.minor_status());
    if (missing.contains(ContextFlag::mutual)) return Failure::not_mutual;
    if (missing.contains(ContextFlag::delegate)) return Failure::not_delegated;
    if (missing.contains(ContextFlag::channel_bound)) return Failure::bad_binding;
    return Failure::other;
  }
  if (error.domain() != Domain::gss) return Failure::other;
  switch (krb5_status(error)) {
    case Krb5Status::not_in_cache:
    case Krb5Status::no_cache:
    case Krb5Status::no_ticket_of_that_name:
      return Failure::no_ticket;
    case Krb5Status::ticket_expired:
      return Failure::ticket_expired;
    case Krb5Status::clock_skew:
    case Krb5Status::ticket_not_yet_valid:
      return Failure::clock_skew;
    case Krb5Status::not_in_keytab:
    case Krb5Status::end_of_keytab:
    case Krb5Status::no_key_of_that_name:
    case Krb5Status::not_us:
    case Krb5Status::no_key:
      return Failure::no_key;
    case Krb5Status::wrong_key_version:
    case Krb5Status::key_version_not_in_keytab:
    case Krb5Status::message_modified:
      return Failure::wrong_key_version;
    case Krb5Status::bad_integrity:  // of a ticket, or of what the KDC sent
      return std::strcmp(error.operation(), "gss_accept_sec_context") == 0 ? Failure::wrong_key_version
                                                                           : Failure::wrong_password;
    case Krb5Status::preauth_failed:
      return Failure::wrong_password;
    case Krb5Status::realm_unknown:
      return Failure::unknown_realm;
    case Krb5Status::server_unknown:
      return Failure::unknown_service;
    case Krb5Status::client_unknown:
      return Failure::unknown_user;
    case Krb5Status::kdc_unreachable:
      return Failure::kdc_unreachable;
    case Krb5Status::replay:
      return Failure::replay;
    case Krb5Status::mutual_failed:
      return Failure::not_mutual;
    default:
      break;
  }
  switch (routine_error(error)) {
    case RoutineError::no_cred:  // errno is that of the keytab's file: caches have codes of their own
      return error.minor_status() == ENOENT || error.minor_status() == EACCES ? Failure::no_key
                                                                              : Failure::no_credential;
    case RoutineError::credentials_expired:
    case RoutineError::context_expired:
      return Failure::ticket_expired;
    case RoutineError::bad_bindings:
      return Failure::bad_binding;
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
      return "get a ticket with kinit, or set KRB5CCNAME to the cache that has one; klist shows it";
    case Failure::ticket_expired:
      return "get a new ticket with kinit, then a new context; klist shows when tickets end";
    case Failure::clock_skew:
      return "set the clocks of client, server and KDC: at most five minutes apart";
    case Failure::no_key:
      return "give the acceptor a keytab with that key, of that version (KRB5_KTNAME), readable to it; klist -k shows "
             "it";
    case Failure::wrong_key_version:
      return "write the keytab anew, and let clients get new tickets; compare klist -k with kvno";
    case Failure::unknown_realm:
      return "correct the realm's name, or name its KDCs: [realms] of krb5.conf, or DNS";
    case Failure::unknown_service:
      return "correct the target's name and realm ([domain_realm] of krb5.conf), or add the service to the KDC";
    case Failure::unknown_user:
      return "correct the user's name and realm, or add the user to the KDC";
    case Failure::kdc_unreachable:
      return "see that the realm's name is right, that a KDC runs there, and that port 88 is open on the way";
    case Failure::wrong_password:
      return "give the right password; a keytab in place of one may be out of date";
    case Failure::replay:
      return "start a new handshake with a new token; if nobody repeated it, it is an attack";
    case Failure::not_mutual:
      return "let the initiator ask for mutual authentication; if it did, the acceptor is not who it should be";
    case Failure::bad_binding:
      return "let both ends bind to the same TLS connection; where they do, somebody is between them";
    case Failure::not_delegated:
      return "let the initiator ask for delegation, with a forwardable ticket (kinit -f)";
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
