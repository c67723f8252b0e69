// gsskey/gss/credential/renewing: a credential for programs that run longer than a ticket lives.
// SPDX-License-Identifier: MIT
#pragma once

#include <time.h>

#include <atomic>
#include <cerrno>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/credential/report.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/status.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// A moment, in milliseconds, by the clock that nobody sets and that goes on while the machine sleeps, and by the clock
/// by which tickets end, which somebody may set.
struct Moment {
  static constexpr std::uint64_t second = 1000;
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t since_boot = never;
  std::uint64_t real = never;

  [[nodiscard]] static std::uint64_t of(clockid_t clock) noexcept {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * second + static_cast<std::uint64_t>(time.tv_nsec) / 1'000'000;
  }
  [[nodiscard]] static Moment now() noexcept { return {of(CLOCK_BOOTTIME), of(CLOCK_REALTIME)}; }
  [[nodiscard]] Moment later_by(std::uint64_t milliseconds) const noexcept {
    return {since_boot + milliseconds, real + milliseconds};
  }
  /// By either clock: which of them is right is for nobody to know.
  [[nodiscard]] bool has_come(Moment now) const noexcept { return now.since_boot >= since_boot || now.real >= real; }
};

/// From when to when a credential serves, and from when on it is to be renewed.
struct Validity {
  Moment acquired;
  Moment renew_at{};
  Moment ends_at{};

  /// Of one that is good for so long from now on, but not for no time at all. `earlier_by(span)` takes something off
  /// the time until it is renewed.
  template <class Earlier>
  [[nodiscard]] static Validity of(Seconds lifetime, Seconds margin, Earlier earlier_by) noexcept {
    Validity made{Moment::now()};
    if (lifetime.is_indefinite()) return made;
    const std::uint64_t whole = (lifetime.count() - 1) * Moment::second;  // of the first, some is over already
    const std::uint64_t before = margin.count() * Moment::second;
    const std::uint64_t span = before < whole / 2 ? whole - before : whole / 2;
    made.renew_at = made.acquired.later_by(span - earlier_by(span));
    made.ends_at = made.acquired.later_by(whole);
    return made;
  }
  [[nodiscard]] bool is_due(Moment now) const noexcept {
    constexpr std::uint64_t skew = 300 * Moment::second;  // what Kerberos lets clocks differ by
    return renew_at.has_come(now) || (renew_at.real != Moment::never && now.real + skew < acquired.real);
  }
  [[nodiscard]] bool is_over(Moment now) const noexcept { return ends_at.has_come(now); }
};

/// How long a credential that was just acquired is good; an error, if it is not.
template <Mechanism M, Usage U>
[[nodiscard]] inline Result<Seconds> fresh_lifetime(const Credential<M, U>& credential) noexcept {
  auto lifetime = credential.lifetime();
  if (lifetime && *lifetime == Seconds{}) {
    return unexpected(Error::gss("gss_inquire_cred", GSS_S_CREDENTIALS_EXPIRED, 0, M::name)
                          .with_text("the credentials have expired; nobody renewed them"));
  }
  return lifetime;
}

/// A credential and the number of leases of it.
template <Mechanism M, Usage U>
struct SharedCredential {
  Credential<M, U> credential;
  Validity validity;
  long count = 1;
};

/// Whether what an initiator is told means that its ticket, or its credential, is of no use any more: RFC 4120 section
/// 7.5.9, as MIT krb5 and Heimdal number it.
[[nodiscard]] inline bool means_stale(const Error& error) noexcept {
  if (error.domain() != Domain::gss) return false;
  switch (error.minor_status()) {
    case 0x96c73a1f:  // KRB_AP_ERR_BAD_INTEGRITY
    case 0x96c73a20:  // KRB_AP_ERR_TKT_EXPIRED
    case 0x96c73a29:  // KRB_AP_ERR_MODIFIED
    case 0x96c73a2c:  // KRB_AP_ERR_BADKEYVER
    case 0x96c73a2d:  // KRB_AP_ERR_NOKEY
      return true;
    default:
      return routine_error(error) == RoutineError::credentials_expired;
  }
}
}  // namespace gss_detail

