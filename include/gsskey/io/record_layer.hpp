// gsskey/io/record_layer: a byte stream as packets of protected messages, without I/O: cut, seal, frame; and back.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/detail/moved_out.hpp>
#include <gsskey/io/detail/packets.hpp>
#include <gsskey/io/framing.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Says what is done to the messages of a stream. The numbers are the bits by which SASL negotiates it.
/// See: RFC 4752 section 3.3.
enum class Protection : std::uint8_t {
  none = 1,       ///< bytes as they are, not even framed: what SASL calls no security layer
  integrity = 2,  ///< wrap_unencrypted(); what the peer has encrypted is taken too
  encrypted = 4,  ///< wrap(); what the peer has not encrypted is an Error
};

/// Says how a RecordLayer protects packets, and how long they may be.
struct RecordOptions {
  /// The longest packet that is sent, its four bytes of length included: what PostgreSQL takes (GSSENC). SASL counts
  /// without the four bytes.
  /// Units: bytes.
  std::uint32_t max_sent = 16384;
  /// The longest packet that is taken, its four bytes of length included; with Protection::none, what room() has at
  /// most.
  /// Units: bytes.
  std::uint32_t max_received = 16384;
  Protection protection = Protection::encrypted;
};

/// Turns a byte stream into messages of an established context, and back, without I/O. Each packet is four bytes of
/// length, big-endian, and a token of the context, as PostgreSQL (GSSENC) and SASL have it. The program that has the
/// socket asks what to send and where to read to, and says how much was sent and read:
///
///   sending    seal(), then send unsent() and say sent(), until has_unsent() is false; then the next
///   receiving  read into room() and say received(), or put(); then take opened() and say consume(), until it is empty
///
/// All packets that have come are read at once, up to 128 KiB of them, and opened one by one. With a context that
/// WrapsManyMessages (MessageLanes) 16 packets at most are sealed, and opened, together. For its lanes a write of 4 KiB
/// or more is cut into as many as make that worth while. It has no Protection::integrity.
///
/// Both directions are independent of one another. GSS-API has no closing message: ended() says whether the stream has
/// ended between packets; whether the peer meant it is for the protocol above to know. A hostile peer costs no more
/// memory than it has sent. It is refused for more than 32 packets without a byte in a row: none is of use, and each
/// costs an unwrap().
/// Errors: usage, for a layer that was moved from, with Protection::none too.
/// Threads: one at a time.
/// Owner: of the context, and of what is on its way in either direction, which is wiped.
/// See: RFC 4422 section 3.7.
template <WrapsMessages C>
class RecordLayer {
 public:
  static constexpr unsigned max_empty_packets = 32;  ///< in a row; OpenSSL has this bound for empty TLS records

