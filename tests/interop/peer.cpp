// tests/interop/peer: one end of a handshake, and of the messages after it. Built once per implementation.
//
//   peer krb5|spnego          accepts one connection, on a port that it prints
//   peer krb5|spnego PORT     the initiator
//
// A line for each thing that was tried: what it is, a tab, "yes" or why not. Both ends try the same things in the same
// order, and an empty frame stands for what the sender could not make.
// SPDX-License-Identifier: MIT
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;

namespace {

constexpr std::string_view message = "attack at dawn";
constexpr std::size_t limit = 65536;

template <class T>
void report(const char* what, const Result<T>& outcome) {
  std::cout << what << '\t' << (outcome ? "yes" : example::in_words(outcome.error())) << std::endl;
}

template <class T, class Wire>
Result<void> send(const char* what, const Result<T>& made, Wire& wire) {
  report(what, made);
  return made ? wire.send(*made) : wire.send({});
}

template <class Wire, class Check>
Result<void> receive(const char* what, Wire& wire, Check check) {
  auto token = wire.receive(limit);
  if (!token) return unexpected(token.error());
  if (token->size() != 0) report(what, check(*token));
  return {};
}

Result<void> same(const Result<SecretBytes>& received) {
  if (!received) return unexpected(received.error());
  if (received->text() != message) return unexpected(Error::usage("gss_unwrap", "another message"));
  return {};
}

/// The initiator's messages, then the acceptor's.
template <Mechanism M, class Wire>
Result<void> exchange(SecurityContext<M>& context, Wire& wire, bool initiates) {
  for (const bool ours : {initiates, !initiates}) {
    auto done = ours ? send("wrap", context.wrap(message), wire)
                     : receive("unwrap", wire, [&](ByteView token) { return same(context.unwrap(token)); });
    if (!done) return done;
    done = ours ? send("get_mic", context.get_mic(message), wire)
                : receive("verify_mic", wire, [&](ByteView mic) { return context.verify_mic(message, mic); });
    if (!done) return done;
  }
  return {};
}

template <Mechanism M>
Result<void> initiate(const char* port) {
  auto target = Name::host_service("host", "localhost");
  if (!target) return unexpected(target.error());
  auto socket = example::connect_to("localhost", port);
  if (!socket) return unexpected(socket.error());
  FdStream stream{socket->get()};
  FramedTransport wire{stream};
  auto context = drive(Initiator<M>{*std::move(target)}, wire);
  report("handshake", context);
  if (!context) return {};
  return exchange(*context, wire, true);
}

template <Mechanism M>
Result<void> accept() {
  auto name = Name::host_service("host", "localhost");
  if (!name) return unexpected(name.error());
  auto credential = Credential<M, Accept>::acquire(*name);
  if (!credential) return unexpected(credential.error());
  auto listener = example::listen_on_loopback(0);
  if (!listener) return unexpected(listener.error());
  auto port = example::port_of(*listener);
  if (!port) return unexpected(port.error());
  std::cout << "listening on 127.0.0.1:" << *port << std::endl;
  auto socket = example::accept_from(*listener);
  if (!socket) return unexpected(socket.error());
  FdStream stream{socket->get()};
  FramedTransport wire{stream};
  AcceptorOptions<M> wanted;
  if (!capabilities.aes_messages) wanted.demand = {};  // and says so: its acceptor reports no protection
  auto context = drive(Acceptor<M>{*credential, wanted}, wire);
  report("handshake", context);
  if (!context) return {};
  return exchange(*context, wire, false);
}

template <Mechanism M>
Result<void> run(const char* port) {
  if constexpr (M::negotiates && !capabilities.spnego) {
    return unexpected(Error::unavailable("handshake", GSSKEY_GSS_NAME " has no SPNEGO"));
  } else {
    return port != nullptr ? initiate<M>(port) : accept<M>();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* port = argc > 2 ? argv[2] : nullptr;
  const auto done = std::string_view{argv[1]} == "spnego" ? run<mech::Spnego>(port) : run<mech::Krb5>(port);
  if (!done) std::cout << "failed\t" << example::in_words(done.error()) << std::endl;
  return done ? 0 : 1;
}
