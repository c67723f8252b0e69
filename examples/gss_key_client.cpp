// examples/gss_key_client: authenticates with a token that it never makes: the kernel has it made on request, by
// examples/gss_key_handler. Its servers are examples/server and MIT's gss-server.
//
//   gss_key_client HOST PORT SERVICE MESSAGE...
//
// It needs no ticket of its own: the handler finds the user's. SPDX-License-Identifier: MIT
#include <cerrno>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/keyring.hpp>

#include "print.hpp"
#include "sample_wire.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace example;

namespace {

struct Minted {
  SecretBytes token;
  SecurityContext<mech::Krb5> context;
};

/// Both go through the ring of this thread: nobody else can take them.
Result<Minted> minted_for(const std::string& service) {
  GSSKEY_TRY(auto ring, Keyring::install_thread());
  GSSKEY_TRY(auto key, request_key<key_type::User>("gss:" + service, "20", ring));
  auto payload = key.read();
  static_cast<void>(ring.unlink(key));  // it is good for one connection
  if (!payload) return unexpected(payload.error());
  std::size_t size = 0;
  for (const unsigned char byte : ByteView{*payload}.subview(0, 4)) size = size << 8 | byte;
  GSSKEY_TRY(auto token, SecretBytes::copy_of(ByteView{*payload}.subview(4, size)));
  GSSKEY_TRY(auto context, handoff::claim<mech::Krb5>(ByteView{*payload}.subview(4 + size), ring));
  return Minted{std::move(token), std::move(context)};
}

Result<void> say(SecurityContext<mech::Krb5>& context, SampleWire& wire, ByteView message) {
  GSSKEY_TRY(auto wrapped, context.wrap(message));
  const auto flags = FrameFlag::data | FrameFlag::wrapped | FrameFlag::encrypted | FrameFlag::send_mic;
  if (auto sent = wire.send_frame(flags, wrapped); !sent) return sent;
  GSSKEY_TRY(auto answer, wire.receive_frame());
  return context.verify_mic(message, answer.bytes);
}

Result<void> run(const char* host, const char* port, const char* service, char** messages) {
  GSSKEY_TRY(auto minted, minted_for(std::string{service} + '@' + host));
  GSSKEY_TRY(auto socket, connect_to(host, port));
  SampleWire wire{socket.get()};
  if (auto hello = wire.send_frame(FrameFlag::noop | FrameFlag::context_next, {}); !hello) return hello;
  if (auto sent = wire.send(minted.token); !sent) return sent;  // and nothing comes back
  print(minted.context);
  for (; *messages != nullptr; ++messages) {
    const std::string_view message = *messages;
    if (auto said = say(minted.context, wire, message); !said) return said;
    std::cout << "message received, the server's MIC is right\n";
  }
  return wire.send_frame(FrameFlag::noop, {});
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 5) {
    std::cerr << "usage: gss_key_client HOST PORT SERVICE MESSAGE...\n";
    return 2;
  }
  const auto done = run(argv[1], argv[2], argv[3], argv + 4);
  if (done) return 0;
  std::cerr << "gss_key_client: " << in_words(done.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "gss_key_client: " << failure.what() << '\n';
  return 1;
}