/// Shares in a credential, which lives as long as its last lease, whatever was acquired meanwhile: keep the lease until
/// the handshake's establish(). Copies share the credential; a move is a copy, so there is no empty lease.
/// Threads: each copy one at a time; copies at the same time.
/// Owner: of the credential, all its leases.
template <Mechanism M, Usage U>
class CredentialLease {
 public:
  CredentialLease(const CredentialLease& other) noexcept : shared_{other.shared_} {
    if (shared_ != nullptr) __atomic_fetch_add(&shared_->count, 1, __ATOMIC_RELAXED);
  }
  CredentialLease& operator=(CredentialLease other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~CredentialLease() {
    if (shared_ != nullptr && __atomic_fetch_sub(&shared_->count, 1, __ATOMIC_ACQ_REL) == 1) delete shared_;
  }

  /// Returns the credential, which converts to CredentialRef; that of a temporary lease cannot be had.
  [[nodiscard]] const Credential<M, U>& operator*() const& noexcept GSSKEY_LIFETIMEBOUND { return shared_->credential; }
  [[nodiscard]] const Credential<M, U>& operator*() const&& = delete;
  [[nodiscard]] const Credential<M, U>* operator->() const noexcept GSSKEY_LIFETIMEBOUND {
    return &shared_->credential;
  }

 private:
  template <class Acquire>
  friend class RenewingCredential;
  /// Takes over one count.
  explicit CredentialLease(gss_detail::SharedCredential<M, U>* shared) noexcept : shared_{shared} {}

  gss_detail::SharedCredential<M, U>* shared_;
};

/// Keeps the credential of a program that runs for long: acquires it when it is first asked for, and anew some time
/// before it ends, by a callable that returns Result<Credential<M, U>>. It stays where it is:
///
///     RenewingCredential client{[] { return Credential<mech::Krb5, Initiate>::acquire_from(
///         {.ccache = "MEMORY:daemon", .client_keytab = "FILE:/etc/daemon.keytab"}); }};
///     auto lease = client.lease();   // a Result, on any thread; then Initiator{target, **lease}
///
/// The hook of set_credential_hook() is told of each renewal.
///
/// With a cache somebody else must renew the tickets in it; MIT krb5 does that itself with a client keytab, once half
/// of their life is over. Acceptors' credentials never end, so they are acquired once: the keytab is read anew for each
/// handshake.
///
/// A lifetime is told in whole seconds, of which the first has begun: the last one counts as over.
///
/// Time is that of two clocks: the machine's, which goes on while it sleeps and which nobody sets, and the real one, by
/// which tickets end. A credential is due when it is by either, and when the real clock was set back by more than five
/// minutes behind the moment at which it was acquired.
/// Errors: those of the callable; gss with RoutineError::credentials_expired, if what it acquired has expired; system
///   (ENOMEM). An exception of the callable passes through.
/// Blocks: in the callable, on the one thread that acquires; on the others until it has returned, while no credential
///   is good.
/// Threads: any number, also at the same time.
/// Fork: a child acquires a credential of its own, with the callable, whatever other threads were doing at the fork;
///   the parent's stays in its memory, untouched, until it ends. Leases that it inherits are the parent's credential.
/// Owner: of the callable. Leases may outlive the RenewingCredential.
template <class Acquire>
class RenewingCredential {
  using Traits = gss_detail::CredentialOf<decltype(std::declval<Acquire&>()())>;

 public:
  using Lease = CredentialLease<typename Traits::M, typename Traits::U>;

  /// Takes the callable. A credential is replaced `margin` before its end, or when half of its life is over, if that is
  /// later. `wanted`, a text that outlives this, says in reports whose credential it is and where it is from.
  explicit RenewingCredential(Acquire callable, Seconds margin = Seconds{300}, std::string_view wanted = {}) noexcept
      : acquire_{std::move(callable)}, margin_{margin}, wanted_{wanted} {}
  RenewingCredential(const RenewingCredential&) = delete;
  RenewingCredential& operator=(const RenewingCredential&) = delete;
  ~RenewingCredential() {
    State* const state = state_.load(std::memory_order_acquire);
    if (state != nullptr && state->process == detail::this_process()) delete state;
  }

