// gsskey/gss/context/iov: messages in pieces, in the caller's memory (gss_wrap_iov and its family; MS-KILE, krb5's
// gssapi_ext.h). in_place.hpp is the simple way to the common case.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/rfc4121_header.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What a piece of a message is.
enum class IovType : OM_uint32 {
  data = 1,        ///< encrypted in place
  header = 2,      ///< before the data; wrap writes it
  trailer = 7,     ///< after the data; wrap writes it
  padding = 9,     ///< between data and trailer; wrap writes it, nothing for AES
  stream = 10,     ///< a whole token of the peer's wrap; unwrap only, and there must be one `data` beside it to receive
  sign_only = 11,  ///< protected, not encrypted, not part of the token: the associated data of AEAD
  mic_token = 12   ///< where get_mic_iov() writes; MIT krb5 only
};

namespace gss_detail {
struct RawPieces;
}

/// One piece of a message, which the calls write to.
/// Owner: the memory is borrowed.
class IovBuffer {
 public:
  /// Makes a piece of memory.
  IovBuffer(IovType type, std::span<unsigned char> memory) noexcept
      : raw_{static_cast<OM_uint32>(type), {memory.size(), memory.data()}} {}
  /// Makes a piece without memory, for wrap_iov_length(), or where unwrap_iov() is to say what it found.
  explicit IovBuffer(IovType type, std::size_t size = 0) noexcept
      : raw_{static_cast<OM_uint32>(type), {size, nullptr}} {}

  [[nodiscard]] IovType type() const noexcept { return static_cast<IovType>(raw_.type); }
  [[nodiscard]] std::size_t size() const noexcept { return raw_.buffer.length; }
  [[nodiscard]] std::span<unsigned char> memory() const noexcept {
    return {static_cast<unsigned char*>(raw_.buffer.value), raw_.buffer.length};
  }

 private:
  friend struct gss_detail::RawPieces;

  gss_detail::gss_iov_buffer_desc raw_;
};

namespace gss_detail {
/// Pieces as C sees them.
struct RawPieces {
  static_assert(sizeof(IovBuffer) == sizeof(gss_iov_buffer_desc));

  [[nodiscard]] static gss_iov_buffer_desc* of(std::span<IovBuffer> pieces) noexcept {
    return pieces.empty() ? nullptr : &pieces.front().raw_;
  }
};

/// What every call of the family has in common. `Call` gets the minor status, the context and the pieces.
template <Mechanism M, class Call>
[[nodiscard]] inline Result<void> call_iov(const char* operation, bool available, const SecurityContext<M>& context,
                                           std::span<IovBuffer> pieces, Call call) noexcept {
  if (!available) return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " lacks this call"));
  if (!context) return unexpected(detail::empty_context(operation));
  if (!admits_all(limits.token, pieces)) return unexpected(too_long(operation, limits.token));
  OM_uint32 minor = 0;
  const OM_uint32 major = call(&minor, context.get(), RawPieces::of(pieces), static_cast<int>(pieces.size()));
  if (major != GSS_S_COMPLETE) return unexpected(failed_call_of<M>(operation, major, minor));
  return {};
}

/// Whether a token without a trailer piece has an extra count (RFC 4121 section 4.2.3) that does not fit into its
/// header piece. That is any but 0, except in DCE style: all else that is in there takes 60 bytes or more.
[[nodiscard]] inline bool extra_count_exceeds(std::span<const IovBuffer> pieces) noexcept {
  bool exceeds = false;
  for (const IovBuffer& piece : pieces) {
    if (piece.type() == IovType::trailer) return false;
    rfc4121::Header header;
    if (piece.type() != IovType::header || !header.read(piece.memory(), true)) continue;
    exceeds = exceeds || (header.extra_count != 0 && header.extra_count + std::size_t{60} > piece.size());
  }
  return exceeds;
}
}  // namespace gss_detail

