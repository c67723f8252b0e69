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

namespace gsskey::inline GSSKEY_ABI {

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

  /// The token in memory of its own, which is wiped: frames carry plaintext too.
  [[nodiscard]] Result<SecretBytes> receive(std::size_t max_size) noexcept(noexcept(stream_->read(nullptr, 0))) {
    FrameHeader header;
    if (auto read = stream_->read(header.bytes, FrameHeader::size); !read) return unexpected(read.error());
    const std::size_t size = header.length();
    if (size > max_size) {
      return unexpected(Error::transport("receive", EMSGSIZE, "the peer announces a longer token than is allowed"));
    }
    auto frame = SecretBytes::with_size(size);
    if (!frame) return unexpected(frame.error());
    if (size != 0) {
      if (auto read = stream_->read(frame->data(), size); !read) return unexpected(read.error());
    }
    return *std::move(frame);
  }

 private:
  Stream* stream_;
};

}  // namespace gsskey::inline GSSKEY_ABI
