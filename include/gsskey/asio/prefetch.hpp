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
/// Many on one loop who want the same ticket, in the same cache and with the same patience, share one request and its
/// outcome; who gives up leaves it to the others.
/// Errors: of the handshake, before anything was sent to the peer: those of ServiceTicket and async_acquire().
/// Blocks: where those and the steps of an initiator with a ticket do, on disks.
/// Threads: as async_acquire(): the task's executor is of one thread, or a strand.
/// Owner: the cache is borrowed until the task has ended.
class Prefetch {
 public:
  /// Takes the cache of the credential that the handshake has.
  explicit Prefetch(const TicketCache& cache GSSKEY_LIFETIMEBOUND, KdcPatience patience) noexcept
      : cache_{&cache}, patience_{patience} {}

  /// Fetches the ticket, for drive().
  template <SteppedHandshake H>
  [[nodiscard]] asio::awaitable<Result<void>> prepare(const H& handshake) const {
    const auto executor = co_await asio::this_coro::executor;
    const asio_detail::StartWork start{executor};
    const asio_detail::TicketWork work{cache_, &handshake.target(), patience_};
    auto fetched = co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result<void>)>(
        start, asio::use_awaitable, work);
    co_return fetched;
  }

  /// Returns the cache, and how long each KDC is waited for: for async_handshake().
  [[nodiscard]] const TicketCache& cache() const noexcept { return *cache_; }
  [[nodiscard]] KdcPatience patience() const noexcept { return patience_; }

 private:
  const TicketCache* cache_;
  KdcPatience patience_;
};

/// Makes the `offload` that fetches the ticket on the loop, into the cache of the handshake's credential:
///
///     auto context = co_await drive<asio::awaitable>(Initiator{std::move(target), credential}, wire, prefetch(cache));
///
/// Owner: `cache` is borrowed until the handshake's end.
[[nodiscard]] inline Prefetch prefetch(const TicketCache& cache GSSKEY_LIFETIMEBOUND, KdcPatience patience = {}) {
  return Prefetch{cache, patience};
}

namespace asio_detail {

template <class Host>
struct FiberPrefetch {
  Prefetch offload;
  Host* host;

  template <SteppedHandshake H>
  [[nodiscard]] Task<Result<void>> prepare(const H& handshake) const {
    TicketWork work{&offload.cache(), &handshake.target(), offload.patience()};
    auto fetched = co_await work.run(*host);
    co_return fetched;
  }
};
template <class Host>
[[nodiscard]] inline FiberPrefetch<Host> for_fiber(Prefetch offload, Host& host) noexcept {
  return {std::move(offload), &host};
}

}  // namespace asio_detail

GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
