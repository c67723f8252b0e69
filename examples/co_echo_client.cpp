// examples/co_echo_client: sends a line to examples/co_echo_server and prints what comes back, in a coroutine.
//
//   co_echo_client HOST PORT SERVICE MESSAGE
//
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/io/asio.hpp>
#include <gsskey/io/secure_stream.hpp>

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;

namespace {

asio::awaitable<Result<void>> talk(const char* host, const char* port, const char* service, std::string line,
                                   asio::thread_pool& pool) {
  // g++ 12 wants every awaited value bound to a name.
  tcp::resolver resolver{co_await asio::this_coro::executor};
  auto addresses = co_await resolver.async_resolve(host, port, asio::use_awaitable);
  tcp::socket socket{resolver.get_executor()};
  auto address = co_await asio::async_connect(socket, addresses, asio::use_awaitable);
  static_cast<void>(address);
  socket.set_option(tcp::no_delay{true});

  auto target = Name::host_service(service, host);
  if (!target) co_return Result<void>{unexpected(target.error())};
  // The first step gets a ticket from the KDC, if there is none yet: on the pool it holds up nobody else.
  auto context = co_await async_handshake(Initiator<mech::Krb5>{*std::move(target)}, socket, offload_to(pool),
                                          asio::use_awaitable);
  if (!context) co_return Result<void>{unexpected(context.error())};
  example::print(*context);

  SecureStream stream{std::move(socket), *std::move(context)};
  line += '\n';
  std::size_t size = co_await asio::async_write(stream, asio::buffer(line), asio::use_awaitable);
  std::string answer;
  size = co_await asio::async_read_until(stream, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
  std::cout << "echo " << example::quoted(std::string_view{answer}.substr(0, size - 1)) << '\n';
  co_return Result<void>{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: co_echo_client HOST PORT SERVICE MESSAGE\n";
    return 2;
  }
  try {
    asio::io_context io;
    asio::thread_pool pool{1};
    auto talked = asio::co_spawn(io, talk(argv[1], argv[2], argv[3], argv[4], pool), asio::use_future);
    io.run();
    const auto done = talked.get();
    if (done) return 0;
    std::cerr << "co_echo_client: " << example::in_words(done.error()) << '\n';
  } catch (const std::exception& failure) {  // Asio throws what is no error of ours
    std::cerr << "co_echo_client: " << failure.what() << '\n';
  }
  return 1;
}
