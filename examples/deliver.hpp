// examples/deliver: one message to examples/server, from whoever the initiator is.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <iostream>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>

#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

namespace example {

/// Connects, authenticates, sends the message encrypted and checks the server's MIC over it.
template <gsskey::Mechanism M>
gsskey::Result<void> deliver(const char* host, const char* port, gsskey::Initiator<M> initiator,
                             gsskey::ByteView message) {
  using gsskey::unexpected;
  GSSKEY_TRY(auto socket, connect_to(host, port));
  SampleWire wire{socket.get()};
  if (auto hello = wire.send_frame(FrameFlag::noop | FrameFlag::context_next, {}); !hello) return hello;
  GSSKEY_TRY(auto context, drive(std::move(initiator), wire));
  print(context);

  GSSKEY_TRY(auto token, context.wrap(message));
  const FrameFlags flags = FrameFlag::data | FrameFlag::wrapped | FrameFlag::encrypted | FrameFlag::send_mic;
  if (auto sent = wire.send_frame(flags, token); !sent) return sent;
  GSSKEY_TRY(auto answer, wire.receive_frame());
  if (!answer.flags.contains(FrameFlag::mic)) {
    return unexpected(gsskey::Error::transport("receive", EPROTO, "the server did not answer with a MIC"));
  }
  if (auto verified = context.verify_mic(message, answer.bytes); !verified) return verified;
  return wire.send_frame(FrameFlag::noop, {});
}

}  // namespace example
