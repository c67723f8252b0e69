// gsskey/krb5/ticket_cache: a credential cache that a program owns, and the credential for what is in it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <utility>

#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/usage.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Owns a credential cache, into which the exchanges of krb5/kdc_exchange.hpp put their tickets. Move-only; empty by
/// default and after a move. Programs link libkrb5 for it.
/// Calls: krb5_free_context and krb5_cc_close, when it goes; krb5_cc_destroy in their place for one in_memory().
/// Errors: usage, if it is empty; gss, with the code of libkrb5 as minor status.
/// Threads: one at a time, and its credentials and exchanges with it.
/// Owner: of the tickets of a cache in_memory(): its credentials have none when it is gone. A named cache stays.
class TicketCache {
 public:
  TicketCache() noexcept = default;

  /// Makes a cache in this process's memory, which nobody else can name.
  /// Calls: krb5_init_context, krb5_cc_new_unique.
  /// Blocks: on the disk that krb5.conf is on.
  [[nodiscard]] static Result<TicketCache> in_memory() noexcept {
    return open("krb5_cc_new_unique", true, [](krb5_context context, krb5_ccache* cache) {
      return krb5_cc_new_unique(context, "MEMORY", nullptr, cache);
    });
  }
  /// Opens the cache of that name, "FILE:/run/daemon/ccache", which need not exist yet.
  /// Calls: krb5_init_context, krb5_cc_resolve.
  /// Errors: usage too, for an empty name.
  /// Blocks: on the disk that krb5.conf is on.
  [[nodiscard]] static Result<TicketCache> resolve(const char* name) noexcept {
    constexpr const char* operation = "krb5_cc_resolve";
    if (name == nullptr || *name == '\0') return unexpected(Error::usage(operation, "the cache has no name"));
    return open(operation, false,
                [&](krb5_context context, krb5_ccache* cache) { return krb5_cc_resolve(context, name, cache); });
  }

  TicketCache(TicketCache&& other) noexcept
      : context_{std::move(other.context_)},
        cache_{std::exchange(other.cache_, nullptr)},
        is_in_memory_{other.is_in_memory_} {}
  TicketCache& operator=(TicketCache&& other) noexcept {
    if (this != &other) {
      close();
      context_ = std::move(other.context_);
      cache_ = std::exchange(other.cache_, nullptr);
      is_in_memory_ = other.is_in_memory_;
    }
    return *this;
  }
  ~TicketCache() { close(); }

  /// Returns the credential that initiates with what is in the cache, and with what comes into it later.
  /// Calls: gss_krb5_import_cred.
  /// Errors: those of the class, as long as the cache has no ticket too.
  /// Blocks: on the cache: disk, or a daemon that has it.
  [[nodiscard]] Result<Credential<mech::Krb5, Initiate>> credential() const noexcept { return import_cache(cache_); }

  /// Returns the cache, for calls of libkrb5 and for forget_ticket().
  [[nodiscard]] krb5_ccache get() const noexcept GSSKEY_LIFETIMEBOUND { return cache_; }
  /// Returns the context that get() was opened with.
  [[nodiscard]] krb5_context context() const noexcept GSSKEY_LIFETIMEBOUND { return context_.get(); }
  [[nodiscard]] explicit operator bool() const noexcept { return cache_ != nullptr; }

 private:
  template <class Open>
  [[nodiscard]] static Result<TicketCache> open(const char* operation, bool is_in_memory, Open open) noexcept {
    auto context = gss_detail::new_krb5_context();
    if (!context) return unexpected(std::move(context).error());
    TicketCache made;
    made.context_ = *std::move(context);
    made.is_in_memory_ = is_in_memory;
    const krb5_error_code code = open(made.context(), &made.cache_);
    if (code != 0) return unexpected(gss_detail::failed_krb5(made.context(), operation, code));
    return made;
  }
  void close() noexcept {
    if (cache_ == nullptr) return;
    if (is_in_memory_) {
      static_cast<void>(krb5_cc_destroy(context(), std::exchange(cache_, nullptr)));
    } else {
      static_cast<void>(krb5_cc_close(context(), std::exchange(cache_, nullptr)));
    }
  }

  gss_detail::Krb5Context context_;
  krb5_ccache cache_ = nullptr;
  bool is_in_memory_ = false;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
