// gsskey/asio/secure_stream: a byte stream of protected messages over another one, for Asio.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/text/system_error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

namespace asio_detail {

/// What lies at the bottom of streams over streams: the socket.
template <class Layer>
struct LowestLayer {
  using Type = Layer;
  [[nodiscard]] static Type& of(Layer& layer) noexcept { return layer; }
};
template <class Layer>
  requires requires(Layer& layer) {
    typename Layer::lowest_layer_type;
    layer.lowest_layer();
  }
struct LowestLayer<Layer> {
  using Type = typename Layer::lowest_layer_type;
  [[nodiscard]] static Type& of(Layer& layer) noexcept { return layer.lowest_layer(); }
};

template <class Buffers>
[[nodiscard]] inline ByteView first_nonempty(const Buffers& buffers) noexcept {
  for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
    const asio::const_buffer buffer{*it};
    if (buffer.size() != 0) return {buffer.data(), buffer.size()};
  }
  return {};
}

}  // namespace asio_detail

/// Turns a stream of Asio into one of protected messages, with an established context: a RecordLayer over `NextLayer`
/// that is an AsyncReadStream and AsyncWriteStream, and a SyncReadStream and SyncWriteStream. It may be moved between
/// operations, also within a packet. With MessageLanes for its context several packets go at once. Wrapping and
/// unwrapping happen on the calling thread: they do not block.
///
/// Handlers are called once, on their associated executor, else on the stream's, and never within the initiating call.
/// A call without a token takes that of the executor (asio::use_awaitable_t<>::as_default_on_t<tcp::socket>).
///
/// A read can be cancelled in every way (terminal, partial, total) and loses nothing: what has come of a packet is kept
/// for the next read.
///
/// A write can be cancelled too (terminal, partial). Where it was cancelled or failed before all that was sealed had
/// left it has said 0 bytes. What was sealed can be neither changed nor left out any more: the next write must begin
/// with the same bytes, in buffers cut as one likes, and sends on what was sealed. They are compared with a copy that
/// is kept till then, and wiped. Other bytes are usage, as often as they are tried, and nothing of them is sent; where
/// there was no memory for the copy, all further writes are ENOMEM. Reading goes on. A program that has nothing to
/// repeat, after a deadline, closes the connection.
/// Errors: of NextLayer, as they are, in an AsioErrorCode: std::error_code, or Boost's, from which std::error_code is
///   made with the same category. The library's own as make_error_code(Error) of text/system_error.hpp has them, and in
///   words by last_error(): what fails to unwrap is of gss_category() or krb5_category(), a demand that was not met of
///   refusal_category(), ECONNRESET, EMSGSIZE, EPROTO and ENOMEM of std::generic_category(). After one of these from a
///   read nothing more can be read. The end of the stream between packets is asio::error::eof.
/// Blocks: read_some() and write_some(), in NextLayer; the asynchronous calls never.
/// Threads: one read and one write at a time, on one thread or strand.
/// Owner: of NextLayer and the context. Until the handler is called, the stream stays where it is and what the buffers
///   refer to lives. An execution context that is destroyed takes the operation along.
template <class NextLayer, WrapsMessages C>
class SecureStream {
 public:
  using next_layer_type = NextLayer;
  using lowest_layer_type = typename asio_detail::LowestLayer<NextLayer>::Type;
  using executor_type = typename NextLayer::executor_type;
  using DefaultToken = typename asio::default_completion_token<executor_type>::type;

  /// Takes a connected stream and an established context.
  SecureStream(NextLayer next, C context, RecordOptions options = {})
      : next_{std::move(next)}, layer_{std::move(context), options} {}

  [[nodiscard]] executor_type get_executor() noexcept { return next_.get_executor(); }
  [[nodiscard]] NextLayer& next_layer() noexcept GSSKEY_LIFETIMEBOUND { return next_; }
  [[nodiscard]] const NextLayer& next_layer() const noexcept GSSKEY_LIFETIMEBOUND { return next_; }
  [[nodiscard]] lowest_layer_type& lowest_layer() noexcept GSSKEY_LIFETIMEBOUND {
    return asio_detail::LowestLayer<NextLayer>::of(next_);
  }
  [[nodiscard]] C& context() noexcept GSSKEY_LIFETIMEBOUND { return layer_.context(); }
  /// Returns why the last call failed, where the error was not NextLayer's own.
  [[nodiscard]] const std::optional<Error>& last_error() const noexcept GSSKEY_LIFETIMEBOUND { return error_; }

