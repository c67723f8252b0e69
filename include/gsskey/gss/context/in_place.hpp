// gsskey/gss/context/in_place: wrap and unwrap inside one block of the caller's: no copy, and no allocation of ours.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <span>

#include <gsskey/core/detail/rfc4121_header.hpp>
#include <gsskey/gss/context/iov.hpp>
#include <gsskey/gss/limits.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// How many bytes a token has before and after its message. The same for all messages of a context: ask once.
struct MessageRoom {
  std::size_t header = 0;
  std::size_t trailer = 0;
};

/// A message in a block that has the room around it: header bytes at least before `offset`, trailer bytes at least
/// behind the message.
struct MessageBlock {
  std::span<unsigned char> block;
  std::size_t offset = 0;
  std::size_t size = 0;
};

/// gss_wrap_iov_length. Errors: gss; unavailable, also for keys whose messages are padded (none of AES and Camellia).
template <Mechanism M>
[[nodiscard]] inline Result<MessageRoom> message_room(const SecurityContext<M>& context) noexcept {
  unsigned char sample[1] = {};
  IovBuffer pieces[] = {IovBuffer{IovType::header}, IovBuffer{IovType::data, sample}, IovBuffer{IovType::padding},
                        IovBuffer{IovType::trailer}};
  if (auto asked = wrap_iov_length(context, pieces); !asked) return unexpected(asked.error());
  if (pieces[2].size() != 0) {
    return unexpected(Error::unavailable("gss_wrap_iov_length", "messages under this key are padded"));
  }
  return MessageRoom{pieces[0].size(), pieces[3].size()};
}

/// Encrypts the message where it is, and returns the token around it, inside the block: that of wrap(). gss_wrap_iov.
/// Errors: usage, if the block lacks the room or the token exceeds limits.token; policy (not encrypted); gss. After an
/// Error the message is undefined.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> wrap_in_place(SecurityContext<M>& context, MessageRoom room,
                                                                    MessageBlock message) noexcept {
  const std::size_t size = message.block.size();
  if (message.offset > size || message.size > size - message.offset || message.offset < room.header ||
      size - message.offset - message.size < room.trailer) {
    return unexpected(Error::usage("gss_wrap_iov", "the block has no room for the token around the message"));
  }
  const std::span<unsigned char> token =
      message.block.subspan(message.offset - room.header, room.header + message.size + room.trailer);
  IovBuffer pieces[] = {IovBuffer{IovType::header, token.first(room.header)},
                        IovBuffer{IovType::data, token.subspan(room.header, message.size)},
                        IovBuffer{IovType::padding, std::span<unsigned char>{}},
                        IovBuffer{IovType::trailer, token.last(room.trailer)}};
  if (auto wrapped = wrap_iov(context, pieces); !wrapped) return unexpected(wrapped.error());
  return token;
}

/// wrap() into memory of the caller's: header, message and trailer. Returns the token inside it. Errors as above.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> wrap_into(SecurityContext<M>& context, MessageRoom room,
                                                                ByteView message,
                                                                std::span<unsigned char> memory) noexcept {
  if (memory.size() < room.header || memory.size() - room.header < message.size()) {
    return unexpected(Error::usage("gss_wrap_iov", "the block has no room for the token around the message"));
  }
  if (!limits.message.admits(message.size())) {
    return unexpected(gss_detail::too_long("gss_wrap_iov", limits.message));
  }
  if (!message.empty()) std::memmove(memory.data() + room.header, message.data(), message.size());
  return wrap_in_place(context, room, {memory, room.header, message.size()});
}

/// Decrypts a token of the peer's wrap() where it is, and returns the plaintext inside it; what else is in `token` is
/// undefined then. Success is GSS_S_COMPLETE and encrypted, as in unwrap(). A token that is not laid out so that this
/// is possible is unwrapped beside and copied back. gss_unwrap_iov. Errors: usage, policy (not encrypted), gss. After
/// an Error the token is undefined, and nothing in it may be looked at.
template <Mechanism M>
[[nodiscard]] inline Result<std::span<unsigned char>> unwrap_in_place(SecurityContext<M>& context, MessageRoom room,
                                                                      std::span<unsigned char> token) noexcept {
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long("gss_unwrap_iov", limits.token));
  if constexpr (!known_faults.unwrap_iov_refuses_streams) {
    IovBuffer pieces[] = {IovBuffer{IovType::stream, token}, IovBuffer{IovType::data}};
    if (auto unwrapped = unwrap_iov(context, pieces); !unwrapped) return unexpected(unwrapped.error());
    return pieces[1].memory();
  } else {
    // RFC 4121 section 4.2.6.2. Not rotated, the trailer is at the end; rotated by its size, it is behind the header.
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
    auto plain = context.unwrap({token.data(), token.size()});
    if (!plain) return unexpected(plain.error());
    if (plain->size() > token.size()) return unexpected(Error::usage("gss_unwrap", "the plaintext exceeds the token"));
    if (!plain->empty()) std::memcpy(token.data(), plain->data(), plain->size());
    return token.first(plain->size());
  }
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
