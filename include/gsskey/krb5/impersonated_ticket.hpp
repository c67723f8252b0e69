// gsskey/krb5/impersonated_ticket: a service that acts for a user, S4U2Self and S4U2Proxy, without I/O.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/kdc_exchange.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/detail/tgs_exchange.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

// It writes the requests itself, as krb5/renewed_ticket.hpp.
#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// S4U2Self or S4U2Proxy under way. The cache of TgsExchange is the service's.
class Impersonation : TgsExchange {
 public:
  static constexpr const char* operation = "ImpersonatedTicket::step";

  Impersonation() noexcept : TgsExchange{operation} {}
  ~Impersonation() {
    if (user_ != nullptr) krb5_free_principal(context(), user_);
    if (target_ != nullptr) krb5_free_principal(context(), target_);
    if (evidence_ != nullptr) krb5_free_creds(context(), evidence_);
    if (keytab_ != nullptr) static_cast<void>(krb5_kt_close(context(), keytab_));
    if (into_ != nullptr) static_cast<void>(krb5_cc_close(context(), into_));
  }

  [[nodiscard]] Result<void> for_user(const TicketCache& into, const TicketCache& service, const Name& user,
                                      const char* keytab) noexcept {
    if (auto opened = open_both(into, service); !opened) return opened;
    const krb5_error_code code = krb5_kt_resolve(context(), keytab, &keytab_);
    if (code != 0) return failed("krb5_kt_resolve", code);
    return parse(user, &user_, "a user of another realm: impersonate() asks there, and waits");
  }
  [[nodiscard]] Result<void> for_target(const TicketCache& into, const TicketCache& service,
                                        const Name& target) noexcept {
    if (auto opened = open_both(into, service); !opened) return opened;
    auto parsed = parse(target, &target_, "a target of another realm: impersonate() asks there, and waits");
    if (!parsed) return parsed;
    krb5_error_code code = krb5_cc_get_principal(context(), into_, &user_);
    if (code != 0) return failed("krb5_cc_get_principal", code);
    krb5_creds wanted{};
    wanted.client = user_;
    wanted.server = granting().client;
    code = krb5_get_credentials(context(), KRB5_GC_CACHED, into_, &wanted, &evidence_);
    if (code != 0) return failed("krb5_get_credentials", code);
    krb5_creds* there = nullptr;
    wanted.server = target_;
    code = krb5_get_credentials(context(), KRB5_GC_CACHED, into_, &wanted, &there);
    is_there_ = code == 0;
    if (is_there_) krb5_free_creds(context(), there);
    if (code != 0 && code != KRB5_CC_NOTFOUND && code != KRB5_CC_NOT_KTYPE) return failed("krb5_get_credentials", code);
    return {};
  }

  [[nodiscard]] Result<KdcStep> step(ByteView reply) noexcept {
    constexpr std::uint32_t kept = 0x50000000;  // forwardable, proxiable
    TgsRequest wanted{.options = static_cast<std::uint32_t>(granting().ticket_flags) & kept, .is_there = is_there_};
    if (evidence_ == nullptr) {
      wanted.server = granting().client;
      wanted.user = user_;
    } else {
      wanted.options |= KDC_OPT_CNAME_IN_ADDL_TKT;
      wanted.server = target_;
      wanted.evidence = text_of(evidence_->ticket);
    }
    return TgsExchange::step(reply, wanted, [&](const TgsTicket& ticket) { return finish(wanted, ticket); });
  }

 private:
  [[nodiscard]] Result<void> open_both(const TicketCache& into, const TicketCache& service) noexcept {
    if (auto opened = open(service); !opened) return opened;
    return open_again(context(), into, &into_);
  }
  [[nodiscard]] Result<void> parse(const Name& name, krb5_principal* parsed, const char* other_realm) noexcept {
    const auto principal = Principal::from_name(name);
    if (!principal) return unexpected(principal.error());
    const std::string_view own = text_of(granting().client->realm);
    if (!principal->realm().empty() && principal->realm() != own) {
      return unexpected(Error::unavailable(operation, other_realm));
    }
    const auto text = gsskey::detail::SharedText::joined(
        {principal->text(), principal->realm().empty() ? own : "", gsskey::detail::view_of("", 1)});
    if (!text) return unexpected(Error::system("malloc", ENOMEM));
    const krb5_error_code code = krb5_parse_name(context(), text.view().data(), parsed);
    if (code != 0) return failed("krb5_parse_name", code);
    return {};
  }