  /// Reads at least one byte, unless `buffers` are empty, for a token of void(AsioErrorCode, std::size_t). What was
  /// opened is copied once, to `buffers`.
  template <class Buffers, class Token = DefaultToken>
  auto async_read_some(const Buffers& buffers, Token&& token = DefaultToken()) {
    return asio::async_compose<Token, void(AsioErrorCode, std::size_t)>(ReadSome<Buffers>{*this, buffers}, token,
                                                                        next_);
  }
  /// Writes as much of the first non-empty buffer as RecordLayer::seal() takes at once, for a token of
  /// void(AsioErrorCode, std::size_t). Where that is shorter than 8 KiB, bytes of those behind it go along, so that
  /// small buffers share a packet; they alone are copied before they are sealed.
  template <class Buffers, class Token = DefaultToken>
  auto async_write_some(const Buffers& buffers, Token&& token = DefaultToken()) {
    return asio::async_compose<Token, void(AsioErrorCode, std::size_t)>(WriteSome<Buffers>{*this, buffers}, token,
                                                                        next_);
  }

  /// Reads at least one byte, unless `buffers` are empty, and returns how many; 0 with an error.
  template <class Buffers>
  [[nodiscard]] std::size_t read_some(const Buffers& buffers, AsioErrorCode& code) {
    code = {};
    if (asio::buffer_size(buffers) == 0) return 0;
    while (layer_.opened().empty()) {
      const auto room = layer_.room();
      if (!room) {
        code = fail(room.error());
        return 0;
      }
      const std::size_t count = next_.read_some(asio::mutable_buffer{room->data, room->size}, code);
      if (code = received(code, count); code) return 0;
    }
    return take(buffers);
  }
  /// Writes as much of `buffers` as async_write_some() does, and returns how many bytes; 0 unless all of it was sent.
  template <class Buffers>
  [[nodiscard]] std::size_t write_some(const Buffers& buffers, AsioErrorCode& code) {
    code = {};
    if (asio::buffer_size(buffers) == 0) return 0;
    const std::size_t sealed = seal(buffers, code);
    if (code) return 0;
    const std::size_t count = asio::write(next_, unsent(), code);
    layer_.sent(count);
    if (layer_.has_unsent()) {
      abandon(message_of(buffers));
      return 0;
    }
    together_.wipe();
    return sealed;
  }
  /// Reads at least one byte, or throws AsioSystemError.
  template <class Buffers>
  [[nodiscard]] std::size_t read_some(const Buffers& buffers) {
    AsioErrorCode code;
    const std::size_t count = read_some(buffers, code);
    if (code) throw AsioSystemError{code, "read_some"};
    return count;
  }
  /// Writes as the function before, or throws AsioSystemError.
  template <class Buffers>
  [[nodiscard]] std::size_t write_some(const Buffers& buffers) {
    AsioErrorCode code;
    const std::size_t count = write_some(buffers, code);
    if (code) throw AsioSystemError{code, "write_some"};
    return count;
  }

 private:
  template <class Buffers>
  struct ReadSome {
    ReadSome(SecureStream& owner, const Buffers& wanted) : stream{owner}, buffers{wanted} {}

    template <class Self>
    void operator()(Self& self, AsioErrorCode code = {}, std::size_t count = 0) {
      auto& layer = stream.layer_;
      if (state == State::begins) {
        self.reset_cancellation_state(asio::enable_total_cancellation());
        state = State::reads;
        if (asio::buffer_size(buffers) == 0 || !layer.opened().empty() || !layer.room()) {
          state = State::posted;
          asio::post(stream.get_executor(), std::move(self));
          return;
        }
      } else if (state == State::reads) {
        if (code = stream.received(code, count); code) return self.complete(code, 0);
        if (layer.opened().empty() && self.get_cancellation_state().cancelled() != asio::cancellation_type::none) {
          return self.complete(asio::error::operation_aborted, 0);
        }
      }
      if (asio::buffer_size(buffers) == 0) return self.complete({}, 0);
      if (!layer.opened().empty()) {
        const std::size_t taken = stream.take(buffers);
        return self.complete({}, taken);
      }
      const auto room = layer.room();
      if (!room) return self.complete(stream.fail(room.error()), 0);
      state = State::reads;
      stream.next_.async_read_some(asio::mutable_buffer{room->data, room->size}, std::move(self));
    }

    enum class State { begins, posted, reads };
    SecureStream& stream;
    Buffers buffers;
    State state = State::begins;
  };

  template <class Buffers>
  struct WriteSome {
    WriteSome(SecureStream& owner, const Buffers& given) : stream{owner}, buffers{given} {}

