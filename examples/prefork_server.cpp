// examples/prefork_server: one process does the handshakes, and four others, without the keytab, serve the connections.
//
//   prefork_server [PORT] SERVICE HOST
//
// Started as root, the workers are nobody. Its clients are examples/client and MIT's gss-client. It listens on the
// loopback interface until it is killed; the workers end with it. SPDX-License-Identifier: MIT
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include <gsskey/gss.hpp>
#include <gsskey/handoff/sealed_context.hpp>

#include "pass_socket.hpp"
#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;
using namespace std::chrono_literals;

namespace {

void say(const std::string& words) { std::cout << (std::to_string(::getpid()) + ' ' + words + '\n') << std::flush; }

/// A worker's: messages, until the client says goodbye.
Result<void> serve(const Passed& passed, KeyringRef session) {
  auto context = handoff::claim<mech::Krb5>(passed.bytes, session);  // for one process, and once
  if (!context) return unexpected(context.error());
  auto info = context->inquire();
  if (!info) return unexpected(info.error());
  SampleWire wire{passed.socket.get()};
  while (true) {
    auto frame = wire.receive_frame();
    if (!frame) return unexpected(frame.error());
    if (frame->flags.contains(FrameFlag::noop)) return {};
    auto message = context->unwrap(frame->bytes);
    if (!message) return unexpected(message.error());
    say(name_or(info->initiator, "nobody") + " says " + quoted(message->text()));
    auto mic = context->get_mic(*message);
    if (!mic) return unexpected(mic.error());
    if (auto sent = wire.send_frame(FrameFlag::mic, *mic); !sent) return sent;
  }
}

[[noreturn]] void work(Socket channel, KeyringRef session) {
  constexpr uid_t nobody = 65534;
  if (::geteuid() == 0 && (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0)) {
    ::_exit(1);
  }
  say("works as user " + std::to_string(::geteuid()));
  while (auto passed = receive_passed(channel.get())) {
    if (auto served = serve(*passed, session); !served) say(in_words(served.error()));
  }
  ::_exit(0);
}

/// The acceptor's: a handshake, and on to one of the workers.
Result<void> accept(const Socket& socket, const Credential<mech::Krb5, Accept>& credential, KeyringRef session,
                    const Socket& workers) {
  SampleWire wire{socket.get()};
  auto hello = wire.receive_frame();
  if (!hello) return unexpected(hello.error());
  auto context = drive(Acceptor<mech::Krb5>{credential}, wire);
  if (!context) return unexpected(context.error());
  auto parked = handoff::park(std::move(*context), session, {.time_to_live = 30s});
  if (!parked) return unexpected(parked.error());  // and the context still works
  if (auto passed = pass(workers.get(), socket, parked->bytes()); !passed) return passed;
  static_cast<void>(std::move(*parked).release());  // the worker's now; unclaimed, it ends in 30 seconds
  return {};
}

Result<void> run(std::uint16_t port, const char* service, const char* host) {
  auto session = Keyring::join_session();  // of this process and its workers alone
  if (!session) return unexpected(session.error());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return unexpected(Error::system("socketpair", errno));
  }
  auto ours = Socket::adopt(ends[0]);
  auto theirs = Socket::adopt(ends[1]);
  for (int worker = 0; worker < 4; ++worker) {
    if (::fork() != 0) continue;
    ours.reset();  // so that they see when the acceptor is gone
    work(std::move(theirs), *session);
  }
  theirs.reset();

  auto name = Name::host_service(service, host);
  if (!name) return unexpected(name.error());
  auto credential = Credential<mech::Krb5, Accept>::acquire(*name);
  if (!credential) return unexpected(credential.error());
  auto listener = listen_on_loopback(port);
  if (!listener) return unexpected(listener.error());
  auto bound = port_of(*listener);
  if (!bound) return unexpected(bound.error());
  std::cout << "listening on 127.0.0.1:" << *bound << std::endl;
  while (true) {
    auto socket = accept_from(*listener);
    if (!socket) return unexpected(socket.error());
    if (auto accepted = accept(*socket, *credential, *session, ours); !accepted) say(in_words(accepted.error()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  const auto port = static_cast<std::uint16_t>(argc == 4 ? std::atoi(argv[1]) : 4444);
  const auto done = run(port, argv[argc - 2], argv[argc - 1]);
  if (!done) std::cerr << "prefork_server: " << in_words(done.error()) << '\n';
  return 1;
}
