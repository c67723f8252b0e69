// examples/imap_login: logs in to an IMAP server with a ticket, by SASL's GSSAPI, and lists the mailboxes, under the
// layer that was negotiated. Its servers are Dovecot and examples/sasl_server.
//
//   imap_login [--without-layer] HOST PORT [SERVICE]      SERVICE: imap
//
// --without-layer: Dovecot has none. Whoever is on the way then reads everything, and changes it: for a connection that
// something else protects.
// SPDX-License-Identifier: MIT
#include <chrono>
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

#include "line.hpp"
#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using example::read_line;

namespace {

Error refused(const std::string& line) {
  return Error::policy("imap_login", 0, "the server refuses").with_text("the server says ", example::quoted(line));
}

Result<sasl::Session<mech::Krb5>> log_in(FdStream& wire, sasl::Client<sasl::Gssapi> client) {
  GSSKEY_TRY_VOID(wire.write("a AUTHENTICATE GSSAPI\r\n"));
  while (true) {
    GSSKEY_TRY(const auto line, read_line(wire));
    if (line.starts_with("a OK")) return std::move(client).establish();  // an error, if it is not complete
    if (!line.starts_with("+ ")) return unexpected(refused(line));
    GSSKEY_TRY(const auto challenge, sasl::from_line(std::string_view{line}.substr(2)));
    GSSKEY_TRY(const auto response, client.step(ByteView{challenge}));
    GSSKEY_TRY_VOID(wire.write(sasl::to_line(*response), "\r\n"));
  }
}

/// Prints what the server says to it.
template <class Stream>
Result<void> ask(Stream& stream, std::string_view tag, std::string_view command) {
  GSSKEY_TRY_VOID(stream.write(std::string{tag}.append(" ").append(command).append("\r\n")));
  while (true) {
    GSSKEY_TRY(const auto line, read_line(stream));
    if (line.starts_with(std::string{tag} + " OK")) return {};
    if (!line.starts_with("* ")) return unexpected(refused(line));
    std::cout << example::quoted(line) << '\n';
  }
}

Result<void> run(const char* host, const char* port, const char* service, bool without_layer) {
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  GSSKEY_TRY(const auto credential, Credential<mech::Krb5, Initiate>::acquire_default());
  GSSKEY_TRY(const auto socket, example::connect_to(host, port));
  FdStream wire{socket.get()};
  wire.expires_after(10s);
  GSSKEY_TRY(const auto greeting, read_line(wire));
  if (!greeting.starts_with("* OK")) return unexpected(refused(greeting));

  // Dovecot has a buffer for the layer that it has not.
  const sasl::ClientOptions options{.min_ssf = without_layer ? 0u : 1u, .ignore_unused_buffer = without_layer};
  sasl::Client<sasl::Gssapi> client{std::move(target), credential, options};
  GSSKEY_TRY(auto session, log_in(wire, std::move(client)));
  std::cout << "logged in to " << example::name_or(session.peer, "the server") << ", with a layer of " << session.ssf
            << " bits\n";
  SecureFdStream stream{socket.get(), std::move(session.context), session.layer};
  stream.expires_after(10s);
  GSSKEY_TRY_VOID(ask(stream, "b", R"(LIST "" "*")"));
  return ask(stream, "c", "LOGOUT");
}

}  // namespace

int main(int argc, char** argv) try {
  const bool without_layer = argc > 1 && std::string_view{argv[1]} == "--without-layer";
  char** const arguments = argv + (without_layer ? 2 : 1);
  const auto count = argv + argc - arguments;
  if (count != 2 && count != 3) {
    std::cerr << "usage: imap_login [--without-layer] HOST PORT [SERVICE]\n";
    return 2;
  }
  const auto done = run(arguments[0], arguments[1], count == 3 ? arguments[2] : "imap", without_layer);
  if (done) return 0;
  std::cerr << "imap_login: " << example::in_words(done.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "imap_login: " << failure.what() << '\n';
  return 1;
}
