// examples/http_server: a page for those who log in with Kerberos, over HTTP/1.1, in coroutines.
//
//   http_server PORT HOST                              port 0: a free one
//   http_server PORT HOST CERTIFICATE KEY [--bound]    over TLS, and the logins are bound to the certificate (RFC 5929)
//               [--allow PRINCIPAL]...                 without: whoever has logged in
//
// The key of HTTP/HOST must be in the keytab (KRB5_KTNAME). curl --negotiate -u : http://HOST:PORT/ logs in; with
// --cookie-jar once, for what else it asks for until the ticket ends. Who binds
// to another certificate is refused, and with --bound who binds to none, as curl does (not on Heimdal, which cannot
// tell). SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/http/session.hpp>
#include <gsskey/keyring.hpp>
#include <gsskey/tls/channel_bindings.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/signal_set.hpp>
#include <asio/thread_pool.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "allow.hpp"
#include "asio_accept.hpp"
#include "http_text.hpp"
#include "http_tls.hpp"
#include "print.hpp"

using namespace gsskey;
using asio::ip::tcp;
using mech::Spnego;

namespace {

struct Service {
  Credential<Spnego, Accept> key;
  std::optional<asio::ssl::context> tls;
  ContextFlags demand;
  example::AllowList allowed;
  HttpSessions sessions;
  asio::thread_pool pool{2};
};

/// What a response has beside its page.
struct Fields {
  std::string www_authenticate;
  std::string set_cookie;
};
std::string page_for(const Name& peer, const Service& service, const Fields& fields, bool goes_on) {
  if (auto admitted = service.allowed.admit(peer); !admitted) {
    std::cerr << "http_server: 403 " << example::in_words(admitted.error()) << std::endl;
    return example::response("403 Forbidden", fields.www_authenticate, goes_on, "Not you.\n");
  }
  const std::string name = example::name_or(peer, "whoever");
  return example::response("200 OK", fields.www_authenticate, goes_on, "Hello " + name + "\n", fields.set_cookie);
}

template <class Stream>
asio::awaitable<void> session(Stream stream, Service& service, ChannelBindings bindings) {
  HttpAcceptor<Spnego> acceptor{service.key, {.handshake = {.demand = service.demand, .bindings = bindings}}};
  const auto offload = offload_to(service.pool);
  std::string received;
  while (true) {  // the requests of one connection
    const std::size_t size = co_await asio::async_read_until(stream, asio::dynamic_buffer(received, 128 * 1024),
                                                             "\r\n\r\n", asio::use_awaitable);
    const std::string head = received.substr(0, size);
    received.erase(0, size);
    std::string reply;
    bool goes_on = example::goes_on_after(head);
    if (const auto session = service.sessions.open(example::field_in(head, "Cookie"), bindings)) {
      const auto peer = Name::principal(session->peer);
      reply =
          peer ? page_for(*peer, service, {}, goes_on) : example::response("403 Forbidden", {}, goes_on, "Not you.\n");
      const std::size_t sent = co_await asio::async_write(stream, asio::buffer(reply), asio::use_awaitable);
      static_cast<void>(sent);
      if (!goes_on) co_return;
      continue;
    }
    // It owns what it works on and gives it back; g++ 12 wants it named.
    auto judge = [owned = std::move(acceptor), authorization = example::field_in(head, "Authorization")]() mutable {
      auto answer = owned.step(authorization);
      return std::pair{std::move(owned), std::move(answer)};
    };
    auto judged = co_await offload(std::move(judge));
    acceptor = std::move(judged.first);
    const auto& answer = judged.second;

    if (!answer) {
      const HttpRefusal& refusal = answer.error();
      if (!refusal.is_challenge) {
        std::cerr << "http_server: " << refusal.status << ' ' << example::in_words(refusal.error) << std::endl;
      }
      const bool is_understood = refusal.status == 401;
      goes_on = goes_on && is_understood;
      reply = example::response(is_understood ? "401 Unauthorized" : "400 Bad Request", refusal.www_authenticate,
                                goes_on, refusal.is_challenge ? "Who are you?\n" : "No.\n");
    } else {
      const auto cookie = service.sessions.issue(*answer, bindings);
      if (!cookie) std::cerr << "http_server: no session: " << example::in_words(cookie.error()) << std::endl;
      reply = page_for(answer->peer, service, {answer->www_authenticate, cookie.value_or("")}, goes_on);
    }
    const std::size_t sent = co_await asio::async_write(stream, asio::buffer(reply), asio::use_awaitable);
    static_cast<void>(sent);
    if (!goes_on) co_return;
  }
}

asio::awaitable<void> accept_tls(tcp::socket socket, Service& service) {
  asio::ssl::stream<tcp::socket> stream{std::move(socket), *service.tls};
  co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
  const auto bindings = tls_server_end_point(stream.native_handle()).value();
  co_await session(std::move(stream), service, bindings);
}

void report(std::exception_ptr thrown) { example::print_thrown("http_server", thrown); }

asio::awaitable<void> accept(tcp::acceptor& listener, Service& service) {
  while (true) {
    auto socket = co_await example::next_connection(listener);
    auto served =
        service.tls ? accept_tls(std::move(socket), service) : session(std::move(socket), service, ChannelBindings{});
    asio::co_spawn(listener.get_executor(), std::move(served), report);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  auto allowed = example::allow_list("http_server", argc, argv);
  const bool bound = argc == 6 && std::string_view{argv[5]} == "--bound";
  if (argc != 3 && argc != 5 && !bound) return 2;
  const auto name = Name::host_service("HTTP", argv[2]);
  auto credential = name ? Credential<Spnego, Accept>::acquire(*name) : unexpected(name.error());
  if (!credential) {
    std::cerr << "http_server: " << example::in_words(credential.error()) << '\n';
    return 1;
  }
  // Here the sessions end with the server. In a ring of the service that its workers share they outlive each of them.
  const auto ring = Keyring::join_session();
  const auto sessions =
      ring ? HttpSessions::from_ring(*ring, argv[2], {.over_plain_http = argc == 3}) : unexpected(ring.error());
  if (!sessions) {
    std::cerr << "http_server: " << example::in_words(sessions.error()) << '\n';
    return 1;
  }
  asio::io_context io;
  // Ends before `io`.
  Service service{
      *std::move(credential), {}, bound ? ContextFlag::channel_bound : ContextFlags{}, std::move(allowed), *sessions};
  if (argc > 3) service.tls = example::tls_server(argv[3], argv[4]);
  asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&io](std::error_code, int) { io.stop(); });
  tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))}};
  std::cout << "listening on 127.0.0.1:" << listener.local_endpoint().port() << std::endl;
  int status = 0;
  asio::co_spawn(io, accept(listener, service), [&](std::exception_ptr thrown) {  // it ends in no other way
    report(thrown);
    status = 1;
    io.stop();
  });
  io.run();
  service.pool.join();
  return status;
} catch (const std::exception& failure) {  // Asio throws: the port is taken, a file cannot be read, memory is short
  std::cerr << "http_server: " << failure.what() << '\n';
  return 1;
}
