// gsskey/gss/security_context: an established security context: protects messages, and can be asked.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/detail/token_rewriting.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
struct ContextTraits {
  using Handle = gss_ctx_id_t;
  static constexpr Handle none = nullptr;
  /// Deletion tokens are dead (RFC 2743 section 2.2.5): none is asked for.
  static void close(Handle context) noexcept {
    OM_uint32 minor = 0;
    (void)gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
  }
};
using ContextHandle = UniqueHandle<ContextTraits>;

// Members of SecurityContext that few programs call, in headers of their own: see MessageContext. If the compiler says
// that one of these is incomplete, the header beside it was not included.
template <Mechanism M>
struct InPlace;  // gsskey/gss/context/in_place.hpp
template <Mechanism M>
struct WithOrdering;  // gsskey/gss/context/ordering.hpp
template <Mechanism M>
struct Strength;  // gsskey/gss/context/options.hpp
template <Mechanism M>
struct OtherEnd;  // gsskey/gss/context/peer.hpp

/// Of a wrap that grants less than it was asked for.
[[nodiscard, gnu::cold]] inline Error not_encrypted(const char* operation) noexcept {
  return Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::confidentiality),
                       "the message was not encrypted");
}
/// Of an unwrap that demands more than the peer did.
[[nodiscard, gnu::cold]] inline Error peer_did_not_encrypt(const char* operation) noexcept {
  return Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::confidentiality),
                       "the peer did not encrypt the message");
}
}  // namespace gss_detail

class Peer;  // gsskey/gss/context/peer.hpp

/// What inquire() says of an established context.
struct ContextInfo {
  Name initiator;    ///< empty if anonymous or not told
  Name acceptor;     ///< empty where the mechanism does not tell its own acceptor (NTLM)
  Seconds lifetime;  ///< advisory: MIT krb5 and Heimdal go on protecting messages after it, MIT's acceptor adds 300 s
  Oid mechanism;     ///< the one that was negotiated
  ContextFlags flags;
  bool is_initiator = false;
};

/// What unwrap_unencrypted() found.
struct Unwrapped {
  SecretBytes message;
  bool confidential = false;  ///< it was encrypted; never with KnownFaults::unwrap_misreports_confidentiality
};

/// Where a message stands among those that came before it. What is noticed depends on the context: with
/// ContextFlag::replay duplicate and old, with ContextFlag::sequence gap and unsequenced too.
/// See: RFC 2743 section 1.2.3.
enum class Ordering : unsigned char {
  in_order,     ///< the one that was expected
  gap,          ///< messages before it are missing, yet
  unsequenced,  ///< later ones were there before
  duplicate,    ///< it was there before
  old,          ///< too far back to say whether it was there before
};

/// What unwrap_with_ordering() found.
struct OrderedMessage {
  SecretBytes plaintext;
  Ordering ordering = Ordering::in_order;
};

/// How many bytes a token has before and after its encrypted message: all messages of a context have the same.
/// Units: bytes.
struct MessageRoom {
  std::size_t header = 0;
  std::size_t trailer = 0;
};

/// Owns an established security context of mechanism M, a MessageContext: Initiator<M> and Acceptor<M> make it,
/// import_context() too. Move-only, as large as the handle.
///
/// What is said here of a call, a token or an error is true of each MessageContext.
/// Calls: gss_delete_sec_context, when it goes.
/// Errors: usage, for an empty context (moved from, or never set), for a message of more than limits.message, and for a
///   token of more than limits.token; gss, for what the implementation refuses.
/// Threads: one at a time, because each message moves the sequence numbers; different contexts are independent.
/// Fork: both processes have the context then. Only one of them may use it: they would give out the same numbers. It
///   works in the child whatever other threads were doing, if none was using it; with MIT krb5 its end may hang there,
///   as that of a Credential. handoff::park() hands it over.
/// Owner: of the gss_ctx_id_t, until release().
template <Mechanism M>
class SecurityContext {
  template <class T>
  using Result = detail::Dependent<gsskey::Result<T>, M>;  // the same type; only who calls a function pays for it

