// gsskey/asio/renewing: a login for programs that run longer than a ticket lives, renewed on Asio's loop.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/asio/kdc.hpp>
#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/credential/report.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/io/task.hpp>
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

/// What one login gave. The credential goes before its cache.
struct LoggedIn {
  TicketCache cache;
  Credential<mech::Krb5, Initiate> credential;
  gss_detail::Validity validity;
};

}  // namespace asio_detail

/// Shares in a login: a cache of its own with the tickets, and the credential for them. It lives as long as its last
/// lease, whatever was acquired meanwhile: keep the lease until the handshake's establish().
/// Threads: as TicketCache: one at a time, all copies.
/// Owner: of the cache and the credential, all leases of it.
class TicketLease {
 public:
  /// Returns the credential, which converts to CredentialRef; that of a temporary lease cannot be had.
  [[nodiscard]] const Credential<mech::Krb5, Initiate>& operator*() const& noexcept GSSKEY_LIFETIMEBOUND {
    return shared_->credential;
  }
  [[nodiscard]] const Credential<mech::Krb5, Initiate>& operator*() const&& = delete;
  [[nodiscard]] const Credential<mech::Krb5, Initiate>* operator->() const noexcept GSSKEY_LIFETIMEBOUND {
    return &shared_->credential;
  }
  /// Returns the cache, for ServiceTicket and prefetch().
  [[nodiscard]] const TicketCache& cache() const& noexcept GSSKEY_LIFETIMEBOUND { return shared_->cache; }
  [[nodiscard]] const TicketCache& cache() const&& = delete;

 private:
  template <class Executor, class Begin, class Kdcs>
  friend class AsyncRenewingCredential;
  explicit TicketLease(std::shared_ptr<const asio_detail::LoggedIn> shared) noexcept : shared_{std::move(shared)} {}

  std::shared_ptr<const asio_detail::LoggedIn> shared_;
};

/// Says how an AsyncRenewingCredential renews.
struct AsyncRenewal {
  Seconds margin{300};        ///< so long before its end a login is replaced, or when half of its life is over
  KdcPatience patience{};     ///< with each address of a KDC
  std::string_view wanted{};  ///< whose login it is and where it is from, for reports: a text that outlives all this
};

/// Keeps the login of a program that runs for long on Asio's loop, where nobody waits for a KDC: RenewingCredential for
/// coroutines and any other completion token. A callable begins each login, into a cache that it is given:
///
///     AsyncRenewingCredential daemon{executor, [&](const TicketCache& into) {
///       return InitialTicket::with_keytab(into, name, "FILE:/etc/daemon.keytab"); }};
///     auto lease = co_await daemon.async_lease(asio::use_awaitable);  // then Initiator{target, **lease}
///
/// The first who asks begins a login, and all who ask meanwhile share it. A login is due its margin before its end, and
/// up to a tenth earlier by chance, so that the hosts of a site do not ask at one moment: who asks then gets the old
/// one at once, and a login begins beside it. Where that fails the old one serves to its end, then the error is told.
/// The next attempt is made when somebody asks and a second has gone by, two after the second failure, and so on up to
/// a minute; a quarter longer at most, by chance. Nobody asks, nothing runs: no timer keeps the loop.
///
/// Time is that of RenewingCredential. The hook of set_credential_hook() is told of each login.
/// Errors: those of the callable, of async_acquire() and of TicketCache; gss with RoutineError::credentials_expired, if
///   the ticket has ended before it came; transport, ECANCELED, for who waits when this goes; system (ENOMEM). What the
///   callable throws: transport, with the exception's text.
/// Blocks: where the callable and async_acquire() do, on disks.
/// Threads: that of `executor`, which is of one thread, or a strand; async_lease() on any.
/// Fork: as Asio's objects: the child calls notify_fork(). It has its copy of the tickets; a login that was under way
///   is the parent's, and the child begins another when it asks.
/// Owner: of the callable. Leases may outlive the AsyncRenewingCredential; the executor's context must. Its end, with
///   who waits told of it, is the object's.
template <class Executor, class Begin, class Kdcs = ConfiguredKdcs>
class AsyncRenewingCredential {
 public:
  /// Takes the callable: Result<InitialTicket>(const TicketCache&). The cache is borrowed until the login's end. Which
  /// KDCs are asked `kdcs` says, as with async_acquire().
  explicit AsyncRenewingCredential(const Executor& executor, Begin begin, AsyncRenewal renewal = {}, Kdcs kdcs = {})
      : state_{std::make_shared<State>(executor, std::move(begin), renewal, std::move(kdcs))} {}
  AsyncRenewingCredential(const AsyncRenewingCredential&) = delete;
  AsyncRenewingCredential& operator=(const AsyncRenewingCredential&) = delete;
  ~AsyncRenewingCredential() { state_->close(); }

