// gsskey/asio/secure_stream: a byte stream of protected messages over another one, for Asio.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>  // Asio 1.22 uses it and does not include it
#include <optional>
#include <system_error>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/framing.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

struct SecureStreamOptions {
  /// The longest packet in either direction, its four bytes of length included: what PostgreSQL takes (GSSENC).
  std::uint32_t max_packet_size = 16384;
};

namespace detail {

/// How many packets without a byte may follow one another: OpenSSL's bound for empty TLS records. None is of use to a
/// byte stream, and each costs an unwrap() here.
inline constexpr unsigned max_empty_packets = 32;

template <class Buffers>
[[nodiscard]] ByteView first_nonempty(const Buffers& buffers) noexcept {
  for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
    const asio::const_buffer buffer{*it};
    if (buffer.size() != 0) return {buffer.data(), buffer.size()};
  }
  return {};
}

/// Cuts, seals and frames what is written; takes frames apart and opens them. No I/O: the stream asks what to transfer
/// next and says how much of it was.
template <MessageContext C>
class SecureStreamCore {
 public:
  SecureStreamCore(C context, SecureStreamOptions options)
      : context_{std::move(context)},
        max_token_size_{options.max_packet_size > FrameHeader::size
                            ? options.max_packet_size - static_cast<std::uint32_t>(FrameHeader::size)
                            : 0},
        frame_{"read", max_token_size_, true} {}

  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return context_; }
  [[nodiscard]] const std::optional<Error>& last_error() const noexcept GSSKEY_LIFETIMEBOUND { return error_; }

  // Reading. Some of `plain_` is there, or next_read() says what must come, unless broken() says why nothing can.
  [[nodiscard]] std::error_code broken() const noexcept { return broken_; }
  [[nodiscard]] bool has_plain() const noexcept { return taken_ < plain_.size(); }
  template <class Buffers>
  [[nodiscard]] std::size_t take(const Buffers& buffers) {
    const std::size_t count =
        asio::buffer_copy(buffers, asio::const_buffer{plain_.data() + taken_, plain_.size() - taken_});
    taken_ += count;
    if (taken_ == plain_.size()) {
      plain_.wipe();
      taken_ = 0;
    }
    return count;
  }
  [[nodiscard]] asio::mutable_buffer next_read() noexcept {
    const auto room = frame_.next();
    return {room.data, room.size};
  }
  /// After `count` bytes of next_read(), with what the transfer said.
  [[nodiscard]] std::error_code received(std::size_t count, std::error_code code) noexcept {
    // Whatever the transfer says: what next_read() hands out goes by what has come.
    if (auto came = frame_.came(count); !came) return broken_ = fail(came.error());
    if (code == asio::error::eof && frame_.has_begun()) {
      return broken_ = fail(Error::transport("read", ECONNRESET, "the peer closed the connection within a packet"));
    }
    if (code || !frame_.is_complete()) return code;
    auto plain = context_.unwrap(frame_.token());
    if (!plain) return broken_ = fail(plain.error());
    frame_.restart();
    plain_ = *std::move(plain);
    empty_packets_ = plain_.empty() ? empty_packets_ + 1 : 0;
    if (empty_packets_ > max_empty_packets) {
      return broken_ = fail(Error::transport("read", EPROTO, "the peer sends one empty packet after the other"));
    }
    return {};
  }

  // Writing. seal() first; then next_write() until it is empty; abandon(), if that ends before.
  template <class Buffers>
  [[nodiscard]] std::error_code seal(const Buffers& buffers) noexcept {
    if (write_broken_) {
      return fail(Error::transport("write", ENOMEM, "a write failed, and there was no memory to repeat it"));
    }
    if (has_sealed()) {
      if (unsent_.empty()) {
        return fail(Error::transport("write", EALREADY, "another write is under way, or was lost with its handler"));
      }
      if (begins_with(buffers, unsent_)) return {};
      return fail(Error::transport("write", EINVAL, "a write that failed must be repeated with the same bytes"));
    }
    if (limit_ == 0) {
      const auto limit = context_.wrap_size_limit(max_token_size_);
      if (!limit) return fail(limit.error());
      limit_ = *limit;
    }
    const ByteView message = first_nonempty(buffers).subview(0, limit_);
    auto token = context_.wrap(message);
    if (!token) return fail(token.error());
    const ByteView bytes{*token};
    sealed_header_ = FrameHeader::of(static_cast<std::uint32_t>(bytes.size()));
    token_.emplace(*std::move(token));
    message_size_ = message.size();
    sent_ = 0;
    return {};
  }
  [[nodiscard]] std::array<asio::const_buffer, 2> next_write() const noexcept {
    const asio::const_buffer header{sealed_header_.bytes, FrameHeader::size};
    const ByteView token{*token_};
    const asio::const_buffer body{token.data(), token.size()};
    return {header + sent_, body + (sent_ > FrameHeader::size ? sent_ - FrameHeader::size : 0)};
  }
  /// After `count` bytes of next_write(): how many bytes of the caller's were sent, 0 unless all of the packet was.
  [[nodiscard]] std::size_t sent(std::size_t count) noexcept {
    sent_ += count;
    if (sent_ < FrameHeader::size + ByteView{*token_}.size()) return 0;
    token_.reset();
    unsent_.wipe();
    return std::exchange(message_size_, 0);
  }
  /// A write of `buffers` ended before all of its packet was sent. The packet has its place in the sequence and part of
  /// it may be on the wire: it cannot be sealed anew, nor left out. What is in it is kept, to be compared with.
  template <class Buffers>
  void abandon(const Buffers& buffers) noexcept {
    if (!has_sealed() || !unsent_.empty()) return;
    auto copy = SecretBytes::with_size(message_size_);
    if (copy) {
      static_cast<void>(asio::buffer_copy(asio::buffer(copy->data(), copy->size()), buffers));
      unsent_ = *std::move(copy);
    } else {
      write_broken_ = true;
      token_.reset();
    }
  }

 private:
  using Token = std::remove_cvref_t<decltype(*std::declval<C&>().wrap(ByteView{}))>;

  template <class Buffers>
  [[nodiscard]] static bool begins_with(const Buffers& buffers, ByteView wanted) noexcept {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      const asio::const_buffer buffer{*it};
      const ByteView bytes{buffer.data(), std::min(buffer.size(), wanted.size())};
      if (bytes != wanted.subview(0, bytes.size())) return false;
      wanted = wanted.subview(bytes.size());
    }
    return wanted.empty();
  }
  [[nodiscard]] bool has_sealed() const noexcept { return message_size_ != 0; }
  [[nodiscard]] std::error_code fail(Error error) noexcept {
    const bool has_number = error.domain() == Domain::transport || error.domain() == Domain::system;
    const int number = has_number ? static_cast<int>(error.minor_status()) : EBADMSG;
    error_ = std::move(error);
    return {number, std::generic_category()};
  }

  C context_;
  std::uint32_t max_token_size_;
  std::optional<Error> error_;

  IncomingFrame frame_;
  SecretBytes plain_;
  std::size_t taken_ = 0;
  unsigned empty_packets_ = 0;  // one after the other
  std::error_code broken_;

  std::uint32_t limit_ = 0;
  FrameHeader sealed_header_{};
  std::optional<Token> token_;
  std::size_t message_size_ = 0;
  std::size_t sent_ = 0;
  SecretBytes unsent_;  // the message of a packet that a failed write has left
  bool write_broken_ = false;
};

}  // namespace detail

