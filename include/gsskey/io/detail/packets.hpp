// gsskey/io/detail/packets: packets of a stream, many at once: sealed one behind the other, opened where they came.
// Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/oversized.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/messages/token.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// So many packets at most are sealed or opened at once: as many as there are lanes with AVX-512.
inline constexpr std::size_t packets_at_once = 16;

/// Returns how much of a message goes into each packet, at most `limit`. Long messages are cut so that they make
/// packets_at_once; where each packet would be short, what is around it outweighs what the lanes spare.
[[nodiscard]] constexpr std::size_t share_of_packet(std::size_t message, std::size_t limit) noexcept {
  constexpr std::size_t least = 1024;
  constexpr std::size_t most = 16384;
  const std::size_t equal = (message + packets_at_once - 1) / packets_at_once;
  return std::min(limit, message < 4 * least ? most : std::clamp(equal, least, most));
}

/// A message as packets of `share` bytes of it, at most packets_at_once, and the last one with the rest.
struct CutMessage {
  ByteView message;
  std::size_t share;
  MessageRoom room;

  /// As much of a message as packets_at_once hold; without lanes, for which it is cut, as one does.
  [[nodiscard]] static CutMessage of(ByteView message, std::size_t limit, MessageRoom room,
                                     bool has_lanes = true) noexcept {
    if (!has_lanes) return {message.subview(0, limit), limit, room};
    const std::size_t share = share_of_packet(message.size(), limit);
    return {message.subview(0, packets_at_once * share), share, room};
  }
  [[nodiscard]] std::size_t around() const noexcept { return room.header + room.trailer; }
  [[nodiscard]] std::size_t count() const noexcept { return (message.size() + share - 1) / share; }
  /// Of all packets together.
  [[nodiscard]] std::size_t size() const noexcept { return message.size() + count() * (FrameHeader::size + around()); }
};

/// Seals a message into memory of its size(). Errors: those of the context's wrap(): then the memory is wiped.
template <WrapsManyMessages C>
[[nodiscard]] Result<void> seal_packets(C& context, const CutMessage& cut, MessageToken& memory) noexcept {
  std::array<BatchMessage, packets_at_once> parts;
  unsigned char* to = memory.data();
  for (std::size_t at = 0; at < cut.count(); ++at) {
    const ByteView part = cut.message.subview(at * cut.share, cut.share);
    const std::size_t size = cut.around() + part.size();
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(size));
    std::memcpy(to, header.bytes, FrameHeader::size);
    parts[at] = {part, {to + FrameHeader::size, size}};
    to += FrameHeader::size + size;
  }
  auto wrapped = context.wrap(std::span<const BatchMessage>{parts.data(), cut.count()});
  if (!wrapped) explicit_bzero(memory.data(), memory.size());  // what was not encrypted yet
  return wrapped;
}

[[nodiscard]] inline Error too_many_empty(const char* operation) noexcept {
  return Error::transport(operation, EPROTO, "the peer sends one empty packet after the other");
}

/// Packets that come in pieces of any size. All that have come are read at once, and opened one by one or, by a context
/// for which `at_once` is more than one, so many together where they are.
///
/// Memory is there while more of a packet than its length is. It is IncomingFrame::first_size bytes at first, and
/// doubles when it was full, to `most` or the longest packet: no more than twice what the peer once sent at a time.
template <std::size_t at_once>
class IncomingPackets {
 public:
  /// Takes packets of at most `max_size` bytes, and `max_empty` in a row without any of the message.
  IncomingPackets(std::uint32_t max_size, unsigned max_empty, const char* operation) noexcept
      : operation_{operation}, max_size_{max_size}, max_empty_{max_empty} {}

  IncomingPackets(IncomingPackets&& other) noexcept
      : operation_{other.operation_}, max_size_{other.max_size_}, max_empty_{other.max_empty_} {
    take(other);
  }
  IncomingPackets& operator=(IncomingPackets&& other) noexcept {
    if (this == &other) return *this;
    operation_ = other.operation_;
    max_size_ = other.max_size_;
    max_empty_ = other.max_empty_;
    free();
    take(other);
    return *this;
  }
  ~IncomingPackets() { free(); }

