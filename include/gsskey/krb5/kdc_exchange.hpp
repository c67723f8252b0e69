// gsskey/krb5/kdc_exchange: tickets from a KDC without I/O: what to send, and what to do with the reply.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/kdc_exchange.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/detail/login_options.hpp>
#include <gsskey/krb5/login_options.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says what an exchange needs next.
/// Owner: the exchange; good until its next step().
struct KdcStep {
  ByteView request;          ///< what a KDC is to get; empty when the ticket is in the cache
  std::string_view realm{};  ///< whose KDC
  bool over_tcp = false;     ///< the reply is too large for UDP: this request, and all that follow, over TCP
  /// Returns whether the ticket is in the cache, and nothing is to be sent.
  [[nodiscard]] bool is_done() const noexcept { return request.empty(); }
};

/// A login, without I/O: step() says what a KDC is to get, and takes what came back, until the ticket-granting ticket
/// is in the cache. Move-only; empty by default and after a move. krb5.conf says what is asked for, as for kinit.
///
///     auto login = InitialTicket::with_password(cache, client, password);
///     auto next = login->step();
///     while (next && !next->is_done()) next = login->step(exchange_with_kdc(next->realm, next->request));
///     auto credential = cache.credential();
///
/// Heimdal 7.8 declares krb5_init_creds_step, and does not export it.
///
/// Calls: krb5_init_creds_free, when it goes.
/// Errors: usage, if it, the cache or the name is empty; those of Principal::from_name(); gss, with the code of libkrb5
///   as minor status; system (ENOMEM); unavailable, without Capabilities::kdc_exchange.
/// Blocks: on no network, and on files only: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 section 3.1.
class InitialTicket {
  using Exchange = gss_detail::KdcExchange<gss_detail::InitialCalls, KdcStep>;

 public:
  InitialTicket() noexcept = default;

