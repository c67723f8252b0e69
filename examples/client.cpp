// examples/client: authenticates to a service, sends it one message and checks its signature. Its servers are
// examples/server and MIT's gss-server.
//
//   client [--spnego] [--no-mutual] [--delegate] [--default-credential] [--unencrypted | --plain] [--no-mic]
//          HOST PORT SERVICE MESSAGE
//
// It needs a ticket (kinit). Unless told otherwise, it demands mutual authentication and encrypts.
// --delegate: the server gets a credential with which it can act as the user (examples/delegation does).
// --default-credential: the handshake fetches the credential itself, which is all that GNU GSS can do.
// SPDX-License-Identifier: MIT
#include <cerrno>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>

#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;

namespace {

enum class Protection { encrypted, unencrypted, plain };

struct Options {
  bool spnego = false;
  bool mutual = true;
  bool delegate = false;
  bool default_credential = false;
  Protection protection = Protection::encrypted;
  bool mic = true;
  const char* host = nullptr;
  const char* port = nullptr;
  const char* service = nullptr;
  std::string_view message;
};

template <Mechanism M>
Result<SecurityContext<M>> authenticate(SampleWire& wire, const Options& options) {
  GSSKEY_TRY(auto target, Name::host_service(options.service, options.host));
  InitiatorOptions wanted;
  if (!options.mutual) {
    // The first sequence number of the server comes with its authentication; Heimdal expects 0 where that is missing.
    wanted.demand = wanted.demand.without(ContextFlag::mutual | ContextFlag::sequence);
  }
  if (options.delegate) wanted.request = ContextFlag::delegate;
  if (auto hello = wire.send_frame(FrameFlag::noop | FrameFlag::context_next, {}); !hello) {
    return unexpected(hello.error());
  }
  if (options.default_credential) return drive(Initiator<M>{std::move(target), wanted}, wire);

  // A client that connects more than once acquires its credential only once.
  GSSKEY_TRY(auto credential, Credential<M, Initiate>::acquire_default());
  return drive(Initiator<M>{std::move(target), credential, wanted}, wire);
}

template <Mechanism M>
Result<void> send_message(SecurityContext<M>& context, SampleWire& wire, const Options& options) {
  const FrameFlags flags = options.mic ? FrameFlag::data | FrameFlag::send_mic : FrameFlags{FrameFlag::data};
  if (options.protection == Protection::plain) return wire.send_frame(flags, options.message);
  if (options.protection == Protection::unencrypted) {
    GSSKEY_TRY(auto token, context.wrap_unencrypted(options.message));
    return wire.send_frame(flags | FrameFlag::wrapped, token);
  }
  GSSKEY_TRY(auto token, context.wrap(options.message));
  return wire.send_frame(flags | FrameFlag::wrapped | FrameFlag::encrypted, token);
}

template <Mechanism M>
Result<void> talk(const Options& options) {
  GSSKEY_TRY(auto socket, connect_to(options.host, options.port));
  SampleWire wire{socket.get()};

  GSSKEY_TRY(auto context, authenticate<M>(wire, options));
  print(context);

  if (auto sent = send_message(context, wire, options); !sent) return sent;
  GSSKEY_TRY(auto answer, wire.receive_frame());
  if (options.mic) {
    if (!answer.flags.contains(FrameFlag::mic)) {
      return unexpected(Error::transport("receive", EPROTO, "the server did not answer with a MIC"));
    }
    if (auto verified = context.verify_mic(options.message, answer.bytes); !verified) return verified;
    std::cout << "message received, the server's MIC is right\n";
  } else {
    std::cout << "message received\n";
  }
  return wire.send_frame(FrameFlag::noop, {});
}

template <Mechanism M>
Result<void> run(const Options& options) {
  if constexpr (M::negotiates && !capabilities.spnego) {
    return unexpected(Error::unavailable("--spnego", GSSKEY_GSS_NAME " has no SPNEGO"));
  } else {
    return talk<M>(options);
  }
}

int usage() {
  std::cerr << "usage: client [--spnego] [--no-mutual] [--delegate] [--default-credential] [--unencrypted | --plain]\n"
               "              [--no-mic] HOST PORT SERVICE MESSAGE\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--spnego") {
      options.spnego = true;
    } else if (option == "--no-mutual") {
      options.mutual = false;
    } else if (option == "--delegate") {
      options.delegate = true;
    } else if (option == "--default-credential") {
      options.default_credential = true;
    } else if (option == "--unencrypted") {
      options.protection = Protection::unencrypted;
    } else if (option == "--plain") {
      options.protection = Protection::plain;
    } else if (option == "--no-mic") {
      options.mic = false;
    } else {
      return usage();
    }
  }
  if (argc - at != 4) return usage();
  options.host = argv[at];
  options.port = argv[at + 1];
  options.service = argv[at + 2];
  options.message = argv[at + 3];

  const auto done = options.spnego ? run<mech::Spnego>(options) : run<mech::Krb5>(options);
  if (!done) {
    std::cerr << "client: " << in_words(done.error()) << '\n';
    return 1;
  }
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "client: " << failure.what() << '\n';
  return 1;
}
