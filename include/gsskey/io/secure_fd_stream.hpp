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

/// Reads and writes bytes as packets of RecordLayer over a connected stream socket in blocking mode: a BlockingStream.
/// The other end may be any RecordLayer: an asio::SecureStream, PostgreSQL's GSSENC, a SASL layer.
/// Blocks: as FdStream does.
/// Threads: one at a time.
/// Owner: of the context; the socket is borrowed, and is not closed.
template <WrapsMessages C>
class SecureFdStream {
 public:
  /// Takes a connected socket and an established context.
  SecureFdStream(int descriptor, C context,
                 RecordOptions options = {}) noexcept(std::is_nothrow_move_constructible_v<C>)
      : wire_{descriptor}, layer_{std::move(context), options} {}

  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return layer_.context(); }

  /// Sets how long all that follows may take together, as FdStream::expires_after() does: after that it is ETIMEDOUT.
  template <detail::DurationLike D>
  void expires_after(D duration) noexcept {
    wire_.expires_after(duration);
  }
  /// Takes the limit of expires_after() away.
  void expires_never() noexcept { wire_.expires_never(); }

  /// Writes all of `header` and then all of `body`. They go in the same packets, which takes a copy of both if neither
  /// is empty.
  /// Errors: transport, of the socket; those of RecordLayer::seal(); system (ENOMEM). Once a packet could not be sent
  ///   whole, nobody knows what the peer has: each further write gives that Error again.
  [[nodiscard]] Result<void> write(ByteView header, ByteView body = {}) noexcept {
    if (header.empty() || body.empty()) return write_packets(header.empty() ? body : header);
    auto both = SecretBytes::with_size(header.size() + body.size());
    if (!both) return unexpected(both.error());
    std::memcpy(both->data(), header.data(), header.size());
    std::memcpy(both->data() + header.size(), body.data(), body.size());
    return write_packets(*both);
  }
  /// Reads as many bytes as have come, at least one and at most `size`, and returns how many; 0 when the stream has
  /// ended between packets, and for a size of 0.
  /// Errors: transport, of the socket; those of RecordLayer::room(), received() and ended(). ETIMEDOUT loses nothing:
  ///   read again.
  [[nodiscard]] Result<std::size_t> read_some(void* data, std::size_t size) noexcept {
    if (read_failure_) return unexpected(*read_failure_);
    if (size == 0) return std::size_t{0};
    while (layer_.opened().empty()) {
      const auto room = layer_.room();
      if (!room) return unexpected(room.error());
      const auto came = wire_.read_some(room->data, room->size);
      if (!came) return unexpected(came.error());
      if (*came == 0) {
        if (auto ended = layer_.ended(); !ended) return unexpected(ended.error());
        return std::size_t{0};
      }
      if (auto received = layer_.received(*came); !received) return unexpected(received.error());
    }
    std::size_t count = 0;
    while (count != size && !layer_.opened().empty()) {
      const ByteView part = layer_.opened().subview(0, size - count);
      std::memcpy(static_cast<unsigned char*>(data) + count, part.data(), part.size());
      layer_.consume(part.size());
      count += part.size();
    }
    return count;
  }
  /// Reads `size` bytes.
  /// Errors: those of read_some(); transport, ECONNRESET, when the stream ends before all have come. Where some had
  ///   been read, they are lost, and each further read gives that Error again.
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
