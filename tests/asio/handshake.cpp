// Handshakes in Asio, over real sockets: coroutines, other completion tokens, a pool, cancellation.
#include <gsskey/asio/handshake.hpp>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <optional>
#include <semaphore>
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
    while (!client) io.run_one();
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
