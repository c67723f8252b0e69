// examples/beast_server: on Boost.Beast, a page for those who log in with Kerberos, and a cookie for what else they ask
// for. Without TLS: examples/http_server shows how a login and its cookie are bound to that. The key of HTTP/HOST must
// be in the keytab (KRB5_KTNAME).
//
//   beast_server PORT HOST [--allow PRINCIPAL]...     port 0: a free one; without --allow: whoever has logged in
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/http/session.hpp>
#include <gsskey/keyring.hpp>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include "allow.hpp"
#include "asio_accept.hpp"
#include "print.hpp"

namespace beast = boost::beast;
namespace http = beast::http;
using namespace gsskey;
using asio::ip::tcp;
using mech::Spnego;

namespace {

using Response = http::response<http::string_body>;

struct Service {
  Credential<Spnego, Accept> key;
  example::AllowList allowed;
  HttpSessions sessions;
  asio::thread_pool pool{2};
};

/// All fields of one name: Beast's operator[] gives the first, and whoever reads the others would see another login.
std::string all_of(const http::fields& head, http::field name, const char* between = ", ") {
  std::string values;
  const auto [first, last] = head.equal_range(name);
  for (auto field = first; field != last; ++field) {
    values.append(values.empty() ? "" : between).append(field->value().data(), field->value().size());
  }
  return values;
}

Response page_for(const Name& peer, const Service& service) {
  if (const auto admitted = service.allowed.admit(peer); !admitted) {
    std::cerr << "beast_server: 403 " << example::in_words(admitted.error()) << std::endl;
    return {http::status::forbidden, 11, "Not you.\n"};
  }
  return {http::status::ok, 11, "Hello " + example::name_or(peer, "whoever") + "\n"};
}

Response welcome(const HttpAnswer<Spnego>& login, const Service& service) {
  Response reply = page_for(login.peer, service);
  if (reply.result() == http::status::ok) {
    const auto cookie = service.sessions.issue(login);
    if (cookie) reply.set(http::field::set_cookie, *cookie);
    if (!cookie) std::cerr << "beast_server: no session: " << example::in_words(cookie.error()) << std::endl;
  }
  if (!login.www_authenticate.empty()) reply.set(http::field::www_authenticate, login.www_authenticate);
  return reply;
}

Response turn_away(const HttpRefusal& refusal) {
  if (!refusal.is_challenge) {
    std::cerr << "beast_server: " << refusal.status << ' ' << example::in_words(refusal.error) << std::endl;
  }
  Response reply{http::int_to_status(static_cast<unsigned>(refusal.status)), 11,
                 refusal.is_challenge ? "Who are you?\n" : "No.\n"};
  if (!refusal.www_authenticate.empty()) reply.set(http::field::www_authenticate, refusal.www_authenticate);
  return reply;
}

asio::awaitable<void> session(beast::tcp_stream stream, Service& service) {
  HttpAcceptor<Spnego> acceptor{service.key};
  const auto offload = offload_to(service.pool);
  beast::flat_buffer received;
  for (bool goes_on = true; goes_on;) {  // the requests of one connection
    http::request_parser<http::empty_body> request;
    request.header_limit(0xffff);  // a field of 64 KiB would be an exception out of run()
    stream.expires_after(std::chrono::seconds{30});
    co_await http::async_read_header(stream, received, request, asio::use_awaitable);
    Response reply;
    if (const auto known = service.sessions.open(all_of(request.get(), http::field::cookie, "; "))) {
      const auto peer = Name::principal(known->peer);
      reply = peer ? page_for(*peer, service) : Response{http::status::forbidden, 11, "Not you.\n"};
    } else {  // steps may block: the job owns what it works on, and gives it back
      auto judge = [owned = std::move(acceptor), said = all_of(request.get(), http::field::authorization)]() mutable {
        auto answer = owned.step(said);
        return std::pair{std::move(owned), std::move(answer)};
      };
      auto judged = co_await offload(std::move(judge));
      acceptor = std::move(judged.first);
      reply = judged.second ? welcome(*judged.second, service) : turn_away(judged.second.error());
    }
    // A body is not read, and would be taken for the next request; the page after HEAD for the next response.
    goes_on = request.keep_alive() && request.is_done() && request.get().method() != http::verb::head &&
              reply.result() != http::status::bad_request;
    reply.set(http::field::connection, goes_on ? "keep-alive" : "close");
    reply.prepare_payload();
    co_await http::async_write(stream, reply, asio::use_awaitable);
  }
}

asio::awaitable<void> accept(tcp::acceptor listener, Service& service) {
  const auto report = [](std::exception_ptr thrown) { example::print_thrown("beast_server", thrown); };
  while (true) {
    beast::tcp_stream stream{co_await example::next_connection(listener)};
    asio::co_spawn(listener.get_executor(), session(std::move(stream), service), report);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  auto allowed = example::allow_list("beast_server", argc, argv);
  if (argc != 3) return 2;
  const auto name = Name::host_service("HTTP", argv[2]);
  auto credential = name ? Credential<Spnego, Accept>::acquire(*name) : unexpected(name.error());
  const auto ring = Keyring::join_session();  // the sessions end with the server
  const auto sessions =
      ring ? HttpSessions::from_ring(*ring, argv[2], {.over_plain_http = true}) : unexpected(ring.error());
  if (!credential || !sessions) {
    std::cerr << "beast_server: " << example::in_words(credential ? sessions.error() : credential.error()) << '\n';
    return 1;
  }
  asio::io_context io;
  Service service{*std::move(credential), std::move(allowed), *sessions};  // ends before `io`
  asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&io](beast::error_code, int) { io.stop(); });
  tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))}};
  std::cout << "listening on 127.0.0.1:" << listener.local_endpoint().port() << std::endl;
  asio::co_spawn(io, accept(std::move(listener), service), [](std::exception_ptr thrown) {
    std::rethrow_exception(thrown);  // out of run(): accept() ends in no other way
  });
  io.run();
} catch (const std::exception& failure) {  // Asio throws: the port is taken, memory is short
  std::cerr << "beast_server: " << failure.what() << '\n';
  return 1;
}
