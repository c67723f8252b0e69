// gsskey/asio/handshake: handshakes in Asio: coroutines, any completion token, steps on a thread pool.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/job.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/task.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

/// Carries tokens over an Asio stream, each behind its length in four bytes, big-endian: an AwaitableTransport for
/// asio::awaitable.
/// Errors: transport; ECANCELED after a cancellation.
/// Threads: one task at a time, on the executor of `stream`.
/// Owner: `stream` is borrowed, and must outlive the transport and its tasks.
template <class Stream>
class AsioTransport {
 public:
  /// Takes a connected stream.
  explicit AsioTransport(Stream& stream GSSKEY_LIFETIMEBOUND) noexcept : stream_{&stream} {}

  /// Sends `token`, which is borrowed until the task has ended.
  [[nodiscard]] asio::awaitable<Result<void>> async_send(ByteView token) {
    return asio_detail::send_frame<asio::awaitable>(asio_detail::AwaitableIo<Stream>{stream_}, token);
  }
  /// Receives the next token. Its memory grows with what has come, not with what was announced.
  /// Errors: transport, EMSGSIZE, for one of more than `max_size` bytes; system (ENOMEM).
  [[nodiscard]] asio::awaitable<Result<SecretBytes>> async_receive(std::size_t max_size) {
    return asio_detail::receive_frame<asio::awaitable>(asio_detail::AwaitableIo<Stream>{stream_}, max_size);
  }

 private:
  Stream* stream_;
};

/// Runs jobs on an executor whose threads may block, that of an asio::thread_pool, and gives back what they return. It
/// is an `offload` for drive(), and runs any other callable too: move-only or not, called once, as an rvalue. A job
/// owns what it works on and returns it with the result, so that nothing dangles when nobody waits for it any more:
///     auto job = [acceptor = std::move(acceptor), token = std::move(token)]() mutable {
///       auto step = acceptor.step(token);
///       return std::pair{std::move(acceptor), std::move(step)};
///     };
///     auto stepped = co_await offload(std::move(job));
/// Name the lambda and then move it, as here: g++ 12 destroys twice what a lambda captures that is written inside of
/// the co_await expression, and the members of an aggregate that is made there.
///
/// A step that waits for a KDC which does not answer cannot be cut short. MIT krb5 1.20 gives up after some 27 s (from
/// 1.22 on `request_timeout` of krb5.conf sets that), Heimdal after `kdc_timeout` and `max_retries`, and 7.8 never
/// where KnownFaults::spins_on_unavailable_kdc.
/// Blocks: the pool's join(), and its destructor, until the steps that run have ended, one for each thread; not for
///   those that were cancelled in the queue.
/// Threads: any number at a time.
/// Owner: the credential that a running step borrows must outlive the pool's join(): declare it before the pool.
template <class Executor>
class OffloadTo {
 public:
  /// Takes the executor of a pool.
  explicit OffloadTo(Executor pool) noexcept : pool_{std::move(pool)} {}

  /// Runs `job` on the pool, and gives what it returns, or throws what it throws.
  ///
  /// A cancelled task goes on at once: a job that the pool has not begun is dropped and will not begin; one that runs
  /// ends by itself, and what it returns is dropped. A job is dropped in the same way when the execution context of the
  /// task is destroyed, before the pool or after it.
  /// Errors: AsioSystemError with asio::error::operation_aborted for a cancelled task, and for a pool that was
  ///   stopped with the job in its queue; std::bad_alloc.
  /// Owner: of `job`, the pool, until it has ended or was dropped.
  template <std::move_constructible Job>
    requires std::invocable<Job>
  [[nodiscard]] asio::awaitable<std::decay_t<std::invoke_result_t<Job>>> operator()(Job job) const {
    auto begin = [](auto once, Executor pool, Job owned) {
      asio_detail::start_job(pool, std::move(owned), std::move(once));
    };
    [[maybe_unused]] auto outcome =
        co_await asio_detail::awaited<std::optional<asio_detail::JobOutcome<Job>>>(begin, pool_, std::move(job));
    if constexpr (!std::is_void_v<std::invoke_result_t<Job>>) co_return *std::move(outcome);
  }

