// gsskey/krb5/login_options: what a login is protected by, and how it answers what the KDC or a card asks.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says what a login wants to know, and of what.
/// Owner: the exchange; good as long as the question is put.
struct LoginQuestion {
  enum class Kind : std::uint8_t {
    password,
    one_time_password,  ///< RFC 6560
    pin,                ///< of a card, or what a certificate's key in a file is encrypted with
  };
  Kind kind;
  std::string_view whose{};      ///< the token's maker, if the KDC says it; the card or the file; empty for a password
  std::string_view challenge{};  ///< what the token is to be given; most often empty
};

/// Answers a question. Nothing means: not this one, for the KDC may let a client choose among several. An error ends
/// the login.
using LoginAnswers = std::function<Result<SecretBytes>(const LoginQuestion&)>;

/// Says what an InitialTicket is protected by, and how it answers.
struct InitialTicketOptions {
  /// Has a ticket-granting ticket of the client's realm, under which the login is hidden (FAST, RFC 6113): one of the
  /// machine, from its keytab, or InitialTicket::anonymous(). It outlives the exchange.
  const TicketCache* armor = nullptr;
  /// Whether a KDC that does not know FAST gets the login unprotected. Whoever stands between can make it look so.
  bool or_without_armor = false;
  /// Is called within step(), which waits for it: for answers that are there already. Who must ask somebody first
  /// returns an error for now, which step() returns too, drops the exchange, and begins another one with the answer.
  LoginAnswers answers{};
  /// The authorities that KDCs' certificates are believed from, "FILE:/etc/krb5/ca.pem"; else pkinit_anchors of
  /// krb5.conf.
  const char* anchors = nullptr;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