    template <class Self>
    void operator()(Self& self, AsioErrorCode code = {}, std::size_t count = 0) {
      auto& layer = stream.layer_;
      if (!started) {
        started = true;
        self.reset_cancellation_state(asio::enable_partial_cancellation());
        if (asio::buffer_size(buffers) != 0) sealed = stream.seal(buffers, refused);
        if (sealed == 0) {
          asio::post(stream.get_executor(), std::move(self));
          return;
        }
      } else {
        if (sealed == 0) return self.complete(refused, 0);
        layer.sent(count);
        if (!layer.has_unsent()) {
          stream.together_.wipe();
          return self.complete({}, sealed);
        }
        if (!code && self.get_cancellation_state().cancelled() != asio::cancellation_type::none) {
          code = asio::error::operation_aborted;
        }
        if (code || count == 0) {
          stream.abandon(stream.message_of(buffers));
          return self.complete(code, 0);
        }
      }
      // `self` takes `buffers` along, into what throws, too.
      SecureStream& owner = stream;
      const ByteView message = owner.message_of(buffers);
      try {
        owner.next_.async_write_some(owner.unsent(), std::move(self));
      } catch (...) {
        owner.abandon(message);
        throw;
      }
    }

    SecureStream& stream;
    Buffers buffers;
    AsioErrorCode refused{};
    std::size_t sealed = 0;
    bool started = false;
  };

  [[nodiscard]] AsioErrorCode fail(Error error) noexcept {
    const AsioErrorCode code = make_error_code(error);
    error_ = std::move(error);
    return code;
  }
  /// After a read of what room() said.
  [[nodiscard]] AsioErrorCode received(AsioErrorCode code, std::size_t count) noexcept {
    // Whatever the transfer says: what room() hands out goes by what has come.
    if (auto opened = layer_.received(count); !opened) return fail(opened.error());
    if (!code && count == 0) code = asio::error::eof;  // of streams that have no other way to say so
    if (code == asio::error::eof) {
      if (auto ended = layer_.ended(); !ended) return fail(ended.error());
    }
    return layer_.opened().empty() ? code : AsioErrorCode{};
  }
  template <class Buffers>
  [[nodiscard]] std::size_t take(const Buffers& buffers) {
    std::size_t count = 0;
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      asio::mutable_buffer to{*it};
      while (to.size() != 0) {
        const ByteView part = layer_.opened().subview(0, to.size());
        if (part.empty()) return count;
        std::memcpy(to.data(), part.data(), part.size());
        layer_.consume(part.size());
        to += part.size();
        count += part.size();
      }
    }
    return count;
  }
  template <class Buffers>
  [[nodiscard]] std::size_t seal(const Buffers& buffers, AsioErrorCode& code) noexcept {
    constexpr std::size_t small = 8192;                    // more is not worth a copy
    if (layer_.has_unsent() && layer_.abandoned() == 0) {  // another write is under way, which needs together_
      code = fail(layer_.seal({}).error());
      return 0;
    }
    // What is to be repeated may be cut otherwise.
    const std::size_t wanted =
        std::min(layer_.abandoned() != 0 ? layer_.abandoned() : small, asio::buffer_size(buffers));
    if (asio_detail::first_nonempty(buffers).size() < wanted) {
      auto memory = SecretBytes::with_size(wanted);
      if (!memory) {
        code = fail(memory.error());
        return 0;
      }
      together_ = *std::move(memory);
      static_cast<void>(asio::buffer_copy(asio::buffer(together_.data(), together_.size()), buffers));
    }
    const auto sealed = layer_.seal(message_of(buffers));
    if (!sealed) {
      together_.wipe();
      code = fail(sealed.error());
    }
    return sealed ? *sealed : 0;
  }
  /// What seal() was given of `buffers`.
  template <class Buffers>
  [[nodiscard]] ByteView message_of(const Buffers& buffers) const noexcept {
    return together_.empty() ? asio_detail::first_nonempty(buffers) : ByteView{together_};
  }
  void abandon(ByteView message) noexcept {
    layer_.abandon(message);
    together_.wipe();
  }
  /// What is to be sent next. Several packets lie together: one buffer goes with a cheaper system call than two.
  [[nodiscard]] auto unsent() const noexcept {
    const auto [header, rest] = layer_.unsent();
    const asio::const_buffer last{rest.data(), rest.size()};
    if constexpr (WrapsManyMessages<C>) {
      return last;
    } else {
      return std::array{asio::const_buffer{header.data(), header.size()}, last};
    }
  }

  NextLayer next_;
  RecordLayer<C> layer_;
  SecretBytes together_;  // small buffers of the write that is under way
  std::optional<Error> error_;
};

GSSKEY_END_ASIO_ABI
}  // namespace gsskey
