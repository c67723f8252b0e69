// examples/delegation: a front end. What its clients send, it sends on to a back end as these clients, with the
// credentials that they delegated to it.
//
//   delegation [--once] [--port NUMBER] [--allow PRINCIPAL]... SERVICE HOST BACK-END-HOST BACK-END-PORT
//              BACK-END-SERVICE
//
// Its clients are examples/client --delegate and MIT's gss-client -d; the back end is examples/server. The key of
// SERVICE/HOST must be in the keytab (KRB5_KTNAME). It listens on the loopback interface.
// SPDX-License-Identifier: MIT
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/establish_as.hpp>

#include "allow.hpp"
#include "deliver.hpp"
#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;

namespace {

using Krb5 = mech::Krb5;

struct Options {
  AllowList allowed;
  bool once = false;
  std::uint16_t port = 4445;
  const char* service = nullptr;
  const char* host = nullptr;
  const char* back_host = nullptr;
  const char* back_port = nullptr;
  const char* back_service = nullptr;
};

/// One client: each of its messages goes on to the back end.
Result<void> forward(const Socket& socket, const Credential<Krb5, Accept>& credential, const Options& options) {
  SampleWire wire{socket.get()};
  GSSKEY_TRY(auto hello, wire.receive_frame());
  if (!hello.flags.contains(FrameFlag::noop | FrameFlag::context_next)) {
    return unexpected(Error::transport("receive", EPROTO, "the client does not want to authenticate"));
  }
  // Demanded: without a credential of the client's there is nothing that this front end could do. It would rather fail
  // than be itself towards the back end.
  AcceptorOptions<Krb5> wanted{.keep_delegated = true};
  wanted.demand = wanted.demand | ContextFlag::delegate;
  GSSKEY_TRY(auto client, drive(establish_as<Accepted<Krb5>>(Acceptor<Krb5>{credential, wanted}), wire));
  print(client.context);
  if (auto admitted = options.allowed.admit(client.peer); !admitted) return admitted;

  while (true) {
    GSSKEY_TRY(auto frame, wire.receive_frame());
    if (frame.flags.contains(FrameFlag::noop)) return {};
    GSSKEY_TRY(auto message, client.context.unwrap(frame.bytes));

    GSSKEY_TRY(auto target, Name::host_service(options.back_service, options.back_host));
    auto sent =
        deliver(options.back_host, options.back_port, Initiator<Krb5>{std::move(target), client.delegated}, message);
    if (!sent) return sent;
    std::cout << "message sent on\n";

    GSSKEY_TRY(auto mic, client.context.get_mic(message));
    if (auto answered = wire.send_frame(FrameFlag::mic, mic); !answered) return answered;
  }
}

Result<void> run(const Options& options) {
  GSSKEY_TRY(auto name, Name::host_service(options.service, options.host));
  GSSKEY_TRY(auto credential, Credential<Krb5, Accept>::acquire(name));
  GSSKEY_TRY(auto listener, listen_on_loopback(options.port));
  GSSKEY_TRY(auto port, port_of(listener));
  std::cout << "listening on 127.0.0.1:" << port << '\n';

  while (true) {
    GSSKEY_TRY(auto socket, accept_from(listener));
    auto forwarded = forward(socket, credential, options);
    if (options.once) return forwarded;
    if (!forwarded) std::cerr << "delegation: " << in_words(forwarded.error()) << '\n';
  }
}

int usage() {
  std::cerr << "usage: delegation [--once] [--port NUMBER] [--allow PRINCIPAL]... SERVICE HOST BACK-END-HOST "
               "BACK-END-PORT BACK-END-SERVICE\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  std::cout << std::unitbuf;  // whoever waits for our first line shall see it
  Options options{.allowed = allow_list("delegation", argc, argv)};
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--once") {
      options.once = true;
    } else if (option == "--port" && at + 1 < argc) {
      options.port = static_cast<std::uint16_t>(std::atoi(argv[++at]));
    } else {
      return usage();
    }
  }
  if (argc - at != 5) return usage();
  options.service = argv[at];
  options.host = argv[at + 1];
  options.back_host = argv[at + 2];
  options.back_port = argv[at + 3];
  options.back_service = argv[at + 4];

  if (const auto done = run(options); !done) {
    std::cerr << "delegation: " << in_words(done.error()) << '\n';
    return 1;
  }
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "delegation: " << failure.what() << '\n';
  return 1;
}
