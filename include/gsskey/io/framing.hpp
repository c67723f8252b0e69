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
#include <gsskey/core/error.hpp>
#include <gsskey/io/transport.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// The length that goes before a frame, which has less than 4 GiB.
struct FrameHeader {
  static constexpr std::size_t size = 4;
  unsigned char bytes[size];

  [[nodiscard]] static FrameHeader of(std::uint32_t length) noexcept {
    FrameHeader header;
    detail::to_big_endian(length, header.bytes, size);
    return header;
  }
  [[nodiscard]] std::uint32_t length() const noexcept {
    return static_cast<std::uint32_t>(detail::from_big_endian(bytes, size));
  }
};

/// A frame as it comes, in any pieces, for whoever reads when there is something to read: give it what has come by
/// put(), or read into room() and say so by came().
///
/// Its memory grows with what has come, not with what was announced: a peer that announces much and stalls costs
/// `first_size` bytes; one that sends costs at most twice what it sent, and each byte is copied once on average.
class IncomingFrame {
 public:
  /// What is taken for the first bytes of a frame: most tokens need one or two reads.
  static constexpr std::size_t first_size = 512;

  /// Frames of at most `max_size` bytes. `operation`, a literal, is for errors. `keeps_memory`: for the next frame,
  /// which makes it a little larger than what has come.
  explicit IncomingFrame(std::size_t max_size, const char* operation = "receive", bool keeps_memory = false) noexcept
      : operation_{operation}, max_size_{max_size}, keeps_memory_{keeps_memory} {}

  // What was moved from is as one that nothing has come to.
  IncomingFrame(IncomingFrame&& other) noexcept
      : operation_{other.operation_},
        max_size_{other.max_size_},
        received_{std::exchange(other.received_, 0)},
        memory_{std::move(other.memory_)},
        header_{other.header_},
        keeps_memory_{other.keeps_memory_} {}
  IncomingFrame& operator=(IncomingFrame&& other) noexcept {
    if (this == &other) return *this;
    operation_ = other.operation_;
    max_size_ = other.max_size_;
    received_ = std::exchange(other.received_, 0);
    memory_ = std::move(other.memory_);
    header_ = other.header_;
    keeps_memory_ = other.keeps_memory_;
    return *this;
  }

  struct Room {
    unsigned char* data;
    std::size_t size;
  };
  /// Where the next bytes go, from the front on, as many as have come. Empty once the frame is complete.
  [[nodiscard]] Room room() noexcept GSSKEY_LIFETIMEBOUND {
    if (received_ < FrameHeader::size) return {header_.bytes + received_, FrameHeader::size - received_};
    const std::size_t body = received_ - FrameHeader::size;
    const std::size_t end = memory_.size() < header_.length() ? memory_.size() : header_.length();
    return {memory_.data() + body, end - body};
  }
  /// After `count` bytes came to room(). Errors: transport, EMSGSIZE, as soon as too much is announced; system
  /// (ENOMEM); usage, for more than there was room.
  [[nodiscard]] Result<void> came(std::size_t count) noexcept {
    if (count > room().size) {
      return unexpected(Error::usage(operation_, "more bytes are said to have come than there was room for"));
    }
    received_ += count;
    if (received_ < FrameHeader::size) return {};
    const std::size_t body = received_ - FrameHeader::size;
    const std::size_t length = header_.length();
    if (length > max_size_) {
      return unexpected(Error::transport(operation_, EMSGSIZE, "the peer announces a longer token than is allowed"));
    }
    const bool is_full = body == 0 || body == memory_.size();
    const std::size_t doubled = body < length / 2 ? 2 * body : length;
    std::size_t size = first_size < doubled ? doubled : first_size;
    if (size > length) size = length;
    if (!is_full || memory_.size() >= size) return {};
    if (keeps_memory_) {
      // Of frames that are a little longer each time, few get a new block.
      if (size < 2 * memory_.size()) size = 2 * memory_.size();
      if (size > max_size_) size = max_size_;
    }
    return memory_.resize(size);
  }
  /// Takes of `bytes` what belongs to this frame, and says how many that were; the rest is of the next one. After an
  /// Error, as of came(), the frame is of no use.
  [[nodiscard]] Result<std::size_t> put(ByteView bytes) noexcept {
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

  [[nodiscard]] bool has_begun() const noexcept { return received_ != 0; }
  [[nodiscard]] bool is_complete() const noexcept {
    return received_ >= FrameHeader::size && received_ - FrameHeader::size == header_.length();
  }
  /// Of a complete frame; else empty.
  [[nodiscard]] ByteView token() const noexcept GSSKEY_LIFETIMEBOUND {
    return is_complete() ? ByteView{memory_.data(), header_.length()} : ByteView{};
  }
  /// The same as an owner, where memory is not kept; the next frame may come.
  [[nodiscard]] SecretBytes take() noexcept {
    if (!is_complete()) return {};
    received_ = 0;
    return std::move(memory_);
  }
  /// For the next frame.
  void restart() noexcept {
    received_ = 0;
    if (!keeps_memory_) memory_.wipe();
  }

 private:
  const char* operation_;
  std::size_t max_size_;
  std::size_t received_ = 0;  // of header and token together
  SecretBytes memory_;
  FrameHeader header_{};
  bool keeps_memory_;
};

/// A BlockingTransport over a stream that it borrows. One thread at a time.
template <BlockingStream Stream>
class FramedTransport {
 public:
  explicit FramedTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  [[nodiscard]] Result<void> send(ByteView token) noexcept(noexcept(stream_->write(token, token))) {
    if (token.size() > 0xffffffffu) return unexpected(Error::transport("send", EMSGSIZE));
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    return stream_->write(header.bytes, token);
  }

  /// The token in memory of its own, which is wiped: frames carry plaintext too. Memory grows with what has come, not
  /// with what was announced.
  [[nodiscard]] Result<SecretBytes> receive(std::size_t max_size) noexcept(noexcept(stream_->read(nullptr, 0))) {
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