/// An AsyncReadStream and AsyncWriteStream, and SyncReadStream and SyncWriteStream, over `NextLayer`, which it owns,
/// with an established context: each packet is four bytes of length, big-endian, and a wrap() token, as PostgreSQL has
/// it. Messages are cut to the packet size. Wrapping and unwrapping happen on the calling thread: they do not block.
///
/// One read and one write at a time, on one thread or strand.
///
/// A write that ended with an error before all of its packet had left, a cancelled one too, has said 0 bytes of it. The
/// packet can be neither changed nor left out any more: the next write must begin with the same bytes, in buffers cut
/// as one likes, and sends on what was sealed. They are compared with a copy that is kept till then, and wiped; other
/// bytes are EINVAL, as often as they are tried, and nothing of them is sent. (Had there been no memory for the copy,
/// all further writes are ENOMEM.) Reading goes on. Who has nothing to repeat, after a deadline, closes the connection.
///
/// GSS-API has no closing message: a peer's end of stream between packets is asio::error::eof, and whether the peer
/// meant it is for the protocol above to know; within a packet it is ECONNRESET. What fails to unwrap is EBADMSG, a
/// packet too long EMSGSIZE, more than 32 empty packets without another in between EPROTO; last_error() says why. After
/// these nothing more can be read. The memory of a packet grows with what has come of it.
template <class NextLayer, MessageContext C>
class SecureStream {
 public:
  using next_layer_type = NextLayer;
  using executor_type = typename NextLayer::executor_type;

  SecureStream(NextLayer next, C context, SecureStreamOptions options = {})
      : next_{std::move(next)}, core_{std::move(context), options} {}

