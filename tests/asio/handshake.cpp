// Handshakes in Asio, over real sockets: coroutines, other completion tokens, a pool, cancellation; and what else of
// Asio they and streams work with, where this version has it.
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>

#if __has_include(<asio/cancel_after.hpp>)
#include <asio/cancel_after.hpp>
#define HAS_CANCEL_AFTER
#endif
#if __has_include(<asio/co_composed.hpp>)
#include <asio/co_composed.hpp>
#define CO_COMPOSED asio::co_composed
#elif __has_include(<asio/experimental/co_composed.hpp>)
#include <asio/experimental/co_composed.hpp>
#define CO_COMPOSED asio::experimental::co_composed
#endif
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/heap.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;
using support::Rethrow;
using support::Socket;
using support::Sockets;

namespace {

using Krb5Context = SecurityContext<mech::Krb5>;
using Stream = SecureStream<Socket, Krb5Context>;

struct Streams {
  asio::io_context io;
  Sockets sockets{io};
  support::Ends<mech::Krb5> ends = support::pair<mech::Krb5>();
  Stream client{std::move(sockets.client), std::move(ends.initiator)};
  Stream server{std::move(sockets.server), std::move(ends.acceptor)};
};

template <class M, class Offload>
void handshake(Offload offload, asio::io_context& io) {
  Sockets sockets{io};
  AsioTransport client_wire{sockets.client};
  AsioTransport server_wire{sockets.server};
  std::optional<Result<SecurityContext<M>>> client;
  std::optional<Result<SecurityContext<M>>> server;
  const auto run = [&](auto end, auto& socket, auto& wire, auto& result) -> asio::awaitable<void> {
    auto driven = co_await drive<asio::awaitable>(std::move(end), wire, offload);
    if (!driven) socket.close();  // the other end waits for a token
    result.emplace(std::move(driven));
  };
  asio::co_spawn(io, run(support::initiator<M>(), sockets.client, client_wire, client), Rethrow{});
  asio::co_spawn(io, run(support::acceptor<M>(), sockets.server, server_wire, server), Rethrow{});
  io.run();
  auto ours = must(*std::move(client));
  auto theirs = must(*std::move(server));
  CHECK(must(theirs.unwrap(must(ours.wrap("over asio")))).text() == "over asio");
}

/// Counts reads.
struct Counting {
  using executor_type = Socket::executor_type;
  Socket& next;
  int reads = 0;
  executor_type get_executor() { return next.get_executor(); }
  auto async_read_some(asio::mutable_buffer buffer, auto&& token) {
    ++reads;
    return next.async_read_some(buffer, std::forward<decltype(token)>(token));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("drive in asio::awaitable", "", mech::Krb5, mech::Spnego) {
  asio::io_context io;
  SECTION("steps in the loop") { handshake<TestType>(Inline{}, io); }
  SECTION("steps on a pool") {
    asio::thread_pool pool{2};
    handshake<TestType>(offload_to(pool), io);
  }
}

TEST_CASE("async_handshake with any completion token") {
  asio::io_context io;
  asio::thread_pool pool{1};
  Sockets sockets{io};
  std::optional<Result<Krb5Context>> server;
  async_handshake(support::acceptor<mech::Krb5>(), sockets.server, offload_to(pool),
                  [&](Result<Krb5Context> established) { server.emplace(std::move(established)); });
  SECTION("a handler") {
    std::optional<Result<Krb5Context>> client;
    async_handshake(support::initiator<mech::Krb5>(), sockets.client, Inline{},
                    [&](Result<Krb5Context> established) { client.emplace(std::move(established)); });
    io.run();
    REQUIRE(client.has_value());
    CHECK(client->has_value());
  }
  SECTION("use_future") {
    auto client = async_handshake(support::initiator<mech::Krb5>(), sockets.client, offload_to(pool), asio::use_future);
    io.run();
    CHECK(client.get().has_value());
  }
  SECTION("use_awaitable") {
    std::optional<Result<Krb5Context>> client;
    const auto run = [&]() -> asio::awaitable<void> {
      auto established =
          co_await async_handshake(support::initiator<mech::Krb5>(), sockets.client, Inline{}, asio::use_awaitable);
      client.emplace(std::move(established));
    };
    asio::co_spawn(io, run(), Rethrow{});
    io.run();
    REQUIRE(client.has_value());
    CHECK(client->has_value());
  }
  REQUIRE(server.has_value());
  CHECK(server->has_value());
}

TEST_CASE("a peer that is gone, and one that sends garbage") {
  asio::io_context io;
  Sockets sockets{io};
  std::optional<Result<Krb5Context>> server;
  async_handshake(support::acceptor<mech::Krb5>(), sockets.server, Inline{},
                  [&](Result<Krb5Context> established) { server.emplace(std::move(established)); });
  SECTION("gone") {
    sockets.client.close();
    io.run();
    CHECK(server->error().minor_status() == ECONNRESET);
  }
  SECTION("gone within a token") {
    asio::write(sockets.client, asio::buffer("\0\0\1\0abc", 7));
    sockets.client.close();
    io.run();
    CHECK(server->error().minor_status() == ECONNRESET);
  }
  SECTION("too long") {
    asio::write(sockets.client, asio::buffer("\0\1\0\1", 4));
    io.run();
    CHECK(server->error().minor_status() == EMSGSIZE);
  }
  SECTION("garbage") {
    asio::write(sockets.client, asio::buffer("\0\0\0\4abcd", 8));
    io.run();
    CHECK(server->error().domain() == Domain::gss);
  }
}

TEST_CASE("cancelled while it waits for the peer, nothing stays open") {
  support::acceptor_credential<mech::Krb5>();
  const support::Handles handles;
  {
    asio::io_context io;
    Sockets sockets{io};
    asio::cancellation_signal signal;
    std::optional<Result<Krb5Context>> server;
    async_handshake(support::acceptor<mech::Krb5>(), sockets.server, Inline{},
                    asio::bind_cancellation_slot(signal.slot(), [&](Result<Krb5Context> established) {
                      server.emplace(std::move(established));
                    }));
    asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
    io.run();
    REQUIRE(server.has_value());
    CHECK(server->error().minor_status() == ECANCELED);
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("cancelled while the step is on the pool, the loop goes on at once and the step ends by itself") {
  support::initiator_credential<mech::Krb5>();
  const support::Handles handles;
  {
    asio::io_context io;
    asio::thread_pool pool{1};
    std::binary_semaphore gate{0};
    asio::post(pool, [&] { gate.acquire(); });  // the step has to wait for this
    Sockets sockets{io};
    asio::cancellation_signal signal;
    std::optional<Result<Krb5Context>> client;
    async_handshake(support::initiator<mech::Krb5>(), sockets.client, offload_to(pool),
                    asio::bind_cancellation_slot(signal.slot(), [&](Result<Krb5Context> established) {
                      client.emplace(std::move(established));
                    }));
    asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
    support::run_while(io, [&] { return !client; });
    CHECK(client->error().minor_status() == ECANCELED);
    gate.release();
    pool.join();
    io.run();
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("an io_context that goes away takes its handshakes along") {
  support::acceptor_credential<mech::Krb5>();
  const support::Handles handles;
  {
    asio::io_context io;
    Sockets sockets{io};
    async_handshake(support::acceptor<mech::Krb5>(), sockets.server, Inline{}, [](Result<Krb5Context>) {});
    async_handshake(support::initiator<mech::Krb5>(), sockets.client, Inline{}, [](Result<Krb5Context>) {});
    for (int i = 0; i < 3; ++i) io.run_one();
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("a peer that announces much and sends nothing costs little; 64 KiB come in few reads") {
  asio::io_context io;
  Sockets sockets{io};
  Counting counting{sockets.server};
  AsioTransport wire{counting};
  const auto text = support::some_text(65536);
  std::optional<Result<SecretBytes>> received;
  const auto run = [&]() -> asio::awaitable<void> {
    auto token = co_await wire.async_receive(65536);
    received.emplace(std::move(token));
  };
  asio::co_spawn(io, run(), Rethrow{});
  io.poll();
  const auto before = support::heap::live_bytes();
  asio::write(sockets.client, asio::buffer("\0\1\0\0", 4));
  io.restart();
  io.poll();
  CHECK(support::heap::live_bytes() - before < 1024);
  asio::write(sockets.client, asio::buffer(text, 5000));
  io.restart();
  io.poll();
  CHECK(support::heap::live_bytes() - before < 2 * 5000 + 1024);
  std::thread rest{[&] { asio::write(sockets.client, asio::buffer(text) + 5000); }};
  io.restart();
  io.run();
  rest.join();
  CHECK(must(*std::move(received)).text() == text);
  CHECK(counting.reads <= 16);
}

TEST_CASE("as_tuple and deferred: no exception at the end of a stream, and a write that begins when it is called") {
  Streams streams;
  auto write = streams.client.async_write_some(asio::buffer("later", 5), support::deferred);
  streams.io.poll();
  CHECK(streams.server.next_layer().available() == 0);
  std::string text(10, '\0');
  const auto run = [&]() -> asio::awaitable<void> {
    const auto [failed, written] = co_await std::move(write)(support::as_tuple(asio::use_awaitable));
    CHECK((!failed && written == 5));
    streams.client.next_layer().close();
    const auto [code, read] =
        co_await streams.server.async_read_some(asio::buffer(text), support::as_tuple(asio::use_awaitable));
    CHECK((!code && text.substr(0, read) == "later"));
    const auto [end, none] =
        co_await streams.server.async_read_some(asio::buffer(text), support::as_tuple(asio::use_awaitable));
    CHECK((end == asio::error::eof && none == 0));
  };
  asio::co_spawn(streams.io, run(), Rethrow{});
  streams.io.restart();
  streams.io.run();
}

TEST_CASE("a channel: one coroutine logs peers in, another one serves them, the refused ones too") {
  asio::io_context io;
  using Login = std::pair<Socket*, Result<Krb5Context>>;
  asio::experimental::channel<void(AsioErrorCode, Login)> logins{io, 2};
  Sockets good{io};
  Sockets bad{io};
  asio::write(bad.client, asio::buffer("\0\0\0\4abcd", 8));
  const auto log_in = [&]() -> asio::awaitable<void> {
    for (Socket* const socket : {&good.server, &bad.server}) {
      auto context = co_await async_handshake(support::acceptor<mech::Krb5>(), *socket, Inline{}, asio::use_awaitable);
      Login login{socket, std::move(context)};
      co_await logins.async_send(AsioErrorCode{}, std::move(login), asio::use_awaitable);
    }
  };
  const auto serve = [&]() -> asio::awaitable<void> {
    auto first = co_await logins.async_receive(asio::use_awaitable);
    Stream stream{std::move(*first.first), must(std::move(first.second))};
    const std::size_t written = co_await stream.async_write_some(asio::buffer("hello", 5), asio::use_awaitable);
    CHECK(written == 5);
    auto second = co_await logins.async_receive(asio::use_awaitable);
    CHECK(second.second.error().domain() == Domain::gss);
  };
  std::string greeting(5, '\0');
  const auto ask = [&]() -> asio::awaitable<void> {
    auto context =
        co_await async_handshake(support::initiator<mech::Krb5>(), good.client, Inline{}, asio::use_awaitable);
    Stream stream{std::move(good.client), must(std::move(context))};
    const std::size_t read = co_await asio::async_read(stream, asio::buffer(greeting), asio::use_awaitable);
    CHECK(read == 5);
  };
  asio::co_spawn(io, log_in(), Rethrow{});
  asio::co_spawn(io, serve(), Rethrow{});
  asio::co_spawn(io, ask(), Rethrow{});
  io.run();
  CHECK(greeting == "hello");
}

#ifdef CO_COMPOSED
// g++ 12 takes a coroutine's frame that Asio allocates for one that it must not free.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
namespace {

/// A program's own operation: lets `socket` log in, and reads the first five bytes.
template <class Token>
auto async_first_words(Socket& socket, Token&& token) {
  auto body = [](auto state, Socket* peer) -> void {
    state.reset_cancellation_state(asio::enable_terminal_cancellation());
    auto context = co_await async_handshake(support::acceptor<mech::Krb5>(), *peer, Inline{}, support::deferred);
    if (!context) co_return {AsioErrorCode{make_error_code(context.error())}, std::string{}};
    Stream stream{std::move(*peer), *std::move(context)};
    std::string words(5, '\0');
    auto [code, size] = co_await asio::async_read(stream, asio::buffer(words), support::as_tuple(support::deferred));
    words.resize(size);
    co_return {code, std::move(words)};
  };
  return asio::async_initiate<Token, void(AsioErrorCode, std::string)>(
      CO_COMPOSED<void(AsioErrorCode, std::string)>(std::move(body), socket), token, &socket);
}

}  // namespace
#pragma GCC diagnostic pop
#endif

TEST_CASE("co_composed: an operation of the program's own, of a handshake and a stream, which can be cancelled") {
#ifdef CO_COMPOSED
  asio::io_context io;
  Sockets sockets{io};
  asio::cancellation_signal signal;
  std::optional<AsioErrorCode> code;
  std::string words;
  async_first_words(sockets.server,
                    asio::bind_cancellation_slot(signal.slot(), [&](AsioErrorCode failed, std::string text) {
                      code = failed;
                      words = std::move(text);
                    }));
  SECTION("to its end") {
    const auto ask = [&]() -> asio::awaitable<void> {
      auto context =
          co_await async_handshake(support::initiator<mech::Krb5>(), sockets.client, Inline{}, asio::use_awaitable);
      Stream stream{std::move(sockets.client), must(std::move(context))};
      const std::size_t written = co_await asio::async_write(stream, asio::buffer("hello", 5), asio::use_awaitable);
      CHECK(written == 5);
    };
    asio::co_spawn(io, ask(), Rethrow{});
    io.run();
    CHECK(code == AsioErrorCode{});
    CHECK(words == "hello");
  }
  SECTION("cancelled while it waits for the peer's token") {
    io.poll();
    CHECK_FALSE(code);
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    REQUIRE(code);
    CHECK(*code == std::errc::operation_canceled);
  }
#else
  WARN("left out: Asio " << ASIO_VERSION << " has no co_composed, which comes with 1.26");
#endif
}

TEST_CASE("cancel_after: handshakes and reads have a deadline") {
#ifdef HAS_CANCEL_AFTER
  asio::io_context io;
  Sockets sockets{io};
  std::optional<Result<Krb5Context>> login;
  async_handshake(support::acceptor<mech::Krb5>(), sockets.server, Inline{},
                  asio::cancel_after(std::chrono::milliseconds{1},
                                     [&](Result<Krb5Context> result) { login.emplace(std::move(result)); }));
  io.run();
  REQUIRE(login);
  CHECK(login->error().minor_status() == ECANCELED);

  Streams streams;
  std::string text(10, '\0');
  AsioErrorCode code;
  std::size_t count = 99;
  const auto read_within = [&](std::chrono::milliseconds limit) {
    streams.server.async_read_some(asio::buffer(text),
                                   asio::cancel_after(limit, [&](AsioErrorCode failed, std::size_t size) {
                                     code = failed;
                                     count = size;
                                   }));
    streams.io.restart();
    streams.io.run();
  };
  read_within(std::chrono::milliseconds{1});
  CHECK((code == asio::error::operation_aborted && count == 0));
  asio::write(streams.client, asio::buffer("in time", 7));
  read_within(std::chrono::minutes{1});
  CHECK((!code && text.substr(0, count) == "in time"));
#else
  WARN("left out: Asio " << ASIO_VERSION << " has no cancel_after, which comes with 1.32");
#endif
}