  /// Returns a share in the current credential. While one thread acquires, the others get the old credential if it is
  /// good. Should acquiring fail, the old one serves to its end, then the error is returned; there is a new attempt
  /// once a second at most.
  [[nodiscard]] Result<Lease> lease() {
    State* const state = own_state();
    if (state == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    std::unique_lock lock{state->mutex};
    while (true) {
      const auto now = Moment::now();
      const auto* const shared = state->current.shared_;
      if (shared != nullptr && !state->is_stale && !shared->validity.is_due(now)) return state->current;
      const bool is_good = shared != nullptr && !state->is_stale && !shared->validity.is_over(now);
      if (!state->is_acquiring && now.since_boot >= state->retry_at) {
        if (acquire_anew(*state, lock)) return state->current;
      } else if (is_good) {
        return state->current;
      } else if (state->is_acquiring) {
        state->renewed.wait(lock);
      } else {
        return unexpected(state->error);
      }
    }
  }

  /// Acquires anew, however good the current credential is: a password was changed, a user has got another group.
  /// Threads that ask for it at one time share what is acquired after the last of them has asked. Should it fail, the
  /// current one stays.
  /// Errors: those of lease().
  /// Blocks: in the callable, or until it has returned on another thread.
  [[nodiscard]] Result<Lease> renew() {
    State* const state = own_state();
    if (state == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    std::unique_lock lock{state->mutex};
    const std::uint64_t wanted = state->begun + 1;
    while (state->done < wanted) {
      if (state->is_acquiring) {
        state->renewed.wait(lock);
      } else {
        static_cast<void>(acquire_anew(*state, lock));
      }
    }
    if (state->has_failed) return unexpected(state->error);
    return state->current;
  }

  /// Takes the Error of a handshake with `used` that failed, and returns whether another one is worth it with a new
  /// lease(): if the peer says that it cannot read the ticket (wrong key version, modified, no key, bad integrity: the
  /// service's key was changed) or that the ticket has ended. `used` is not leased any more then, unless acquiring
  /// fails. A peer can say what it likes, so it is believed once a second at most.
  ///
  ///     if (client.report(*lease, context.error())) lease = client.lease();  // and once more
  ///
  /// Heimdal's acceptors tell nobody why they refuse: their clients see the connection close, and renew() is the way.
  /// Where the callable finds the ticket again, in a cache with a name, call forget_ticket() of krb5/credential.hpp.
  [[nodiscard]] bool report(const Lease& used, const Error& error) {
    if (!gss_detail::means_stale(error)) return false;
    State* const state = own_state();
    if (state == nullptr) return false;
    const std::unique_lock lock{state->mutex};
    if (state->current.shared_ != used.shared_ || state->is_stale) return true;
    const auto now = Moment::now();
    if (now.since_boot < state->believe_at) return false;
    state->believe_at = now.since_boot + Moment::second;
    state->retry_at = 0;
    state->is_stale = true;
    return true;
  }

 private:
  using Moment = gss_detail::Moment;
  using Shared = gss_detail::SharedCredential<typename Traits::M, typename Traits::U>;

  /// What a child must not touch: a thread that is not there may be in the middle of it.
  struct State {
    explicit State(std::uint32_t its_process) noexcept : process{its_process} {}
    const std::uint32_t process;
    bool is_acquiring = false;
    bool has_failed = false;  // that which was done last
    bool is_stale = false;    // what report() said of `current`
    std::mutex mutex{};
    std::condition_variable renewed{};
    Lease current{nullptr};
    Error error = Error::usage("RenewingCredential", "nothing was acquired yet");
    std::uint64_t begun = 0;  // how many times the callable was called
    std::uint64_t done = 0;   // the last of them that returned
    std::uint64_t retry_at = 0;
    std::uint64_t believe_at = 0;
  };

  /// This process's; nullptr where memory is short.
  [[nodiscard]] State* own_state() noexcept {
    const std::uint32_t process = detail::this_process();
    State* state = state_.load(std::memory_order_acquire);
    while (state == nullptr || state->process != process) {
      auto* const made = new (std::nothrow) State{process};
      if (made == nullptr || state_.compare_exchange_strong(state, made, std::memory_order_acq_rel)) return made;
      delete made;  // another thread was faster
    }
    return state;
  }

  /// With the mutex, which is free while the callable runs.
  [[nodiscard]] bool acquire_anew(State& state, std::unique_lock<std::mutex>& lock) {
    struct Turn {
      Turn(State& its_state, std::unique_lock<std::mutex>& its_lock) noexcept : state{its_state}, lock{its_lock} {
        state.is_acquiring = true;
        ++state.begun;
        lock.unlock();
      }
      Turn(const Turn&) = delete;
      Turn& operator=(const Turn&) = delete;
      ~Turn() {
        lock.lock();
        state.is_acquiring = false;
        state.is_stale = false;
        state.renewed.notify_all();
      }
      State& state;
      std::unique_lock<std::mutex>& lock;
    };
    auto acquired = [&] {
      const Turn turn{state, lock};
      return acquire();
    }();
    state.done = state.begun;
    state.has_failed = !acquired;
    if (!acquired) {
      state.error = std::move(acquired).error();
      state.retry_at = Moment::now().since_boot + Moment::second;
      return false;
    }
    state.current = *acquired;
    return true;
  }

  [[nodiscard]] Result<Lease> acquire() {
    auto credential = reported(acquire_, wanted_);
    if (!credential) return unexpected(std::move(credential).error());
    const auto lifetime = gss_detail::fresh_lifetime(*credential);
    if (!lifetime) return unexpected(lifetime.error());
    const auto validity = gss_detail::Validity::of(*lifetime, margin_, [](std::uint64_t) { return std::uint64_t{0}; });
    auto* shared = new (std::nothrow) Shared{*std::move(credential), validity};
    if (shared == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    return Lease{shared};
  }

  Acquire acquire_;
  const Seconds margin_;
  const std::string_view wanted_;
  std::atomic<State*> state_{nullptr};
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
