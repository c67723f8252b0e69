// gsskey/io/asio: handshakes in Asio: coroutines, any completion token, steps on a thread pool.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>  // Asio 1.22 uses it and does not include it
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/framing.hpp>

namespace gsskey::inline GSSKEY_ABI {

namespace detail {

[[nodiscard]] inline Error error_of(const char* operation, const std::error_code& code) {
  if (code == asio::error::eof) return Error::transport(operation, ECONNRESET, "the peer closed the connection");
  if (code.category() == asio::error::get_system_category() || code.category() == std::generic_category()) {
    return Error::transport(operation, code.value());
  }
  const auto message = code.message();
  return Error::transport(operation, EIO).with_text(std::string_view{message});
}

/// The handler of a job on another thread: completed once, on its own executor, by the job or by a cancellation.
template <class Handler, class Outcome>
struct JobWaiter {
  explicit JobWaiter(Handler&& waiting) : handler{std::move(waiting)} {}

  void complete(std::error_code code, std::optional<Outcome> outcome) {
    if (completed) return;
    completed = true;
    asio::get_associated_cancellation_slot(handler).clear();
    auto last = std::move(handler);
    last(code, std::move(outcome));
  }

  Handler handler;
  bool completed = false;
};

}  // namespace detail

/// Tokens over an Asio stream that it borrows, each behind its length in four bytes, big-endian: an
/// AwaitableTransport for asio::awaitable. Errors: transport; ECANCELED after a cancellation.
template <class Stream>
class AsioTransport {
 public:
  explicit AsioTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  [[nodiscard]] asio::awaitable<Result<void>> async_send(ByteView token) {
    if (token.size() > 0xffffffffu) co_return Result<void>{unexpected(Error::transport("async_write", EMSGSIZE))};
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    const std::array<asio::const_buffer, 2> frame{asio::buffer(header.bytes, FrameHeader::size),
                                                  asio::buffer(token.data(), token.size())};
    std::error_code code;
    const std::size_t sent =
        co_await asio::async_write(*stream_, frame, asio::redirect_error(asio::use_awaitable, code));
    static_cast<void>(sent);
    if (code) co_return Result<void>{unexpected(detail::error_of("async_write", code))};
    co_return Result<void>{};
  }

  [[nodiscard]] asio::awaitable<Result<SecretBytes>> async_receive(std::size_t max_size) {
    using Received = Result<SecretBytes>;
    FrameHeader header;
    std::error_code code;
    std::size_t count = co_await asio::async_read(*stream_, asio::buffer(header.bytes, FrameHeader::size),
                                                  asio::redirect_error(asio::use_awaitable, code));
    if (code) co_return Received{unexpected(detail::error_of("async_read", code))};
    const std::size_t size = header.length();
    if (size > max_size) {
      co_return Received{
          unexpected(Error::transport("async_read", EMSGSIZE, "the peer announces a longer token than is allowed"))};
    }
    auto token = SecretBytes::with_size(size);
    if (!token) co_return Received{unexpected(token.error())};
    count = co_await asio::async_read(*stream_, asio::buffer(token->data(), size),
                                      asio::redirect_error(asio::use_awaitable, code));
    static_cast<void>(count);
    if (code) co_return Received{unexpected(detail::error_of("async_read", code))};
    co_return std::move(token);
  }

 private:
  Stream* stream_;
};

/// The offload of drive() to an executor whose threads may block, an asio::thread_pool's. A cancelled task goes on at
/// once with asio::error::operation_aborted; its step ends by itself on the pool. The pool must be joined before the
/// task's own io_context is destroyed: declare it later.
template <class Executor>
class OffloadTo {
 public:
  explicit OffloadTo(Executor pool) noexcept : pool_{std::move(pool)} {}

  template <class Job>
  [[nodiscard]] asio::awaitable<typename Job::Outcome> operator()(Job job) const {
    using Outcome = typename Job::Outcome;
    auto start = [](auto handler, Executor pool, Job owned) {
      using Waiter = detail::JobWaiter<decltype(handler), Outcome>;
      const auto home = asio::get_associated_executor(handler);
      auto slot = asio::get_associated_cancellation_slot(handler);
      auto waiter = std::make_shared<Waiter>(std::move(handler));
      if (slot.is_connected()) {
        slot.assign([home, weak = std::weak_ptr<Waiter>{waiter}](asio::cancellation_type) {
          asio::post(home, [weak] {
            if (auto cancelled = weak.lock()) cancelled->complete(asio::error::operation_aborted, std::nullopt);
          });
        });
      }
      asio::post(pool,
                 [work = asio::make_work_guard(home), owned = std::move(owned), waiter = std::move(waiter)]() mutable {
                   asio::post(work.get_executor(), [outcome = owned(), waiter = std::move(waiter)]() mutable {
                     waiter->complete({}, std::move(outcome));
                   });
                 });
    };
    auto outcome =
        co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::error_code, std::optional<Outcome>)>(
            start, asio::use_awaitable, pool_, std::move(job));
    co_return *std::move(outcome);
  }

 private:
  Executor pool_;
};

/// offload_to(pool), offload_to(pool.get_executor()).
template <class Pool>
[[nodiscard]] auto offload_to(Pool& pool) noexcept {
  return OffloadTo<typename Pool::executor_type>{pool.get_executor()};
}

}  // namespace gsskey::inline GSSKEY_ABI

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

namespace gss_detail {

template <SteppedHandshake H, class Stream, class Offload, class Handler>
[[nodiscard]] asio::awaitable<void> handshake_for_handler(H handshake, Stream* stream, Offload offload,
                                                          DriveOptions options, Handler handler) {
  using Established = Result<typename H::Context>;
  AsioTransport<Stream> wire{*stream};
  std::optional<Established> established;
  try {
    auto driven = co_await drive<asio::awaitable>(std::move(handshake), wire, std::move(offload), options);
    established.emplace(std::move(driven));
  } catch (const std::system_error& failure) {  // what Asio throws when a task is cancelled
    established.emplace(unexpected(detail::error_of("async_handshake", failure.code())));
  }
  const auto executor = asio::get_associated_executor(handler, stream->get_executor());
  asio::dispatch(executor, [handler = std::move(handler), established = *std::move(established)]() mutable {
    std::move(handler)(std::move(established));
  });
}

}  // namespace gss_detail

/// drive() for any completion token: void(Result<Context>) with a handler, use_future, use_awaitable, deferred.
/// `stream` is borrowed until the completion, and its executor runs the loop; `offload` as for drive(),
/// offload_to(pool) or Inline{}. A cancellation of the token's slot ends it with ECANCELED (transport).
template <SteppedHandshake H, class Stream, class Offload, class Token>
auto async_handshake(H handshake, Stream& stream, Offload offload, Token&& token, DriveOptions options = {}) {
  auto start = [](auto handler, H owned, Stream* borrowed, Offload elsewhere, DriveOptions caps) {
    const auto slot = asio::get_associated_cancellation_slot(handler);
    const auto executor = borrowed->get_executor();
    asio::co_spawn(
        executor,
        gss_detail::handshake_for_handler(std::move(owned), borrowed, std::move(elsewhere), caps, std::move(handler)),
        asio::bind_cancellation_slot(slot, asio::detached));
  };
  return asio::async_initiate<Token, void(Result<typename H::Context>)>(start, token, std::move(handshake), &stream,
                                                                        std::move(offload), options);
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
