// gsskey/io/co_drive: the handshake loop of RFC 7546 as a coroutine, in the task type of whoever runs it.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/drive.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Carries tokens whole and in order, empty ones too; both calls return what the task may await.
///   async_send(token)        gives Result<void> when all of it is on its way; `token` lives until then
///   async_receive(max_size)  gives Result<SecretBytes>, the next token, in memory of its own because a step on another
///                            thread takes it along.
/// Errors: of async_receive(): transport, EMSGSIZE, before memory is taken for a token of more than `max_size` bytes;
///   transport for the end of the stream.
template <class T>
concept AwaitableTransport = requires(T& transport, ByteView token, std::size_t max_size) {
  transport.async_send(token);
  transport.async_receive(max_size);
};

/// Offloads nothing: steps run where the task runs, and block it.
struct Inline {};

namespace gss_detail {

/// A handshake after a step, and what the step gave.
template <SteppedHandshake H>
struct Stepped {
  H handshake;
  expected<Step, StepFailure> step;
};

}  // namespace gss_detail

// g++ 12 at -O2 takes a coroutine's frame that Asio allocates for one that it must not free.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

/// Runs the handshake to its end in a coroutine of the type `Task`, and establishes its context: drive() of drive.hpp
/// for an event loop. `Task` is asio::awaitable, Task of io/task.hpp, or any template whose first parameter is the
/// result.
///
/// `offload(job)` gets each step as a callable that is move-only, called once, on any thread, and owns the handshake
/// and the peer's token: nothing dangles when the task that waits for it is destroyed, and the step is abandoned, not
/// cancelled. It returns what the task may await, and what then gives std::invoke_result_t of the job. The
/// credential that the handshake borrows must outlive the job. Wrapping and unwrapping need no offload: they do not
/// block. One that has `prepare(handshake)`, as prefetch() of asio/prefetch.hpp, gets no steps, which run where the
/// task runs: it is awaited before the first, and gives Result<void>, whose error ends the handshake.
/// Errors: those of step(), establish() and `wire`; transport, EMSGSIZE or EPROTO, for more than `options` allow. What
///   `wire` and `offload` throw passes through.
/// Blocks: no; with Inline in step(). Limits of time are the host's: a task that is cancelled or destroyed leaves no
///   context and no credential behind.
/// Owner: of `handshake` and `offload`, the task; `wire` is borrowed until the task has ended.
/// See: RFC 7546 section 3.
template <template <class...> class Task, SteppedHandshake H, AwaitableTransport T, class Offload = Inline>
[[nodiscard]] inline Task<Result<typename H::Context>> drive(H handshake, T& wire, Offload offload = {},
                                                             DriveOptions options = {}) {
  // g++ 12 wants every awaited value bound to a name, and no conditional expression around co_await.
  using Established = Result<typename H::Context>;
  gss_detail::DriveCaps caps{options};
  bool receives = !H::starts;
  bool complete = false;
  const auto failed = [&handshake](Error why) {
    gss_detail::abandon(handshake, why);
    return Established{unexpected(std::move(why))};
  };
  constexpr bool prepares = requires { offload.prepare(handshake); };
  if constexpr (prepares) {
    auto prepared = co_await offload.prepare(std::as_const(handshake));
    if (!prepared) co_return failed(std::move(prepared).error());
  }
  while (!complete) {
    SecretBytes input;
    if (receives) {
      if (auto more = caps.begin_round(); !more) co_return failed(std::move(more).error());
      auto received = co_await wire.async_receive(caps.max_token_size());
      if (!received) co_return failed(caps.about(received.error()));
      input = *std::move(received);
      if (auto fits = caps.check(input); !fits) co_return failed(std::move(fits).error());
    }
    receives = true;

    expected<Step, StepFailure> step;
    if constexpr (prepares || std::same_as<Offload, Inline>) {
      step = handshake.step(input);
    } else {
      auto job = [owned = std::move(handshake), token = std::move(input)]() mutable {
        auto outcome = owned.step(token);
        return gss_detail::Stepped<H>{std::move(owned), std::move(outcome)};
      };
      auto stepped = co_await offload(std::move(job));
      handshake = std::move(stepped.handshake);
      step = std::move(stepped.step);
    }

    if (!step) {
      if (!step.error().token.empty()) {
        // The failure is what counts: that the peer could not be told of it adds nothing.
        auto told = co_await wire.async_send(step.error().token);
        static_cast<void>(told);
      }
      co_return Established{unexpected(std::move(step).error().error)};
    }
    complete = step->complete;
    if (!complete || !step->token.empty()) {
      caps.sends(step->token);
      auto sent = co_await wire.async_send(step->token);
      if (!sent) co_return failed(caps.about(sent.error()));
    }
  }
  co_return std::move(handshake).establish();
}

#pragma GCC diagnostic pop

GSSKEY_END_GSS_ABI
}  // namespace gsskey
