// examples/co_echo_server: an echo service in coroutines: one thread for all connections, others for the steps of
// handshakes, which may block.
//
//   co_echo_server [--openssl] [--allow PRINCIPAL]... PORT SERVICE HOST      port 0: a free one
//
// Without --allow: whoever has authenticated.
// With --openssl sessions are MessageProtectors instead of SecurityContexts: the peer cannot tell.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/messages/take_over.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>
#include <variant>

#include "allow.hpp"
#include "asio_accept.hpp"
#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;
using example::AllowList;
using example::in_words;

namespace {

template <class Context>
asio::awaitable<void> session(tcp::socket socket, CredentialRef<mech::Krb5, Accept> credential,
                              const AllowList& allowed, asio::thread_pool& pool) {
  using namespace asio::experimental::awaitable_operators;
  // Limits of time are the host's: whichever ends first cancels the other.
  asio::steady_timer deadline{socket.get_executor(), std::chrono::seconds{10}};
  AsioTransport wire{socket};
  auto acceptor = establish_as<Context>(Acceptor<mech::Krb5>{credential});
  auto first = co_await (drive<asio::awaitable>(std::move(acceptor), wire, offload_to(pool)) ||
                         deadline.async_wait(asio::use_awaitable));
  if (first.index() == 1) {
    std::cerr << "co_echo_server: a client was too slow\n";
    co_return;
  }
  auto context = std::get<0>(std::move(first));
  if (!context) {
    std::cerr << "co_echo_server: " << in_words(context.error()) << '\n';
    co_return;
  }
  example::print(*context);
  if (auto admitted = allowed.admit(*context); !admitted) {
    std::cerr << "co_echo_server: " << in_words(admitted.error()) << '\n';
    co_return;
  }

  // From here on an ordinary stream of Asio, whose bytes are encrypted on the wire.
  SecureStream stream{std::move(socket), *std::move(context)};
  char bytes[16384];
  while (true) {
    std::error_code code;
    const std::size_t size =
        co_await stream.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, code));
    if (code == asio::error::eof) co_return;
    if (code) {
      std::cerr << "co_echo_server: " << (stream.last_error() ? in_words(*stream.last_error()) : code.message())
                << '\n';
      co_return;
    }
    const std::size_t sent = co_await asio::async_write(stream, asio::buffer(bytes, size), asio::use_awaitable);
    static_cast<void>(sent);
  }
}

/// What a session throws, an Asio error mostly, ends that session only.
void report(std::exception_ptr thrown) { example::print_thrown("co_echo_server", thrown); }

template <class Context>
asio::awaitable<void> accept(tcp::acceptor& listener, CredentialRef<mech::Krb5, Accept> credential,
                             const AllowList& allowed, asio::thread_pool& pool) {
  while (true) {
    auto socket = co_await example::next_connection(listener);
    socket.set_option(tcp::no_delay{true});
    asio::co_spawn(listener.get_executor(), session<Context>(std::move(socket), credential, allowed, pool), report);
  }
}

template <class Context>
Result<int> serve(unsigned short port, const char* service, const char* host, const AllowList& allowed) {
  GSSKEY_TRY(auto name, Name::host_service(service, host));
  GSSKEY_TRY(auto credential, Credential<mech::Krb5, Accept>::acquire(name));

  asio::io_context io;
  asio::thread_pool pool{2};  // declared after what its steps borrow: the credential
  asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&io](std::error_code, int) { io.stop(); });
  tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), port}};
  std::cout << "listening on 127.0.0.1:" << listener.local_endpoint().port() << std::endl;
  int status = 0;
  asio::co_spawn(io, accept<Context>(listener, credential, allowed, pool), [&](std::exception_ptr thrown) {
    report(thrown);  // it ends in no other way
    status = 1;
    io.stop();
  });
  io.run();
  pool.join();
  return status;
}

}  // namespace

int main(int argc, char** argv) try {
  const AllowList allowed = example::allow_list("co_echo_server", argc, argv);
  const bool with_openssl = argc == 5 && std::string_view{argv[1]} == "--openssl";
  if (argc != 4 && !with_openssl) {
    std::cerr << "usage: co_echo_server [--openssl] [--allow PRINCIPAL]... PORT SERVICE HOST\n";
    return 2;
  }
  const auto run = with_openssl ? serve<MessageProtector> : serve<SecurityContext<mech::Krb5>>;
  const auto served =
      run(static_cast<unsigned short>(std::atoi(argv[argc - 3])), argv[argc - 2], argv[argc - 1], allowed);
  if (!served) std::cerr << "co_echo_server: " << in_words(served.error()) << '\n';
  return served ? *served : 1;
} catch (const std::exception& failure) {  // Asio throws: the port is taken, memory is short
  std::cerr << "co_echo_server: " << failure.what() << '\n';
  return 1;
}