  /// Whether a packet has come in part.
  [[nodiscard]] bool is_within() const noexcept {
    std::size_t at = place_.begin;
    for (std::uint64_t size = 0; (size = packet_at(at)) != 0 && size <= place_.end - at;) {
      at += static_cast<std::size_t>(size);
    }
    return at != place_.end;
  }
  [[nodiscard]] ByteView opened() const noexcept {
    return place_.next != place_.count ? place_.parts[place_.next] : ByteView{};
  }
  /// Where the next bytes go, while nothing is opened.
  [[nodiscard]] IncomingFrame::Room room() noexcept {
    if (memory_.empty()) return {header_.bytes + place_.end, FrameHeader::size - place_.end};
    return {memory_.data() + place_.end, memory_.size() - place_.end};
  }
  /// Takes note that `count` bytes have come to room().
  /// Errors: those of open(); usage, for more than there was room.
  template <class Unwrap>
  [[nodiscard]] Result<void> came(std::size_t count, Unwrap unwrap) noexcept {
    if (count > room().size) {
      return unexpected(Error::usage(operation_, "more bytes are said to have come than there was room for"));
    }
    place_.end += count;
    if (!memory_.empty()) {
      if (place_.end == memory_.size()) size_ = std::min(2 * size_, std::max(most, max_packet()));
    } else if (place_.end == FrameHeader::size) {
      if (header_.length() > max_size_) return unexpected(oversized(operation_, header_.length(), max_size_));
      if (auto grown = grow(header_.bytes); !grown) return grown;
    }
    return open(unwrap);
  }
  /// Takes note that `count` bytes of opened() were taken. With the last ones come those of the packets behind.
  /// Errors: those of open().
  template <class Unwrap>
  [[nodiscard]] Result<void> consume(std::size_t count, Unwrap unwrap) noexcept {
    if (place_.next == place_.count) return {};
    ByteView& part = place_.parts[place_.next];
    part = part.subview(count);
    if (!part.empty() || ++place_.next != place_.count) return {};
    plain_.wipe();
    return open(unwrap);
  }

 private:
  // Asio writes 64 KiB at once; with what is around them they are less than this.
  static constexpr std::size_t most = std::size_t{128} << 10;

  struct Place {
    std::size_t begin = 0;  // of what has come and was not opened
    std::size_t end = 0;
    std::array<ByteView, at_once> parts{};  // what was opened
    std::size_t count = 0;
    std::size_t next = 0;  // of the parts, the first that was not taken
  };

  [[nodiscard]] std::size_t max_packet() const noexcept { return FrameHeader::size + std::size_t{max_size_}; }

