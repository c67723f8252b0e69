// TLS of Asio and SecureStream, one over the other: a login that is bound to the certificate, bytes both ways, how it
// ends, and a read that is cancelled.
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/tls/channel_bindings.hpp>

#include <asio/ssl/context.hpp>
#include <asio/ssl/error.hpp>
#include <asio/ssl/stream.hpp>

#include <cstddef>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;
using support::Rethrow;
using support::Socket;
using support::Sockets;
using support::some_text;

namespace {

using Context = SecurityContext<mech::Krb5>;
using Tls = asio::ssl::stream<Socket>;
using SecureOverTls = SecureStream<Tls, Context>;
using TlsOverSecure = asio::ssl::stream<SecureStream<Socket, Context>>;

static_assert(std::is_same_v<SecureOverTls::lowest_layer_type, Socket::lowest_layer_type>);
static_assert(std::is_same_v<TlsOverSecure::lowest_layer_type, Socket::lowest_layer_type>);

/// What both ends of TLS need.
struct Settings {
  support::Certificates certificates;
  asio::ssl::context server{asio::ssl::context::tls_server};
  asio::ssl::context client{asio::ssl::context::tls_client};

  Settings() {
    certificates.make("server");
    server.use_certificate_chain_file(certificates.path("server.pem"));
    server.use_private_key_file(certificates.path("server.key"), asio::ssl::context::pem);
    client.load_verify_file(certificates.path("server.pem"));
    client.set_verify_mode(asio::ssl::verify_peer);
  }
};
Settings& settings() {
  static Settings both;
  return both;
}

/// Both ends of TLS, over two streams that are connected.
template <class Below>
struct TlsEnds {
  asio::ssl::stream<Below> client;
  asio::ssl::stream<Below> server;

