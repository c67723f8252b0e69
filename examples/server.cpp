// examples/server: who authenticates to it, how, and what they say. Its clients are examples/client and MIT's
// gss-client.
//
//   server [--spnego] [--once] [--port NUMBER] [--allow PRINCIPAL]... SERVICE HOST
//
// Without --allow: whoever has authenticated.
// The key of SERVICE/HOST must be in the keytab (KRB5_KTNAME). It listens on the loopback interface.
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
#include <gsskey/gss/handshake_report.hpp>
#include <gsskey/text/handshake.hpp>
#include <gsskey/text/string.hpp>

#include "allow.hpp"
#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;

namespace {

struct Options {
  AllowList allowed;
  bool spnego = false;
  bool once = false;
  std::uint16_t port = 4444;
  const char* service = nullptr;
  const char* host = nullptr;
};

/// One line per handshake, whether it succeeds or not.
void log_handshake(const HandshakeReport& report) noexcept try {
  std::clog << "server: " << report << '\n';
} catch (const std::exception&) {  // memory is short: no line
}

/// Takes one message apart, says what protected it, and answers.
template <Mechanism M>
Result<void> answer(SecurityContext<M>& context, SampleWire& wire, Frame frame) {
  const char* protection = "not protected";
  SecretBytes message = std::move(frame.bytes);
  if (frame.flags.contains(FrameFlag::wrapped)) {
    // Clients may choose; unwrap() would insist on encryption.
    GSSKEY_TRY(auto unwrapped, context.unwrap_unencrypted(message));
    protection = unwrapped.confidential ? "encrypted" : "authenticated, not encrypted";
    message = std::move(unwrapped.message);
  }
  std::cout << "message " << quoted(message.text()) << ": " << protection << '\n';

  if (!frame.flags.contains(FrameFlag::send_mic)) return wire.send_frame(FrameFlag::noop, {});
  GSSKEY_TRY(auto mic, context.get_mic(message));
  return wire.send_frame(FrameFlag::mic, mic);
}

/// One connection: a handshake, then messages until the client says goodbye.
template <Mechanism M>
Result<void> serve(const Socket& socket, const Credential<M, Accept>& credential, const AllowList& allowed) {
  SampleWire wire{socket.get()};
  GSSKEY_TRY(auto hello, wire.receive_frame());
  if (!hello.flags.contains(FrameFlag::noop | FrameFlag::context_next)) {
    return unexpected(Error::transport("receive", EPROTO, "the client does not want to authenticate"));
  }

  GSSKEY_TRY(auto context, drive(Acceptor<M>{credential}, wire));
  print(context);
  if (auto admitted = allowed.admit(context); !admitted) return admitted;

  while (true) {
    GSSKEY_TRY(auto frame, wire.receive_frame());
    if (frame.flags.contains(FrameFlag::noop)) return {};
    if (auto answered = answer(context, wire, std::move(frame)); !answered) return answered;
  }
}

template <Mechanism M>
Result<void> serve_all(const Options& options) {
  GSSKEY_TRY(auto name, Name::host_service(options.service, options.host));
  // Acquired once: with the default credential every handshake would read the keytab again.
  GSSKEY_TRY(auto credential, Credential<M, Accept>::acquire(name));

  GSSKEY_TRY(auto listener, listen_on_loopback(options.port));
  GSSKEY_TRY(auto port, port_of(listener));
  std::cout << "listening on 127.0.0.1:" << port << '\n';

  while (true) {
    GSSKEY_TRY(auto socket, accept_from(listener));
    auto served = serve(socket, credential, options.allowed);
    if (options.once) return served;
    if (!served) std::cerr << "server: " << in_words(served.error()) << '\n';  // the next client may do better
  }
}

template <Mechanism M>
Result<void> run(const Options& options) {
  if constexpr (M::negotiates && !capabilities.spnego) {
    return unexpected(Error::unavailable("--spnego", GSSKEY_GSS_NAME " has no SPNEGO"));
  } else {
    return serve_all<M>(options);
  }
}

int usage() {
  std::cerr << "usage: server [--spnego] [--once] [--port NUMBER] [--allow PRINCIPAL]... SERVICE HOST\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  std::cout << std::unitbuf;  // whoever waits for our first line shall see it
  Options options{.allowed = allow_list("server", argc, argv)};
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--spnego") {
      options.spnego = true;
    } else if (option == "--once") {
      options.once = true;
    } else if (option == "--port" && at + 1 < argc) {
      options.port = static_cast<std::uint16_t>(std::atoi(argv[++at]));
    } else {
      return usage();
    }
  }
  if (argc - at != 2) return usage();
  options.service = argv[at];
  options.host = argv[at + 1];

  set_handshake_hook(&log_handshake);
  const auto done = options.spnego ? run<mech::Spnego>(options) : run<mech::Krb5>(options);
  if (!done) {
    std::cerr << "server: " << in_words(done.error()) << '\n';
    return 1;
  }
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "server: " << failure.what() << '\n';
  return 1;
}
