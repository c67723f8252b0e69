// examples/sample_wire: the wire protocol of the sample programs of MIT krb5 (gss-client and gss-server), over a
// socket. SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>

namespace example {

/// What the first byte of a frame says. A client opens with `noop | context_next`, then come the tokens of the
/// handshake, then messages, each with an answer: the MIC that it asked for, or `noop`. Another `noop` ends it.
enum class FrameFlag : std::uint32_t {
  noop = 1,
  context = 2,        ///< a token of the handshake
  data = 4,           ///< a message
  mic = 8,            ///< the answer: a MIC over the message
  context_next = 16,  ///< with noop, first of all: a handshake follows
  wrapped = 32,       ///< the message is a token of gss_wrap
  encrypted = 64,     ///< … an encrypted one, says the sender
  send_mic = 128,     ///< the sender wants a MIC over the message
};
using FrameFlags = gsskey::FlagSet<FrameFlag>;

[[nodiscard]] constexpr FrameFlags operator|(FrameFlag a, FrameFlag b) noexcept {
  return FrameFlags{a} | FrameFlags{b};
}

struct Frame {
  FrameFlags flags;
  gsskey::SecretBytes bytes;  // messages can be secrets
};

/// A frame is one byte of flags, four bytes of length (big-endian), and that many bytes. send() and receive() carry
/// handshake tokens, which makes this a gsskey::BlockingTransport for gsskey::drive().
class SampleWire {
 public:
  static constexpr std::size_t max_size = 1 << 20;

  /// Borrows a connected socket.
  explicit SampleWire(int descriptor) noexcept : stream_{descriptor} {}

  [[nodiscard]] gsskey::Result<void> send_frame(FrameFlags flags, gsskey::ByteView bytes) noexcept {
    if (bytes.size() > max_size) return gsskey::unexpected(gsskey::Error::transport("send", EMSGSIZE));
    const std::size_t size = bytes.size();
    const unsigned char header[] = {static_cast<unsigned char>(flags.bits()), static_cast<unsigned char>(size >> 24),
                                    static_cast<unsigned char>(size >> 16), static_cast<unsigned char>(size >> 8),
                                    static_cast<unsigned char>(size)};
    if (auto sent = stream_.write(header); !sent) return sent;
    return stream_.write(bytes);
  }

  [[nodiscard]] gsskey::Result<Frame> receive_frame(std::size_t limit = max_size) noexcept {
    unsigned char header[5];
    if (auto read = stream_.read(header, sizeof header); !read) return gsskey::unexpected(read.error());
    if (header[0] == 0) {  // the first byte of a length
      return gsskey::unexpected(
          gsskey::Error::transport("receive", EPROTO, "the peer speaks version 1 of the protocol"));
    }
    const std::size_t size = std::size_t{header[1]} << 24 | std::size_t{header[2]} << 16 | std::size_t{header[3]} << 8 |
                             std::size_t{header[4]};
    if (size > limit) {
      return gsskey::unexpected(gsskey::Error::transport("receive", EMSGSIZE, "the peer announces too long a frame"));
    }
    auto bytes = gsskey::SecretBytes::with_size(size);
    if (!bytes) return gsskey::unexpected(bytes.error());
    if (auto read = stream_.read(bytes->data(), size); !read) return gsskey::unexpected(read.error());
    return Frame{FrameFlags::from_bits(header[0]), *std::move(bytes)};
  }

  [[nodiscard]] gsskey::Result<void> send(gsskey::ByteView token) noexcept {
    return send_frame(FrameFlag::context, token);
  }

  [[nodiscard]] gsskey::Result<gsskey::SecretBytes> receive(std::size_t limit) noexcept {
    auto frame = receive_frame(limit);
    if (!frame) return gsskey::unexpected(frame.error());
    if (!frame->flags.contains(FrameFlag::context)) {
      return gsskey::unexpected(gsskey::Error::transport("receive", EPROTO, "the peer sent no handshake token"));
    }
    return std::move(frame->bytes);
  }

 private:
  gsskey::FdStream stream_;
};
static_assert(gsskey::BlockingTransport<SampleWire>);

}  // namespace example