  [[nodiscard]] Result<void> finish(const TgsRequest& wanted, const TgsTicket& ticket) noexcept {
    if (!is_same_name(ticket.part.realm, ticket.part.server, wanted.server)) {
      return unexpected(no_ticket("the reply has a ticket for another service, or refers to another realm"));
    }
    if (!is_same_name(ticket.message.client_realm, ticket.message.client, user_)) {
      return unexpected(no_ticket("the reply has a ticket for somebody else"));
    }
    if (evidence_ != nullptr) return store(into_, user_, target_, ticket);
    if (auto confirmed = confirm_user(ticket); !confirmed) return confirmed;
    krb5_error_code code = krb5_cc_initialize(context(), into_, user_);
    if (code != 0) return failed("krb5_cc_initialize", code);
    return store(into_, user_, wanted.server, ticket);
  }
  /// Opens the ticket, as the acceptor would. Nothing else tells whose it is: PA-FOR-USER can be replaced on the way by
  /// that of an earlier request, and the name and the ticket in the reply are not protected.
  [[nodiscard]] Result<void> confirm_user(const TgsTicket& ticket) const noexcept {
    const krb5_data bytes = data_of(ticket.message.ticket);
    krb5_ticket* opened = nullptr;
    krb5_error_code code = krb5_decode_ticket(&bytes, &opened);
    if (code != 0) return failed("krb5_decode_ticket", code);
    code = krb5_server_decrypt_ticket_keytab(context(), keytab_, opened);
    const bool is_of_user = code == 0 && krb5_principal_compare(context(), opened->enc_part2->client, user_) != 0;
    const bool is_of_reply = is_of_user && ByteView{opened->enc_part2->session->contents,
                                                    opened->enc_part2->session->length} == ticket.part.key;
    krb5_free_ticket(context(), opened);
    if (code != 0) return failed("krb5_server_decrypt_ticket_keytab", code);
    if (!is_of_user) return unexpected(no_ticket("the ticket in the reply is somebody else's"));
    if (!is_of_reply) return unexpected(no_ticket("the ticket in the reply belongs to another one"));
    return {};
  }

  krb5_ccache into_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  krb5_principal user_ = nullptr;
  krb5_principal target_ = nullptr;
  krb5_creds* evidence_ = nullptr;
  bool is_there_ = false;
};

}  // namespace gss_detail

/// A ticket of a user who did not come with Kerberos, without I/O, for a service that acts for him: impersonate() in
/// steps. The service has authenticated him by other means. First for_user(), S4U2Self; then for_target(), S4U2Proxy,
/// for each service that it goes on to. Both put their tickets into a cache whose handshakes then ask nobody.
/// Move-only; empty by default and after a move.
///
///     GSSKEY_TRY(auto self, ImpersonatedTicket::for_user(into, own, user, keytab));
///     GSSKEY_TRY_VOID(carry_out(std::move(self)));
///     GSSKEY_TRY(auto ticket, ImpersonatedTicket::for_target(into, own, target));
///     GSSKEY_TRY_VOID(carry_out(std::move(ticket)));
///     GSSKEY_TRY(const auto credential, into.credential());
///
/// All are of one realm, the service's own. The KDC decides for whom, and towards whom, it may act: see impersonate().
/// For S4U2Proxy its own ticket has to be forwardable, as krb5.conf's `forwardable = true` makes it.
///
/// Calls: krb5_free_creds, krb5_free_principal, krb5_kt_close, krb5_cc_close, when it goes.
/// Errors: usage, if it, a cache or the name is empty, or both caches are one; those of Principal::from_name();
///   unavailable, for a user or a target of another realm; gss, with the code of libkrb5 as minor status; system
///   (ENOMEM).
/// Blocks: on no network, and on files only: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the caches may be closed, and their tickets go with them.
/// See: MS-SFU sections 2.2.1 and 2.2.3.
class ImpersonatedTicket {
 public:
  ImpersonatedTicket() noexcept = default;

