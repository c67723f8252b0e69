// gsskey/io/co_framing: tokens on the byte stream of any event loop, in the coroutine type of whoever runs it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/framing.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Carries bytes over a connection, for CoFramedTransport; both calls return what the task may await, which then gives
/// Result<std::size_t>. For some coroutine types it must be movable until then.
///   async_write_some(header, body)   how many bytes went, of the one and then of the other, at least one: with one
///                                    system call, where there is one for both. They live until then
///   async_read_some(data, size)      how many bytes have come, 0 at the end of the stream. `data` lives until then;
///                                    `size` is not 0
/// Errors: transport. Limits of time are the stream's: ETIMEDOUT, for one.
template <class S>
concept AwaitableStream = requires(S& stream, ByteView bytes, void* data, std::size_t size) {
  stream.async_write_some(bytes, bytes);
  stream.async_read_some(data, size);
};

/// Carries tokens over a stream, each behind its length in four bytes, big-endian: an AwaitableTransport for drive().
/// `Task` is a coroutine type that may await what `Stream` returns, and itself.
/// Errors: what `Stream` throws passes through.
/// Threads: one task at a time.
/// Owner: the stream is borrowed, and must outlive the transport and its tasks.
template <template <class...> class Task, AwaitableStream Stream>
class CoFramedTransport {
 public:
  /// Takes a stream.
  explicit CoFramedTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  /// Sends `token`, which may be empty, and is borrowed until the task has ended.
  /// Errors: transport, EMSGSIZE, for one of 4 GiB or more; those of `Stream`.
  [[nodiscard]] Task<Result<void>> async_send(ByteView token) { return send(stream_, token); }

  /// Receives the next token, in memory of its own that is wiped: frames carry plaintext too. Memory grows with what
  /// has come, not with what was announced.
  /// Errors: transport, ECONNRESET, for the end of the stream; transport, EMSGSIZE, for a token of more than `max_size`
  ///   bytes; system (ENOMEM); those of `Stream`. Nothing more can be received then.
  [[nodiscard]] Task<Result<SecretBytes>> async_receive(std::size_t max_size) { return receive(stream_, max_size); }

 private:
  // Static: a lazy task may begin when the transport has moved.
  [[nodiscard]] static Task<Result<void>> send(Stream* stream, ByteView body) {
    if (body.size() > 0xffffffffu) co_return Result<void>{unexpected(Error::transport("send", EMSGSIZE))};
    const auto length = FrameHeader::of(static_cast<std::uint32_t>(body.size()));
    ByteView header{length.bytes};
    while (!header.empty() || !body.empty()) {
      const Result<std::size_t> sent = co_await stream->async_write_some(header, body);
      if (!sent) co_return Result<void>{unexpected(Error{sent.error()})};
      if (*sent > header.size()) body = body.subview(*sent - header.size());
      header = header.subview(*sent);
    }
    co_return Result<void>{};
  }
  [[nodiscard]] static Task<Result<SecretBytes>> receive(Stream* stream, std::size_t max_size) {
    using Received = Result<SecretBytes>;
    IncomingFrame frame{max_size};
    while (!frame.is_complete()) {
      const auto room = frame.room();
      const Result<std::size_t> read = co_await stream->async_read_some(room.data, room.size);
      if (!read) co_return Received{unexpected(Error{read.error()})};
      if (*read == 0) {
        co_return Received{unexpected(Error::transport("receive", ECONNRESET, "the peer closed the connection"))};
      }
      const auto came = frame.came(*read);
      if (!came) co_return Received{unexpected(Error{came.error()})};
    }
    co_return Received{frame.take()};
  }

  Stream* stream_;
};

GSSKEY_END_ABI
}  // namespace gsskey
