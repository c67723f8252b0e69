// gsskey/io/secure_fd_stream: a blocking stream of protected messages over a socket, with deadlines.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/record_layer.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// A BlockingStream whose bytes go as packets of RecordLayer, over a connected stream socket in blocking mode that it
/// borrows, with an established context that it owns. One thread at a time. The other end may be any RecordLayer: an
/// asio::SecureStream, PostgreSQL's GSSENC, a SASL layer.
template <WrapsMessages C>
class SecureFdStream {
 public:
  SecureFdStream(int descriptor, C context,
                 RecordOptions options = {}) noexcept(std::is_nothrow_move_constructible_v<C>)
      : wire_{descriptor}, layer_{std::move(context), options} {}

  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return layer_.context(); }

  /// FdStream::expires_after(): whatever is done from here on has to be done within `duration`, else ETIMEDOUT.
  template <detail::DurationLike D>
  void expires_after(D duration) noexcept {
    wire_.expires_after(duration);
  }
  void expires_never() noexcept { wire_.expires_never(); }

  /// All of both, or an Error: of the socket (transport), or RecordLayer::seal()'s. Once a packet could not be sent
  /// whole nothing more can be written, for nobody knows what the peer has: the same Error again. `header` and `body`
  /// go together, which takes a copy of both, if neither is empty.
  [[nodiscard]] Result<void> write(ByteView header, ByteView body = {}) noexcept {
    if (header.empty() || body.empty()) return write_packets(header.empty() ? body : header);
    auto both = SecretBytes::with_size(header.size() + body.size());
    if (!both) return unexpected(both.error());
    std::memcpy(both->data(), header.data(), header.size());
    std::memcpy(both->data() + header.size(), body.data(), body.size());
    return write_packets(*both);
  }
  /// At least one byte; 0 when the stream has ended between packets, and for a size of 0. Errors: of the socket
  /// (transport) or RecordLayer::received()'s. ETIMEDOUT loses nothing: it can be called again.
  [[nodiscard]] Result<std::size_t> read_some(void* data, std::size_t size) noexcept {
    if (read_failure_) return unexpected(*read_failure_);
    if (size == 0) return std::size_t{0};
    while (layer_.opened().empty()) {
      const auto room = layer_.room();
      if (!room) return unexpected(room.error());
      const auto count = wire_.read_some(room->data, room->size);
      if (!count) return unexpected(count.error());
      if (*count == 0) {
        if (auto ended = layer_.ended(); !ended) return unexpected(ended.error());
        return std::size_t{0};
      }
      if (auto received = layer_.received(*count); !received) return unexpected(received.error());
    }
    const ByteView part = layer_.opened().subview(0, size);
    std::memcpy(data, part.data(), part.size());
    layer_.consume(part.size());
    return part.size();
  }
  /// `size` bytes, or an Error, as of read_some(); ECONNRESET when the stream ends before them. After one that came
  /// with some of them read nothing more can be read: the same Error again.
  [[nodiscard]] Result<void> read(void* data, std::size_t size) noexcept {
    auto* const out = static_cast<unsigned char*>(data);
    for (std::size_t done = 0; done != size;) {
      auto count = read_some(out + done, size - done);
      if (count && *count == 0) {
        count = unexpected(Error::transport("recv", ECONNRESET, "the peer closed the connection"));
      }
      if (!count) {
        if (done != 0) read_failure_ = count.error();
        return unexpected(count.error());
      }
      done += *count;
    }
    return {};
  }

 private:
  [[nodiscard]] Result<void> write_packets(ByteView message) noexcept {
    if (write_failure_) return unexpected(*write_failure_);
    for (bool is_first = true; !message.empty(); is_first = false) {
      const auto sealed = layer_.seal(message);
      if (!sealed) {
        if (!is_first) write_failure_ = sealed.error();
        return unexpected(sealed.error());
      }
      const auto [header, token] = layer_.unsent();
      if (auto sent = wire_.write(header, token); !sent) {
        write_failure_ = sent.error();
        return sent;
      }
      layer_.sent(header.size() + token.size());
      message = message.subview(*sealed);
    }
    return {};
  }

  FdStream wire_;
  RecordLayer<C> layer_;
  std::optional<Error> read_failure_;
  std::optional<Error> write_failure_;
};

GSSKEY_END_ABI
}  // namespace gsskey
