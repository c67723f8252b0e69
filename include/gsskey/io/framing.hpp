// gsskey/io/framing: tokens on a byte stream, each behind its length in four bytes, big-endian.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/oversized.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/transport.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Holds the length that goes before a frame, in four bytes, big-endian.
struct FrameHeader {
  static constexpr std::size_t size = 4;
  unsigned char bytes[size];

  /// Returns the header of a frame.
  /// Units: bytes behind the header.
  [[nodiscard]] static FrameHeader of(std::uint32_t length) noexcept {
    FrameHeader header;
    detail::to_big_endian(length, header.bytes, size);
    return header;
  }
  /// Returns how long the frame is, without the header.
  [[nodiscard]] std::uint32_t length() const noexcept {
    return static_cast<std::uint32_t>(detail::from_big_endian(bytes, size));
  }
};

/// Collects a frame that comes in pieces of any size, for programs that read when there is something to read: give what
/// has come to put(), or read into room() and say so by came().
///
/// Its memory grows with what has come, not with what was announced: a peer that announces much and stalls costs
/// `first_size` bytes; one that sends costs at most twice what it sent, and each byte is copied once on average.
/// Threads: one at a time.
/// Owner: of the frame's memory, which is wiped.
class IncomingFrame {
 public:
  /// How much memory is taken for the first bytes of a frame: most tokens need one or two reads.
  /// Units: bytes.
  static constexpr std::size_t first_size = 512;

  /// Takes frames of at most `max_size` bytes. Errors name `operation`, a string that is never freed.
  explicit IncomingFrame(std::size_t max_size, const char* operation = "receive") noexcept
      : operation_{operation}, max_size_{max_size} {}

  // One that was moved from is as before its first byte.
  IncomingFrame(IncomingFrame&& other) noexcept
      : operation_{other.operation_},
        max_size_{other.max_size_},
        received_{std::exchange(other.received_, 0)},
        memory_{std::move(other.memory_)},
        header_{other.header_} {}
  IncomingFrame& operator=(IncomingFrame&& other) noexcept {
    if (this == &other) return *this;
    operation_ = other.operation_;
    max_size_ = other.max_size_;
    received_ = std::exchange(other.received_, 0);
    memory_ = std::move(other.memory_);
    header_ = other.header_;
    return *this;
  }

  /// Says where to read to.
  struct Room {
    unsigned char* data;
    std::size_t size;
  };
  /// Returns where the next bytes go, from the front on: any number of them. Empty once the frame is complete.
  /// Owner: the frame; good until the next call that changes it.
  [[nodiscard]] Room room() noexcept GSSKEY_LIFETIMEBOUND {
    if (received_ < FrameHeader::size) return {header_.bytes + received_, FrameHeader::size - received_};
    const std::size_t body = received_ - FrameHeader::size;
    const std::size_t end = memory_.size() < header_.length() ? memory_.size() : header_.length();
    return {memory_.data() + body, end - body};
  }
  /// Takes note that `count` bytes have come to room().
  /// Errors: transport, EMSGSIZE, as soon as the peer announces too much; system (ENOMEM); usage, for more than there
  ///   was room.
  [[nodiscard]] Result<void> came(std::size_t count) noexcept {
    if (count > room().size) {
      return unexpected(Error::usage(operation_, "more bytes are said to have come than there was room for"));
    }
    received_ += count;
    if (received_ < FrameHeader::size) return {};
    const std::size_t body = received_ - FrameHeader::size;
    const std::size_t length = header_.length();
    if (length > max_size_) {
      return unexpected(detail::oversized(operation_, length, max_size_));
    }
    const bool is_full = body == 0 || body == memory_.size();
    const std::size_t doubled = body < length / 2 ? 2 * body : length;
    std::size_t size = first_size < doubled ? doubled : first_size;
    if (size > length) size = length;
    if (!is_full || memory_.size() >= size) return {};
    return memory_.resize(size);
  }
  /// Takes what belongs to this frame from the beginning of `bytes`, and returns how many bytes that are; the rest is
  /// of the next frame.
  /// Errors: those of came(); the frame is of no use then.
  template <class Size = std::size_t>  // a template, so that only who calls it pays for a Result of it
  [[nodiscard]] Result<Size> put(ByteView bytes) noexcept {
    std::size_t taken = 0;
    while (taken < bytes.size() && !is_complete()) {
      const Room to = room();
      const ByteView part = bytes.subview(taken, to.size);
      if (!part.empty()) std::memcpy(to.data, part.data(), part.size());
      taken += part.size();
      if (auto grown = came(part.size()); !grown) return unexpected(grown.error());
    }
    return taken;
  }

  /// Says whether any byte has come.
  [[nodiscard]] bool has_begun() const noexcept { return received_ != 0; }
  /// Says whether the last byte has come.
  [[nodiscard]] bool is_complete() const noexcept {
    return received_ >= FrameHeader::size && received_ - FrameHeader::size == header_.length();
  }
  /// Returns what the frame holds; empty until it is complete.
  /// Owner: the frame; good until the next call that changes it.
  [[nodiscard]] ByteView token() const noexcept GSSKEY_LIFETIMEBOUND {
    return is_complete() ? ByteView{memory_.data(), header_.length()} : ByteView{};
  }
  /// Moves out what the frame holds, and is ready for the next one; empty, and nothing has changed, until the frame is
  /// complete.
  [[nodiscard]] SecretBytes take() noexcept {
    if (!is_complete()) return {};
    received_ = 0;
    return std::move(memory_);
  }
  /// Forgets the frame, and is ready for the next one. The memory is wiped.
  void restart() noexcept {
    received_ = 0;
    memory_.wipe();
  }

 private:
  const char* operation_;
  std::size_t max_size_;
  std::size_t received_ = 0;  // of header and token together
  SecretBytes memory_;
  FrameHeader header_{};
};

/// Carries tokens over a stream, each behind its length in four bytes, big-endian: a BlockingTransport.
/// Blocks: in `Stream`.
/// Threads: one at a time.
/// Owner: the stream is borrowed, and must outlive the transport.
template <BlockingStream Stream>
class FramedTransport {
 public:
  /// Takes a stream.
  explicit FramedTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  /// Sends `token`, which may be empty.
  /// Errors: transport, EMSGSIZE, for one of 4 GiB or more; those of `Stream`.
  [[nodiscard]] Result<void> send(ByteView token) noexcept(noexcept(stream_->write(token, token))) {
    if (token.size() > 0xffffffffu) return unexpected(Error::transport("send", EMSGSIZE));
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    return stream_->write(header.bytes, token);
  }

  /// Receives the next token, in memory of its own that is wiped: frames carry plaintext too. Memory grows with what
  /// has come, not with what was announced.
  /// Errors: transport, EMSGSIZE, for one of more than `max_size` bytes; system (ENOMEM); those of `Stream`. Nothing
  ///   more can be received then.
  [[nodiscard]] Result<detail::Dependent<SecretBytes, Stream>> receive(std::size_t max_size) noexcept(
      noexcept(stream_->read(nullptr, 0))) {
    IncomingFrame frame{max_size};
    while (!frame.is_complete()) {
      const auto room = frame.room();
      if (auto read = stream_->read(room.data, room.size); !read) return unexpected(read.error());
      if (auto came = frame.came(room.size); !came) return unexpected(came.error());
    }
    return frame.take();
  }

 private:
  Stream* stream_;
};

GSSKEY_END_ABI
}  // namespace gsskey
