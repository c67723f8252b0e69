// gsskey/gss/context/in_place: messages in memory of the caller's: no allocation of ours, and in place no copy.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <span>

#include <gsskey/core/detail/rfc4121_header.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
/// A message in a block that has the room of its token around it: at least MessageRoom::header bytes before the
/// message, at least MessageRoom::trailer bytes behind it.
/// Owner: the memory is borrowed.
/// Units: bytes.
struct MessageBlock {
  std::span<unsigned char> block;
  std::size_t offset = 0;  ///< of the message in the block
  std::size_t size = 0;    ///< of the message
};

namespace gss_detail {

[[nodiscard, gnu::cold]] inline Error no_room(const char* operation) noexcept {
  return Error::usage(operation, "the block has no room for the token around the message");
}
/// Returns where the token of this message will be.
/// Errors: usage, if the block lacks the room.
[[nodiscard]] inline Result<std::span<unsigned char>> token_around(const char* operation, MessageBlock message,
                                                                   MessageRoom room) noexcept {
  const std::size_t size = message.block.size();
  if (message.offset > size || message.size > size - message.offset || message.offset < room.header ||
      size - message.offset - message.size < room.trailer) {
    return unexpected(no_room(operation));
  }
  return message.block.subspan(message.offset - room.header, room.header + message.size + room.trailer);
}

/// What SecurityContext::room() does, and what the calls below have in common.
template <Mechanism M>
struct InPlace {
  using Context = SecurityContext<M>;
  using Memory = std::span<unsigned char>;

  [[nodiscard]] static Result<MessageRoom> room(const Context& context) noexcept {
    unsigned char sample[1] = {};
    IovBuffer pieces[] = {IovBuffer{IovType::header}, IovBuffer{IovType::data, sample}, IovBuffer{IovType::padding},
                          IovBuffer{IovType::trailer}};
    if (auto asked = wrap_iov_length(context, pieces); !asked) return unexpected(asked.error());
    if (pieces[2].size() != 0) {
      return unexpected(Error::unavailable("gss_wrap_iov_length", "messages under this key are padded"));
    }
    return MessageRoom{pieces[0].size(), pieces[3].size()};
  }

  [[nodiscard]] static Result<Memory> copied(const SecretBytes& plain, Memory memory) noexcept {
    if (plain.size() > memory.size()) return unexpected(Error::usage("gss_unwrap", "the plaintext exceeds the memory"));
    if (!plain.empty()) std::memcpy(memory.data(), plain.data(), plain.size());
    return memory.first(plain.size());
  }

  [[nodiscard]] static Result<Memory> wrap(Context& context, MessageRoom room, MessageBlock message) noexcept {
    auto token = token_around("gss_wrap_iov", message, room);
    if (!token) return token;
    IovBuffer pieces[] = {IovBuffer{IovType::header, token->first(room.header)},
                          IovBuffer{IovType::data, token->subspan(room.header, message.size)},
                          IovBuffer{IovType::padding, Memory{}},
                          IovBuffer{IovType::trailer, token->last(room.trailer)}};
    if (auto wrapped = wrap_iov(context, pieces); !wrapped) return unexpected(wrapped.error());
    return token;
  }

  /// Where a whole token is refused: taken apart. RFC 4121 section 4.2.6.2: not rotated, the trailer is at the end;
  /// rotated by its size, it is behind the header.
  [[nodiscard]] static Result<Memory> unwrap(Context& context, MessageRoom room, Memory token) noexcept {
    const std::size_t around = room.header + room.trailer;
    rfc4121::Header header;
    if (token.size() >= around && around >= rfc4121::header_size && header.read({token.data(), token.size()}, true) &&
        header.extra_count == 0) {
      const std::size_t size = token.size() - around;
      if (header.rotation == 0) {
        IovBuffer pieces[] = {IovBuffer{IovType::header, token.first(room.header)},
                              IovBuffer{IovType::data, token.subspan(room.header, size)},
                              IovBuffer{IovType::trailer, token.last(room.trailer)}};
        if (auto unwrapped = unwrap_iov(context, pieces); !unwrapped) return unexpected(unwrapped.error());
        return pieces[1].memory();
      }
      if (header.rotation == room.trailer) {
        IovBuffer pieces[] = {IovBuffer{IovType::header, token.first(around)},
                              IovBuffer{IovType::data, token.subspan(around, size)}};
        if (auto unwrapped = unwrap_iov(context, pieces); !unwrapped) return unexpected(unwrapped.error());
        return pieces[1].memory();
      }
    }
    const auto plain = context.unwrap({token.data(), token.size()});
    if (!plain) return unexpected(plain.error());
    return copied(*plain, token);
  }
};

}  // namespace gss_detail

