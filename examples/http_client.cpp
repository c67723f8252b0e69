// examples/http_client: fetches a page that Kerberos protects, over HTTP/1.1, in a coroutine. The server too proves who
// it is.
//
//   http_client HOST PORT [AUTHORITY [--unbound]]
//
// With AUTHORITY, a file of certificates, over TLS, and the login is bound to the server's certificate (RFC 5929).
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/tls/channel_bindings.hpp>

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "http_text.hpp"
#include "http_tls.hpp"
#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;
using mech::Spnego;

namespace {

struct Response {
  std::string head;
  std::string body;
};

template <class Stream>
asio::awaitable<Response> ask(Stream& stream, std::string request) {
  std::size_t count = co_await asio::async_write(stream, asio::buffer(request), asio::use_awaitable);
  std::string text;
  auto room = asio::dynamic_buffer(text, 1024 * 1024);
  const std::size_t head = co_await asio::async_read_until(stream, room, "\r\n\r\n", asio::use_awaitable);
  const std::size_t size = head + example::body_size(text.substr(0, head));
  if (size > text.size()) {
    const auto rest = asio::transfer_exactly(size - text.size());
    count = co_await asio::async_read(stream, room, rest, asio::use_awaitable);
  }
  static_cast<void>(count);
  co_return Response{text.substr(0, head), text.substr(head)};
}

template <class Stream>
asio::awaitable<Result<void>> fetch(Stream stream, const char* host, ChannelBindings bindings,
                                    asio::thread_pool& pool) {
  auto target = Name::host_service("HTTP", host);
  if (!target) co_return Result<void>{unexpected(target.error())};
  HttpInitiator<Spnego> initiator{Initiator<Spnego>{*std::move(target), {.bindings = bindings}}};
  const auto offload = offload_to(pool);
  auto response = co_await ask(stream, example::request(host, {}));
  while (example::status_of(response.head) == "401") {  // all of a handshake goes over one connection
    // It asks the KDC, so not on this thread. It owns what it works on and gives it back; g++ 12 wants it named.
    auto authorize = [owned = std::move(initiator),
                      challenge = example::field_in(response.head, "WWW-Authenticate")]() mutable {
      auto authorization = owned.authorize(challenge);
      return std::pair{std::move(owned), std::move(authorization)};
    };
    auto authorized = co_await offload(std::move(authorize));
    initiator = std::move(authorized.first);
    if (!authorized.second) co_return Result<void>{unexpected(authorized.second.error())};
    response = co_await ask(stream, example::request(host, *authorized.second));
  }
  // Before this, who answered may not be the server that the ticket is for: not a word of the page is to be used.
  const std::string proof = example::field_in(response.head, "WWW-Authenticate");
  auto context = std::move(initiator).establish(proof);
  if (!context) co_return Result<void>{unexpected(context.error())};
  example::print(*context);
  std::cout << "status " << example::status_of(response.head) << '\n' << response.body;
  co_return Result<void>{};
}

asio::awaitable<Result<void>> visit(const char* host, const char* port, const char* authority, bool unbound,
                                    asio::thread_pool& pool) {
  tcp::resolver resolver{co_await asio::this_coro::executor};
  auto addresses = co_await resolver.async_resolve(host, port, asio::use_awaitable);
  tcp::socket socket{resolver.get_executor()};
  auto address = co_await asio::async_connect(socket, addresses, asio::use_awaitable);
  static_cast<void>(address);
  if (authority == nullptr) {
    const ChannelBindings none;
    auto fetched = co_await fetch(std::move(socket), host, none, pool);
    co_return fetched;
  }
  auto settings = example::tls_client(authority, host);
  asio::ssl::stream<tcp::socket> stream{std::move(socket), settings};
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  auto bindings = unbound ? ChannelBindings{} : tls_server_end_point(stream.native_handle());
  if (!bindings) co_return Result<void>{unexpected(bindings.error())};
  auto fetched = co_await fetch(std::move(stream), host, *bindings, pool);
  co_return fetched;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool unbound = argc == 5 && std::string_view{argv[4]} == "--unbound";
  if (argc < 3 || argc > 5 || (argc == 5 && !unbound)) return 2;
  asio::io_context io;
  asio::thread_pool pool{1};
  auto visited = asio::co_spawn(io, visit(argv[1], argv[2], argv[3], unbound, pool), asio::use_future);
  io.run();
  const auto done = visited.get();
  if (done) return 0;
  std::cerr << "http_client: " << example::in_words(done.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // Asio throws, and memory may be short
  std::cerr << "http_client: " << failure.what() << '\n';
  return 1;
}
