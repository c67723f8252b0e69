// gsskey/io/co_drive: the handshake loop of RFC 7546 as a coroutine, in the task type of whoever runs it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
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
///                            thread takes it along. A token of more than max_size bytes is an Error (transport,
///                            EMSGSIZE) before memory is taken for it; so is the end of the stream (transport).
template <class T>
concept AwaitableTransport = requires(T& transport, ByteView token, std::size_t max_size) {
  transport.async_send(token);
  transport.async_receive(max_size);
};

/// A handshake after a step, and the step's outcome.
template <SteppedHandshake H>
struct Stepped {
  H handshake;
  expected<Step, StepFailure> step;
};

/// One step that waits to be called, once, on any thread. It owns the handshake and the peer's token, so that nothing
/// dangles when the task that waits for it is destroyed: the step is not cancelled then, only abandoned. What the
/// handshake borrows, its credential and the slot for a delegated one, must outlive the call.
template <SteppedHandshake H>
class StepJob {
 public:
  /// What operator() returns.
  using Outcome = Stepped<H>;

  StepJob(H handshake, SecretBytes input) noexcept : handshake_{std::move(handshake)}, input_{std::move(input)} {}

  /// Blocks on KDC, DNS or disk, as Initiator::step() and Acceptor::step() do.
  [[nodiscard]] Outcome operator()() {
    auto step = handshake_.step(input_);
    return {std::move(handshake_), std::move(step)};
  }

 private:
  H handshake_;
  SecretBytes input_;
};

/// The offload that does nothing of the kind: steps run where the task runs and block it.
struct Inline {};

// g++ 12 at -O2 takes a coroutine's frame that Asio allocates for one that it must not free.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

/// drive() for an event loop. `Task` is the coroutine type: asio::awaitable, our Task of io/task.hpp, any template
/// whose first parameter is the result. `wire` is borrowed until the task has ended; limits of time are the host's, and
/// so is cancellation: a destroyed or cancelled task leaves no context and no credential behind.
///
/// `offload(StepJob&&)` returns what the task may await and what then gives StepJob::Outcome: it calls the job on a
/// thread that may block. Wrapping and unwrapping need none, they do not block. Errors: as drive(). What `wire` and
/// `offload` throw passes through.
template <template <class...> class Task, SteppedHandshake H, AwaitableTransport T, class Offload = Inline>
[[nodiscard]] inline Task<Result<typename H::Context>> drive(H handshake, T& wire, Offload offload = {},
                                                             DriveOptions options = {}) {
  // g++ 12 wants every awaited value bound to a name, and no conditional expression around co_await.
  using Established = Result<typename H::Context>;
  bool receives = !H::starts;
  bool complete = false;
  unsigned round = 0;
  while (!complete) {
    SecretBytes input;
    if (receives) {
      if (round++ == options.max_rounds) {
        co_return Established{
            unexpected(Error::transport("drive", EPROTO, "the handshake takes more rounds than are allowed"))};
      }
      auto received = co_await wire.async_receive(options.max_token_size);
      if (!received) co_return Established{unexpected(Error{received.error()})};
      input = *std::move(received);
      if (input.size() > options.max_token_size) {
        co_return Established{
            unexpected(Error::transport("drive", EMSGSIZE, "the peer sent a longer token than is allowed"))};
      }
    }
    receives = true;

    expected<Step, StepFailure> step;
    if constexpr (std::same_as<Offload, Inline>) {
      step = handshake.step(input);
    } else {
      StepJob<H> job{std::move(handshake), std::move(input)};
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
      auto sent = co_await wire.async_send(step->token);
      if (!sent) co_return Established{unexpected(Error{sent.error()})};
    }
  }
  co_return std::move(handshake).establish();
}

#pragma GCC diagnostic pop

GSSKEY_END_GSS_ABI
}  // namespace gsskey