  /// Begins S4U2Self: asks, with the ticket-granting ticket in `service`, for a ticket of `user` for that service
  /// itself. What is in the cache `into` is replaced when there is a ticket; impersonator() knows nothing of it.
  /// `keytab` has the service's key, "FILE:/etc/daemon.keytab": the ticket is opened with it, for nothing else in the
  /// reply tells surely whose it is.
  /// Calls: krb5_init_context, krb5_cc_resolve, krb5_cc_get_principal, krb5_get_credentials, of the cache alone;
  ///   krb5_parse_name, krb5_kt_resolve.
  /// Errors: those of the class; usage too, for a keytab without a name; gss, for a cache `service` without a
  ///   ticket-granting ticket, and for one that has ended.
  /// Blocks: on the disks that krb5.conf and the caches are on; step() on the keytab's, too.
  [[nodiscard]] static Result<ImpersonatedTicket> for_user(const TicketCache& into, const TicketCache& service,
                                                           const Name& user, const char* keytab) noexcept {
    if (keytab == nullptr || *keytab == '\0') {
      return unexpected(Error::usage("krb5_kt_resolve", "the keytab has no name"));
    }
    return begin(into, service, user, [&](auto& made) { return made.for_user(into, service, user, keytab); });
  }
  /// Begins S4U2Proxy: asks for a ticket for `target` of the user whose ticket for_user() has put into the cache
  /// `into`, where this one goes, too. Give the handshake the same target.
  /// Calls: those of for_user(), but krb5_kt_resolve.
  /// Errors: those of the class; gss, for a cache without such a ticket, and for tickets that have ended.
  /// Blocks: on the disks that krb5.conf and the caches are on; on DNS, as ServiceTicket::for_target().
  [[nodiscard]] static Result<ImpersonatedTicket> for_target(const TicketCache& into, const TicketCache& service,
                                                             const Name& target) noexcept {
    return begin(into, service, target, [&](auto& made) { return made.for_target(into, service, target); });
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next: nothing, at once,
  /// if the ticket for a target is there already. After an error the cache has what it had.
  /// Calls: krb5_c_make_checksum, krb5_c_encrypt, krb5_c_decrypt, krb5_rd_error; at the end krb5_cc_store_cred, of
  ///   for_user() before it krb5_decode_ticket, krb5_server_decrypt_ticket_keytab, krb5_cc_initialize.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty, none to this request
  ///   or somebody else's ticket (EBADMSG), or longer than 1 MiB (EMSGSIZE).
  /// Blocks: on the disks that the cache and the keytab are on.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    if (!impersonation_) {
      return unexpected(
          Error::usage(gss_detail::Impersonation::operation, "the exchange is empty: moved from, or never set"));
    }
    return impersonation_->step(reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return impersonation_ != nullptr; }

 private:
  template <class Open>
  [[nodiscard]] static Result<ImpersonatedTicket> begin(const TicketCache& into, const TicketCache& service,
                                                        const Name& name, Open open) noexcept {
    constexpr const char* operation = gss_detail::Impersonation::operation;
    if (!into || !service) return unexpected(Error::usage(operation, "a cache is empty: moved from, or never set"));
    if (into.get() == service.get()) {
      return unexpected(Error::usage(operation, "the user's tickets would replace those of the service"));
    }
    if (!name) return unexpected(gsskey::detail::empty_name(operation));
    ImpersonatedTicket made;
    made.impersonation_.reset(new (std::nothrow) gss_detail::Impersonation);
    if (!made.impersonation_) return unexpected(Error::system("malloc", ENOMEM));
    if (auto opened = open(*made.impersonation_); !opened) return unexpected(std::move(opened).error());
    return made;
  }

  std::unique_ptr<gss_detail::Impersonation> impersonation_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