  /// Begins the login of `client` with a password. What is in the cache `into` is replaced when there is a ticket. It
  /// says that the KDC knows the password, and no more: whoever gave it may have made the KDC up. Who lets users in by
  /// it has a service of its own look at a ticket, with a key from a keytab.
  /// Calls: krb5_init_context, krb5_get_init_creds_opt_alloc, krb5_init_creds_init, krb5_init_creds_set_password; for
  ///   an armor krb5_get_credentials, of its cache alone; krb5_get_init_creds_opt_set_*.
  /// Errors: those of the class; usage too, for no password, one with a NUL, and more than limits.password; gss, for an
  ///   armor without a ticket of the realm, or with one that has ended.
  /// Blocks: on the disks that krb5.conf and the armor are on.
  /// Owner: of `password`, the caller, who is to wipe it; the library wipes its copy when this goes.
  [[nodiscard]] static Result<InitialTicket> with_password(const TicketCache& into, const Name& client,
                                                           ByteView password,
                                                           InitialTicketOptions options = {}) noexcept {
    constexpr const char* operation = "krb5_init_creds_set_password";
    if (password.empty()) return unexpected(Error::usage(operation, "the password is empty"));
    const auto text = gss_detail::terminated(operation, password);
    if (!text) return unexpected(text.error());
    return begin(into, client, std::move(options), nullptr, [&](Exchange& exchange) -> Result<void> {
      const krb5_context context = exchange.parts.context.get();
      const krb5_error_code code =
          krb5_init_creds_set_password(context, exchange.handle, reinterpret_cast<const char*>(text->data()));
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, operation, code));
      return {};
    });
  }
  /// Begins the login of `client` with its key in a keytab, "FILE:/etc/daemon.keytab". What is in the cache `into` is
  /// replaced when there is a ticket.
  /// Calls: those of with_password(), but krb5_kt_resolve and krb5_init_creds_set_keytab.
  /// Errors: those of the class; usage too, for a keytab without a name; gss, as with_password().
  /// Blocks: on the disks that krb5.conf, the armor and the keytab are on; step() on the keytab's, too.
  [[nodiscard]] static Result<InitialTicket> with_keytab(const TicketCache& into, const Name& client,
                                                         const char* keytab,
                                                         InitialTicketOptions options = {}) noexcept {
    constexpr const char* operation = "krb5_init_creds_set_keytab";
    if (keytab == nullptr || *keytab == '\0') return unexpected(Error::usage(operation, "the keytab has no name"));
    return begin(into, client, std::move(options), nullptr, [&](Exchange& exchange) -> Result<void> {
      const krb5_context context = exchange.parts.context.get();
      krb5_error_code code = krb5_kt_resolve(context, keytab, &exchange.parts.keytab);
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, "krb5_kt_resolve", code));
      code = krb5_init_creds_set_keytab(context, exchange.handle, exchange.parts.keytab);
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, operation, code));
      return {};
    });
  }
  /// Begins the login of `client` with a certificate and its key (PKINIT), "FILE:/etc/alice.pem,/etc/alice.key",
  /// "PKCS12:/etc/alice.p12" or "PKCS11:…" for a card. Its PIN is asked for in options.answers. What is in the cache
  /// `into` is replaced when there is a ticket. It needs MIT krb5's plug-in: Debian's package krb5-pkinit.
  /// Calls: those of with_password(), but krb5_get_init_creds_opt_set_pa.
  /// Errors: those of the class; usage too, for an identity without a name; gss, as with_password().
  /// Blocks: on the disks that krb5.conf and the armor are on; step() on those of certificates and keys, on the card,
  ///   and for a few milliseconds of arithmetic.
  /// See: RFC 4556; kinit(1), of X509_user_identity.
  [[nodiscard]] static Result<InitialTicket> with_certificate(const TicketCache& into, const Name& client,
                                                              const char* identity,
                                                              InitialTicketOptions options = {}) noexcept {
    if (identity == nullptr || *identity == '\0') {
      return unexpected(Error::usage("krb5_get_init_creds_opt_set_pa", "the certificate has no name"));
    }
    return begin(into, client, std::move(options), identity, nothing_more);
  }
  /// Begins the login of `client` with what options.answers knows: a password of one time, which needs an armor, or a
  /// password. What is in the cache `into` is replaced when there is a ticket.
  /// Calls: those of with_password(), but krb5_init_creds_set_password.
  /// Errors: those of the class; usage too, for no answers; gss, as with_password().
  /// Blocks: on the disks that krb5.conf and the armor are on.
  /// See: RFC 6560.
  [[nodiscard]] static Result<InitialTicket> with_answers(const TicketCache& into, const Name& client,
                                                          InitialTicketOptions options) noexcept {
    if (!options.answers) {
      return unexpected(Error::usage("krb5_get_init_creds_opt_set_responder", "there is nobody who answers"));
    }
    return begin(into, client, std::move(options), nullptr, nothing_more);
  }
  /// Begins the login of nobody in a realm, whose KDC shows a certificate that is believed: for the armor of another
  /// login, in which a password can then be used that is easily guessed. What is in the cache `into` is replaced when
  /// there is a ticket. It needs MIT krb5's plug-in: Debian's package krb5-pkinit.
  /// Calls: those of with_password(), but krb5_init_creds_set_password.
  /// Errors: those of the class; usage too, for an empty realm; gss, as with_password().
  /// Blocks: on the disk that krb5.conf is on; step() for a few milliseconds of arithmetic.
  /// See: RFC 8062.
  [[nodiscard]] static Result<InitialTicket> anonymous(const TicketCache& into, std::string_view realm,
                                                       InitialTicketOptions options = {}) noexcept {
    constexpr const char* operation = "krb5_init_creds_init";
    if (realm.empty()) return unexpected(Error::usage(operation, "the realm is empty"));
    const auto text = gsskey::detail::SharedText::joined({"WELLKNOWN/ANONYMOUS@", realm});
    if (!text) return unexpected(Error::system("malloc", ENOMEM));
    auto nobody = Name::principal(text.view());
    if (!nobody) return unexpected(std::move(nobody).error());
    return begin(into, *nobody, std::move(options), nullptr, nothing_more);
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next. After an error,
  /// and when the ticket is in the cache, the exchange is over. A reply that somebody on the way has forged can end it,
  /// or make a ticket that the service refuses.
  /// Calls: krb5_init_creds_step; krb5_responder_* for questions; at the end krb5_init_creds_get_creds,
  ///   krb5_cc_initialize, krb5_cc_store_cred.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty (EBADMSG) or longer
  ///   than 1 MiB (EMSGSIZE); policy, after 32 requests without a ticket; that of an answer.
  /// Blocks: on the disks that the cache and the keytab are on; as with_certificate() says; as long as answers does.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    return gss_detail::step_exchange(exchange_, reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return exchange_ != nullptr; }

 private:
  [[nodiscard]] static Result<void> nothing_more(Exchange&) noexcept { return {}; }
  template <class Prove>
  [[nodiscard]] static Result<InitialTicket> begin(const TicketCache& into, const Name& client,
                                                   InitialTicketOptions&& options, const char* identity,
                                                   Prove prove) noexcept {
    constexpr const char* operation = "krb5_init_creds_init";
    if constexpr (!capabilities.kdc_exchange) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no krb5_init_creds_step"));
    }
    InitialTicket made;
    made.exchange_.reset(new (std::nothrow) Exchange);
    if (!made.exchange_) return unexpected(Error::system("malloc", ENOMEM));
    auto& exchange = *made.exchange_;
    auto& parts = exchange.parts;
    if (auto opened = parts.open(operation, into, client); !opened) return unexpected(std::move(opened).error());
    auto set = exchange.needs.set(parts, std::move(options), identity);
    if (!set) return unexpected(std::move(set).error());
    const krb5_error_code code = krb5_init_creds_init(parts.context.get(), parts.principal, gss_detail::nobody_to_ask,
                                                      nullptr, 0, exchange.needs.get(), &exchange.handle);
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), operation, code));
    if (auto proven = prove(exchange); !proven) return unexpected(std::move(proven).error());
    return made;
  }

  std::unique_ptr<Exchange> exchange_;
};