  /// Gives a share in the current login, by any completion token: a handler of void(Result<TicketLease>), or
  /// use_awaitable, use_future … as async_acquire(). A cancellation of the token's slot (terminal) ends the waiting of
  /// this one; the login goes on for the others.
  template <class Token>
  auto async_lease(Token&& token) {
    return asio::async_initiate<Token, void(Result<TicketLease>)>(asio_detail::StartWork{state_->executor}, token,
                                                                  Waiting{state_});
  }

  /// Takes the Error of a handshake with `used` that failed, and returns whether another one is worth it with a new
  /// lease: if the peer says that it cannot read the ticket, or that it has ended. `used` is not leased any more then,
  /// unless the login fails. A peer can say what it likes, so it is believed once a second at most.
  [[nodiscard]] bool report(const TicketLease& used, const Error& error) noexcept {
    if (!gss_detail::means_stale(error)) return false;
    auto& state = *state_;
    if (state.current != used.shared_ || state.is_stale) return true;
    const auto now = Moment::now();
    if (now.since_boot < state.believe_at) return false;
    state.believe_at = now.since_boot + Moment::second;
    state.retry_at = 0;
    state.is_stale = true;
    return true;
  }

 private:
  using Moment = gss_detail::Moment;
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

  /// By chance, less than `span`: hosts that start together differ in their nanoseconds.
  [[nodiscard]] static std::uint64_t some_of(std::uint64_t span) noexcept {
    return span == 0 ? 0 : gss_detail::nanoseconds_now() % span;
  }

  /// Lives as long as the login that is under way, and who waits.
  struct State : std::enable_shared_from_this<State> {
    State(const Executor& its_executor, Begin its_begin, AsyncRenewal its_renewal, Kdcs its_kdcs)
        : executor{its_executor},
          begin{std::move(its_begin)},
          renewal{its_renewal},
          kdcs{std::move(its_kdcs)},
          renewed{its_executor, std::chrono::steady_clock::time_point::max()} {}

    const Executor executor;
    Begin begin;
    const AsyncRenewal renewal;
    const Kdcs kdcs;
    std::shared_ptr<const asio_detail::LoggedIn> current{};
    Error error = Error::usage("AsyncRenewingCredential", "nothing was acquired yet");
    bool is_stale = false;  ///< what report() said of `current`
    bool is_closed = false;
    bool is_acquiring = false;
    unsigned login = 0;  ///< the number of the one that was begun last
    unsigned failures = 0;
    std::uint64_t retry_at = 0;
    std::uint64_t believe_at = 0;
    std::uint32_t process = gsskey::detail::this_process();
    std::shared_ptr<asio::cancellation_signal> cancellation{};  ///< of the login
    Timer renewed;  ///< never expires: is cancelled for all who wait for the login

    /// A lease, or why there is none; or nothing, and a login is under way.
    [[nodiscard]] std::optional<Result<TicketLease>> lease() {
      using Answer = std::optional<Result<TicketLease>>;
      if (is_closed) return Answer{unexpected(Error::transport("async_lease", ECANCELED))};
      if (process != gsskey::detail::this_process()) {
        process = gsskey::detail::this_process();
        end_login();
      }
      const auto now = Moment::now();
      if (current && !is_stale && !current->validity.is_due(now)) return Answer{TicketLease{current}};
      const bool is_good = current && !is_stale && !current->validity.is_over(now);
      auto old = current;
      if (!is_acquiring && now.since_boot >= retry_at) log_in();
      if (is_good) return Answer{TicketLease{std::move(old)}};
      if (is_acquiring) return std::nullopt;
      if (current != old || (current && !current->validity.is_over(now))) return Answer{TicketLease{current}};
      return Answer{unexpected(error)};
    }

