// gsskey/asio/detail/ticket_fetch: a ticket that many wait for on a loop is fetched once.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/context_state.hpp>
#include <gsskey/asio/detail/turns.hpp>
#include <gsskey/asio/kdc.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#ifdef GSSKEY_ASIO_BOOST
#include <boost/asio/cancellation_signal.hpp>
#else
#include <asio/cancellation_signal.hpp>
#endif

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in asio/kdc.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// Which ticket, who is asked, and how long each is waited for. Names that are shown alike, and are of one type, are
/// one.
template <class Kdcs>
struct TicketKey {
  krb5_ccache cache = nullptr;
  std::string type{};  ///< of the name
  std::string target{};
  std::chrono::milliseconds udp{};
  std::chrono::milliseconds tcp{};
  Kdcs kdcs{};

  [[nodiscard]] friend auto operator<=>(const TicketKey&, const TicketKey&) = default;

  [[nodiscard]] static Result<TicketKey> of(const TicketCache& cache, const Name& target, KdcPatience patience,
                                            const Kdcs& kdcs) {
    const auto shown = target.display();
    if (!shown) return unexpected(shown.error());
    const std::string_view type = ByteView{shown->type}.text();
    return TicketKey{cache.get(), std::string{type}, std::string{shown->text()}, patience.udp, patience.tcp, kdcs};
  }
};

template <class Kdcs>
struct TicketFetch;
/// Those of an execution context.
template <class Kdcs>
using TicketFetches = std::map<TicketKey<Kdcs>, std::shared_ptr<TicketFetch<Kdcs>>>;

/// A ticket that is being fetched, in an operation of its own: who waits for it may give up, and it goes on for the
/// others. All with the lock of the turns.
template <class Kdcs>
struct TicketFetch {
  Queue waiting{};
  std::optional<Result<void>> outcome{};
  std::optional<typename TicketFetches<Kdcs>::iterator> place{};  ///< where others find it
  asio::cancellation_signal cancellation{};
};

/// What the operation does.
template <class Kdcs>
struct FetchWork {
  using Outcome = Result<void>;
  static constexpr const char* operation = "async_acquire";

  const TicketCache* cache;
  Name target;
  KdcPatience patience;
  Kdcs kdcs;

  template <class Host>
  [[nodiscard]] Task<Outcome> run(Host& host) {
    auto called = co_await turn(host);
    static_cast<void>(called);
    auto ticket = ServiceTicket::for_target(*cache, target);
    if (!ticket) co_return Outcome{unexpected(std::move(ticket).error())};
    ExchangeWork<ServiceTicket, Kdcs> exchange{*std::move(ticket), patience, std::move(kdcs)};
    auto ended = co_await exchange.run(host);
    co_return ended;
  }
};

/// One who waits for a ticket, in a fiber, in whose frame it lives.
template <class Host, class Kdcs>
class TicketWait {
 public:
  explicit TicketWait(Host& host)
      : host_{&host}, waiting_{host}, fetches_{context_state<TicketFetches<Kdcs>>(host.executor)} {}
  TicketWait(const TicketWait&) = delete;
  TicketWait& operator=(const TicketWait&) = delete;
  ~TicketWait() {
    if (!fetch_) return;
    bool is_unwanted = false;
    {
      const std::lock_guard lock{waiting_.state()->mutex};
      waiting_.state()->leave(waiting_);
      is_unwanted = fetch_->place && fetch_->waiting.is_alone();
      if (is_unwanted) forget(*fetch_, *fetches_);
      if (waiting_.state()->is_closed) return;  // the operation is gone, or goes
    }
    if (is_unwanted) fetch_->cancellation.emit(asio::cancellation_type::terminal);
  }

  /// Throws after a cancellation.
  [[nodiscard]] Task<Result<void>> outcome(TicketKey<Kdcs> key, const TicketCache& cache, const Name& target,
                                           KdcPatience patience, Kdcs kdcs) {
    if (join(std::move(key))) {
      auto copy = target.duplicate();
      if (!copy) co_return Result<void>{unexpected(std::move(copy).error())};
      begin(FetchWork<Kdcs>{&cache, *std::move(copy), patience, std::move(kdcs)});
    }
    auto called = co_await waiting_.called();
    static_cast<void>(called);
    co_return *fetch_->outcome;
  }

 private:
  static void forget(TicketFetch<Kdcs>& fetch, TicketFetches<Kdcs>& fetches) noexcept {
    fetches.erase(*std::exchange(fetch.place, std::nullopt));
  }
  /// Whether nobody fetches it yet.
  [[nodiscard]] bool join(TicketKey<Kdcs> key) {
    const std::lock_guard lock{waiting_.state()->mutex};
    const auto [place, is_new] = fetches_->try_emplace(std::move(key));
    if (is_new) {
      try {
        place->second = std::make_shared<TicketFetch<Kdcs>>();
      } catch (...) {
        fetches_->erase(place);
        throw;
      }
      place->second->place = place;
    }
    fetch_ = place->second;
    waiting_.join(fetch_->waiting);
    return is_new;
  }
  void begin(FetchWork<Kdcs> work) {
    auto end = [fetch = fetch_, fetches = fetches_, turns = waiting_.state()](Result<void> ended) {
      const std::lock_guard lock{turns->mutex};
      if (fetch->place) forget(*fetch, *fetches);
      fetch->outcome.emplace(std::move(ended));
      turns->line_up(fetch->waiting);
    };
    StartWork{host_->executor}(asio::bind_cancellation_slot(fetch_->cancellation.slot(), std::move(end)),
                               std::move(work));
  }

  Host* host_;
  Waiting<Host> waiting_;
  std::shared_ptr<TicketFetches<Kdcs>> fetches_;
  std::shared_ptr<TicketFetch<Kdcs>> fetch_;
};

/// Waits until the cache has the ticket, or nobody gives it.
template <class Kdcs>
struct TicketWork {
  using Outcome = Result<void>;
  static constexpr const char* operation = "async_acquire";

  const TicketCache* cache;
  const Name* target;
  KdcPatience patience;
  Kdcs kdcs;

  template <class Host>
  [[nodiscard]] Task<Outcome> run(Host& host) {
    auto key = TicketKey<Kdcs>::of(*cache, *target, patience, kdcs);
    if (!key) co_return Outcome{unexpected(std::move(key).error())};
    TicketWait<Host, Kdcs> wait{host};
    auto outcome = co_await wait.outcome(*std::move(key), *cache, *target, patience, std::move(kdcs));
    co_return outcome;
  }
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
