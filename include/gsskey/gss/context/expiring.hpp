// gsskey/gss/context/expiring: a security context that is of no use once its ticket has ended.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

struct ExpiryOptions {
  /// What MIT krb5 adds to the ticket's life on acceptors: clockskew of krb5.conf. It is taken off again.
  Seconds acceptor_skew = Seconds{300};
};

/// Implementations go on protecting messages when the ticket that a context was made with has ended. For those who want
/// to have the peer authenticate anew then, this asks before each message, and refuses with RoutineError::
/// context_expired. Made of an established context; move-only; one thread at a time.
template <Mechanism M>
class ExpiringContext {
 public:
  using Mechanism = M;

  /// Takes the context over, if it tells its lifetime; else it stays where it is. gss_inquire_context. Errors: usage,
  /// gss, unavailable.
  [[nodiscard]] static Result<ExpiringContext> from_context(SecurityContext<M>&& context,
                                                            ExpiryOptions options = {}) noexcept {
    const auto info = context.inquire();
    if (!info) return unexpected(info.error());
    const bool adds_skew = known_faults.acceptors_outlive_tickets && !info->is_initiator &&
                           mech::Iakerb::accepts(info->mechanism);  // of Kerberos
    return ExpiringContext{std::move(context), adds_skew ? options.acceptor_skew : Seconds{}};
  }

  /// How long it is still of use; 0: it has ended. gss_context_time.
  [[nodiscard]] Result<Seconds> remaining() const noexcept {
    const auto lifetime = context_.lifetime();
    if (!lifetime || lifetime->is_indefinite()) return lifetime;
    return *lifetime > skew_ ? Seconds{lifetime->count() - skew_.count()} : Seconds{};
  }

  /// As those of SecurityContext. Errors: theirs, and gss with RoutineError::context_expired.
  [[nodiscard]] Result<Buffer> wrap(ByteView message) noexcept {
    if (auto alive = is_alive("gss_wrap"); !alive) return unexpected(std::move(alive).error());
    return context_.wrap(message);
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    if (auto alive = is_alive("gss_unwrap"); !alive) return unexpected(std::move(alive).error());
    return context_.unwrap(token);
  }
  [[nodiscard]] Result<Buffer> get_mic(ByteView message) noexcept {
    if (auto alive = is_alive("gss_get_mic"); !alive) return unexpected(std::move(alive).error());
    return context_.get_mic(message);
  }
  [[nodiscard]] Result<void> verify_mic(ByteView message, ByteView mic) noexcept {
    if (auto alive = is_alive("gss_verify_mic"); !alive) return unexpected(std::move(alive).error());
    return context_.verify_mic(message, mic);
  }

  /// The context itself, without the policy: for inquiry, and for calls that only it has.
  [[nodiscard]] SecurityContext<M>& context() noexcept GSSKEY_LIFETIMEBOUND { return context_; }
  [[nodiscard]] const SecurityContext<M>& context() const noexcept GSSKEY_LIFETIMEBOUND { return context_; }

 private:
  ExpiringContext(SecurityContext<M>&& context, Seconds skew) noexcept : context_{std::move(context)}, skew_{skew} {}

  [[nodiscard]] Result<void> is_alive(const char* operation) const noexcept {
    const auto left = remaining();
    if (!left) return unexpected(left.error());
    if (*left != Seconds{}) return {};
    return unexpected(Error::gss(operation, GSS_S_CONTEXT_EXPIRED, 0, M::name)
                          .with_text("the context has expired; its ticket has ended: authenticate anew"));
  }

  SecurityContext<M> context_;
  Seconds skew_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