/// Encrypts the message where it is, and returns the token around it, inside the block: the token of wrap().
/// Calls: gss_wrap_iov, gss_wrap_iov_length.
/// Errors: those of room(); usage, if the block lacks the room or the token exceeds limits.token; gss; policy, if the
///   message was not encrypted. The message is undefined then.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> wrap_in_place(SecurityContext<M>& context,
                                                                    MessageBlock message) noexcept {
  const auto room = context.room();
  if (!room) return unexpected(room.error());
  return gss_detail::InPlace<M>::wrap(context, *room, message);
}

/// Encrypts several pieces, one after the other, into memory that does not overlap with them, and returns the token
/// inside that memory.
/// Calls: gss_wrap_iov, gss_wrap_iov_length.
/// Errors: those of wrap_in_place(); usage too, if the pieces together exceed limits.message.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> wrap_into(SecurityContext<M>& context,
                                                                std::span<const ByteView> pieces,
                                                                std::span<unsigned char> memory) noexcept {
  const auto room = context.room();
  if (!room) return unexpected(room.error());
  if (!gss_detail::admits_all(limits.message, pieces)) {
    return unexpected(gss_detail::too_long("gss_wrap_iov", limits.message));
  }
  std::size_t size = 0;
  for (const ByteView piece : pieces) size += piece.size();
  if (memory.size() < room->header || memory.size() - room->header < size) {
    return unexpected(gss_detail::no_room("gss_wrap_iov"));
  }
  unsigned char* to = memory.data() + room->header;
  for (const ByteView piece : pieces) {
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return gss_detail::InPlace<M>::wrap(context, *room, {memory, room->header, size});
}
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> wrap_into(SecurityContext<M>& context, ByteView message,
                                                                std::span<unsigned char> memory) noexcept {
  return wrap_into(context, std::span<const ByteView>{&message, 1}, memory);
}

/// Decrypts a token of the peer's wrap() where it is, and returns the plaintext inside it; all else in `token` is
/// undefined then. Success means what it means of unwrap(). With KnownFaults::unwrap_iov_refuses_streams a token that
/// is not laid out for that is unwrapped beside and copied back.
/// Calls: gss_unwrap_iov; with that fault gss_wrap_iov_length and gss_unwrap too.
/// Errors: those of unwrap() and room(). The token is undefined then, and nothing in it may be looked at.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> unwrap_in_place(SecurityContext<M>& context,
                                                                      std::span<unsigned char> token) noexcept {
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long("gss_unwrap_iov", limits.token));
  if constexpr (!known_faults.unwrap_iov_refuses_streams) {
    IovBuffer pieces[] = {IovBuffer{IovType::stream, token}, IovBuffer{IovType::data}};
    if (auto unwrapped = unwrap_iov(context, pieces); !unwrapped) return unexpected(unwrapped.error());
    return pieces[1].memory();
  } else {
    const auto room = context.room();
    if (!room) return unexpected(room.error());
    return gss_detail::InPlace<M>::unwrap(context, *room, token);
  }
}

/// Decrypts a token into memory that does not overlap with it, and returns the plaintext, which begins where the memory
/// does. Memory of token.size() bytes is always enough.
/// Calls: gss_unwrap; gss_wrap_iov_length, if the memory is smaller than the token.
/// Errors: those of unwrap(); usage too, if the memory is too small: the token can be unwrapped still.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> unwrap_into(SecurityContext<M>& context, ByteView token,
                                                                  std::span<unsigned char> memory) noexcept {
  if (context && memory.size() < token.size()) {  // looked at before a sequence number is used up
    const auto room = context.room();
    if (!room || token.size() > memory.size() + room->header + room->trailer) {
      return unexpected(Error::usage("gss_unwrap", "the memory has no room for the message"));
    }
  }
  const auto plain = context.unwrap(token);
  if (!plain) return unexpected(plain.error());
  return gss_detail::InPlace<M>::copied(*plain, memory);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
