// tests/interop/postgres_server: as much of a PostgreSQL server as psql needs to log in by GSS-API and to be answered,
// encrypted or not. One connection.
//
//   postgres_server [--any]    what the context must grant: by default, or nothing
// SPDX-License-Identifier: MIT
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/fd_stream.hpp>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;

namespace {

constexpr std::uint32_t protocol_3 = 3u << 16, encryption_request = 80877104;
constexpr std::uint32_t login_ok = 0, login_by_gss = 7, login_goes_on = 8;

std::string number(std::uint32_t value) {
  const auto header = FrameHeader::of(value);
  return std::string{ByteView{header.bytes}.text()};
}
/// The length counts itself.
std::string message(char type, std::string_view body) {
  return type + number(static_cast<std::uint32_t>(FrameHeader::size + body.size())) + std::string{body};
}

/// What comes behind a length that counts itself.
template <class Stream>
std::string read_body(Stream& stream) {
  FrameHeader header;
  asio::read(stream, asio::buffer(header.bytes));
  const std::uint32_t length = header.length();
  if (length < FrameHeader::size || length > 1u << 20) throw std::runtime_error{"a length that cannot be"};
  std::string body(length - FrameHeader::size, '\0');
  asio::read(stream, asio::buffer(body));
  return body;
}
template <class Stream>
std::pair<char, std::string> read_message(Stream& stream) {
  char type = 0;
  asio::read(stream, asio::buffer(&type, 1));
  return {type, read_body(stream)};
}
/// The protocol's version, or what is asked for before.
template <class Stream>
std::uint32_t read_startup(Stream& stream) {
  const std::string body = read_body(stream);
  if (body.size() < FrameHeader::size) throw std::runtime_error{"a startup message without a version"};
  FrameHeader code;
  std::copy_n(body.begin(), FrameHeader::size, code.bytes);
  return code.length();
}

/// Tokens in messages about the login.
struct LoginTransport {
  tcp::socket* socket;

  Result<void> send(ByteView token) {
    asio::write(*socket, asio::buffer(message('R', number(login_goes_on) + std::string{token.text()})));
    return {};
  }
  Result<std::string> receive(std::size_t) {
    auto [type, token] = read_message(*socket);
    if (type != 'p') return unexpected(Error::transport("receive", EPROTO));
    return std::move(token);
  }
};

SecurityContext<mech::Krb5> established(Result<SecurityContext<mech::Krb5>> context) {
  if (!context) throw std::runtime_error{example::in_words(context.error())};
  example::print(*context);
  return *std::move(context);
}

/// After the login: every query is answered with itself, in a row of one text.
template <class Stream>
void answer(Stream& stream, std::string_view how) {
  using namespace std::string_literals;
  const std::string ready = message('Z', "I");
  const std::string fields = "\0\1query\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"s;
  asio::write(stream, asio::buffer(message('R', number(login_ok)) + ready));
  while (true) {
    const auto [type, body] = read_message(stream);
    if (type == 'X') return;
    const std::string query = body.c_str();
    std::cout << "query of " << query.size() << " bytes, " << how << '\n';
    const std::string row = "\0\1"s + number(static_cast<std::uint32_t>(query.size())) + query;
    asio::write(stream, asio::buffer(message('T', fields) + message('D', row) + message('C', "SELECT 1\0"s) + ready));
  }
}

void serve(tcp::socket socket, const AcceptorOptions<mech::Krb5>& options) {
  Acceptor<mech::Krb5> acceptor{options};
  if (read_startup(socket) == encryption_request) {
    asio::write(socket, asio::buffer("G", 1));
    FdStream stream{socket.native_handle()};
    auto context = established(drive(std::move(acceptor), FramedTransport{stream}));
    SecureStream secure{std::move(socket), std::move(context)};
    if (read_startup(secure) == protocol_3) answer(secure, "encrypted");
  } else {
    asio::write(socket, asio::buffer(message('R', number(login_by_gss))));
    static_cast<void>(established(drive(std::move(acceptor), LoginTransport{&socket})));
    answer(socket, "in the clear");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    AcceptorOptions<mech::Krb5> options;
    if (argc == 2 && std::string_view{argv[1]} == "--any") options.demand = {};
    asio::io_context io;
    tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), 0}};
    std::cout << "listening on 127.0.0.1:" << listener.local_endpoint().port() << std::endl;
    serve(listener.accept(), options);
  } catch (const std::exception& failure) {
    std::cout << "postgres_server: " << failure.what() << '\n';
    return EXIT_FAILURE;
  }
}
