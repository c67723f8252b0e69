// examples/sasl_server: as much of an IMAP server as a login by SASL's GSSAPI takes, and one empty mailbox. Its clients
// are examples/imap_login, gsasl, curl and whoever speaks SASL.
//
//   sasl_server [--without-layer] [--once] [--allow PRINCIPAL]... PORT SERVICE HOST      port 0: a free one
//
// --without-layer: clients that have none, as gsasl and curl, may log in too. Without --allow: whoever has
// authenticated. SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include "allow.hpp"
#include "line.hpp"
#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using example::AllowList;
using example::in_words;
using example::read_line;

namespace {

using Server = sasl::Server<sasl::Gssapi>;
using Session = sasl::Session<mech::Krb5>;

/// What stands before the first space, and behind it.
std::pair<std::string, std::string> cut(const std::string& text) {
  const auto space = std::min(text.find(' '), text.size());
  return {text.substr(0, space), text.substr(std::min(space + 1, text.size()))};
}

/// "tag NAME arguments"
struct Command {
  std::string tag, name, arguments;

  static Command parse(const std::string& line) {
    const auto [tag, rest] = cut(line);
    auto [name, arguments] = cut(rest);
    for (char& c : name) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return {tag, name, arguments};
  }
  [[nodiscard]] std::string answer(std::string_view words) const { return (tag + ' ').append(words).append("\r\n"); }
};

/// The exchange: what the client has said with the command, and then line by line.
Result<Session> log_in(FdStream& wire, std::string_view initial, Server server, const AllowList& allowed) {
  GSSKEY_TRY(auto response, sasl::from_initial_response(initial));
  while (true) {
    GSSKEY_TRY(const auto challenge, server.step(response));
    if (server.is_complete()) break;
    GSSKEY_TRY_VOID(wire.write("+ ", sasl::to_line(*challenge) + "\r\n"));
    GSSKEY_TRY(const auto line, read_line(wire));
    GSSKEY_TRY(response, sasl::from_line(line));
  }
  GSSKEY_TRY(auto session, std::move(server).establish());
  GSSKEY_TRY_VOID(allowed.admit(session.peer));
  return session;
}

/// Who has logged in looks around.
Result<void> serve(const Session& session, SecureFdStream<SecurityContext<mech::Krb5>> stream) {
  while (true) {
    stream.expires_after(10s);
    GSSKEY_TRY(const auto line, read_line(stream));
    const auto command = Command::parse(line);
    if (command.name == "LOGOUT") return stream.write("* BYE " + session.authzid + "\r\n", command.answer("OK"));
    const std::string_view said = command.name == "LIST"         ? "* LIST () \"/\" INBOX\r\n"
                                  : command.name == "CAPABILITY" ? "* CAPABILITY IMAP4rev1\r\n"
                                                                 : "";
    const bool is_known = !said.empty() || command.name == "NOOP";
    GSSKEY_TRY_VOID(stream.write(said, command.answer(is_known ? "OK" : "BAD no such command")));
  }
}

/// One connection, to its end.
Result<void> serve(int socket, CredentialRef<mech::Krb5, Accept> credential, const sasl::ServerOptions& options,
                   const AllowList& allowed) {
  FdStream wire{socket};
  wire.expires_after(10s);  // all of the login
  GSSKEY_TRY_VOID(wire.write("* OK IMAP4rev1\r\n"));
  while (true) {
    GSSKEY_TRY(const auto line, read_line(wire));
    const auto command = Command::parse(line);
    if (command.name == "CAPABILITY") {
      GSSKEY_TRY_VOID(wire.write("* CAPABILITY IMAP4rev1 SASL-IR LOGINDISABLED AUTH=GSSAPI\r\n", command.answer("OK")));
    } else if (const auto [mechanism, initial] = cut(command.arguments);
               command.name == "AUTHENTICATE" && mechanism == sasl::Gssapi::name) {
      auto session = log_in(wire, initial, Server{credential, options}, allowed);
      if (!session) {
        static_cast<void>(wire.write(command.answer("NO [AUTHENTICATIONFAILED]")));  // and no word of why
        return unexpected(session.error());
      }
      GSSKEY_TRY_VOID(wire.write(command.answer("OK")));
      std::cout << session->authzid << " has logged in, with a layer of " << session->ssf << " bits" << std::endl;
      SecureFdStream stream{socket, std::move(session->context), session->layer};
      return serve(*session, std::move(stream));
    } else if (command.name == "LOGOUT") {
      return wire.write("* BYE\r\n", command.answer("OK"));
    } else {
      GSSKEY_TRY_VOID(wire.write(command.answer("BAD log in first: AUTHENTICATE GSSAPI")));
    }
  }
}

Result<void> serve_all(std::uint16_t port, Name name, const sasl::ServerOptions& options, const AllowList& allowed,
                       bool once) {
  GSSKEY_TRY(const auto credential, Credential<mech::Krb5, Accept>::acquire(name));
  GSSKEY_TRY(const auto listener, example::listen_on_loopback(port));
  GSSKEY_TRY(const auto actual, example::port_of(listener));
  std::cout << "listening on 127.0.0.1:" << actual << std::endl;
  while (true) {
    GSSKEY_TRY(const auto socket, example::accept_from(listener));
    auto served = serve(socket.get(), credential, options, allowed);
    if (once) return served;
    if (!served) std::cerr << "sasl_server: " << in_words(served.error()) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const AllowList allowed = example::allow_list("sasl_server", argc, argv);
  sasl::ServerOptions options;
  bool once = false;
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--without-layer") {
      options.min_ssf = 0;
      options.ignore_unused_buffer = true;  // gsasl's client has one
    } else if (option == "--once") {
      once = true;
    } else {
      break;
    }
  }
  if (argc - at != 3) {
    std::cerr << "usage: sasl_server [--without-layer] [--once] [--allow PRINCIPAL]... PORT SERVICE HOST\n";
    return 2;
  }
  auto name = Name::host_service(argv[at + 1], argv[at + 2]);
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[at]));
  const auto served =
      name ? serve_all(port, *std::move(name), options, allowed, once) : Result<void>{unexpected(name.error())};
  if (served) return 0;
  std::cerr << "sasl_server: " << in_words(served.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "sasl_server: " << failure.what() << '\n';
  return 1;
}
