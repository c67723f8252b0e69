// gsskey/gss/credential/renewing: a credential for programs that run longer than a ticket lives.
// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>
#include <time.h>

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <new>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// Result<Credential<M, U>>, taken apart.
template <class R>
struct CredentialOf;
template <Mechanism M_, Usage U_>
struct CredentialOf<Result<Credential<M_, U_>>> {
  using M = M_;
  using U = U_;
};

/// A credential and the number of leases of it.
template <Mechanism M, Usage U>
struct SharedCredential {
  Credential<M, U> credential;
  std::uint64_t renew_at;
  std::uint64_t ends_at;
  long count = 1;
};

class MutexLock {
 public:
  explicit MutexLock(pthread_mutex_t& mutex) noexcept : mutex_{mutex} { pthread_mutex_lock(&mutex_); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t& mutex_;
};
}  // namespace gss_detail

/// A share in a credential, which lives as long as its last lease, whatever was acquired meanwhile: keep the lease
/// until the handshake's establish(). Copies share the credential and may live on several threads; a move is a copy, so
/// there is no empty one.
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

  /// `*lease` converts to CredentialRef; that of a temporary lease is refused.
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

/// The current credential of a program that runs for long: acquired when first asked for, and anew some time before it
/// ends. How is a callable that returns Result<Credential<M, U>>:
///
///     RenewingCredential client{[] { return Credential<mech::Krb5, Initiate>::acquire_from(
///         {.ccache = "MEMORY:daemon", .client_keytab = "FILE:/etc/daemon.keytab"}); }};
///     auto lease = client.lease();   // a Result, on any thread; then Initiator{target, **lease}
///
/// With a cache somebody else must renew the tickets in it; MIT krb5 does that itself with a client keytab, once half
/// of their life is over. Acceptors' credentials never end, so they are acquired once: the keytab is read anew for each
/// handshake. Thread-safe; it stays where it is.
template <class Acquire>
class RenewingCredential {
  using Traits = gss_detail::CredentialOf<decltype(std::declval<Acquire&>()())>;

 public:
  using Lease = CredentialLease<typename Traits::M, typename Traits::U>;

  /// `margin`: how long before its end a credential is replaced; half of its life, if that is less.
  explicit RenewingCredential(Acquire acquire, Seconds margin = Seconds{300}) noexcept
      : acquire_{std::move(acquire)}, margin_{margin} {}
  RenewingCredential(const RenewingCredential&) = delete;
  RenewingCredential& operator=(const RenewingCredential&) = delete;
  ~RenewingCredential() {
    pthread_cond_destroy(&renewed_);
    pthread_mutex_destroy(&mutex_);
  }

  /// A share in the current credential. One thread at a time acquires, and blocks as long as that takes; the others
  /// get the old credential while it is good, and wait for the new one when it is not. Should acquiring fail, the old
  /// one serves to its end, then the error is returned; there is a new attempt once a second at most. Errors: those of
  /// the callable, and gss (what it acquired has expired). An exception of the callable passes through.
  [[nodiscard]] Result<Lease> lease() {
    gss_detail::MutexLock lock{mutex_};
    while (true) {
      const std::uint64_t time = now();
      if (current_.shared_ != nullptr && time < current_.shared_->renew_at) return current_;
      const bool is_good = current_.shared_ != nullptr && time < current_.shared_->ends_at;
      const bool may_try = !is_acquiring_ && time >= retry_at_;
      if (may_try) {
        if (renew()) return current_;
      } else if (is_good) {
        return current_;
      } else if (is_acquiring_) {
        pthread_cond_wait(&renewed_, &mutex_);
      } else {
        return unexpected(error_);
      }
    }
  }

 private:
  using Shared = gss_detail::SharedCredential<typename Traits::M, typename Traits::U>;
  static constexpr std::uint64_t second = 1000;
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  /// Milliseconds of a clock that nobody sets.
  [[nodiscard]] static std::uint64_t now() noexcept {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * second + static_cast<std::uint64_t>(time.tv_nsec) / 1'000'000;
  }

  /// With the mutex, which is free while the callable runs.
  [[nodiscard]] bool renew() {
    struct Turn {
      explicit Turn(RenewingCredential& renewing) noexcept : owner{renewing} {
        owner.is_acquiring_ = true;
        pthread_mutex_unlock(&owner.mutex_);
      }
      Turn(const Turn&) = delete;
      Turn& operator=(const Turn&) = delete;
      ~Turn() {
        pthread_mutex_lock(&owner.mutex_);
        owner.is_acquiring_ = false;
        pthread_cond_broadcast(&owner.renewed_);
      }
      RenewingCredential& owner;
    };
    auto acquired = [this] {
      const Turn turn{*this};
      return acquire();
    }();
    if (!acquired) {
      error_ = std::move(acquired).error();
      retry_at_ = now() + second;
      return false;
    }
    current_ = *acquired;
    return true;
  }

  [[nodiscard]] Result<Lease> acquire() {
    auto credential = acquire_();
    if (!credential) return unexpected(std::move(credential).error());
    const auto lifetime = credential->lifetime();
    if (!lifetime) return unexpected(lifetime.error());
    if (*lifetime == Seconds{}) {
      return unexpected(Error::gss("gss_inquire_cred", GSS_S_CREDENTIALS_EXPIRED, 0, Traits::M::name)
                            .with_text("the credentials have expired; nobody renewed them"));
    }
    std::uint64_t renew_at = never;
    std::uint64_t ends_at = never;
    if (!lifetime->is_indefinite()) {
      const std::uint64_t start = now();
      const std::uint64_t whole = lifetime->count() * second;
      const std::uint64_t margin = margin_.count() * second;
      renew_at = start + (margin < whole / 2 ? whole - margin : whole / 2);
      ends_at = start + whole;
    }
    auto* shared = new (std::nothrow) Shared{*std::move(credential), renew_at, ends_at};
    if (shared == nullptr) return unexpected(Error::system("malloc", ENOMEM));
    return Lease{shared};
  }

  Acquire acquire_;
  const Seconds margin_;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t renewed_ = PTHREAD_COND_INITIALIZER;
  Lease current_{nullptr};
  Error error_ = Error::usage("RenewingCredential", "nothing was acquired yet");
  std::uint64_t retry_at_ = 0;
  bool is_acquiring_ = false;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
