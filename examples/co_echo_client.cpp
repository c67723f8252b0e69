// examples/co_echo_client: sends a line to examples/co_echo_server and prints what comes back, in a coroutine.
//
//   co_echo_client [--openssl] [--times COUNT] HOST PORT SERVICE MESSAGE
//
// --openssl: a MessageProtector instead of a SecurityContext. --times: so often, one after the other, and how fast.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/messages/take_over.hpp>

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;

namespace {

template <class Context>
asio::awaitable<Result<void>> talk(char** arguments, long times, asio::thread_pool& pool) {
  const char* const host = arguments[0];
  // g++ 12 wants every awaited value bound to a name.
  tcp::resolver resolver{co_await asio::this_coro::executor};
  auto addresses = co_await resolver.async_resolve(host, arguments[1], asio::use_awaitable);
  tcp::socket socket{resolver.get_executor()};
  auto address = co_await asio::async_connect(socket, addresses, asio::use_awaitable);
  static_cast<void>(address);
  socket.set_option(tcp::no_delay{true});

  auto target = Name::host_service(arguments[2], host);
  if (!target) co_return Result<void>{unexpected(target.error())};
  // The first step gets a ticket from the KDC, if there is none yet: on the pool it holds up nobody else.
  auto initiator = establish_as<Context>(Initiator<mech::Krb5>{*std::move(target)});
  auto context = co_await async_handshake(std::move(initiator), socket, offload_to(pool), asio::use_awaitable);
  if (!context) co_return Result<void>{unexpected(context.error())};
  example::print(*context);

  SecureStream stream{std::move(socket), *std::move(context)};
  const std::string line = std::string{arguments[3]} + '\n';
  std::string answer;
  const auto start = std::chrono::steady_clock::now();
  for (long time = 0; time < times; ++time) {
    answer.clear();
    std::size_t size = co_await asio::async_write(stream, asio::buffer(line), asio::use_awaitable);
    size = co_await asio::async_read_until(stream, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
    answer.resize(size - 1);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  std::cout << "echo " << example::quoted(answer) << '\n';
  if (times > 1) {
    const double mebibytes = static_cast<double>(line.size()) * static_cast<double>(times) / (1 << 20);
    std::cout << static_cast<double>(times) / elapsed.count() << " echoes/s, " << mebibytes / elapsed.count()
              << " MiB/s each way\n";
  }
  co_return Result<void>{};
}

}  // namespace

int main(int argc, char** argv) try {
  bool with_openssl = false;
  long times = 1;
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; ++at) {
    const std::string_view option = argv[at];
    if (option == "--openssl") {
      with_openssl = true;
    } else if (option == "--times" && at + 1 < argc) {
      times = std::atol(argv[++at]);
    } else {
      argc = 0;
    }
  }
  if (argc - at != 4 || times < 1) {
    std::cerr << "usage: co_echo_client [--openssl] [--times COUNT] HOST PORT SERVICE MESSAGE\n";
    return 2;
  }
  const auto run = with_openssl ? talk<MessageProtector> : talk<SecurityContext<mech::Krb5>>;
  asio::io_context io;
  asio::thread_pool pool{1};
  auto talked = asio::co_spawn(io, run(argv + at, times, pool), asio::use_future);
  io.run();
  const auto done = talked.get();
  if (done) return 0;
  std::cerr << "co_echo_client: " << example::in_words(done.error()) << '\n';
  return 1;
} catch (const std::exception& failure) {  // Asio throws, and memory may be short
  std::cerr << "co_echo_client: " << failure.what() << '\n';
  return 1;
}