 public:
  using Mechanism = M;

  /// Makes an empty one, for a class that gets its context later.
  SecurityContext() noexcept = default;
  /// Takes an established context over; that it is one of M is the caller's word.
  [[nodiscard]] static SecurityContext adopt(gss_ctx_id_t raw) noexcept {
    SecurityContext context;
    context.handle_ = decltype(handle_)::adopt(raw);
    return context;
  }
  [[nodiscard]] gss_ctx_id_t get() const noexcept GSSKEY_LIFETIMEBOUND { return handle_.get(); }
  /// Gives the context up: the caller owns it.
  [[nodiscard]] gss_ctx_id_t release() noexcept { return handle_.release(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// Encrypts and authenticates a message.
  /// Calls: gss_wrap, which may grant less than it was asked for: that is an Error here.
  /// Errors: those of the class; policy, if the message was not encrypted.
  /// See: RFC 2744 section 5.33.
  [[nodiscard]] Result<Buffer> wrap(ByteView message) noexcept { return wrap_raw(true, message); }
  /// Authenticates a message that everybody on the way can read.
  [[nodiscard]] Result<Buffer> wrap_unencrypted(ByteView message) noexcept { return wrap_raw(false, message); }

  /// Returns the plaintext of a token of the peer's wrap(). Success is GSS_S_COMPLETE and encrypted, nothing else.
  ///
  /// KnownFaults::forgery_moves_window: one forged token, refused here, makes Heimdal 7.8 refuse the genuine ones that
  /// follow.
  /// Calls: gss_unwrap.
  /// Errors: those of the class; gss too for a token that is a duplicate, old, out of order or behind a gap: has()
  ///   tells which; policy, if the message was only authenticated; system (ENOMEM).
  /// See: RFC 2744 section 5.31.
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    auto unwrapped = unwrap_unencrypted(token);
    if (!unwrapped) return unexpected(std::move(unwrapped).error());
    if (!unwrapped->confidential) [[unlikely]] {
      return unexpected(gss_detail::peer_did_not_encrypt("gss_unwrap"));
    }
    return std::move(unwrapped->message);
  }
  /// Returns the plaintext as unwrap() does, also of a message that was not encrypted, and says whether it was.
  /// Calls: gss_unwrap.
  /// Errors: those of unwrap(), without policy.
  [[nodiscard]] Result<Unwrapped> unwrap_unencrypted(ByteView token) noexcept {
    if (!handle_) [[unlikely]] {
      return unexpected(detail::empty_context("gss_unwrap"));
    }
    if (!limits.token.admits(token.size())) [[unlikely]] {
      return unexpected(gss_detail::too_long("gss_unwrap", limits.token));
    }
    SecretBytes copy;
    if (gss_detail::is_rewritten(token)) {
      auto copied = SecretBytes::copy_of<detail::Dependent<SecretBytes, M>>(token);
      if (!copied) return unexpected(copied.error());
      copy = *std::move(copied);
      token = copy;
    }
    OM_uint32 minor = 0;
    int encrypted = 0;
    gss_buffer_desc in = gss_detail::borrow(token);
    gss_buffer_desc out{0, nullptr};
    const OM_uint32 major = gss_unwrap(&minor, handle_.get(), &in, &out, &encrypted, nullptr);
    SecretBytes message = gss_detail::adopt_secret(out);
    if (major != GSS_S_COMPLETE) [[unlikely]] {
      return unexpected(failed_message("gss_unwrap", major, minor));
    }
    return Unwrapped{std::move(message), encrypted != 0 && !known_faults.unwrap_misreports_confidentiality};
  }

  /// Makes a checksum over `message`, to be sent beside it.
  /// Calls: gss_get_mic.
  /// Errors: those of the class.
  /// See: RFC 2744 section 5.15.
  [[nodiscard]] Result<Buffer> get_mic(ByteView message) noexcept {
    if (!handle_) [[unlikely]] {
      return unexpected(detail::empty_context("gss_get_mic"));
    }
    if (!limits.message.admits(message.size())) [[unlikely]] {
      return unexpected(gss_detail::too_long("gss_get_mic", limits.message));
    }
    Buffer mic;
    OM_uint32 minor = 0;
    gss_buffer_desc in = gss_detail::borrow(message);
    const OM_uint32 major = gss_get_mic(&minor, handle_.get(), GSS_C_QOP_DEFAULT, &in, mic.put());
    if (major != GSS_S_COMPLETE) [[unlikely]] {
      return unexpected(failed("gss_get_mic", major, minor));
    }
    return mic;
  }
  /// Checks what the peer's get_mic() made of `message`. Success is GSS_S_COMPLETE and nothing else: Heimdal 7.8
  /// reports a gap before it has looked at the checksum, and refuses what follows (KnownFaults::forgery_moves_window).
  /// Calls: gss_verify_mic.
  /// Errors: those of the class; gss too for a MIC that is a duplicate, old, out of order or behind a gap.
  /// See: RFC 2744 section 5.32.
  [[nodiscard]] Result<void> verify_mic(ByteView message, ByteView mic) noexcept {
    if (!handle_) [[unlikely]] {
      return unexpected(detail::empty_context("gss_verify_mic"));
    }
    if (!limits.message.admits(message.size())) [[unlikely]] {
      return unexpected(gss_detail::too_long("gss_verify_mic", limits.message));
    }
    if (!limits.token.admits(mic.size())) [[unlikely]] {
      return unexpected(gss_detail::too_long("gss_verify_mic", limits.token));
    }
    OM_uint32 minor = 0;
    gss_buffer_desc raw_message = gss_detail::borrow(message);
    gss_buffer_desc raw_mic = gss_detail::borrow(mic);
    const OM_uint32 major = gss_verify_mic(&minor, handle_.get(), &raw_message, &raw_mic, nullptr);
    if (major != GSS_S_COMPLETE) [[unlikely]] {
      return unexpected(failed("gss_verify_mic", major, minor));
    }
    return {};
  }

  /// Returns the size of the longest message whose wrap() token has at most `token_size` bytes; limits.message at most.
  /// Calls: gss_wrap_size_limit.
  /// Errors: those of the class; policy, if not one byte fits: a program that cuts messages by 0 would never end.
  /// Units: bytes.
  /// See: RFC 2744 section 5.34.
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    return size_limit(true, token_size);
  }
  /// Returns the size of the longest message whose wrap_unencrypted() token has at most `token_size` bytes.
  [[nodiscard]] Result<std::uint32_t> wrap_unencrypted_size_limit(std::uint32_t token_size) const noexcept {
    return size_limit(false, token_size);
  }