/// Encrypts the `data` pieces where they are, and writes header, padding and trailer, whose sizes wrap_iov_length()
/// gave. Header, data and trailer one after the other are a token of wrap().
/// Calls: gss_wrap_iov.
/// Errors: usage, for an empty context, and if all pieces together exceed limits.token; policy, if the message was not
///   encrypted; gss; unavailable, without Capabilities::iov.
template <Mechanism M>
[[nodiscard]] inline Result<void> wrap_iov(SecurityContext<M>& context, std::span<IovBuffer> pieces) noexcept {
  int encrypted = 0;
  auto done = gss_detail::call_iov("gss_wrap_iov", capabilities.iov, context, pieces,
                                   [&](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                     return gss_detail::gss_wrap_iov(minor, raw, 1, GSS_C_QOP_DEFAULT, &encrypted,
                                                                     first, count);
                                   });
  if (done && encrypted == 0) {
    return unexpected(gss_detail::not_encrypted("gss_wrap_iov"));
  }
  return done;
}
/// Sets the sizes of header, padding and trailer that a message with these `data` and `sign_only` pieces needs.
/// Calls: gss_wrap_iov_length.
/// Errors: those of wrap_iov(), without policy.
template <Mechanism M>
[[nodiscard]] inline Result<void> wrap_iov_length(const SecurityContext<M>& context,
                                                  std::span<IovBuffer> pieces) noexcept {
  return gss_detail::call_iov("gss_wrap_iov_length", capabilities.iov, context, pieces,
                              [](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                return gss_detail::gss_wrap_iov_length(minor, raw, 1, GSS_C_QOP_DEFAULT, nullptr, first,
                                                                       count);
                              });
}
/// Decrypts the pieces where they are: those that wrap_iov() wrote, or a `stream` and one `data`, which is then set to
/// the plaintext inside the stream (not with KnownFaults::unwrap_iov_refuses_streams). Success is GSS_S_COMPLETE and
/// encrypted, as of unwrap(). What was decrypted of a message that is refused must not be looked at.
/// Calls: gss_unwrap_iov.
/// Errors: usage, for an empty context, and if all pieces together exceed limits.token; policy, if the message was only
///   authenticated; gss, also for a message out of order, as of unwrap(); unavailable, without Capabilities::iov.
template <Mechanism M>
[[nodiscard]] inline Result<void> unwrap_iov(SecurityContext<M>& context, std::span<IovBuffer> pieces) noexcept {
  if (known_faults.unwrap_iov_trusts_extra_count && gss_detail::extra_count_exceeds(pieces)) {
    return unexpected(Error::gss("gss_unwrap_iov", GSS_S_DEFECTIVE_TOKEN, 0, M::name)
                          .with_text("the token is invalid; its extra count exceeds its header"));
  }
  int encrypted = 0;
  auto done = gss_detail::call_iov("gss_unwrap_iov", capabilities.iov, context, pieces,
                                   [&](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                     return gss_detail::gss_unwrap_iov(minor, raw, &encrypted, nullptr, first, count);
                                   });
  if (done && encrypted == 0) {
    return unexpected(gss_detail::peer_did_not_encrypt("gss_unwrap_iov"));
  }
  return done;
}

/// Writes a checksum over the `data` and `sign_only` pieces to the `mic_token` piece, whose size get_mic_iov_length()
/// gave: the bytes that get_mic() makes of all those pieces joined.
/// Calls: gss_get_mic_iov.
/// Errors: usage, for an empty context, and if all pieces together exceed limits.token; gss; unavailable, without
///   Capabilities::mic_iov.
template <Mechanism M>
[[nodiscard]] inline Result<void> get_mic_iov(SecurityContext<M>& context, std::span<IovBuffer> pieces) noexcept {
  return gss_detail::call_iov("gss_get_mic_iov", capabilities.mic_iov, context, pieces,
                              [](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                return gss_detail::gss_get_mic_iov(minor, raw, GSS_C_QOP_DEFAULT, first, count);
                              });
}
/// Sets the size of the `mic_token` piece that get_mic_iov() needs.
/// Calls: gss_get_mic_iov_length.
/// Errors: those of get_mic_iov().
template <Mechanism M>
[[nodiscard]] inline Result<void> get_mic_iov_length(const SecurityContext<M>& context,
                                                     std::span<IovBuffer> pieces) noexcept {
  return gss_detail::call_iov("gss_get_mic_iov_length", capabilities.mic_iov, context, pieces,
                              [](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                return gss_detail::gss_get_mic_iov_length(minor, raw, GSS_C_QOP_DEFAULT, first, count);
                              });
}
/// Checks what the peer's get_mic() or get_mic_iov() made. Success is GSS_S_COMPLETE and nothing else.
/// Calls: gss_verify_mic_iov.
/// Errors: those of get_mic_iov().
template <Mechanism M>
[[nodiscard]] inline Result<void> verify_mic_iov(SecurityContext<M>& context, std::span<IovBuffer> pieces) noexcept {
  return gss_detail::call_iov("gss_verify_mic_iov", capabilities.mic_iov, context, pieces,
                              [](OM_uint32* minor, gss_ctx_id_t raw, auto* first, int count) noexcept {
                                return gss_detail::gss_verify_mic_iov(minor, raw, nullptr, first, count);
                              });
}

