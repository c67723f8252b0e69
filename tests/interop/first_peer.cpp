// tests/interop/first_peer: the service that examples/first talks to: one connection, one message.
// SPDX-License-Identifier: MIT
#include <iostream>
#include <utility>

#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;

namespace {

Result<void> serve() {
  auto listener = example::listen_on_loopback(0);
  if (!listener) return unexpected(listener.error());
  auto port = example::port_of(*listener);
  if (!port) return unexpected(port.error());
  std::cout << "listening on 127.0.0.1:" << *port << std::endl;

  auto socket = example::accept_from(*listener);
  if (!socket) return unexpected(socket.error());
  FdStream stream{socket->get()};
  FramedTransport wire{stream};
  auto context = drive(Acceptor<mech::Krb5>{}, wire);
  if (!context) return unexpected(context.error());
  auto info = context->inquire();
  if (!info) return unexpected(info.error());
  auto token = wire.receive(65536);
  if (!token) return unexpected(token.error());
  auto message = context->unwrap(*token);
  if (!message) return unexpected(message.error());
  std::cout << example::name_or(info->initiator, "nobody") << " says " << example::quoted(message->text()) << '\n';
  return {};
}

}  // namespace

int main() {
  const auto served = serve();
  if (!served) std::cerr << example::in_words(served.error()) << '\n';
  return served ? 0 : 1;
}