  /// Returns how many bytes a token of wrap() has before and after the message. Include gss/context/in_place.hpp.
  /// Calls: gss_wrap_iov_length.
  /// Errors: those of the class; unavailable, without Capabilities::iov, and for keys whose messages are padded (not
  ///   those of AES and Camellia).
  [[nodiscard]] Result<MessageRoom> room() const noexcept {
    return gss_detail::InPlace<M>::room(*this);  // gss/context/in_place.hpp
  }
  /// Returns the plaintext also of a message that is a duplicate, old, out of order or behind a gap, and says so: it
  /// was encrypted and is the peer's in each case. The caller decides what each is worth: a duplicate that is acted
  /// upon twice is a replay. Include gss/context/ordering.hpp.
  ///
  /// With KnownFaults::order_before_integrity only in_order is ever told. There the rest is an Error as of unwrap(),
  /// because the token was not looked at any further and may be anybody's.
  /// Calls: gss_unwrap.
  /// Errors: those of the class; policy, if the message was only authenticated; system (ENOMEM).
  [[nodiscard]] Result<OrderedMessage> unwrap_with_ordering(ByteView token) noexcept {
    return gss_detail::WithOrdering<M>::unwrap(*this, token);  // gss/context/ordering.hpp
  }
  /// Returns how strong the protection is, as SASL counts it: the bits of the key, 1 for integrity only. Include
  /// gss/context/options.hpp.
  /// Calls: gss_inquire_sec_context_by_oid (GSS_C_SEC_CONTEXT_SASL_SSF).
  /// Errors: those of the class; unavailable, without Capabilities::sasl_ssf; policy, if the answer is no number.
  [[nodiscard]] Result<std::uint32_t> sasl_ssf() const noexcept {
    return gss_detail::Strength<M>::sasl_ssf(*this);  // gss/context/options.hpp
  }

