// gsskey/io/framing: tokens on a byte stream, each behind its length in four bytes, big-endian.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
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

namespace detail {

/// A frame as it comes. Its memory grows with what has come, not with what was announced: a peer that announces much
/// and stalls costs `first_size` bytes; one that sends costs at most twice what it sent, and each byte is copied once
/// on average.
class IncomingFrame {
 public:
  /// What is taken for the first bytes of a frame: most tokens need one or two reads.
  static constexpr std::size_t first_size = 512;

  /// Frames of at most `max_size` bytes. `operation` is for errors. Who reads one after the other keeps the memory for
  /// the next one, which makes it a little larger than what has come.
  explicit IncomingFrame(const char* operation, std::size_t max_size, bool keeps_memory = false) noexcept
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
  [[nodiscard]] Room next() noexcept {
    if (received_ < FrameHeader::size) return {header_.bytes + received_, FrameHeader::size - received_};
    const std::size_t body = received_ - FrameHeader::size;
    const std::size_t end = memory_.size() < header_.length() ? memory_.size() : header_.length();
    return {memory_.data() + body, end - body};
  }
  /// After `count` bytes came to next(). Errors: transport, EMSGSIZE, as soon as too much is announced; system
  /// (ENOMEM).
  [[nodiscard]] Result<void> came(std::size_t count) noexcept {
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

  [[nodiscard]] bool has_begun() const noexcept { return received_ != 0; }
  [[nodiscard]] bool is_complete() const noexcept {
    return received_ >= FrameHeader::size && received_ - FrameHeader::size == header_.length();
  }
  /// Of a complete frame.
  [[nodiscard]] ByteView token() const noexcept { return {memory_.data(), header_.length()}; }
  /// The same, when memory is not kept: exactly the token.
  [[nodiscard]] SecretBytes take() noexcept { return std::move(memory_); }
  /// For the next frame.
  void restart() noexcept { received_ = 0; }

 private:
  const char* operation_;
  std::size_t max_size_;
  std::size_t received_ = 0;  // of header and token together
  SecretBytes memory_;
  FrameHeader header_{};
  bool keeps_memory_;
};

}  // namespace detail

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
    detail::IncomingFrame frame{"receive", max_size};
    while (!frame.is_complete()) {
      const auto room = frame.next();
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
