// gsskey/asio/handshake: handshakes in Asio: coroutines, any completion token, steps on a thread pool.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>  // Asio 1.22 uses it and does not include it
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
// Not used here: what programs that use this need too.
#include <asio/bind_cancellation_slot.hpp>
#include <asio/detached.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <gsskey/asio/detail/job.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/task.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Tokens over an Asio stream that it borrows, each behind its length in four bytes, big-endian: an
/// AwaitableTransport for asio::awaitable. Errors: transport; ECANCELED after a cancellation.
template <class Stream>
class AsioTransport {
 public:
  explicit AsioTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  [[nodiscard]] asio::awaitable<Result<void>> async_send(ByteView token) {
    return detail::send_frame<asio::awaitable>(detail::AwaitableIo<Stream>{stream_}, token);
  }
  [[nodiscard]] asio::awaitable<Result<SecretBytes>> async_receive(std::size_t max_size) {
    return detail::receive_frame<asio::awaitable>(detail::AwaitableIo<Stream>{stream_}, max_size);
  }

 private:
  Stream* stream_;
};

/// The offload of drive() to an executor whose threads may block, an asio::thread_pool's. For any job: callable once,
/// move-only, with its result's type as Job::Outcome. What the job throws goes to the one who waits.
///
/// A cancelled task goes on at once with asio::error::operation_aborted: a job that the pool has not begun is dropped
/// and will not begin, one that runs ends by itself, and its outcome is dropped. So it is, too, when the task's context
/// is destroyed, before the pool or after it. A pool that is stopped with the job in its queue gives operation_aborted.
///
/// Shutdown: a step that waits for a KDC which does not answer cannot be cut short. MIT krb5 1.20 gives up after some
/// 27 s (from 1.22 on `request_timeout` of krb5.conf sets that), Heimdal after `kdc_timeout` and `max_retries`, and 7.8
/// never where KnownFaults::spins_on_unavailable_kdc. The pool's join(), and its destructor, wait for the steps that
/// run, one for each thread, and for none that was cancelled in the queue. What a running step borrows, its credential
/// and the slot for a delegated one, must outlive that join: declare it before the pool.
template <class Executor>
class OffloadTo {
 public:
  explicit OffloadTo(Executor pool) noexcept : pool_{std::move(pool)} {}

  template <class Job>
  [[nodiscard]] asio::awaitable<typename Job::Outcome> operator()(Job job) const {
    auto begin = [](auto once, Executor pool, Job owned) {
      detail::start_job(pool, std::move(owned), std::move(once));
    };
    auto outcome = co_await detail::awaited<std::optional<typename Job::Outcome>>(begin, pool_, std::move(job));
    co_return *std::move(outcome);
  }

  /// The same without a coroutine: `handler` is called once, on its associated executor, with (std::exception_ptr,
  /// std::optional<Outcome>), one of which is there. Throws, and calls neither, if memory for that is short.
  template <class Job, class Handler>
  void start(Job job, Handler handler) const {
    detail::start_job(pool_, std::move(job), std::move(handler));
  }

 private:
  Executor pool_;
};

/// offload_to(pool), offload_to(pool.get_executor()).
template <class Pool>
[[nodiscard]] inline auto offload_to(Pool& pool) noexcept {
  return OffloadTo<typename Pool::executor_type>{pool.get_executor()};
}

GSSKEY_END_ABI
}  // namespace gsskey

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

template <class Stream, class Host>
struct FiberTransport {
  detail::FiberIo<Stream, Host> io;

  [[nodiscard]] Task<Result<void>> async_send(ByteView token) { return detail::send_frame<Task>(io, token); }
  [[nodiscard]] Task<Result<SecretBytes>> async_receive(std::size_t max_size) {
    return detail::receive_frame<Task>(io, max_size);
  }
};

template <class Offload, class Job>
[[nodiscard]] inline asio::awaitable<std::optional<typename Job::Outcome>> offloaded(Offload offload, Job job) {
  auto outcome = co_await offload(std::move(job));
  co_return std::optional<typename Job::Outcome>{std::move(outcome)};
}

template <class Offload, class Host>
struct FiberOffload {
  Offload offload;
  Host* host;

  template <class Job>
  [[nodiscard]] auto operator()(Job job) {
    auto start = [to = offload, at = host, owned = std::move(job)](auto resume) mutable {
      if constexpr (requires { to.start(std::move(owned), std::move(resume)); }) {
        to.start(std::move(owned), std::move(resume));
      } else {
        asio::co_spawn(at->executor, offloaded(std::move(to), std::move(owned)), std::move(resume));
      }
    };
    return detail::awaiting<typename Job::Outcome>(*host, std::move(start));
  }
};
template <class Host>
[[nodiscard]] inline Inline for_fiber(Inline, Host&) noexcept {
  return {};
}
template <class Offload, class Host>
[[nodiscard]] inline FiberOffload<Offload, Host> for_fiber(Offload offload, Host& host) noexcept {
  return {std::move(offload), &host};
}

