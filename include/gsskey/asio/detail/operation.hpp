// gsskey/asio/detail/operation: Asio's operations that cannot be lost: who awaits one goes on, whatever it throws.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/framing.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

[[nodiscard]] inline Error error_of(const char* operation, const AsioErrorCode& code) noexcept {
  if (code == asio::error::eof) return Error::transport(operation, ECONNRESET, "the peer closed the connection");
  const std::error_code standard = code;  // of Boost, with the standard's category, also that of a SecureStream below
  if (code.category() == asio::error::get_system_category() || standard.category() == std::generic_category()) {
    return Error::transport(operation, standard.value());
  }
  try {
    const auto message = code.message();
    return Error::transport(operation, EIO).with_text(std::string_view{message});
  } catch (...) {
    return Error::transport(operation, EIO);
  }
}

[[nodiscard]] inline Error error_of(const char* operation, const std::exception_ptr& thrown) noexcept {
  try {
    std::rethrow_exception(thrown);
  } catch (const AsioSystemError& failure) {  // what Asio throws when a task is cancelled
    return error_of(operation, failure.code());
  } catch (const std::bad_alloc&) {
    return Error::system(operation, ENOMEM);
  } catch (const std::exception& failure) {
    return Error::transport(operation, EIO).with_text(failure.what());
  } catch (...) {
    return Error::transport(operation, EIO, "an exception that is no std::exception");
  }
}

/// What became of one read or write.
struct Transferred {
  AsioErrorCode code{};
  std::size_t count = 0;

  /// Nothing, and no reason: as Asio's own composed operations take it.
  [[nodiscard]] static Transferred of(AsioErrorCode code, std::size_t count) noexcept {
    if (!code && count == 0) code = asio::error::eof;
    return {code, count};
  }
};

// In asio::awaitable. An operation of Asio that throws as it is initiated, for want of memory, takes its handler along,
// and with use_awaitable the handler is the coroutine. So the handler stays here, and Asio is given a reference.

/// Stands for `Handler`, which is called once with (std::exception_ptr, Value).
template <class Handler, class Value>
class Once {
 public:
  using executor_type = typename asio::associated_executor<Handler>::type;
  using cancellation_slot_type = typename asio::associated_cancellation_slot<Handler>::type;

  explicit Once(std::shared_ptr<Handler> handler) noexcept : handler_{std::move(handler)} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return asio::get_associated_executor(*handler_); }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
    return asio::get_associated_cancellation_slot(*handler_);
  }
  void operator()(std::exception_ptr thrown, Value value) {
    auto last = std::move(*handler_);
    handler_.reset();
    std::move(last)(std::move(thrown), std::move(value));
  }
  void operator()(AsioErrorCode code, std::size_t count) { (*this)(nullptr, Transferred::of(code, count)); }

 private:
  std::shared_ptr<Handler> handler_;
};

/// `start(once, arguments...)` begins an operation that calls `once`, or throws: the awaiting coroutine then gets that.
template <class Value, class Start, class... Arguments>
[[nodiscard]] inline asio::awaitable<Value> awaited(Start start, Arguments... arguments) {
  auto initiate = [](auto handler, Start begin, Arguments... forwarded) {
    using Handler = decltype(handler);
    std::shared_ptr<Handler> kept;
    std::exception_ptr thrown;
    try {
      kept = std::make_shared<Handler>(std::move(handler));
      begin(Once<Handler, Value>{kept}, std::move(forwarded)...);
      return;
    } catch (...) {
      thrown = std::current_exception();
    }
    auto last = kept ? std::move(*kept) : std::move(handler);
    std::move(last)(std::move(thrown), Value{});
  };
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(std::exception_ptr, Value)>(
      initiate, asio::use_awaitable, std::move(start), std::move(arguments)...);
}

// In a coroutine of ours, which nothing but memory for its frames can fail to run.

/// Counts who holds a coroutine that nobody waits for: the operation that it waits for, or the call that it runs in. It
/// goes with the last one.
class Fiber {
 public:
  class promise_type {
   public:
    [[nodiscard]] Fiber get_return_object() noexcept { return Fiber{*this}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { *thrown_ = std::current_exception(); }

   private:
    friend class Fiber;
    std::atomic<int> holders_{0};
    std::exception_ptr* thrown_ = nullptr;
  };