/// Encrypts a message, and protects `associated` too, which travels beside the token.
/// Calls: gss_wrap_aead.
/// Errors: usage, for an empty context, and if both together exceed limits.message; policy, if the message was not
///   encrypted; gss; unavailable, without Capabilities::iov.
template <Mechanism M>
[[nodiscard]] inline Result<Buffer> wrap_aead(SecurityContext<M>& context, ByteView associated,
                                              ByteView message) noexcept {
  constexpr const char* operation = "gss_wrap_aead";
  if (!capabilities.iov) return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " lacks this call"));
  if (!context) return unexpected(detail::empty_context(operation));
  const ByteView pieces[] = {associated, message};
  if (!gss_detail::admits_all(limits.message, pieces)) {
    return unexpected(gss_detail::too_long(operation, limits.message));
  }
  OM_uint32 minor = 0;
  int encrypted = 0;
  gss_buffer_desc beside = gss_detail::borrow(associated);
  gss_buffer_desc inside = gss_detail::borrow(message);
  Buffer token;
  const OM_uint32 major =
      gss_detail::gss_wrap_aead(&minor, context.get(), 1, GSS_C_QOP_DEFAULT, &beside, &inside, &encrypted, token.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  if (encrypted == 0) {
    return unexpected(gss_detail::not_encrypted(operation));
  }
  return token;
}
/// Returns the plaintext of a token of wrap_aead(), if `associated` is what it was. Success is GSS_S_COMPLETE and
/// encrypted. With KnownFaults::unwrap_iov_refuses_streams use unwrap_iov() and a `sign_only` piece.
/// Calls: gss_unwrap_aead.
/// Errors: usage, for an empty context, and if both together exceed limits.token; policy, if the message was only
///   authenticated; gss, also for a message out of order, as of unwrap(); system (ENOMEM); unavailable, without
///   Capabilities::iov and with that fault.
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> unwrap_aead(SecurityContext<M>& context, ByteView associated,
                                                     ByteView token) noexcept {
  constexpr const char* operation = "gss_unwrap_aead";
  if (!capabilities.iov) return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " lacks this call"));
  if (known_faults.unwrap_iov_refuses_streams) {
    return unexpected(
        Error::unavailable(operation, "that of " GSSKEY_GSS_NAME " refuses every token; see unwrap_iov()"));
  }
  if (!context) return unexpected(detail::empty_context(operation));
  const ByteView pieces[] = {associated, token};
  if (!gss_detail::admits_all(limits.token, pieces)) return unexpected(gss_detail::too_long(operation, limits.token));
  // Implementations turn a token with a rotation count back in the caller's memory.
  auto copy = SecretBytes::copy_of(token);
  if (!copy) return unexpected(copy.error());
  OM_uint32 minor = 0;
  int encrypted = 0;
  gss_buffer_desc in = gss_detail::borrow(*copy);
  gss_buffer_desc beside = gss_detail::borrow(associated);
  gss_buffer_desc out{0, nullptr};
  const OM_uint32 major = gss_detail::gss_unwrap_aead(&minor, context.get(), &in, &beside, &out, &encrypted, nullptr);
  SecretBytes message = gss_detail::adopt_secret(out);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  if (encrypted == 0) {
    return unexpected(gss_detail::peer_did_not_encrypt(operation));
  }
  return message;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
