// gsskey/gss/context/expiring: a security context that is of no use once its ticket has ended.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/context/ordering.hpp>
#include <gsskey/gss/context/peer.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says what an ExpiringContext takes off the lifetime that it is told.
struct ExpiryOptions {
  /// What MIT krb5 adds to the ticket's life on acceptors: clockskew of krb5.conf.
  Seconds acceptor_skew = Seconds{300};
};

namespace gss_detail {

/// What the lifetime of such a context has too much; `skew` is what would be added to it.
[[nodiscard]] inline Seconds added_skew(bool is_initiator, const Oid& mechanism, Seconds skew) noexcept {
  const bool is_kerberos = mech::Iakerb::accepts(mechanism);
  return known_faults.acceptors_outlive_tickets && !is_initiator && is_kerberos ? skew : Seconds{};
}
[[nodiscard]] inline Seconds without_skew(Seconds lifetime, Seconds skew) noexcept {
  if (lifetime.is_indefinite()) return lifetime;
  return lifetime > skew ? Seconds{lifetime.count() - skew.count()} : Seconds{};
}
template <Mechanism M>
[[nodiscard, gnu::cold]] inline Error context_expired(const char* operation) noexcept {
  return Error::gss(operation, GSS_S_CONTEXT_EXPIRED, 0, M::name)
      .with_text("the context has expired; its ticket has ended: authenticate anew");
}

}  // namespace gss_detail

/// Refuses every call but lifetime() once the ticket has ended that its context was made with, so that the peer has to
/// authenticate anew; implementations go on protecting messages then. A MessageContext; move-only.
/// Calls: gss_context_time, before each other call.
/// Errors: those of the SecurityContext; gss with RoutineError::context_expired.
/// Threads: one at a time.
/// Fork: as of the SecurityContext.
/// Owner: of the context.
template <Mechanism M>
class ExpiringContext {
 public:
  using Mechanism = M;

  /// Takes the context over, if it can be inquired; else it stays where it is.
  /// Calls: gss_inquire_context.
  /// Errors: those of SecurityContext::inquire().
  [[nodiscard]] static Result<ExpiringContext> from_context(SecurityContext<M>&& context,
                                                            ExpiryOptions options = {}) noexcept {
    const auto info = context.inquire();
    if (!info) return unexpected(info.error());
    return ExpiringContext{std::move(context),
                           gss_detail::added_skew(info->is_initiator, info->mechanism, options.acceptor_skew)};
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(context_); }

  /// Returns how long the context is still of use, 0 when that is over.
  /// Calls: gss_context_time.
  /// Errors: those of SecurityContext::lifetime().
  [[nodiscard]] Result<Seconds> lifetime() const noexcept {
    const auto lifetime = context_.lifetime();
    if (!lifetime) return lifetime;
    return gss_detail::without_skew(*lifetime, skew_);
  }

  /// Encrypts and authenticates a message. This call and those below do what those of SecurityContext do.
  [[nodiscard]] Result<Buffer> wrap(ByteView message) noexcept {
    return while_alive("gss_wrap", [&] { return context_.wrap(message); });
  }
  [[nodiscard]] Result<Buffer> wrap_unencrypted(ByteView message) noexcept {
    return while_alive("gss_wrap", [&] { return context_.wrap_unencrypted(message); });
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    return while_alive("gss_unwrap", [&] { return context_.unwrap(token); });
  }
  [[nodiscard]] Result<Unwrapped> unwrap_unencrypted(ByteView token) noexcept {
    return while_alive("gss_unwrap", [&] { return context_.unwrap_unencrypted(token); });
  }
  [[nodiscard]] Result<OrderedMessage> unwrap_with_ordering(ByteView token) noexcept {
    return while_alive("gss_unwrap", [&] { return context_.unwrap_with_ordering(token); });
  }
  [[nodiscard]] Result<Buffer> get_mic(ByteView message) noexcept {
    return while_alive("gss_get_mic", [&] { return context_.get_mic(message); });
  }
  [[nodiscard]] Result<void> verify_mic(ByteView message, ByteView mic) noexcept {
    return while_alive("gss_verify_mic", [&] { return context_.verify_mic(message, mic); });
  }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    return while_alive("gss_wrap_size_limit", [&] { return context_.wrap_size_limit(token_size); });
  }
  [[nodiscard]] Result<std::uint32_t> wrap_unencrypted_size_limit(std::uint32_t token_size) const noexcept {
    return while_alive("gss_wrap_size_limit", [&] { return context_.wrap_unencrypted_size_limit(token_size); });
  }
  [[nodiscard]] Result<MessageRoom> room() const noexcept {
    return while_alive("gss_wrap_iov_length", [&] { return context_.room(); });
  }
  [[nodiscard]] Result<ContextInfo> inquire() const noexcept {
    return while_alive("gss_inquire_context", [&] { return context_.inquire(); });
  }
  [[nodiscard]] Result<Peer> peer() const noexcept {
    return while_alive("gss_inquire_context", [&] { return context_.peer(); });
  }
  [[nodiscard]] Result<std::uint32_t> sasl_ssf() const noexcept {
    return while_alive("gss_inquire_sec_context_by_oid", [&] { return context_.sasl_ssf(); });
  }

  /// Encrypts a message where it is. This call and those below do what those of gss/context/in_place.hpp do.
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_in_place(ExpiringContext& self,
                                                                      MessageBlock message) noexcept {
    return self.while_alive("gss_wrap_iov", [&] { return wrap_in_place(self.context_, message); });
  }
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_into(ExpiringContext& self,
                                                                  std::span<const ByteView> pieces,
                                                                  std::span<unsigned char> memory) noexcept {
    return self.while_alive("gss_wrap_iov", [&] { return wrap_into(self.context_, pieces, memory); });
  }
  [[nodiscard]] friend Result<std::span<unsigned char>> wrap_into(ExpiringContext& self, ByteView message,
                                                                  std::span<unsigned char> memory) noexcept {
    return self.while_alive("gss_wrap_iov", [&] { return wrap_into(self.context_, message, memory); });
  }
  [[nodiscard]] friend Result<std::span<unsigned char>> unwrap_in_place(ExpiringContext& self,
                                                                        std::span<unsigned char> token) noexcept {
    return self.while_alive("gss_unwrap_iov", [&] { return unwrap_in_place(self.context_, token); });
  }
  [[nodiscard]] friend Result<std::span<unsigned char>> unwrap_into(ExpiringContext& self, ByteView token,
                                                                    std::span<unsigned char> memory) noexcept {
    return self.while_alive("gss_unwrap", [&] { return unwrap_into(self.context_, token, memory); });
  }

  /// Returns the context itself, which goes on when its ticket has ended, for calls that only it has.
  [[nodiscard]] SecurityContext<M>& context() noexcept GSSKEY_LIFETIMEBOUND { return context_; }
  [[nodiscard]] const SecurityContext<M>& context() const noexcept GSSKEY_LIFETIMEBOUND { return context_; }

 private:
  ExpiringContext(SecurityContext<M>&& context, Seconds skew) noexcept : context_{std::move(context)}, skew_{skew} {}

  template <class Call>
  [[nodiscard]] auto while_alive(const char* operation, Call call) const noexcept -> decltype(call()) {
    const auto left = lifetime();
    if (!left) return unexpected(left.error());
    if (*left != Seconds{}) return call();
    return unexpected(gss_detail::context_expired<M>(operation));
  }

  SecurityContext<M> context_;
  Seconds skew_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