  explicit Fiber(promise_type& promise) noexcept : promise_{&promise} { hold(); }
  Fiber(const Fiber& other) noexcept : promise_{other.promise_} { hold(); }
  Fiber(Fiber&& other) noexcept : promise_{std::exchange(other.promise_, nullptr)} {}
  Fiber& operator=(Fiber other) noexcept {
    std::swap(promise_, other.promise_);
    return *this;
  }
  ~Fiber() {
    if (promise_ != nullptr && promise_->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) handle().destroy();
  }

  /// Begins.
  void resume() const { resume(handle()); }
  /// Goes on in `waiting`. Throws what the coroutine ends with, a completion handler's exception: for whoever runs the
  /// loop. It is not thrown through the coroutine, which clang 16 then destroys twice.
  void resume(std::coroutine_handle<> waiting) const {
    std::exception_ptr thrown;
    promise_->thrown_ = &thrown;
    waiting.resume();  // afterwards another thread may be in there
    if (thrown) std::rethrow_exception(std::move(thrown));
  }

 private:
  [[nodiscard]] std::coroutine_handle<promise_type> handle() const noexcept {
    return std::coroutine_handle<promise_type>::from_promise(*promise_);
  }
  void hold() const noexcept {
    if (promise_ != nullptr) promise_->holders_.fetch_add(1, std::memory_order_relaxed);
  }

  promise_type* promise_;
};

/// Awaited in a Fiber: its promise.
class ThisFiber {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  [[nodiscard]] bool await_suspend(std::coroutine_handle<Fiber::promise_type> self) noexcept {
    promise_ = &self.promise();
    return false;
  }
  [[nodiscard]] Fiber::promise_type* await_resume() const noexcept { return promise_; }

 private:
  Fiber::promise_type* promise_ = nullptr;
};

/// Where the operations of a Fiber complete, and how they are cancelled. Lives in its frame.
template <class Executor>
struct FiberHost {
  Fiber::promise_type* fiber;
  Executor executor;
  asio::cancellation_state cancellation{};
};

/// The handler of an operation that a coroutine of the fiber awaits; `waiting` is that coroutine.
template <class Host, class Awaiter>
class Resume {
 public:
  using executor_type = decltype(Host::executor);
  using cancellation_slot_type = asio::cancellation_slot;

  Resume(Host& host, std::coroutine_handle<> waiting, Awaiter& awaiter) noexcept
      : fiber_{*host.fiber}, host_{&host}, waiting_{waiting}, awaiter_{&awaiter} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return host_->executor; }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return host_->cancellation.slot(); }

  template <class Value>
  void operator()(std::exception_ptr thrown, Value value) {
    const Fiber held = std::move(fiber_);
    host_->cancellation.slot().clear();
    awaiter_->complete(std::move(thrown), std::move(value));
    held.resume(waiting_);
  }
  void operator()(AsioErrorCode code, std::size_t count) {
    (*this)(nullptr, std::optional{Transferred::of(code, count)});
  }
  void operator()(AsioErrorCode code) { (*this)(nullptr, std::optional{Transferred{code, 0}}); }

 private:
  Fiber fiber_;
  Host* host_;
  std::coroutine_handle<> waiting_;
  Awaiter* awaiter_;
};