  /// Returns what the implementation knows of the context.
  /// Calls: gss_inquire_context.
  /// Errors: those of the class; unavailable, without Capabilities::context_inquiry.
  /// See: RFC 2744 section 5.20.
  [[nodiscard]] Result<ContextInfo> inquire() const noexcept {
    if (!handle_) return unexpected(detail::empty_context("gss_inquire_context"));
    if constexpr (!capabilities.context_inquiry) {
      return unexpected(Error::unavailable("gss_inquire_context", GSSKEY_GSS_NAME " has no gss_inquire_context"));
    }
    OM_uint32 minor = 0;
    gss_name_t initiator = GSS_C_NO_NAME;
    OM_uint32 lifetime = 0;
    OM_uint32 flags = 0;
    gss_OID mechanism = GSS_C_NO_OID;
    int is_initiator = 0;
    OM_uint32 major = gss_inquire_context(&minor, handle_.get(), &initiator, nullptr, &lifetime, &mechanism, &flags,
                                          &is_initiator, nullptr);
    auto first = gss_detail::adopt_name_of<M>(initiator);
    if (major != GSS_S_COMPLETE) return unexpected(failed("gss_inquire_context", major, minor));
    if (!first) return unexpected(std::move(first).error());
    ContextInfo info{
        *std::move(first), Name{}, Seconds{lifetime}, Oid::copy_of(mechanism), ContextFlags::from_bits(flags),
        is_initiator != 0};
    // gss-ntlmssp 1.2 dereferences NULL when its acceptor is asked for its name.
    if (info.mechanism == mech::Ntlmssp::oid && !info.is_initiator) return info;
    gss_name_t acceptor = GSS_C_NO_NAME;
    major = gss_inquire_context(&minor, handle_.get(), nullptr, &acceptor, nullptr, nullptr, nullptr, nullptr, nullptr);
    auto second = gss_detail::adopt_name_of<M>(acceptor);
    if (major != GSS_S_COMPLETE) return unexpected(failed("gss_inquire_context", major, minor));
    if (!second) return unexpected(std::move(second).error());
    info.acceptor = *std::move(second);
    return info;
  }
  /// Returns who is at the other end: name, principal, local user. Include gss/context/peer.hpp.
  /// Calls: gss_inquire_context.
  /// Errors: those of inquire().
  [[nodiscard]] Result<Peer> peer() const noexcept {
    return gss_detail::OtherEnd<M>::of(*this);  // gss/context/peer.hpp
  }
  /// Returns ContextInfo::mechanism, in a fraction of the time of inquire(), because no names are made.
  /// Calls: gss_inquire_context.
  /// Errors: those of inquire().
  [[nodiscard]] Result<Oid> mechanism() const noexcept {
    if (!handle_) return unexpected(detail::empty_context("gss_inquire_context"));
    if constexpr (!capabilities.context_inquiry) {
      return unexpected(Error::unavailable("gss_inquire_context", GSSKEY_GSS_NAME " has no gss_inquire_context"));
    }
    OM_uint32 minor = 0;
    gss_OID mechanism = GSS_C_NO_OID;
    const OM_uint32 major =
        gss_inquire_context(&minor, handle_.get(), nullptr, nullptr, nullptr, &mechanism, nullptr, nullptr, nullptr);
    if (major != GSS_S_COMPLETE) return unexpected(failed("gss_inquire_context", major, minor));
    return Oid::copy_of(mechanism);
  }
  /// Returns how long the context is meant to be used, 0 when that is over: ContextInfo::lifetime.
  /// Calls: gss_context_time.
  /// Errors: those of the class.
  /// See: RFC 2744 section 5.7.
  [[nodiscard]] Result<Seconds> lifetime() const noexcept {
    if (!handle_) return unexpected(detail::empty_context("gss_context_time"));
    OM_uint32 minor = 0;
    OM_uint32 lifetime = 0;
    const OM_uint32 major = gss_context_time(&minor, handle_.get(), &lifetime);
    if ((major & 0x00ff0000u) == GSS_S_CONTEXT_EXPIRED) return Seconds{};
    if (major != GSS_S_COMPLETE) return unexpected(failed("gss_context_time", major, minor));
    return Seconds{lifetime};
  }