/// Whether who runs on `here` is already where a handler of `home` must be called.
template <class Home, class Here>
[[nodiscard]] inline bool is_at(const Home& home, const Here& here) noexcept {
  if constexpr (std::is_convertible_v<const Here&, Home>) {
    return home == static_cast<Home>(here);
  } else {
    return false;
  }
}

/// A call of a handler that waits to be run, once.
template <class Handler, class Value>
struct LastCall {
  std::optional<Handler> handler{};
  std::optional<Value> value{};

  void operator()() {
    auto last = *std::exchange(handler, std::nullopt);
    std::move(last)(*std::move(value));
  }
};

/// Calls `handler` on `home`; in place, if there is no memory to go there.
template <class Home, class Handler, class Value>
inline void call_on(const Home& home, Handler handler, Value value) {
  std::shared_ptr<LastCall<Handler, Value>> last;
  try {
    last = std::make_shared<LastCall<Handler, Value>>();
  } catch (const std::bad_alloc&) {
    std::move(handler)(std::move(value));
    return;
  }
  last->handler.emplace(std::move(handler));
  last->value.emplace(std::move(value));
  try {
    asio::dispatch(home, [last] { (*last)(); });
    return;
  } catch (...) {
    if (!last->handler) throw;  // its own
  }
  (*last)();
}

/// drive() and then `handler`, which is taken over by the first resume() and not before.
template <SteppedHandshake H, class Stream, class Offload, class Handler>
[[nodiscard]] inline detail::Fiber handshake_for_handler(H handshake, Stream* stream, Offload offload,
                                                         DriveOptions options, Handler& handler) {
  using Established = Result<typename H::Context>;
  using Host = detail::FiberHost<typename Stream::executor_type>;
  Handler last{std::move(handler)};
  auto* const self = co_await detail::ThisFiber{};
  Host host{self, stream->get_executor()};
  const auto home = asio::get_associated_executor(last, host.executor);
  const bool is_home = is_at(home, host.executor);
  // The last work that ends stops a context which nobody runs yet: of ours, there is none before we run on it.
  std::optional<decltype(asio::make_work_guard(home))> work;
  if (!is_home) work.emplace(home);
  std::optional<Established> established;
  try {
    host.cancellation = asio::cancellation_state{asio::get_associated_cancellation_slot(last)};
    auto moved = co_await detail::moved_to(host, host.executor);
    static_cast<void>(moved);
    if (is_home) work.emplace(home);
    FiberTransport<Stream, Host> wire{{stream, &host}};
    auto driven = co_await drive<Task>(std::move(handshake), wire, for_fiber(std::move(offload), host), options);
    established.emplace(std::move(driven));
  } catch (...) {
    established.emplace(unexpected(detail::error_of("async_handshake", std::current_exception())));
  }
  asio::get_associated_cancellation_slot(last).clear();
  host.cancellation = {};
  if (is_home) {
    std::move(last)(*std::move(established));
  } else {
    call_on(home, std::move(last), *std::move(established));
  }
}

}  // namespace gss_detail

/// drive() for any completion token: void(Result<Context>) with a handler, use_future, use_awaitable, deferred.
/// `stream` is borrowed until the completion, and its executor runs the loop; `offload` as for drive(),
/// offload_to(pool) or Inline{}. A cancellation of the token's slot (terminal) ends it with ECANCELED (transport).
///
/// The handler is called exactly once, unless its execution context is destroyed before. What `stream`, `offload` or
/// the handshake throws is an Error for it: transport with the exception's text, or system (ENOMEM). Where memory is so
/// short that nothing can be posted to an executor, the handler is called in place: by the initiating function, or on
/// the stream's executor. What the handler throws goes to whoever runs the loop. An offload of one's own that returns
/// an asio::awaitable is run by asio::co_spawn, which ends the process if it finds no memory; one that has start(job,
/// handler), as OffloadTo does, is not.
template <SteppedHandshake H, class Stream, class Offload, class Token>
inline auto async_handshake(H handshake, Stream& stream, Offload offload, Token&& token, DriveOptions options = {}) {
  auto start = [](auto handler, H owned, Stream* borrowed, Offload elsewhere, DriveOptions caps) {
    std::optional<detail::Fiber> fiber;
    std::optional<Error> failed;
    try {
      fiber.emplace(gss_detail::handshake_for_handler(std::move(owned), borrowed, std::move(elsewhere), caps, handler));
    } catch (...) {
      failed.emplace(detail::error_of("async_handshake", std::current_exception()));
    }
    if (fiber) {
      fiber->resume();
    } else {
      std::move(handler)(Result<typename H::Context>{unexpected(*std::move(failed))});
    }
  };
  return asio::async_initiate<Token, void(Result<typename H::Context>)>(start, token, std::move(handshake), &stream,
                                                                        std::move(offload), options);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