/// Awaited in a fiber: `start(resume)` begins an operation that calls `resume`, or throws: the coroutine then gets
/// that.
template <class Value, class Host, class Start>
class Awaiting {
 public:
  Awaiting(Host& host, Start start) noexcept : host_{&host}, start_{std::move(start)} {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  [[nodiscard]] bool await_suspend(std::coroutine_handle<> waiting) noexcept {
    try {
      if (host_->cancellation.cancelled() != asio::cancellation_type::none) {
        throw AsioSystemError{AsioErrorCode{asio::error::operation_aborted}};
      }
      Start start = std::move(start_);
      // From here on another thread may go on with the coroutine, and this object be gone.
      start(Resume<Host, Awaiting>{*host_, waiting, *this});
      return true;
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }
  [[nodiscard]] Value await_resume() {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return *std::move(value_);
  }

  void complete(std::exception_ptr thrown, std::optional<Value> value) noexcept {
    thrown_ = std::move(thrown);
    value_ = std::move(value);
  }

 private:
  Host* host_;
  Start start_;
  std::exception_ptr thrown_;
  std::optional<Value> value_;
};

template <class Value, class Host, class Start>
[[nodiscard]] inline Awaiting<Value, Host, Start> awaiting(Host& host, Start start) noexcept {
  return {host, std::move(start)};
}

struct Nothing {};

/// Awaited in a fiber: goes on on `executor`, later.
template <class Host, class Executor>
[[nodiscard]] inline auto moved_to(Host& host, const Executor& executor) {
  return awaiting<Nothing>(host, [executor](auto resume) {
    asio::post(executor, [resume = std::move(resume)]() mutable { resume(nullptr, std::optional{Nothing{}}); });
  });
}

// Frames over both. `Io` reads and writes some, once: a composed operation would initiate the next one in a handler,
// where Asio loses it if that throws.

/// For asio::awaitable.
template <class Stream>
struct AwaitableIo {
  Stream* stream;

  [[nodiscard]] asio::awaitable<Transferred> read_some(asio::mutable_buffer room) const {
    auto start = [](auto once, Stream* from, asio::mutable_buffer into) {
      from->async_read_some(into, std::move(once));
    };
    return awaited<Transferred>(start, stream, room);
  }
  [[nodiscard]] asio::awaitable<Transferred> write_some(std::array<asio::const_buffer, 2> rest) const {
    auto start = [](auto once, Stream* to, std::array<asio::const_buffer, 2> bytes) {
      to->async_write_some(bytes, std::move(once));
    };
    return awaited<Transferred>(start, stream, rest);
  }
};

/// For a fiber.
template <class Stream, class Host>
struct FiberIo {
  Stream* stream;
  Host* host;

  [[nodiscard]] auto read_some(asio::mutable_buffer room) const {
    return awaiting<Transferred>(
        *host, [from = stream, room](auto resume) { from->async_read_some(room, std::move(resume)); });
  }
  [[nodiscard]] auto write_some(std::array<asio::const_buffer, 2> rest) const {
    return awaiting<Transferred>(*host,
                                 [to = stream, rest](auto resume) { to->async_write_some(rest, std::move(resume)); });
  }
};

// g++ 12 at -O2 takes a coroutine's frame that Asio allocates for one that it must not free.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

template <template <class...> class Task, class Io>
[[nodiscard]] inline Task<Result<void>> send_frame(Io io, ByteView token) {
  if (token.size() > 0xffffffffu) co_return Result<void>{unexpected(Error::transport("async_write", EMSGSIZE))};
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
  std::array<asio::const_buffer, 2> rest{asio::buffer(header.bytes, FrameHeader::size),
                                         asio::buffer(token.data(), token.size())};
  while (rest[0].size() + rest[1].size() != 0) {
    const Transferred sent = co_await io.write_some(rest);
    if (sent.code) co_return Result<void>{unexpected(error_of("async_write", sent.code))};
    if (sent.count > rest[0].size()) rest[1] += sent.count - rest[0].size();
    rest[0] += sent.count;
  }
  co_return Result<void>{};
}

template <template <class...> class Task, class Io>
[[nodiscard]] inline Task<Result<SecretBytes>> receive_frame(Io io, std::size_t max_size) {
  using Received = Result<SecretBytes>;
  IncomingFrame frame{max_size, "async_read"};
  while (!frame.is_complete()) {
    const auto room = frame.room();
    const Transferred read = co_await io.read_some(asio::mutable_buffer{room.data, room.size});
    if (read.code) co_return Received{unexpected(error_of("async_read", read.code))};
    auto came = frame.came(read.count);
    if (!came) co_return Received{unexpected(Error{came.error()})};
  }
  co_return Received{frame.take()};
}

#pragma GCC diagnostic pop

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
