// gsskey/messages/take_over: makes a MessageProtector of a completed handshake, or of a context.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/gss/context/options.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/lucid.hpp>
#include <gsskey/messages/protector.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

/// gss_krb5_export_lucid_sec_context that keeps the context where the implementation does (Heimdal).
template <Mechanism M>
[[nodiscard]] inline Result<LucidContext> peek_lucid(SecurityContext<M>& context) noexcept {
  constexpr const char* operation = "gss_krb5_export_lucid_sec_context";
  OM_uint32 minor = 0;
  void* exported = nullptr;
  gss_ctx_id_t raw = context.release();
  const OM_uint32 major = gss_krb5_export_lucid_sec_context(&minor, &raw, 1u, &exported);
  context = SecurityContext<M>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(failed_call_of<M>(operation, major, minor));
  return LucidContext::adopt(static_cast<gss_krb5_lucid_context_v1_t*>(exported));
}

/// The number at the end of the type of a session key; 0 if it is none of Kerberos.
GSSKEY_HIDDEN [[nodiscard]] inline std::int32_t enctype_of(const Oid& type) noexcept {
  static constexpr Oid prefix{"1.2.840.113554.1.2.2.4"};
  const ByteView octets{type};
  if (octets.size() != prefix.size() + 1 || octets.subview(0, prefix.size()) != ByteView{prefix}) return 0;
  return octets[prefix.size()];
}

struct ProtectorMaker {
  [[nodiscard]] static MessageProtector make(std::unique_ptr<ProtectorState> state) noexcept {
    return MessageProtector{std::move(state)};
  }
};

}  // namespace gss_detail

/// Takes over a context that has received messages: so many, one after the other, none missing. If the count is too
/// low, that many of the peer's old messages would be accepted again: whoever can should use take_over().
/// Calls: gss_inquire_context, gss_krb5_export_lucid_sec_context; on MIT krb5 gss_inquire_sec_context_by_oid before,
///   because it deletes what it exports.
/// Errors: usage, if the context is empty; policy, if it is none of Kerberos, its encryption type is not one of
///   rfc3961::encryption_types, or its messages are those of DCE; unavailable, if OpenSSL lacks what it takes (its FIPS
///   provider has no KRB5KDF), and without Capabilities::krb5_extensions; gss; system.
/// Owner: on success `context` is empty; on failure it is what it was, and goes on, unless it is empty then: MIT krb5's
///   is lost if memory runs out at the very end.
template <Mechanism M>
[[nodiscard]] inline Result<MessageProtector> take_over_after(SecurityContext<M>&& context, MessagesReceived received,
                                                              ProtectorOptions options = {}) noexcept {
  constexpr const char* operation = "take_over";
  if (!context) return unexpected(gsskey::detail::empty_context(operation));
  if constexpr (!capabilities.krb5_extensions) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " does not give the keys of a context away"));
  } else {
    auto info = context.inquire();
    if (!info) return unexpected(std::move(info).error());
    if (!mech::Iakerb::accepts(info->mechanism)) {
      return unexpected(Error::policy(operation, 0, "the context is not one of Kerberos"));
    }
    if (info->flags.contains(ContextFlag::dce_style)) {
      return unexpected(Error::policy(operation, 0, "messages of DCE have other tokens"));
    }

    // MIT krb5 deletes what it exports, so everything that can fail comes before, with the same key from elsewhere.
    std::optional<LucidContext> lucid;
    SecretBytes session;
    LucidKey key{};
    if constexpr (known_faults.lucid_export_keeps_context) {
      auto exported = gss_detail::peek_lucid(context);
      if (!exported) return unexpected(std::move(exported).error());
      lucid = *std::move(exported);
      key = lucid->key();
    } else {
      auto asked = session_key(context);
      if (!asked) return unexpected(std::move(asked).error());
      session = std::move(asked->key);
      key = {static_cast<Enctype>(gss_detail::enctype_of(asked->type)), session};
    }
    const auto* const type = rfc3961::find_encryption_type(static_cast<std::int32_t>(key.type));
    if (type == nullptr) {
      return unexpected(Error::policy(operation, 0, "only keys of AES and Camellia can be taken over"));
    }
    auto sender = rfc4121::Sender::create({type, key.bytes, !info->is_initiator});
    if (!sender) return unexpected(std::move(sender).error());
    auto receiver = rfc4121::Receiver::create({type, key.bytes, info->is_initiator});
    if (!receiver) return unexpected(std::move(receiver).error());
    const bool replay = info->flags.contains(ContextFlag::replay);
    const bool sequence = info->flags.contains(ContextFlag::sequence);
    const auto lifetime = info->lifetime;
    std::unique_ptr<gss_detail::ProtectorState> state{new (std::nothrow) gss_detail::ProtectorState{
        *std::move(info), type, 0, options.ends_with_ticket, *std::move(sender), *std::move(receiver),
        SequenceWindow{0, 0, replay, sequence}, std::nullopt, std::nullopt}};
    if (!state) return unexpected(Error::system(operation, ENOMEM));

    if (!lucid) {
      auto exported = gss_detail::peek_lucid(context);
      if (!exported) return unexpected(std::move(exported).error());
      lucid = *std::move(exported);
    }
    context = SecurityContext<M>::adopt(GSS_C_NO_CONTEXT);
    state->sender.start(lucid->has_acceptor_subkey(), lucid->send_sequence());
    state->window = SequenceWindow{lucid->first_received_sequence(), received.count, replay, sequence};
    // The ticket's end is what the policy is about; what MIT krb5 adds to an acceptor's is for those who only ask.
    if (options.ends_with_ticket) {
      state->end = lucid->end_time();
    } else if (!lifetime.is_indefinite()) {
      state->end = std::int64_t{std::time(nullptr)} + lifetime.count();
    }
    state->lucid = std::move(lucid);
    return gss_detail::ProtectorMaker::make(std::move(state));
  }
}

/// Takes over what a completed handshake establishes: the safe way, for nothing has been received yet.
/// Errors: those of establish() and take_over_after().
/// Owner: on failure the context is in the failure, if it survived: usable, and what std::move(handshake).establish()
///   gives.
template <class H>
[[nodiscard]] inline expected<MessageProtector, TakeOverFailure<typename H::Context::Mechanism>> take_over(
    H&& handshake, ProtectorOptions options = {}) noexcept
  requires(!std::is_lvalue_reference_v<H>)
{
  using M = typename H::Context::Mechanism;
  const MessagesReceived received{handshake.peer_signed_negotiation() ? 1u : 0u};
  auto context = std::forward<H>(handshake).establish();
  if (!context) {
    return unexpected(TakeOverFailure<M>{std::move(context).error(), SecurityContext<M>::adopt(GSS_C_NO_CONTEXT)});
  }
  auto taken = take_over_after(*std::move(context), received, options);
  if (!taken) return unexpected(TakeOverFailure<M>{std::move(taken).error(), *std::move(context)});
  return *std::move(taken);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