  [[nodiscard]] executor_type get_executor() noexcept { return next_.get_executor(); }
  [[nodiscard]] NextLayer& next_layer() noexcept GSSKEY_LIFETIMEBOUND { return next_; }
  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return core_.context(); }
  /// Why the last call failed, where it was not Asio that did.
  [[nodiscard]] const std::optional<Error>& last_error() const noexcept GSSKEY_LIFETIMEBOUND {
    return core_.last_error();
  }

  /// void(std::error_code, std::size_t): at least one byte, unless `buffers` is empty. They are filled once: one copy.
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(ReadSome<Buffers>{*this, buffers}, token,
                                                                          next_);
  }
  /// void(std::error_code, std::size_t): the first non-empty buffer, as much of it as one packet holds. No copy of
  /// ours.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(WriteSome<Buffers>{*this, buffers}, token,
                                                                          next_);
  }

  template <class Buffers>
  [[nodiscard]] std::size_t read_some(const Buffers& buffers, std::error_code& code) {
    code = {};
    if (asio::buffer_size(buffers) == 0) return 0;
    while (!core_.has_plain()) {
      if (code = core_.broken(); code) return 0;
      const std::size_t count = asio::read(next_, core_.next_read(), code);
      if (code = core_.received(count, code); code) return 0;
    }
    return core_.take(buffers);
  }
  template <class Buffers>
  [[nodiscard]] std::size_t write_some(const Buffers& buffers, std::error_code& code) {
    code = {};
    if (asio::buffer_size(buffers) == 0) return 0;
    if (code = core_.seal(buffers); code) return 0;
    const std::size_t count = asio::write(next_, core_.next_write(), code);
    const std::size_t sent = core_.sent(count);
    if (sent == 0) core_.abandon(buffers);
    return sent;
  }
  /// These throw std::system_error.
  template <class Buffers>
  [[nodiscard]] std::size_t read_some(const Buffers& buffers) {
    std::error_code code;
    const std::size_t count = read_some(buffers, code);
    if (code) throw std::system_error{code, "read_some"};
    return count;
  }
  template <class Buffers>
  [[nodiscard]] std::size_t write_some(const Buffers& buffers) {
    std::error_code code;
    const std::size_t count = write_some(buffers, code);
    if (code) throw std::system_error{code, "write_some"};
    return count;
  }

 private:
  template <class Buffers>
  struct ReadSome {
    ReadSome(SecureStream& owner, const Buffers& wanted) : stream{owner}, buffers{wanted} {}

    template <class Self>
    void operator()(Self& self, std::error_code code = {}, std::size_t count = 0) {
      auto& core = stream.core_;
      if (!started) {
        started = true;
        if (core.has_plain() || core.broken() || asio::buffer_size(buffers) == 0) {
          asio::post(stream.get_executor(), std::move(self));  // a completion is never called by its initiation
          return;
        }
      } else if (!core.has_plain() && !core.broken() && asio::buffer_size(buffers) != 0) {
        if (code = core.received(count, code); code) return self.complete(code, 0);
      }
      if (!core.has_plain() && asio::buffer_size(buffers) != 0) {
        if (core.broken()) return self.complete(core.broken(), 0);
        asio::async_read(stream.next_, core.next_read(), std::move(self));
        return;
      }
      const std::size_t taken = core.take(buffers);
      self.complete({}, taken);
    }

    SecureStream& stream;
    Buffers buffers;
    bool started = false;
  };

  template <class Buffers>
  struct WriteSome {
    WriteSome(SecureStream& owner, const Buffers& given) : stream{owner}, buffers{given} {}

    template <class Self>
    void operator()(Self& self, std::error_code code = {}, std::size_t count = 0) {
      auto& core = stream.core_;
      if (!started) {
        started = true;
        const bool is_empty = asio::buffer_size(buffers) == 0;
        if (!is_empty) refused = core.seal(buffers);
        if (is_empty || refused) {
          idle = true;
          asio::post(stream.get_executor(), std::move(self));
          return;
        }
        const ByteView message =
            detail::first_nonempty(buffers);  // `self` takes `buffers` along, into what throws, too
        try {
          asio::async_write(stream.next_, core.next_write(), std::move(self));
        } catch (...) {
          core.abandon(asio::buffer(message.data(), message.size()));
          throw;
        }
        return;
      }
      if (idle) return self.complete(refused, 0);
      const std::size_t sent = core.sent(count);
      if (sent == 0) core.abandon(buffers);
      self.complete(code, sent);
    }

    SecureStream& stream;
    Buffers buffers;
    std::error_code refused{};
    bool started = false;
    bool idle = false;
  };

  NextLayer next_;
  detail::SecureStreamCore<C> core_;
};

GSSKEY_END_ABI
}  // namespace gsskey
