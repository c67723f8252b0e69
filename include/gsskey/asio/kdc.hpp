// gsskey/asio/kdc: tickets from KDCs in Asio: logins and tickets for services, with any completion token.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/kdc_carrier.hpp>
#include <gsskey/asio/detail/turns.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// An exchange that an operation carries out.
template <class Exchange, class Kdcs = ConfiguredKdcs>
struct ExchangeWork {
  using Outcome = Result<void>;
  static constexpr const char* operation = "async_acquire";

  Exchange exchange;
  KdcPatience patience;
  Kdcs kdcs{};

  template <class Host>
  [[nodiscard]] Task<Outcome> run(Host& host) {
    Exchange running = std::move(exchange);  // ends with this task
    KdcCarrier<Host, Kdcs> carrier{host, patience, std::move(kdcs)};
    auto first = co_await turn(host);
    static_cast<void>(first);
    auto next = running.step();
    while (next && !next->is_done()) {
      auto reply = co_await carrier.carry(*next);
      if (!reply) co_return Outcome{unexpected(std::move(reply).error())};
      auto another = co_await turn(host);
      static_cast<void>(another);
      next = running.step(*reply);
    }
    if (!next) co_return Outcome{unexpected(carrier.about(std::move(next).error()))};
    co_return Outcome{};
  }
};

}  // namespace asio_detail

/// Carries out an exchange (InitialTicket, ServiceTicket, RenewedTicket, ImpersonatedTicket) for any completion token:
/// until the ticket is in the cache. A handler gets void(Result<void>), and asio::use_future, use_awaitable, deferred,
/// cancel_after do as with async_handshake(). A cancellation of the token's slot (terminal) ends the exchange at once:
/// nothing goes on but the look-up of a host.
///
///     auto logged_in = co_await async_acquire(executor, std::move(login), asio::use_awaitable);
///
/// The KDCs are those that krb5.conf names (KdcList), in its order; with DnsKdcs of asio/kdc_dns as `kdcs` also those
/// that are found in DNS. Each is asked over UDP, with a datagram that is sent twice, then, if none has answered, each
/// over TCP, and all that once more; over TCP only what is too large for UDP, by the KDC's word or with more than 1,465
/// bytes. A KDC that has answered is asked first from then on, by other exchanges of the execution context too, for
/// five minutes. Where a host has several addresses, each is asked. A KDC that says KDC_ERR_SVC_UNAVAILABLE is passed
/// over. What comes from elsewhere than the address that was asked is not heard. What comes from there is the reply,
/// whatever else it is: it may end the exchange.
///
/// However many exchanges an execution context has, their steps come one at a time, in order, and its loop does all
/// else that is due before the next: timers are late by one step, however many exchanges a KDC answers at once.
///
/// The handler is called exactly once, on its associated executor, else on `executor`, unless its execution context is
/// destroyed before. Where memory is so short that nothing can be posted to an executor, it is called in place.
/// Errors: those of step() and of KdcList; transport, when nobody has answered, of the one asked last: ETIMEDOUT,
///   ECONNREFUSED, ECONNRESET for an answer that is cut, EMSGSIZE for one of more than 1 MiB; ECANCELED after a
///   cancellation; system (ENOMEM). The text names the realm and the KDC. Where Asio finds no memory for the addresses
///   of a host, its exception comes out of the run() of the loop too.
/// Blocks: where step() does, on disks, and on the disk that krb5.conf is on. Hosts that are named, not by their
///   addresses, are looked up with getaddrinfo(3) in a thread that Asio has for that, one for each execution context:
///   one after the other, in a call that nothing can cut short and that the context's destruction waits for.
/// Threads: `executor` is of one thread, or a strand; a cancellation is emitted there.
/// Owner: of `exchange`, the operation.
/// See: RFC 4120 section 7.2.
template <class Executor, class Exchange, class Token, class Kdcs = ConfiguredKdcs>
inline auto async_acquire(const Executor& executor, Exchange exchange, Token&& token, KdcPatience patience = {},
                          Kdcs kdcs = {}) {
  using Work = asio_detail::ExchangeWork<Exchange, Kdcs>;
  return asio::async_initiate<Token, void(Result<void>)>(asio_detail::StartWork{executor}, token,
                                                         Work{std::move(exchange), patience, std::move(kdcs)});
}

GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