  /// Opens packets until there is something to take, or no whole packet is left. `unwrap` does so to a token and gives
  /// Result<SecretBytes>, or does so to several, a std::span of BatchToken.
  /// Errors: transport, EMSGSIZE for a packet too long, EPROTO for too many empty ones; system (ENOMEM); those of
  ///   `unwrap`, once all before has been taken.
  template <class Unwrap>
  [[nodiscard]] Result<void> open(Unwrap& unwrap) noexcept {
    place_.next = place_.count = 0;
    while (place_.count == 0 && !failure_) {
      std::array<std::span<unsigned char>, at_once> tokens;
      const std::size_t count = next_tokens(tokens);
      if (count == 0) break;
      if constexpr (at_once == 1) {
        auto plain = unwrap(ByteView{tokens[0].data(), tokens[0].size()});
        if (plain) plain_ = *std::move(plain);
        static_cast<void>(plain ? put(plain_) : fail(std::move(plain).error()));
      } else {
        open_all({tokens.data(), count}, unwrap);
      }
    }
    if (place_.count != 0) return {};
    if (!failure_) return settle();
    free();  // what is behind was opened, too
    return unexpected(*failure_);
  }
  template <class Unwrap>
  void open_all(std::span<const std::span<unsigned char>> tokens, Unwrap& unwrap) noexcept {
    std::array<BatchToken, at_once> all;
    for (std::size_t at = 0; at < tokens.size(); ++at) all[at].token = tokens[at];
    unwrap(std::span<BatchToken>{all.data(), tokens.size()});
    for (std::size_t at = 0; at < tokens.size(); ++at) {
      auto& message = all[at].message;
      if (!(message ? put({message->data(), message->size()}) : fail(std::move(message).error()))) return;
    }
  }
  /// False if nothing behind it is to be taken.
  [[nodiscard]] bool put(ByteView message) noexcept {
    empty_ = message.empty() ? empty_ + 1 : 0;
    if (empty_ > max_empty_) return fail(too_many_empty(operation_));
    if (!message.empty()) place_.parts[place_.count++] = message;
    return true;
  }
  [[nodiscard]] bool fail(Error error) noexcept {
    failure_ = std::move(error);
    return false;
  }
  /// How long the packet there says that it is, with its header; 0 until that has come.
  [[nodiscard]] std::uint64_t packet_at(std::size_t at) const noexcept {
    if (memory_.empty() || place_.end - at < FrameHeader::size) return 0;
    FrameHeader header;
    std::memcpy(header.bytes, memory_.data() + at, FrameHeader::size);
    return std::uint64_t{FrameHeader::size} + header.length();
  }
  /// The tokens of the next packets that have come whole, as many as there is room for; how many.
  [[nodiscard]] std::size_t next_tokens(std::array<std::span<unsigned char>, at_once>& tokens) noexcept {
    for (std::size_t count = 0; count < at_once; ++count) {
      const std::uint64_t size = packet_at(place_.begin);
      if (size > max_packet()) {
        static_cast<void>(fail(oversized(operation_, static_cast<std::size_t>(size - FrameHeader::size), max_size_)));
        return count;
      }
      if (size == 0 || size > place_.end - place_.begin) return count;
      tokens[count] = {memory_.data() + place_.begin + FrameHeader::size,
                       static_cast<std::size_t>(size) - FrameHeader::size};
      place_.begin += static_cast<std::size_t>(size);
    }
    return at_once;
  }
  /// Frees or wipes what is not needed any more, and makes room.
  [[nodiscard]] Result<void> settle() noexcept {
    if (memory_.empty()) return {};
    if (place_.begin == place_.end) {
      free();
      return {};
    }
    const std::size_t left = place_.end - place_.begin;
    unsigned char* const from = memory_.data() + place_.begin;
    if (memory_.size() < size_) return grow({from, left});
    if (place_.begin == 0) return {};
    std::memmove(memory_.data(), from, left);
    explicit_bzero(memory_.data() + left, place_.end - left);
    place_.begin = 0;
    place_.end = left;
    return {};
  }
  /// Takes memory of size_ bytes, and puts there what has come and was not opened.
  [[nodiscard]] Result<void> grow(ByteView left) noexcept {
    auto memory = MessageToken::with_size(size_);
    if (!memory) return unexpected(std::move(memory).error());
    std::memcpy(memory->data(), left.data(), left.size());
    free();
    memory_ = *std::move(memory);
    place_.end = left.size();
    return {};
  }
  /// Only what was used is wiped.
  void free() noexcept {
    if (!memory_.empty()) explicit_bzero(memory_.data(), place_.end);
    memory_ = {};
    plain_.wipe();
    place_.begin = place_.end = place_.count = place_.next = 0;
  }
  void take(IncomingPackets& other) noexcept {
    memory_ = std::move(other.memory_);
    plain_ = std::move(other.plain_);
    header_ = other.header_;
    place_ = std::exchange(other.place_, {});
    size_ = other.size_;
    empty_ = other.empty_;
    failure_ = other.failure_;
  }

  const char* operation_;
  std::uint32_t max_size_;
  unsigned max_empty_;
  MessageToken memory_;  // wiped by free()
  SecretBytes plain_;    // what was opened, unless that is in memory_
  FrameHeader header_{};
  Place place_;
  std::size_t size_ = IncomingFrame::first_size;  // of memory_ when it is made
  unsigned empty_ = 0;                            // packets in a row
  std::optional<Error> failure_;                  // of a packet behind those that were opened
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