  TlsEnds(Below ours, Below theirs)
      : client{std::move(ours), settings().client}, server{std::move(theirs), settings().server} {
    std::thread accepting{[this] { server.handshake(asio::ssl::stream_base::server); }};
    client.handshake(asio::ssl::stream_base::client);
    accepting.join();
  }
};

/// Writes `text`, reads it back, and ends the connection as TLS has it, or without a word.
template <class Stream, class Ssl>
asio::awaitable<void> ask(Stream& stream, Ssl& tls, bool says_goodbye) {
  const auto text = some_text(100'000);
  std::string answer(text.size(), '\0');
  const std::size_t written = co_await asio::async_write(stream, asio::buffer(text), asio::use_awaitable);
  const std::size_t read = co_await asio::async_read(stream, asio::buffer(answer), asio::use_awaitable);
  CHECK((written == text.size() && read == text.size()));
  CHECK(answer == text);
  AsioErrorCode ignored;
  if (says_goodbye) {
    co_await tls.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
  } else {
    tls.lowest_layer().shutdown(Socket::shutdown_both);
  }
}

/// Gives back what comes, when all has come; says how it ended.
template <class Stream>
asio::awaitable<AsioErrorCode> echo(Stream& stream) {
  std::string text(100'000, '\0');
  const std::size_t read = co_await asio::async_read(stream, asio::buffer(text), asio::use_awaitable);
  const std::size_t written = co_await asio::async_write(stream, asio::buffer(text), asio::use_awaitable);
  CHECK((written == text.size() && read == text.size()));
  AsioErrorCode code;
  const std::size_t more =
      co_await stream.async_read_some(asio::buffer(text), asio::redirect_error(asio::use_awaitable, code));
  CHECK(more == 0);
  co_return code;
}

AsioErrorCode end_of(bool says_goodbye) {
  return says_goodbye ? AsioErrorCode{asio::error::eof} : AsioErrorCode{asio::ssl::error::stream_truncated};
}

}  // namespace

TEST_CASE("over TLS: a login that is bound to the certificate, its stream, and either end of TLS") {
  const bool says_goodbye = GENERATE(true, false);
  support::initiator_credential<mech::Krb5>();
  asio::io_context io;
  Sockets sockets{io};
  TlsEnds<Socket> ends{std::move(sockets.client), std::move(sockets.server)};
  AsioErrorCode code;
  const auto serve = [&]() -> asio::awaitable<void> {
    const auto bindings = must(tls_server_end_point(ends.server.native_handle()));
    auto context = co_await async_handshake(support::acceptor<mech::Krb5>({.bindings = bindings}), ends.server,
                                            Inline{}, asio::use_awaitable);
    SecureOverTls stream{std::move(ends.server), must(std::move(context))};
    code = co_await echo(stream);
    CHECK_FALSE(stream.last_error());  // it is the error of the stream below
  };
  const auto log_in = [&]() -> asio::awaitable<void> {
    const auto bindings = must(tls_server_end_point(ends.client.native_handle()));
    auto context = co_await async_handshake(support::initiator<mech::Krb5>({.bindings = bindings}), ends.client,
                                            Inline{}, asio::use_awaitable);
    SecureOverTls stream{std::move(ends.client), must(std::move(context))};
    co_await ask(stream, stream.next_layer(), says_goodbye);
  };
  asio::co_spawn(io, serve(), Rethrow{});
  asio::co_spawn(io, log_in(), Rethrow{});
  io.run();
  CHECK(code == end_of(says_goodbye));
}

TEST_CASE("under TLS: its handshake, its bytes, and either end of it") {
  const bool says_goodbye = GENERATE(true, false);
  asio::io_context io;
  Sockets sockets{io};
  auto contexts = support::pair<mech::Krb5>();
  using Below = SecureStream<Socket, Context>;
  TlsEnds<Below> ends{Below{std::move(sockets.client), std::move(contexts.initiator)},
                      Below{std::move(sockets.server), std::move(contexts.acceptor)}};
  AsioErrorCode code;
  const auto serve = [&]() -> asio::awaitable<void> {
    code = co_await echo(ends.server);
    ends.server.lowest_layer().close();
  };
  asio::co_spawn(io, serve(), Rethrow{});
  asio::co_spawn(io, ask(ends.client, ends.client, says_goodbye), Rethrow{});
  io.run();
  CHECK(code == end_of(says_goodbye));
}

TEST_CASE("over TLS: a read that is cancelled within a record of TLS loses nothing") {
  asio::io_context io;
  Sockets sockets{io};
  auto contexts = support::pair<mech::Krb5>();
  TlsEnds<Socket> ends{std::move(sockets.client), std::move(sockets.server)};
  SecureOverTls client{std::move(ends.client), std::move(contexts.initiator)};
  SecureOverTls server{std::move(ends.server), std::move(contexts.acceptor)};
  std::string record(1000, '\0');
  Socket wire = std::move(server.next_layer().next_layer());
  {  // what the server sends comes to us
    Sockets tap{io};
    server.next_layer().next_layer() = std::move(tap.server);
    asio::write(server, asio::buffer("kept", 4));
    record.resize(tap.client.read_some(asio::buffer(record)));
  }
  char bytes[10];
  std::size_t count = 99;
  AsioErrorCode code;
  asio::cancellation_signal signal;
  const auto read = [&] {
    client.async_read_some(asio::buffer(bytes),
                           asio::bind_cancellation_slot(signal.slot(), [&](AsioErrorCode failed, std::size_t size) {
                             code = failed;
                             count = size;
                           }));
    io.restart();
    io.poll();
  };
  const std::size_t cut = GENERATE(0u, 3u, 5u, 40u);
  asio::write(wire, asio::buffer(record, cut));
  read();
  CHECK(count == 99);  // it waits
  signal.emit(asio::cancellation_type::terminal);
  io.restart();
  io.poll();
  CHECK((code == asio::error::operation_aborted && count == 0));
  asio::write(wire, asio::buffer(record) + cut);
  read();
  CHECK_FALSE(code);
  CHECK(std::string(bytes, count) == "kept");
}
