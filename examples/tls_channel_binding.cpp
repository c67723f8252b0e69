// examples/tls_channel_binding: Kerberos inside TLS. TLS protects the messages, Kerberos says who they are from, and
// the channel binding (RFC 9266) says that both have the same two ends: somebody between them, with a certificate that
// the client takes, gets the Kerberos tokens and can do nothing with them.
//
//   tls_channel_binding server CERTIFICATE KEY SERVICE HOST [--allow PRINCIPAL]...    one connection, one message
//   tls_channel_binding client AUTHORITY HOST PORT SERVICE MESSAGE [--unbound]
// SPDX-License-Identifier: MIT
#include <csignal>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/tls/channel_bindings.hpp>

#include "allow.hpp"
#include "print.hpp"
#include "socket.hpp"
#include "tls_stream.hpp"

using namespace gsskey;
using namespace example;

namespace {

using Krb5 = mech::Krb5;

Result<void> serve(char** argument, const AllowList& allowed) {
  const auto settings = TlsSettings::adopt(SSL_CTX_new(TLS_server_method()));
  if (SSL_CTX_use_certificate_chain_file(settings.get(), argument[0]) != 1 ||
      SSL_CTX_use_PrivateKey_file(settings.get(), argument[1], SSL_FILETYPE_PEM) != 1) {
    return unexpected(tls_error("SSL_CTX_use_PrivateKey_file"));
  }
  GSSKEY_TRY(auto name, Name::host_service(argument[2], argument[3]));
  GSSKEY_TRY(auto credential, Credential<Krb5, Accept>::acquire(name));
  GSSKEY_TRY(auto listener, listen_on_loopback(0));
  GSSKEY_TRY(auto port, port_of(listener));
  std::cout << "listening on 127.0.0.1:" << port << std::endl;
  GSSKEY_TRY(auto socket, accept_from(listener));

  TlsStream stream{settings, std::move(socket)};
  if (SSL_accept(stream.get()) != 1) return unexpected(tls_error("SSL_accept"));
  GSSKEY_TRY(auto bindings, tls_exporter(stream.get()));
  AcceptorOptions<Krb5> options{.bindings = bindings};
  // Without the demand, a client that binds to nothing would pass. Heimdal cannot tell: there, trust your clients.
  if (capabilities.channel_bound_flag) options.demand = options.demand | ContextFlag::channel_bound;
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context, drive(Acceptor<Krb5>{credential, options}, wire));
  print(context);
  if (auto admitted = allowed.admit(context); !admitted) return admitted;
  GSSKEY_TRY(auto message, wire.receive(65536));
  std::cout << "message " << quoted(message.text()) << '\n';
  return wire.send("read");
}

Result<void> connect(char** argument, bool bound) {
  const auto settings = TlsSettings::adopt(SSL_CTX_new(TLS_client_method()));
  if (SSL_CTX_load_verify_file(settings.get(), argument[0]) != 1) {
    return unexpected(tls_error("SSL_CTX_load_verify_file"));
  }
  SSL_CTX_set_verify(settings.get(), SSL_VERIFY_PEER, nullptr);
  GSSKEY_TRY(auto socket, connect_to(argument[1], argument[2]));
  TlsStream stream{settings, std::move(socket)};
  if (SSL_set1_host(stream.get(), argument[1]) != 1 || SSL_connect(stream.get()) != 1) {
    return unexpected(tls_error("SSL_connect"));
  }
  GSSKEY_TRY(auto bindings, tls_exporter(stream.get()));
  GSSKEY_TRY(auto target, Name::host_service(argument[3], argument[1]));
  FramedTransport wire{stream};
  GSSKEY_TRY(auto context,
             drive(Initiator<Krb5>{std::move(target), {.bindings = bound ? bindings : ChannelBindings{}}}, wire));
  print(context);
  if (auto sent = wire.send(std::string_view{argument[4]}); !sent) return sent;
  GSSKEY_TRY_VOID(wire.receive(16));
  std::cout << "message received\n";
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  const AllowList allowed = allow_list("server", argc, argv);
  const std::string_view role = argc > 1 ? argv[1] : "";
  const bool unbound = argc == 8 && std::string_view{argv[7]} == "--unbound";
  const bool serves = role == "server" && argc == 6;
  if (!serves && !(role == "client" && (argc == 7 || unbound))) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  const auto done = serves ? serve(argv + 2, allowed) : connect(argv + 2, !unbound);
  if (!done) std::cerr << role << ": " << in_words(done.error()) << '\n';
  return done ? 0 : 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "tls_channel_binding: " << failure.what() << '\n';
  return 1;
}
