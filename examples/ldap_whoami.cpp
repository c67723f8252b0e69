// examples/ldap_whoami: logs in to an LDAP server with a ticket, by SASL's GSSAPI or GSS-SPNEGO, and asks it who that
// was (RFC 4532), under the layer that was negotiated. Its server is OpenLDAP's slapd.
//
//   ldap_whoami [--spnego] HOST PORT
//
// SPDX-License-Identifier: MIT
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

// What LDAP needs of BER (RFC 4511): an element is a tag, a length and the content.
std::string element(int tag, std::string_view content) {
  std::string length;
  for (std::size_t rest = content.size(); rest != 0; rest >>= 8) length.insert(0, 1, static_cast<char>(rest & 0xff));
  if (content.size() > 0x7f) length.insert(0, 1, static_cast<char>(0x80 | length.size()));
  if (content.empty()) length = "\0"sv;
  return static_cast<char>(tag) + length.append(content);
}

struct Element {
  int tag;
  std::string content;
};
Error malformed() { return Error::transport("ldap_whoami", EPROTO, "the server's message is none of LDAP"); }

/// The next element of `source`, which has read(): a stream, or Bytes.
template <class Source>
Result<Element> take(Source& source) {
  constexpr std::size_t max_size = 1 << 20;
  std::array<unsigned char, 4> header{};
  GSSKEY_TRY_VOID(source.read(header.data(), 2));
  const int tag = header[0];
  std::size_t size = header[1];
  if (size > 0x7f) {
    const std::size_t octets = size & 0x7f;
    if (octets == 0 || octets > header.size()) return unexpected(malformed());
    GSSKEY_TRY_VOID(source.read(header.data(), octets));
    size = 0;
    for (std::size_t at = 0; at < octets; ++at) size = size << 8 | header[at];
  }
  if (size > max_size) return unexpected(malformed());
  std::string content(size, '\0');
  GSSKEY_TRY_VOID(source.read(content.data(), size));
  return Element{tag, std::move(content)};
}
struct Bytes {
  std::string_view rest;

  Result<void> read(void* to, std::size_t size) {
    if (size > rest.size()) return unexpected(malformed());
    rest.copy(static_cast<char*>(to), size);
    rest.remove_prefix(size);
    return {};
  }
};

struct Answer {
  int code = 0;
  std::string words = {};
  std::string credentials = {};  ///< empty or missing: servers do not tell them apart
  std::string value = {};
};
Error refused(const Answer& answer) {
  return Error::policy("ldap_whoami", 0, "the server refuses")
      .with_text("the server refuses, ", std::to_string(answer.code), ": ", example::quoted(answer.words));
}

/// Sends a request, and reads its answer.
template <class Stream>
Result<Answer> ask(Stream& stream, char number, const std::string& request) {
  GSSKEY_TRY_VOID(stream.write(element(0x30, element(0x02, {&number, 1}) + request)));
  GSSKEY_TRY(const auto message, take(stream));
  Bytes fields{message.content};
  GSSKEY_TRY_VOID(take(fields));  // the number
  GSSKEY_TRY(const auto operation, take(fields));
  fields.rest = operation.content;
  GSSKEY_TRY(const auto code, take(fields));
  GSSKEY_TRY_VOID(take(fields));  // matchedDN
  GSSKEY_TRY(auto words, take(fields));
  if (code.content.size() != 1) return unexpected(malformed());
  Answer answer{.code = static_cast<unsigned char>(code.content[0]), .words = std::move(words.content)};
  while (!fields.rest.empty()) {
    GSSKEY_TRY(auto field, take(fields));
    if (field.tag == 0x87) answer.credentials = std::move(field.content);
    if (field.tag == 0x8b) answer.value = std::move(field.content);
  }
  return answer;
}

std::string bind_request(std::string_view mechanism, ByteView response) {
  const std::string sasl = element(0x04, mechanism) + element(0x04, response.text());
  return element(0x60, element(0x02, "\3") + element(0x04, "") + element(0xa3, sasl));
}

template <class Mech>
Result<sasl::Session<typename Mech::Gss>> log_in(FdStream& wire, sasl::Client<Mech> client) {
  constexpr int success = 0;
  constexpr int in_progress = 14;
  GSSKEY_TRY(auto response, client.step());
  for (char number = 1;; ++number) {
    GSSKEY_TRY(const auto answer, ask(wire, number, bind_request(Mech::name, *response)));
    if (answer.code != success && answer.code != in_progress) return unexpected(refused(answer));
    const bool is_over = answer.code == success;
    // GSS-SPNEGO's last token comes with the success.
    if (!is_over || !answer.credentials.empty()) {
      GSSKEY_TRY(response, client.step(ByteView{answer.credentials}));
    }
    if (is_over) return std::move(client).establish();  // an error, if it is not complete
  }
}

template <class Mech>
Result<void> run(const char* host, const char* port) {
  GSSKEY_TRY(auto target, Name::host_service("ldap", host));
  GSSKEY_TRY(const auto credential, Credential<typename Mech::Gss, Initiate>::acquire_default());
  GSSKEY_TRY(const auto socket, example::connect_to(host, port));
  FdStream wire{socket.get()};
  wire.expires_after(10s);
  GSSKEY_TRY(auto session, log_in(wire, sasl::Client<Mech>{std::move(target), credential}));
  std::cout << "logged in to " << example::name_or(session.peer, "the server") << ", with a layer of " << session.ssf
            << " bits\n";

  SecureFdStream stream{socket.get(), std::move(session.context), session.layer};
  stream.expires_after(10s);
  GSSKEY_TRY(const auto answer, ask(stream, 1, element(0x77, element(0x80, "1.3.6.1.4.1.4203.1.11.3"))));
  if (answer.code != 0) return unexpected(refused(answer));
  std::cout << example::quoted(answer.value) << '\n';
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  const bool negotiates = argc > 1 && std::string_view{argv[1]} == "--spnego";
  if (argc != (negotiates ? 4 : 3)) {
    std::cerr << "usage: ldap_whoami [--spnego] HOST PORT\n";
    return 2;
  }
  const auto done = negotiates ? run<sasl::GssSpnego>(argv[2], argv[3]) : run<sasl::Gssapi>(argv[1], argv[2]);
  if (done) return 0;
  std::cerr << "ldap_whoami: " << example::in_words(done.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "ldap_whoami: " << failure.what() << '\n';
  return 1;
}
