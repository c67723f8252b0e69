// gsskey/krb5/renewed_ticket: a ticket-granting ticket renewed without I/O, before it ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/detail/tgs_exchange.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

// It writes the request itself, with calls that libkrb5 has documented: no library can renew without waiting.
#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// A renewal under way.
class Renewal : TgsExchange {
 public:
  static constexpr const char* operation = "RenewedTicket::step";

  Renewal() noexcept : TgsExchange{operation} {}

  using TgsExchange::open;
  [[nodiscard]] Result<KdcStep> step(ByteView reply) noexcept {
    constexpr std::uint32_t kept = 0x54800000;  // forwardable, proxiable, may be postdated, renewable
    const auto flags = static_cast<std::uint32_t>(granting().ticket_flags);
    const TgsRequest same{.options = KDC_OPT_RENEW | (flags & kept), .server = granting().server};
    return TgsExchange::step(reply, same, [&](const TgsTicket& ticket) { return finish(ticket); });
  }

 private:
  [[nodiscard]] Result<void> finish(const TgsTicket& ticket) noexcept {
    if (!is_same_name(ticket.message.client_realm, ticket.message.client, granting().client)) {
      return unexpected(no_ticket("the reply has a ticket for somebody else"));
    }
    if (!is_same_name(ticket.part.realm, ticket.part.server, granting().server)) {
      return unexpected(no_ticket("the reply has a ticket for another service"));
    }
    const krb5_error_code code = krb5_cc_initialize(context(), cache(), granting().client);
    if (code != 0) return failed("krb5_cc_initialize", code);
    return store(cache(), granting().client, granting().server, ticket);
  }
};

}  // namespace gss_detail

/// A renewal of the ticket-granting ticket in a cache, without I/O, as InitialTicket is a login: `kinit -R`. The ticket
/// must be renewable, and its end not there yet. Move-only; empty by default and after a move. Who has a keytab logs in
/// anew instead, which has no end.
/// Calls: krb5_free_creds and krb5_cc_close, when it goes.
/// Errors: usage, if it or the cache is empty; gss, with the code of libkrb5 as minor status; system (ENOMEM).
/// Blocks: on no network, and on files only: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 sections 2.3 and 3.3.
class RenewedTicket {
 public:
  RenewedTicket() noexcept = default;

  /// Begins the renewal of what is in `cache`.
  /// Calls: krb5_init_context, krb5_cc_resolve, krb5_cc_get_principal, krb5_get_credentials, of the cache alone.
  /// Errors: those of the class; gss, for a cache without such a ticket, and for one that has ended.
  /// Blocks: on the disks that krb5.conf and the cache are on.
  [[nodiscard]] static Result<RenewedTicket> in(const TicketCache& cache) noexcept {
    if (!cache)
      return unexpected(Error::usage(gss_detail::Renewal::operation, "the cache is empty: moved from, or never set"));
    RenewedTicket made;
    made.renewal_.reset(new (std::nothrow) gss_detail::Renewal);
    if (!made.renewal_) return unexpected(Error::system("malloc", ENOMEM));
    if (auto opened = made.renewal_->open(cache); !opened) return unexpected(std::move(opened).error());
    return made;
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next. When it is done
  /// the cache has the renewed ticket, and nothing else any more; after an error, what it had.
  /// Calls: krb5_c_make_checksum, krb5_c_encrypt, krb5_c_decrypt, krb5_rd_error; at the end krb5_cc_initialize and
  ///   krb5_cc_store_cred.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty or none to this
  ///   request (EBADMSG) or longer than 1 MiB (EMSGSIZE).
  /// Blocks: on the disk that the cache is on.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    if (!renewal_) {
      return unexpected(
          Error::usage(gss_detail::Renewal::operation, "the exchange is empty: moved from, or never set"));
    }
    return renewal_->step(reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return renewal_ != nullptr; }

 private:
  std::unique_ptr<gss_detail::Renewal> renewal_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
