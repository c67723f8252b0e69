// examples/bulk: how fast encrypted messages go from a client to a server, over TCP on this machine: with the GSS
// library's own code, or with OpenSSL's. The difference is what the handshake establishes.
//
//   bulk [--openssl] [--mebibytes NUMBER] SERVICE HOST
//
// It needs a ticket (kinit) and the key of SERVICE/HOST in the keytab.
// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/messages/take_over.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;
using mech::Krb5;

namespace {

constexpr std::size_t message_size = 65536;

/// Takes messages until an empty one comes; says how many bytes there were.
Result<std::size_t> receive_all(MessageContext auto& context, BlockingTransport auto& wire) {
  std::size_t received = 0;
  while (true) {
    GSSKEY_TRY(auto token, wire.receive(message_size + 1024));
    GSSKEY_TRY(auto message, context.unwrap(token));
    if (message.empty()) return received;
    received += message.size();
  }
}

Result<void> send_all(MessageContext auto& context, BlockingTransport auto& wire, std::size_t count) {
  const std::string message(message_size, 'm');
  for (std::size_t at = 0; at <= count; ++at) {
    GSSKEY_TRY(auto token, context.wrap(at < count ? ByteView{message} : ByteView{}));
    if (auto sent = wire.send(token); !sent) return sent;
  }
  return {};
}

/// `Context` is what drive() is to establish.
template <MessageContext Context>
Result<void> run(const char* service, const char* host, std::size_t count) {
  GSSKEY_TRY(auto listener, listen_on_loopback(0));
  GSSKEY_TRY(auto port, port_of(listener));

  auto server = std::async(std::launch::async, [&]() -> Result<std::size_t> {
    GSSKEY_TRY(auto socket, accept_from(listener));
    FdStream stream{socket.get()};
    FramedTransport wire{stream};
    GSSKEY_TRY(auto context, drive(establish_as<Context>(Acceptor<Krb5>{}), wire));
    return receive_all(context, wire);
  });

  GSSKEY_TRY(auto socket, connect_to("127.0.0.1", std::to_string(port).c_str()));
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  FdStream stream{socket.get()};
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context, drive(establish_as<Context>(Initiator<Krb5>{std::move(target)}), wire));

  const auto start = std::chrono::steady_clock::now();
  if (auto sent = send_all(context, wire, count); !sent) return sent;
  GSSKEY_TRY(auto received, server.get());
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double mebibytes = static_cast<double>(received) / (1 << 20);
  std::cout << mebibytes << " MiB, " << static_cast<int>(mebibytes / elapsed.count()) << " MiB/s\n";
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  bool with_openssl = false;
  std::size_t mebibytes = 256;
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--openssl") {
      with_openssl = true;
    } else if (option == "--mebibytes" && at + 1 < argc) {
      mebibytes = static_cast<std::size_t>(std::atoi(argv[++at]));
    } else {
      argc = 0;
    }
  }
  if (argc - at != 2) {
    std::cerr << "usage: bulk [--openssl] [--mebibytes NUMBER] SERVICE HOST\n";
    return 2;
  }
  const std::size_t count = (mebibytes << 20) / message_size;
  const auto done = with_openssl ? run<MessageProtector>(argv[at], argv[at + 1], count)
                                 : run<SecurityContext<Krb5>>(argv[at], argv[at + 1], count);
  if (!done) {
    std::cerr << "bulk: " << in_words(done.error()) << '\n';
    return 1;
  }
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "bulk: " << failure.what() << '\n';
  return 1;
}