 private:
  [[nodiscard, gnu::cold, gnu::noinline]] static Error failed(const char* operation, OM_uint32 major,
                                                              OM_uint32 minor) noexcept {
    return gss_detail::failed_call_of<M>(operation, major, minor);
  }
  /// failed() of wrap and unwrap.
  [[nodiscard, gnu::cold, gnu::noinline]] static Error failed_message(const char* operation, OM_uint32 major,
                                                                      OM_uint32 minor) noexcept {
    auto error = failed(operation, major, minor);
    if (capabilities.aes_messages || minor != 0 || routine_error(error) != RoutineError::failure) return error;
    return Error::gss(operation, major, minor, M::name)
        .with_text(error.text(), "; " GSSKEY_GSS_NAME " protects messages with DES3 and RC4 keys only");
  }
  [[nodiscard]] Result<Buffer> wrap_raw(bool confidential, ByteView message) noexcept {
    if (!handle_) [[unlikely]] {
      return unexpected(detail::empty_context("gss_wrap"));
    }
    if (!limits.message.admits(message.size())) [[unlikely]] {
      return unexpected(gss_detail::too_long("gss_wrap", limits.message));
    }
    Buffer token;
    OM_uint32 minor = 0;
    int encrypted = 0;
    gss_buffer_desc in = gss_detail::borrow(message);
    const OM_uint32 major =
        gss_wrap(&minor, handle_.get(), confidential ? 1 : 0, GSS_C_QOP_DEFAULT, &in, &encrypted, token.put());
    if (major != GSS_S_COMPLETE) [[unlikely]] {
      return unexpected(failed_message("gss_wrap", major, minor));
    }
    if (confidential && encrypted == 0) [[unlikely]] {
      return unexpected(gss_detail::not_encrypted("gss_wrap"));
    }
    return token;
  }

  [[nodiscard]] Result<std::uint32_t> size_limit(bool confidential, std::uint32_t token_size) const noexcept {
    if (!handle_) return unexpected(detail::empty_context("gss_wrap_size_limit"));
    OM_uint32 minor = 0;
    OM_uint32 size = 0;
    const OM_uint32 major =
        gss_wrap_size_limit(&minor, handle_.get(), confidential ? 1 : 0, GSS_C_QOP_DEFAULT, token_size, &size);
    if (major != GSS_S_COMPLETE) return unexpected(failed("gss_wrap_size_limit", major, minor));
    if (size == 0)
      return unexpected(Error::policy("gss_wrap_size_limit", 0, "no message fits into a token that small"));
    return limits.message.admits(size) ? size : static_cast<std::uint32_t>(limits.message.size);
  }

  gss_detail::ContextHandle handle_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
