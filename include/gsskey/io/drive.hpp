// gsskey/io/drive: the blocking handshake loop of RFC 7546 over an Initiator or an Acceptor and a transport.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/io/transport.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What drive() needs of Initiator<M> and Acceptor<M>, and a test double must have.
template <class H>
concept SteppedHandshake = std::move_constructible<H> && requires(H& handshake, ByteView token) {
  typename H::Context;
  { H::starts } -> std::convertible_to<bool>;
  { handshake.step(token) } -> std::same_as<expected<Step, StepFailure>>;
  { std::move(handshake).establish() } -> std::same_as<Result<typename H::Context>>;
};

struct DriveOptions {
  /// The longest token that is taken from the peer, in bytes. Tickets of Active Directory reach 64 KiB.
  std::size_t max_token_size = 65536;
  /// How many tokens may be taken from the peer. Real handshakes need one or two.
  unsigned max_rounds = 16;
};

/// Runs the handshake to its end and establishes the context. Every token is sent, also those that come with an error
/// (the peer learns why) and empty ones where the handshake goes on. Blocks in `wire` and in step(); limits of time are
/// the transport's. Errors: those of step(), establish() and `wire`; transport, EMSGSIZE or EPROTO, for the caps.
template <SteppedHandshake H, BlockingTransport T>
[[nodiscard]] inline Result<typename H::Context> drive(H handshake, T&& wire, DriveOptions options = {}) {
  // Feeds one token; afterwards `complete` tells whether that was the last one.
  bool complete = false;
  const auto advance = [&](ByteView token) -> Result<void> {
    auto step = handshake.step(token);
    if (!step) {
      // The failure is what counts: that the peer could not be told of it adds nothing.
      if (!step.error().token.empty()) static_cast<void>(wire.send(step.error().token));
      return unexpected(std::move(step).error().error);
    }
    complete = step->complete;
    if (complete && step->token.empty()) return {};
    return wire.send(step->token);
  };

  if constexpr (H::starts) {
    if (auto first = advance({}); !first) return unexpected(std::move(first).error());
  }
  for (unsigned round = 0; !complete; ++round) {
    if (round == options.max_rounds) {
      return unexpected(Error::transport("drive", EPROTO, "the handshake takes more rounds than are allowed"));
    }
    auto token = wire.receive(options.max_token_size);
    if (!token) return unexpected(Error{token.error()});
    const ByteView view{*token};
    if (view.size() > options.max_token_size) {
      return unexpected(Error::transport("drive", EMSGSIZE, "the peer sent a longer token than is allowed"));
    }
    if (auto next = advance(view); !next) return unexpected(std::move(next).error());
  }
  return std::move(handshake).establish();
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