  /// Takes an established context.
  explicit RecordLayer(C context, RecordOptions options = {}) noexcept(std::is_nothrow_move_constructible_v<C>)
      : context_{std::move(context)},
        protection_{options.protection},
        max_sent_{options.max_sent},
        max_raw_{std::max(options.max_received, std::uint32_t{1})},
        packets_{without_header(options.max_received), max_empty_packets, receiving} {}

  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return context_; }
  [[nodiscard]] const C& context() const noexcept GSSKEY_LIFETIMEBOUND { return context_; }
  [[nodiscard]] Protection protection() const noexcept { return protection_; }

  // Sending.

  /// Seals as much of the beginning of `message` as one packet holds, or several at once, and returns how many bytes
  /// that are: 0 for an empty message, else at least one. They need not be kept.
  /// Errors: those of the context's wrap() and wrap_size_limit(), or of wrap_unencrypted() and its limit, and system
  ///   (ENOMEM): nothing has changed then, but after a wrap() of several nothing more can be sealed; transport,
  ///   EALREADY, while has_unsent(); usage, and transport (ENOMEM), after abandon(), as it says; usage, for
  ///   Protection::integrity and a context that can only encrypt.
  [[nodiscard]] Result<std::size_t> seal(ByteView message) noexcept {
    Outgoing& out = out_.value;
    if (out.failure) return unexpected(*out.failure);
    if (has_unsent()) {
      if (!out.is_abandoned) {
        return unexpected(Error::transport(sealing, EALREADY, "another write is under way, or was lost on its way"));
      }
      if (message.subview(0, out.copy.size()) != out.copy) {
        return unexpected(Error::usage(sealing, "a write that failed must be repeated with the same bytes"));
      }
      out.is_abandoned = false;
      return out.message_size;
    }
    if (message.empty()) return std::size_t{0};
    if (auto limited = find_limit(); !limited) return unexpected(limited.error());
    const ByteView part = message.subview(0, limit_);
    if (protection_ == Protection::none) {
      auto copy = SecretBytes::copy_of(part);
      if (!copy) return unexpected(copy.error());
      out.copy = *std::move(copy);
    } else if constexpr (has_many) {
      return seal_many(message);
    } else {
      auto token = wrap(part);
      if (!token) return unexpected(token.error());
      out.header = FrameHeader::of(static_cast<std::uint32_t>(ByteView{*token}.size()));
      out.token.emplace(*std::move(token));
    }
    out.message_size = part.size();
    out.sent = 0;
    return part.size();
  }
  /// Says whether what was sealed has not been sent whole.
  [[nodiscard]] bool has_unsent() const noexcept { return out_.value.message_size != 0; }
  /// Returns what is to be sent next, one part behind the other; both are empty if nothing is.
  /// Owner: the layer; good until seal(), sent() or abandon().
  [[nodiscard]] std::array<ByteView, 2> unsent() const noexcept GSSKEY_LIFETIMEBOUND {
    const Outgoing& out = out_.value;
    if (!has_unsent()) return {};
    if (!out.token) return {ByteView{}, ByteView{out.copy}.subview(out.sent)};
    const ByteView header{out.header.bytes};
    return {header.subview(out.sent),
            ByteView{*out.token}.subview(out.sent > FrameHeader::size ? out.sent - FrameHeader::size : 0)};
  }
  /// Takes note that `count` bytes of unsent() are on their way, also after abandon(), when the transfer went on: the
  /// next seal() may then leave nothing to be sent, and sent() of 0 bytes ends the packet.
  void sent(std::size_t count) noexcept {
    Outgoing& out = out_.value;
    if (!has_unsent()) return;
    const auto rest = unsent();
    const std::size_t left = rest[0].size() + rest[1].size();
    if (count < left || out.is_abandoned) {
      out.sent += std::min(count, left);
    } else {
      out = {};
    }
  }
  /// Keeps the packet for a repeated write: for a caller that reports what was written only when all of a packet was
  /// sent, and has to report a failure before that.
  ///
  /// The packet has its place in the order of messages and part of it may be on the wire: it can neither be sealed anew
  /// nor left out. So the next seal() must begin with the bytes that the packet holds, and then unsent() goes on where
  /// it was; other bytes are usage, as often as they are tried. `message` is what seal() was given. What the packet has
  /// of it is copied, to compare it with those bytes, and wiped. Where there is no memory for the copy the packet is
  /// lost, and every further seal() is transport (ENOMEM).
  void abandon(ByteView message) noexcept {
    Outgoing& out = out_.value;
    if (!has_unsent()) return;
    if (out.copy.empty()) {
      auto copy = SecretBytes::copy_of(message.subview(0, out.message_size));
      if (!copy || copy->size() != out.message_size) return lose();
      out.copy = *std::move(copy);
    }
    out.is_abandoned = true;
  }
  /// Returns how many bytes of an abandoned packet the next seal() has to begin with; 0 if there is none.
  [[nodiscard]] std::size_t abandoned() const noexcept { return out_.value.is_abandoned ? out_.value.message_size : 0; }

  // Receiving.

  /// Returns what has been opened and not consumed, of several packets that of the first one.
  /// Owner: the layer; good until consume(); an empty one until put(), received() or room().
  [[nodiscard]] ByteView opened() const noexcept GSSKEY_LIFETIMEBOUND {
    if (protection_ != Protection::none) return packets_.opened();
    const Incoming& in = in_.value;
    return ByteView{in.plain}.subview(in.begin, in.end - in.begin);
  }
  /// Takes note that `count` bytes of opened() were taken, after which it is what the next packet holds, if that has
  /// come. With the last one memory is wiped.
  void consume(std::size_t count) noexcept {
    Incoming& in = in_.value;
    if (protection_ != Protection::none) {
      if (auto next = packets_.consume(count, opener()); !next) in.failure = std::move(next).error();
      return;
    }
    in.begin += std::min(count, in.end - in.begin);
    if (in.begin != in.end) return;
    in.plain.wipe();
    in.begin = in.end = 0;
  }
  /// Returns where the next bytes go, from the front on; empty while opened() is not.
  /// Errors: that of received() or ended() after which nothing more can be received; system (ENOMEM), which may pass.
  /// Owner: the layer; good until the next call of this direction.
  [[nodiscard]] Result<IncomingFrame::Room> room() noexcept GSSKEY_LIFETIMEBOUND {
    Incoming& in = in_.value;
    if (in.failure) return unexpected(*in.failure);
    if (!opened().empty()) return IncomingFrame::Room{nullptr, 0};
    if (protection_ != Protection::none) return packets_.room();
    if (in.plain.empty()) {
      auto memory = SecretBytes::with_size(std::min<std::size_t>(in.raw_size, max_raw_));
      if (!memory) return unexpected(memory.error());
      in.plain = *std::move(memory);
    }
    return IncomingFrame::Room{in.plain.data(), in.plain.size()};
  }
  /// Takes note that `count` bytes have come to room(), and opens the packet if it is complete with them, or several.
  /// Errors: those of the context's unwrap(); transport, EMSGSIZE for a packet too long, EPROTO for too many empty
  ///   ones; system (ENOMEM); usage, for more than there was room. Nothing more can be received after any of them: each
  ///   further call gives it again.
  [[nodiscard]] Result<void> received(std::size_t count) noexcept {
    Incoming& in = in_.value;
    if (in.failure) return unexpected(*in.failure);
    if (!opened().empty() && count != 0) return fail(Error::usage(receiving, more_than_room));
    if (protection_ == Protection::none) return received_raw(count);
    if (has_many && protection_ != Protection::encrypted) return fail(Error::usage(receiving, lacks_integrity_only));
    if (count == 0) return {};
    if (auto came = packets_.came(count, opener()); !came) return fail(std::move(came).error());
    return {};
  }
  /// Takes bytes that have come in pieces of any size, up to the end of the first packet that is not empty or further,
  /// and returns how many it took: 0 while opened() is not empty.
  /// Errors: those of room() and received().
  [[nodiscard]] Result<std::size_t> put(ByteView bytes) noexcept {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
      const auto to = room();
      if (!to) return unexpected(to.error());
      const ByteView part = bytes.subview(taken, to->size);
      if (part.empty()) break;
      std::copy(part.begin(), part.end(), to->data);
      taken += part.size();
      if (auto came = received(part.size()); !came) return unexpected(came.error());
    }
    return taken;
  }
  /// Takes note that the stream has ended.
  /// Errors: transport, ECONNRESET, within a packet: nothing more can be received then; that of received() after which
  ///   nothing more can be received.
  [[nodiscard]] Result<void> ended() noexcept {
    if (in_.value.failure) return unexpected(*in_.value.failure);
    if (!packets_.is_within()) return {};
    return fail(Error::transport(receiving, ECONNRESET, "the peer closed the connection within a packet"));
  }

 private:
  static constexpr bool has_many = WrapsManyMessages<C>;
  using Token = std::remove_cvref_t<decltype(*std::declval<C&>().wrap(ByteView{}))>;
  static constexpr const char* sealing = "RecordLayer::seal";
  static constexpr const char* receiving = "RecordLayer::received";
  static constexpr const char* is_moved_from = "the layer is empty: moved from";
  static constexpr const char* more_than_room = "more bytes are said to have come than there was room for";

  struct Outgoing {
    std::optional<std::conditional_t<has_many, MessageToken, Token>> token{};
    SecretBytes copy{};  // of the message: without protection, and once the packet was abandoned
    std::size_t message_size = 0;
    std::size_t sent = 0;
    FrameHeader header{};
    bool is_abandoned = false;
    std::optional<Error> failure{};  // after which nothing more can be sealed

    [[nodiscard]] static Outgoing moved_from() noexcept {
      Outgoing out;
      out.failure = Error::usage(sealing, is_moved_from);
      return out;
    }
  };
  struct Incoming {
    SecretBytes plain{};  // without protection, memory to read to
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t raw_size = IncomingFrame::first_size;
    std::optional<Error> failure{};

    [[nodiscard]] static Incoming moved_from() noexcept {
      Incoming in;
      in.failure = Error::usage(receiving, is_moved_from);
      return in;
    }
  };

  [[nodiscard]] static constexpr std::uint32_t without_header(std::uint32_t size) noexcept {
    return size > FrameHeader::size ? size - static_cast<std::uint32_t>(FrameHeader::size) : 0;
  }
  [[nodiscard]] unexpected<Error> fail(Error error) noexcept {
    in_.value.failure = error;
    return unexpected<Error>(std::move(error));
  }
  [[gnu::cold, gnu::noinline]] void lose() noexcept {
    out_.value = {};
    out_.value.failure = Error::transport(sealing, ENOMEM, "a write failed, and there was no memory to repeat it");
  }
  [[nodiscard]] Result<void> find_limit() noexcept {
    if (limit_ != 0) return {};
    if (protection_ == Protection::none) {
      limit_ = std::max(max_sent_, std::uint32_t{1});
      return {};
    }
    const auto limit = wrap_size_limit(without_header(max_sent_));
    if (!limit) return unexpected(limit.error());
    limit_ = *limit;
    return {};
  }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t token_size) const noexcept {
    if constexpr (requires { context_.wrap_unencrypted_size_limit(token_size); }) {
      if (protection_ == Protection::integrity) return context_.wrap_unencrypted_size_limit(token_size);
    }
    // That of encrypted messages holds for others too, whose tokens lack the confounder.
    return context_.wrap_size_limit(token_size);
  }
  [[nodiscard]] Result<Token> wrap(ByteView message) noexcept {
    if (protection_ == Protection::encrypted) return context_.wrap(message);
    if constexpr (has_integrity_only) {
      return context_.wrap_unencrypted(message);
    } else {
      return unexpected(Error::usage(sealing, lacks_integrity_only));
    }
  }
  [[nodiscard]] Result<SecretBytes> unwrap(ByteView token) noexcept {
    if (protection_ == Protection::encrypted) return context_.unwrap(token);
    if constexpr (has_integrity_only) {
      auto unwrapped = context_.unwrap_unencrypted(token);
      if (!unwrapped) return unexpected(unwrapped.error());
      return std::move(unwrapped->message);
    } else {
      return unexpected(Error::usage(receiving, lacks_integrity_only));
    }
  }
  /// What opens packets.
  [[nodiscard]] auto opener() noexcept {
    if constexpr (has_many) {
      return [this](std::span<BatchToken> tokens) noexcept { context_.unwrap(tokens); };
    } else {
      return [this](ByteView token) noexcept { return unwrap(token); };
    }
  }
  /// Seals as many packets as are given to the context at once.
  [[nodiscard]] Result<std::size_t> seal_many(ByteView message) noexcept
    requires WrapsManyMessages<C>
  {
    if (protection_ != Protection::encrypted) return unexpected(Error::usage(sealing, lacks_integrity_only));
    const auto room = context_.room();
    if (!room) return unexpected(room.error());
    const auto cut = detail::CutMessage::of(message, limit_, *room, context_.has_lanes());
    auto packets = MessageToken::with_size(cut.size());
    if (!packets) return unexpected(std::move(packets).error());
    Outgoing& out = out_.value;
    if (auto sealed = detail::seal_packets(context_, cut, *packets); !sealed) {
      out.failure = sealed.error();
      return unexpected(std::move(sealed).error());
    }
    out.token.emplace(*std::move(packets));
    out.message_size = cut.message.size();
    out.sent = FrameHeader::size;  // each has its own, in there
    return out.message_size;
  }
  [[nodiscard]] Result<void> received_raw(std::size_t count) noexcept {
    Incoming& in = in_.value;
    if (count == 0) return {};
    if (count > in.plain.size()) return fail(Error::usage(receiving, more_than_room));
    in.end = count;
    if (count == in.plain.size() && in.raw_size < max_raw_) in.raw_size *= 2;  // the peer has more than fits
    return {};
  }

  static constexpr bool has_integrity_only = requires(C& context, ByteView bytes) {
    { context.wrap_unencrypted(bytes) } -> std::same_as<Result<Token>>;
    context.unwrap_unencrypted(bytes)->message;
  };
  static constexpr const char* lacks_integrity_only = "the context has no messages that are not encrypted";

  C context_;
  Protection protection_;
  std::uint32_t max_sent_;
  std::uint32_t max_raw_;
  std::uint32_t limit_ = 0;
  detail::IncomingPackets<has_many ? detail::packets_at_once : 1> packets_;
  detail::MovedOut<Outgoing> out_;
  detail::MovedOut<Incoming> in_;
};

GSSKEY_END_ABI
}  // namespace gsskey