    void close() noexcept {
      is_closed = true;
      end_login();
      renewed.cancel();
    }
    /// Whose outcome nobody learns.
    void end_login() noexcept {
      ++login;
      is_acquiring = false;
      if (cancellation) cancellation->emit(asio::cancellation_type::terminal);
    }

    void log_in() {
      const std::uint64_t begun = gss_detail::nanoseconds_now();
      auto cache = TicketCache::in_memory();
      if (!cache) return fail(std::move(cache).error(), begun);
      auto exchange = begin(std::as_const(*cache));
      if (!exchange) return fail(std::move(exchange).error(), begun);
      const auto signal = std::make_shared<asio::cancellation_signal>();
      auto done = [self = this->shared_from_this(), signal, number = ++login, begun,
                   into = *std::move(cache)](Result<void> ended) mutable {
        if (number != self->login) return;
        self->is_acquiring = false;
        self->finish(std::move(into), std::move(ended), begun);
        self->renewed.cancel();
      };
      is_acquiring = true;
      cancellation = signal;
      async_acquire(executor, *std::move(exchange), asio::bind_cancellation_slot(signal->slot(), std::move(done)),
                    renewal.patience, kdcs);
    }
    void finish(TicketCache cache, Result<void> ended, std::uint64_t begun) noexcept {
      if (!ended) return fail(std::move(ended).error(), begun);
      auto credential = cache.credential();
      if (!credential) return fail(std::move(credential).error(), begun);
      const auto lifetime = gss_detail::fresh_lifetime(*credential);
      if (!lifetime) return fail(lifetime.error(), begun);
      tell(begun, credential);
      const auto validity =
          gss_detail::Validity::of(*lifetime, renewal.margin, [](std::uint64_t span) { return some_of(span / 10); });
      try {
        current = std::make_shared<const asio_detail::LoggedIn>(std::move(cache), *std::move(credential), validity);
      } catch (...) {
        return fail(Error::system("malloc", ENOMEM), begun);
      }
      is_stale = false;
      failures = 0;
      retry_at = 0;
    }
    void fail(Error why, std::uint64_t begun) noexcept {
      constexpr unsigned most = 6;  // 64 s
      const std::uint64_t pause = Moment::second << std::min(failures, most);
      failures = std::min(failures + 1, most);
      retry_at = Moment::now().since_boot + pause + some_of(pause / 4);
      is_stale = false;
      error = std::move(why);
      tell(begun, Result<Credential<mech::Krb5, Initiate>>{unexpected(error)});
    }
    void tell(std::uint64_t begun, const Result<Credential<mech::Krb5, Initiate>>& acquired) const noexcept {
      const CredentialHook hook = __atomic_load_n(&gss_detail::credential_hook, __ATOMIC_RELAXED);
      if (hook == nullptr) return;
      gss_detail::tell(hook, renewal.wanted, gss_detail::nanoseconds_now() - begun, acquired);
    }
  };

  /// One who asks.
  struct Waiting {
    using Outcome = Result<TicketLease>;
    static constexpr const char* operation = "async_lease";

    std::shared_ptr<State> state;

    template <class Host>
    [[nodiscard]] Task<Outcome> run(Host& host) {
      while (true) {
        auto answer = state->lease();
        if (answer) co_return *std::move(answer);
        auto start = [timer = &state->renewed](auto resume) { timer->async_wait(std::move(resume)); };
        auto woken = co_await asio_detail::awaiting<asio_detail::Transferred>(host, start);
        static_cast<void>(woken);
        if (host.cancellation.cancelled() != asio::cancellation_type::none) {
          co_return Outcome{unexpected(Error::transport(operation, ECANCELED))};
        }
      }
    }
  };

  std::shared_ptr<State> state_;
};

GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
