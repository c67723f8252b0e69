// examples/http_server: a page for those who log in with Kerberos, over HTTP/1.1, in coroutines.
//
//   http_server PORT HOST      port 0: a free one;   curl --negotiate -u : http://HOST:PORT/
//
// The key of HTTP/HOST must be in the keytab (KRB5_KTNAME). Who talks to browsers puts TLS around it, and the bindings
// of the TLS connection into HttpAcceptorOptions. SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/io/asio.hpp>
#include <gsskey/protocol/http_negotiate.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/signal_set.hpp>
#include <asio/thread_pool.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "http_text.hpp"
#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;
using mech::Spnego;
using HttpKey = CredentialRef<Spnego, Accept>;

namespace {

asio::awaitable<void> session(tcp::socket socket, HttpKey key, asio::thread_pool& pool) {
  HttpAcceptor<Spnego> acceptor{key};
  const auto offload = offload_to(pool);
  std::string received;
  while (true) {  // the requests of one connection
    const std::size_t size = co_await asio::async_read_until(socket, asio::dynamic_buffer(received, 128 * 1024),
                                                             "\r\n\r\n", asio::use_awaitable);
    HttpStepJob<Spnego> job{std::move(acceptor), example::authorization_in(std::string_view{received}.substr(0, size))};
    received.erase(0, size);
    auto judged = co_await offload(std::move(job));
    acceptor = std::move(judged.acceptor);

    std::string reply;
    bool goes_on = true;
    if (!judged.answer) {
      const HttpRefusal& refusal = judged.answer.error();
      std::cerr << "http_server: " << refusal.status << ' ' << example::in_words(refusal.error) << std::endl;
      goes_on = refusal.status == 401;
      reply = example::response(goes_on ? "401 Unauthorized" : "400 Bad Request", refusal.www_authenticate, "No.\n");
    } else if (!judged.answer->context) {
      reply = example::response("401 Unauthorized", judged.answer->www_authenticate, "Who are you?\n");
    } else {
      const auto info = judged.answer->context->inquire();
      const std::string name = info ? example::name_or(info->initiator, "whoever") : "whoever";
      reply = example::response("200 OK", judged.answer->www_authenticate, "Hello " + name + "\n");
    }
    const std::size_t sent = co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
    static_cast<void>(sent);
    if (!goes_on) co_return;
  }
}

void report(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const std::exception& failure) {  // the end of a connection, mostly
    std::cerr << "http_server: " << failure.what() << std::endl;
  }
}

asio::awaitable<void> accept(tcp::acceptor& listener, HttpKey key, asio::thread_pool& pool) {
  while (true) {
    auto socket = co_await listener.async_accept(asio::use_awaitable);
    asio::co_spawn(listener.get_executor(), session(std::move(socket), key, pool), report);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: http_server PORT HOST\n";
    return 2;
  }
  auto name = Name::host_service("HTTP", argv[2]);
  auto credential = name ? Credential<Spnego, Accept>::acquire(*name) : unexpected(name.error());
  if (!credential) {
    std::cerr << "http_server: " << example::in_words(credential.error()) << '\n';
    return 1;
  }
  asio::io_context io;
  asio::thread_pool pool{2};  // declared after `io`: it ends first
  asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&io](std::error_code, int) { io.stop(); });
  tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))}};
  std::cout << "listening on 127.0.0.1:" << listener.local_endpoint().port() << std::endl;
  asio::co_spawn(io, accept(listener, *credential, pool), report);
  io.run();
  pool.join();
  return 0;
}