/// A ticket for a service, without I/O: step() says which realm's KDC is to get what, and takes what came back, until
/// the ticket is in the cache, beside the ticket-granting ticket that it is asked for with. A handshake with a
/// credential() of that cache then asks nobody. The way may go through several realms. Move-only; empty by default and
/// after a move.
///
/// A ticket that a handshake delegates cannot be had in steps: gss_init_sec_context asks the KDC for it each time
/// (krb5_fwd_tgt_creds). Such a handshake is for a pool: offload_to(). Tickets in another's name, S4U2Self and
/// S4U2Proxy, are ImpersonatedTicket's; a ticket-granting ticket is renewed by RenewedTicket.
///
/// Calls: krb5_tkt_creds_free, when it goes.
/// Errors: usage, if it, the cache or the name is empty; those of Principal::from_name(); gss, with the code of libkrb5
///   as minor status; system (ENOMEM); unavailable, without Capabilities::kdc_exchange.
/// Blocks: on no network but DNS, where krb5.conf says so: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 section 3.3; RFC 6806, for referrals.
class ServiceTicket {
  using Exchange = gss_detail::KdcExchange<gss_detail::ServiceCalls, KdcStep>;

 public:
  ServiceTicket() noexcept = default;

  /// Begins the exchange for `target`: give the handshake the same name.
  /// Calls: krb5_init_context, krb5_cc_get_principal, krb5_cc_next_cred, krb5_tkt_creds_init.
  /// Blocks: on the disks that krb5.conf and the cache are on; on DNS, for a service on a host, unless krb5.conf has
  ///   dns_canonicalize_hostname = false: Name::principal() asks nobody.
  [[nodiscard]] static Result<ServiceTicket> for_target(const TicketCache& cache, const Name& target) noexcept {
    constexpr const char* operation = "krb5_tkt_creds_init";
    if constexpr (!capabilities.kdc_exchange) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no krb5_tkt_creds_step"));
    }
    ServiceTicket made;
    made.exchange_.reset(new (std::nothrow) Exchange);
    if (!made.exchange_) return unexpected(Error::system("malloc", ENOMEM));
    auto& parts = made.exchange_->parts;
    if (auto opened = parts.open(operation, cache, target); !opened) return unexpected(std::move(opened).error());
    krb5_creds wanted{};
    wanted.server = parts.principal;
    krb5_error_code code = krb5_cc_get_principal(parts.context.get(), parts.cache, &wanted.client);
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), "krb5_cc_get_principal", code));
    auto& few = made.exchange_->needs;
    auto copied = few.copy(parts.context.get(), parts.cache, wanted.client, wanted.server);
    if (copied) {
      code = gss_detail::krb5_tkt_creds_init(parts.context.get(), few.get(), &wanted, KRB5_GC_NO_STORE,
                                             &made.exchange_->handle);
    }
    krb5_free_principal(parts.context.get(), wanted.client);
    if (!copied) return unexpected(std::move(copied).error());
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), operation, code));
    return made;
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next: nothing, at once,
  /// if the ticket is there already. After an error, and when the ticket is in the cache, the exchange is over. A reply
  /// that somebody on the way has forged can end it, or make a ticket that the service refuses.
  /// Calls: krb5_tkt_creds_step; at the end krb5_tkt_creds_get_creds, krb5_cc_store_cred, also for the ticket-granting
  ///   tickets of other realms on the way.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty (EBADMSG) or longer
  ///   than 1 MiB (EMSGSIZE); policy, after 32 requests without a ticket.
  /// Blocks: on the disk that the cache is on; on DNS, for a host of no known realm where krb5.conf has
  ///   dns_lookup_realm = true.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    return gss_detail::step_exchange(exchange_, reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return exchange_ != nullptr; }

 private:
  std::unique_ptr<Exchange> exchange_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
