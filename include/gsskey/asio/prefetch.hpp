// gsskey/asio/prefetch: handshakes whose ticket is fetched on Asio's loop first, so that no step waits for a KDC.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/ticket_fetch.hpp>
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/kdc.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in asio/kdc.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

/// Is an `offload` for an initiator in drive() and async_handshake(): before the first step async_acquire() fetches a
/// ticket for its target, unless the cache has one. The steps then find it, run where the task runs, and ask nobody.
/// Many on one loop who want the same ticket, in the same cache, with the same patience and from the same KDCs, share
/// one request and its outcome; one that is cancelled leaves it to the others.
/// Errors: of the handshake, before anything was sent to the peer: those of ServiceTicket and async_acquire().
/// Blocks: where those and the steps of an initiator with a ticket do, on disks.
/// Threads: as async_acquire(): the task's executor is of one thread, or a strand.
/// Owner: the cache is borrowed until the task has ended.
template <class Kdcs = ConfiguredKdcs>
class Prefetch {
 public:
  /// Takes the cache of the credential that the handshake has.
  explicit Prefetch(const TicketCache& cache GSSKEY_LIFETIMEBOUND, KdcPatience patience, Kdcs kdcs) noexcept
      : cache_{&cache}, patience_{patience}, kdcs_{std::move(kdcs)} {}

  /// Fetches the ticket, for drive().
  template <SteppedHandshake H>
  [[nodiscard]] asio::awaitable<Result<void>> prepare(const H& handshake) const {
    const auto executor = co_await asio::this_coro::executor;
    const asio_detail::StartWork start{executor};
    const asio_detail::TicketWork<Kdcs> work{cache_, &handshake.target(), patience_, kdcs_};
    auto fetched = co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<void>)>(
        start, asio::use_awaitable, work);
    co_return fetched;
  }

  /// Returns the cache, how long each KDC is waited for, and which they are: for async_handshake().
  [[nodiscard]] const TicketCache& cache() const noexcept { return *cache_; }
  [[nodiscard]] KdcPatience patience() const noexcept { return patience_; }
  [[nodiscard]] const Kdcs& kdcs() const noexcept GSSKEY_LIFETIMEBOUND { return kdcs_; }

 private:
  const TicketCache* cache_;
  KdcPatience patience_;
  Kdcs kdcs_;
};

/// Makes the `offload` that fetches the ticket on the loop, into the cache of the handshake's credential:
///
///     auto context = co_await drive<asio::awaitable>(Initiator{std::move(target), credential}, wire, prefetch(cache));
///
/// With DnsKdcs of asio/kdc_dns as `kdcs` those are asked that async_acquire() asks with it.
/// Owner: `cache` is borrowed until the handshake's end.
template <class Kdcs = ConfiguredKdcs>
[[nodiscard]] inline Prefetch<Kdcs> prefetch(const TicketCache& cache GSSKEY_LIFETIMEBOUND, KdcPatience patience = {},
                                             Kdcs kdcs = {}) {
  return Prefetch<Kdcs>{cache, patience, std::move(kdcs)};
}

namespace asio_detail {

template <class Kdcs, class Host>
struct FiberPrefetch {
  Prefetch<Kdcs> offload;
  Host* host;

  template <SteppedHandshake H>
  [[nodiscard]] Task<Result<void>> prepare(const H& handshake) const {
    TicketWork<Kdcs> work{&offload.cache(), &handshake.target(), offload.patience(), offload.kdcs()};
    auto fetched = co_await work.run(*host);
    co_return fetched;
  }
};
template <class Kdcs, class Host>
[[nodiscard]] inline FiberPrefetch<Kdcs, Host> for_fiber(Prefetch<Kdcs> offload, Host& host) noexcept {
  return {std::move(offload), &host};
}

}  // namespace asio_detail

GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