  /// Runs `job` on the pool without a coroutine. `handler` is called once, on its associated executor, with
  /// (std::exception_ptr, std::optional<R>), one of which is there; R is what `job` returns, std::monostate for void.
  /// Errors: throws std::bad_alloc; neither `job` nor `handler` is called then.
  template <std::move_constructible Job, class Handler>
    requires std::invocable<Job>
  void start(Job job, Handler handler) const {
    asio_detail::start_job(pool_, std::move(job), std::move(handler));
  }

 private:
  Executor pool_;
};

/// Makes the `offload` that runs jobs on `pool`, an asio::thread_pool.
/// Owner: `pool` is borrowed, and must outlive the jobs.
template <class Pool>
[[nodiscard]] inline auto offload_to(Pool& pool) noexcept {
  return OffloadTo<typename Pool::executor_type>{pool.get_executor()};
}

namespace asio_detail {

template <class Stream, class Host>
struct FiberTransport {
  FiberIo<Stream, Host> io;

  [[nodiscard]] Task<Result<void>> async_send(ByteView token) { return send_frame<Task>(io, token); }
  [[nodiscard]] Task<Result<SecretBytes>> async_receive(std::size_t max_size) {
    return receive_frame<Task>(io, max_size);
  }
};

template <class Offload, class Job>
[[nodiscard]] inline asio::awaitable<std::optional<std::invoke_result_t<Job>>> offloaded(Offload offload, Job job) {
  auto outcome = co_await offload(std::move(job));
  co_return std::optional<std::invoke_result_t<Job>>{std::move(outcome)};
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
    return awaiting<std::invoke_result_t<Job>>(*host, std::move(start));
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

/// A handshake that an operation runs.
template <SteppedHandshake H, class Stream, class Offload>
struct HandshakeWork {
  using Outcome = Result<typename H::Context>;
  static constexpr const char* operation = "async_handshake";

  H handshake;
  Stream* stream;
  Offload offload;
  DriveOptions options;

  template <class Host>
  [[nodiscard]] Task<Outcome> run(Host& host) {
    FiberTransport<Stream, Host> wire{{stream, &host}};
    auto driven = co_await drive<Task>(std::move(handshake), wire, for_fiber(std::move(offload), host), options);
    co_return driven;
  }
};

}  // namespace asio_detail

/// Runs the handshake to its end for any completion token: drive() with a handler of void(Result<Context>), or with
/// asio::use_future, use_awaitable, deferred, cancel_after. A cancellation of the token's slot (terminal) ends the
/// handshake.
///
/// The handler is called exactly once, on its associated executor, unless its execution context is destroyed before.
/// Where memory is so short that nothing can be posted to an executor, it is called in place: by the initiating
/// function, or on the executor of `stream`. What the handler throws comes out of the run() of that loop.
///
/// `offload` is offload_to(pool), Inline{}, or another that drive() takes. Another that returns an asio::awaitable is
/// run by asio::co_spawn, which ends the process if it finds no memory; one that has start(job, handler), as OffloadTo
/// does, is not.
/// Errors: those of drive(); transport, ECANCELED, after a cancellation. What `stream`, `offload` or the handshake
///   throws: transport, with the exception's text, or system (ENOMEM).
/// Blocks: no; with Inline in step().
/// Threads: the executor of `stream` runs the loop.
/// Owner: of `handshake` and `offload`, the operation; `stream` is borrowed until the completion.
/// See: RFC 7546 section 3.
template <SteppedHandshake H, class Stream, class Offload, class Token>
inline auto async_handshake(H handshake, Stream& stream, Offload offload, Token&& token, DriveOptions options = {}) {
  return asio::async_initiate<Token, void(Result<typename H::Context>)>(
      asio_detail::StartWork{stream.get_executor()}, token,
      asio_detail::HandshakeWork<H, Stream, Offload>{std::move(handshake), &stream, std::move(offload), options});
}

GSSKEY_END_ASIO_ABI
}  // namespace gsskey
