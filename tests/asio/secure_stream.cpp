// SecureStream in Asio, over real sockets: reads and writes of any size, what it refuses, what goes on after a write
// was given up, tokens, executors, cancellation, and a SecureFdStream at the other end.
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/io/secure_fd_stream.hpp>

#include <asio/bind_executor.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/realm.hpp"
#ifdef GSSKEY_TEST_LANES
#include <gsskey/messages/lanes.hpp>

#include "support/protector.hpp"
#endif

using namespace gsskey;
using support::must;
using support::Rethrow;
using support::Socket;
using support::Sockets;
using support::some_text;

namespace {

using Krb5Context = SecurityContext<mech::Krb5>;
using Stream = SecureStream<Socket, Krb5Context>;

/// The contexts of two ends, one of them of the library.
template <class C>
struct Contexts {
  Krb5Context theirs;
  C ours;

  static Contexts make() {
    if constexpr (std::same_as<C, Krb5Context>) {
      auto ends = support::pair<mech::Krb5>();
      return {std::move(ends.initiator), std::move(ends.acceptor)};
    } else {
#ifdef GSSKEY_TEST_LANES
      auto both = support::handshakes_in_realm();
      auto theirs = must(std::move(both.initiator).establish());
      return {std::move(theirs), must(MessageLanes::from_protector(support::taken(std::move(both.acceptor))))};
#endif
    }
  }
};
#ifdef GSSKEY_TEST_LANES
#define CONTEXTS Krb5Context, MessageLanes
#else
#define CONTEXTS Krb5Context
#endif

/// Two streams over established contexts.
template <class C>
struct StreamsWith {
  asio::io_context io;
  Sockets sockets{io};
  Contexts<C> contexts = Contexts<C>::make();
  Stream client{std::move(sockets.client), std::move(contexts.theirs)};
  SecureStream<Socket, C> server{std::move(sockets.server), std::move(contexts.ours)};
};
using Streams = StreamsWith<Krb5Context>;

}  // namespace

TEMPLATE_TEST_CASE("blocking reads and writes of any size", "", CONTEXTS) {
  StreamsWith<TestType> streams;
  const auto text = some_text(100'000);
  std::thread writer{[&] { asio::write(streams.client, asio::buffer(text)); }};
  std::string received(text.size(), '\0');
  std::size_t size = 0;
  const std::size_t pieces[] = {1, 7, 4096, 20'000};
  for (std::size_t i = 0; size < received.size(); ++i) {
    size += streams.server.read_some(asio::buffer(received.data() + size, std::min(pieces[i % 4], text.size() - size)));
  }
  writer.join();
  CHECK(received == text);
}

TEMPLATE_TEST_CASE("Asio's composed operations run over it, both ways at once", "", CONTEXTS) {
  StreamsWith<TestType> streams;
  const auto lines = some_text(500'000) + "\n";
  const auto run = [&](auto& stream, std::string& line) -> asio::awaitable<void> {
    using namespace asio::experimental::awaitable_operators;
    std::size_t written = 0;
    std::size_t read = 0;
    const auto write = [&]() -> asio::awaitable<void> {
      written = co_await asio::async_write(stream, asio::buffer(lines), asio::use_awaitable);
    };
    const auto read_line = [&]() -> asio::awaitable<void> {
      read = co_await asio::async_read_until(stream, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
    };
    co_await (write() && read_line());
    CHECK(written == lines.size());
    CHECK(read == lines.size());
  };
  std::string at_client;
  std::string at_server;
  asio::co_spawn(streams.io, run(streams.client, at_client), Rethrow{});
  asio::co_spawn(streams.io, run(streams.server, at_server), Rethrow{});
  streams.io.run();
  CHECK(at_client == lines);
  CHECK(at_server == lines);
}

TEST_CASE("packets are as long as is allowed, and sealed") {
  Streams streams;
  const auto text = some_text(40'000);
  std::thread writer{[&] { asio::write(streams.client, asio::buffer(text)); }};
  std::size_t packets = 0;
  std::string plain;
  while (plain.size() < text.size()) {
    FrameHeader header;
    asio::read(streams.server.next_layer(), asio::buffer(header.bytes, 4));
    std::string token(header.length(), '\0');
    asio::read(streams.server.next_layer(), asio::buffer(token));
    CHECK(token.size() + 4 <= 16384);
    CHECK(token.find("abcdefghijklmnop") == std::string::npos);
    plain += must(streams.server.context().unwrap(token)).text();
    ++packets;
  }
  writer.join();
  CHECK(plain == text);
  CHECK(packets == 3);
}

TEST_CASE("what a stream refuses") {
  Streams streams;
  std::error_code code;
  char byte = 0;
  const auto read = [&] { return streams.server.read_some(asio::buffer(&byte, 1), code); };
  SECTION("the end between packets is the end of the stream") {
    streams.client.next_layer().close();
    CHECK(read() == 0);
    CHECK(code == asio::error::eof);
  }
  SECTION("the end within a packet is not") {
    asio::write(streams.client.next_layer(), asio::buffer("\0\0\0\7abc", 7));
    streams.client.next_layer().close();
    CHECK(read() == 0);
    CHECK(code == std::errc::connection_reset);
    CHECK(streams.server.last_error()->text() == "the peer closed the connection within a packet");
  }
  SECTION("a packet too long") {
    asio::write(streams.client.next_layer(), asio::buffer("\0\0\x40\0", 4));
    CHECK(read() == 0);
    CHECK(code == std::errc::message_size);
  }
  SECTION("garbage, and all that comes after it") {
    asio::write(streams.client.next_layer(), asio::buffer("\0\0\0\4abcd", 8));
    static_cast<void>(asio::write(streams.client, asio::buffer("fine", 4)));
    CHECK(read() == 0);
    CHECK(code == std::errc::bad_message);
    CHECK(streams.server.last_error()->domain() == Domain::gss);
    CHECK(read() == 0);
    CHECK(code == std::errc::bad_message);
  }
  SECTION("an empty packet") {
    asio::write(streams.client.next_layer(), asio::buffer("\0\0\0\0", 4));
    CHECK(read() == 0);
    CHECK(code == make_error_code(*streams.server.last_error()));
  }
}

TEST_CASE("packets that cannot hold a byte are neither sent nor taken") {
  asio::io_context io;
  Sockets sockets{io};
  auto ends = support::pair<mech::Krb5>();
  Stream stream{std::move(sockets.client), std::move(ends.initiator), {.max_sent = 3, .max_received = 3}};
  std::error_code code;
  CHECK(stream.write_some(asio::buffer("x", 1), code) == 0);
  CHECK(code);
  asio::write(sockets.server, asio::buffer("\0\0\0\1x", 5));
  char byte = 0;
  CHECK(stream.read_some(asio::buffer(&byte, 1), code) == 0);
  CHECK(code == std::errc::message_size);
}

TEST_CASE("a read that finds no memory is the last one") {
  if (!support::heap::Exhausted::possible) return;  // ASan
  Streams streams;
  static_cast<void>(asio::write(streams.client, asio::buffer("message", 7)));
  std::error_code code;
  char bytes[7];
  {
    const support::heap::Exhausted exhausted;
    static_cast<void>(streams.server.read_some(asio::buffer(bytes), code));
  }
  CHECK(code == std::errc::not_enough_memory);
  CHECK(streams.server.read_some(asio::buffer(bytes), code) == 0);
  CHECK(code == std::errc::not_enough_memory);
}

TEST_CASE("empty buffers") {
  Streams streams;
  std::error_code code;
  CHECK(streams.client.write_some(asio::const_buffer{}, code) == 0);
  CHECK_FALSE(code);
  CHECK(streams.client.read_some(asio::mutable_buffer{}, code) == 0);
  CHECK_FALSE(code);
  int completed = 0;
  streams.client.async_write_some(asio::const_buffer{}, [&](std::error_code failed, std::size_t size) {
    CHECK_FALSE(failed);
    completed += size == 0;
  });
  streams.client.async_read_some(asio::mutable_buffer{}, [&](std::error_code failed, std::size_t size) {
    CHECK_FALSE(failed);
    completed += size == 0;
  });
  CHECK(completed == 0);
  streams.io.run();
  CHECK(completed == 2);
}

TEST_CASE("a write that was cancelled within a packet is repeated, and comes once") {
  Streams streams;
  // Fills the socket, so that a packet is cut somewhere.
  const auto text = some_text(16'000);
  std::string sent;
  streams.client.next_layer().native_non_blocking(true);
  std::error_code failed;
  while (!failed) {
    std::size_t count = 0;
    asio::cancellation_signal signal;
    bool done = false;
    streams.client.async_write_some(
        asio::buffer(text), asio::bind_cancellation_slot(signal.slot(), [&](std::error_code code, std::size_t size) {
          failed = code;
          count = size;
          done = true;
        }));
    streams.io.restart();
    streams.io.poll();
    if (!done) {
      signal.emit(asio::cancellation_type::terminal);
      streams.io.run();
    }
    CHECK(done);
    sent += text.substr(0, count);
  }
  CHECK(failed == asio::error::operation_aborted);

  SECTION("other, fewer bytes are refused") {
    std::error_code code;
    CHECK(streams.client.write_some(asio::buffer("x", 1), code) == 0);
    CHECK(code == std::errc::invalid_argument);
  }
  streams.io.restart();
  bool repeated = false;
  streams.client.async_write_some(asio::buffer(text), [&](std::error_code code, std::size_t size) {
    CHECK_FALSE(code);
    sent += text.substr(0, size);
    repeated = true;
  });
  std::string received;
  const auto read_all = [&]() -> asio::awaitable<void> {
    char piece[4096];
    while (!repeated || received.size() < sent.size()) {
      const std::size_t size = co_await streams.server.async_read_some(asio::buffer(piece), asio::use_awaitable);
      received.append(piece, size);
    }
  };
  asio::co_spawn(streams.io, read_all(), Rethrow{});
  streams.io.run();
  CHECK(received == sent);
}

namespace {

/// A socket that takes `open` bytes more, and then no more: a write waits, to be cancelled, or would block.
struct Valve {
  using executor_type = Socket::executor_type;

  explicit Valve(Socket socket) : next{std::move(socket)}, closed{next.get_executor()} {
    closed.expires_at(asio::steady_timer::time_point::max());
  }
  executor_type get_executor() { return next.get_executor(); }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, std::error_code& code) {
    std::string bytes(std::min(open, asio::buffer_size(buffers)), '\0');
    if (bytes.empty()) code = asio::error::would_block;
    const std::size_t count = asio::buffer_copy(asio::buffer(bytes), buffers);
    if (count != 0) asio::write(next, asio::buffer(bytes), code);
    open -= count;
    return count;
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (throws && open == 0) throw std::bad_alloc{};
    return asio::async_compose<Token, void(std::error_code, std::size_t)>(
        [this, buffers, state = 0, count = std::size_t{0}](auto& self, std::error_code code = {}) mutable {
          if (state++ != 0) return self.complete(code, count);
          count = write_some(buffers, code);
          if (count != 0) return asio::post(next.get_executor(), std::move(self));
          closed.async_wait(std::move(self));
        },
        token, next);
  }

  Socket next;
  asio::steady_timer closed;
  std::size_t open = 0;
  bool throws = false;  // in place of a write that waits
};

/// A write; where it waits, it is cancelled.
template <class C, class Buffers>
std::size_t write_or_cancel(asio::io_context& io, SecureStream<Valve, C>& stream, const Buffers& buffers, bool is_async,
                            std::error_code& code) {
  if (!is_async) return stream.write_some(buffers, code);
  std::size_t count = 0;
  bool is_done = false;
  asio::cancellation_signal signal;
  stream.async_write_some(buffers,
                          asio::bind_cancellation_slot(signal.slot(), [&](std::error_code failed, std::size_t size) {
                            code = failed;
                            count = size;
                            is_done = true;
                          }));
  io.restart();
  io.poll();
  if (!is_done) signal.emit(asio::cancellation_type::terminal);
  io.restart();
  io.run();
  REQUIRE(is_done);
  return count;
}

}  // namespace

TEMPLATE_TEST_CASE("a write that is given up at any point: the same bytes go on, and no others", "", CONTEXTS) {
  const bool is_async = GENERATE(false, true);
  const std::size_t size = GENERATE(std::size_t{15}, std::size_t{8000}, std::size_t{40'000});
  asio::io_context io;
  auto contexts = Contexts<TestType>::make();
  Sockets sockets{io};
  SecureStream<Valve, TestType> stream{Valve{std::move(sockets.client)}, std::move(contexts.ours)};
  Stream peer{std::move(sockets.server), std::move(contexts.theirs)};
  const auto valve = [&](std::size_t open) { stream.next_layer().open = open; };

  std::string sent;
  const auto check_received = [&] {
    std::string received(sent.size(), '\0');
    asio::read(peer, asio::buffer(received));
    CHECK(received == sent);
    CHECK(peer.next_layer().available() == 0);
    sent.clear();
  };
  // How long a packet is, and how much of the text goes into it.
  const auto text = "pay alice 1 EUR" + some_text(size - 15);
  std::error_code code;
  valve(100'000);
  const std::size_t cut = write_or_cancel(io, stream, asio::buffer(text), is_async, code);
  const std::size_t packet = 100'000 - stream.next_layer().open;
  REQUIRE((packet > cut && !code));
  sent += text.substr(0, cut);
  check_received();

  for (const std::size_t point :
       {std::size_t{0}, std::size_t{2}, std::size_t{4}, std::size_t{30}, packet - 1, packet}) {
    INFO("given up after " << point << " of " << packet);
    valve(point);
    CHECK(write_or_cancel(io, stream, asio::buffer(text), is_async, code) == (point == packet ? cut : std::size_t{0}));
    CHECK(bool{code} == (point != packet));
    sent += text.substr(0, cut);
    if (point == packet) break;

    valve(100'000);
    auto other = text;
    other.replace(4, 10, "bob 99 EUR");
    auto last = text.substr(0, cut);
    last.back() ^= 1;
    const std::array<asio::const_buffer, 2> pieces{asio::buffer(text, 3), asio::buffer(other) + 3};
    for (const bool again : {is_async, !is_async}) {
      for (const auto& wrong : {other, last, text.substr(0, cut - 1), other + other, std::string{"x"}}) {
        CHECK(write_or_cancel(io, stream, asio::buffer(wrong), again, code) == 0);
        CHECK(code == std::errc::invalid_argument);
      }
      CHECK(write_or_cancel(io, stream, pieces, again, code) == 0);
      CHECK(code == std::errc::invalid_argument);
    }
    CHECK(stream.next_layer().open == 100'000);  // nothing of them was sent
    CHECK(stream.last_error()->text() == "a write that failed must be repeated with the same bytes");

    // The same bytes, cut otherwise, in two tries.
    const std::array<asio::const_buffer, 3> same{asio::const_buffer{}, asio::buffer(text, 3), asio::buffer(text) + 3};
    valve((packet - point) / 2);
    CHECK(write_or_cancel(io, stream, same, !is_async, code) == 0);
    CHECK(code);
    valve(100'000);
    CHECK(write_or_cancel(io, stream, same, is_async, code) == cut);
    CHECK_FALSE(code);
    // Afterwards anything.
    CHECK(write_or_cancel(io, stream, asio::buffer(other), is_async, code) == cut);
    sent += other.substr(0, cut);
    check_received();
  }
  check_received();
}

TEMPLATE_TEST_CASE("a write whose rest cannot be initiated goes on with the same bytes, and with no others", "",
                   CONTEXTS) {
  asio::io_context io;
  auto contexts = Contexts<TestType>::make();
  Sockets sockets{io};
  SecureStream<Valve, TestType> stream{Valve{std::move(sockets.client)}, std::move(contexts.ours)};
  Stream peer{std::move(sockets.server), std::move(contexts.theirs)};
  const std::string text = "pay alice 1 EUR";
  stream.next_layer().open = 20;
  stream.next_layer().throws = true;
  bool is_called = false;
  stream.async_write_some(asio::buffer(text), [&](std::error_code, std::size_t) { is_called = true; });
  CHECK_THROWS_AS(io.run(), std::bad_alloc);
  CHECK_FALSE(is_called);
  stream.next_layer().throws = false;
  stream.next_layer().open = 100'000;

  std::error_code code;
  CHECK(write_or_cancel(io, stream, asio::buffer("pay bob 99 EUR."), true, code) == 0);
  CHECK(code == std::errc::invalid_argument);
  CHECK(write_or_cancel(io, stream, asio::buffer(text), true, code) == text.size());
  CHECK_FALSE(code);
  std::string received(text.size(), '\0');
  asio::read(peer, asio::buffer(received));
  CHECK(received == text);
  CHECK(peer.next_layer().available() == 0);
}

TEMPLATE_TEST_CASE("small buffers go in one packet, which may be given up as any other", "", CONTEXTS) {
  asio::io_context io;
  auto contexts = Contexts<TestType>::make();
  Sockets sockets{io};
  SecureStream<Valve, TestType> stream{Valve{std::move(sockets.client)}, std::move(contexts.ours)};
  Stream peer{std::move(sockets.server), std::move(contexts.theirs)};
  const bool is_async = GENERATE(false, true);
  const auto text = some_text(3000);
  std::vector<asio::const_buffer> buffers{{}};
  for (std::size_t at = 0; at < text.size(); at += 100) buffers.push_back(asio::buffer(text) + at);
  for (std::size_t at = 1; at < buffers.size(); ++at) buffers[at] = asio::buffer(buffers[at], 100);
  std::string received(text.size(), '\0');
  const auto receive = [&] {
    received.assign(text.size(), '\0');
    asio::read(peer, asio::buffer(received));
    CHECK(received == text);
    CHECK(peer.next_layer().available() == 0);
  };

  std::error_code code;
  stream.next_layer().open = 100'000;
  CHECK(write_or_cancel(io, stream, buffers, is_async, code) == text.size());
  const std::size_t packet = 100'000 - stream.next_layer().open;
  CHECK(packet < text.size() + 100);
  receive();

  for (const std::size_t point : {std::size_t{0}, std::size_t{5}, packet - 1}) {
    CAPTURE(point);
    stream.next_layer().open = point;
    CHECK(write_or_cancel(io, stream, buffers, is_async, code) == 0);
    CHECK(code);
    stream.next_layer().open = 100'000;
    auto last = text;
    last.back() ^= 1;
    CHECK(write_or_cancel(io, stream, asio::buffer(last), is_async, code) == 0);
    CHECK(code == std::errc::invalid_argument);
    CHECK(write_or_cancel(io, stream, point == 5 ? std::vector{asio::const_buffer(asio::buffer(text))} : buffers,
                          is_async, code) == text.size());
    receive();
  }

  // More is not worth a copy: the next write begins within the long buffer.
  const auto body = some_text(30'000);
  const std::array<asio::const_buffer, 2> both{asio::buffer(text), asio::buffer(body)};
  CHECK(write_or_cancel(io, stream, both, is_async, code) == 8192);
}

TEST_CASE("two writes at once: the second is an Error, and the first goes on") {
  asio::io_context io;
  auto contexts = Contexts<Krb5Context>::make();
  Sockets sockets{io};
  SecureStream<Valve, Krb5Context> stream{Valve{std::move(sockets.client)}, std::move(contexts.ours)};
  Stream peer{std::move(sockets.server), std::move(contexts.theirs)};
  stream.next_layer().open = 10;
  const std::array<asio::const_buffer, 2> first{asio::buffer("fir", 3), asio::buffer("st", 2)};
  const std::array<asio::const_buffer, 2> second{asio::buffer("no", 2), asio::buffer("ne", 2)};
  std::error_code code;
  std::size_t count = 1;
  asio::cancellation_signal signal;
  stream.async_write_some(
      first, asio::bind_cancellation_slot(signal.slot(), [&](std::error_code its, std::size_t) { code = its; }));
  io.poll();
  stream.async_write_some(second, [&](std::error_code its, std::size_t written) {
    CHECK(its == std::errc::connection_already_in_progress);
    count = written;
  });
  io.restart();
  io.poll();
  CHECK(count == 0);
  CHECK_FALSE(code);
  signal.emit(asio::cancellation_type::terminal);
  io.restart();
  io.run();
  CHECK(code == asio::error::operation_aborted);
  stream.next_layer().open = 100'000;
  CHECK(write_or_cancel(io, stream, asio::buffer("first", 5), true, code) == 5);
  std::string received(5, '\0');
  asio::read(peer, asio::buffer(received));
  CHECK(received == "first");
}

TEST_CASE("empty packets: some are passed over, and then it is enough") {
  Streams streams;
  const auto send_empty = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto token = must(streams.client.context().wrap(""));
      const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
      asio::write(streams.client.next_layer(), asio::buffer(header.bytes));
      asio::write(streams.client.next_layer(), asio::buffer(token.data(), token.size()));
    }
  };
  const auto read = [&](bool is_async, std::error_code& code) {
    char byte = 0;
    if (!is_async) return streams.server.read_some(asio::buffer(&byte, 1), code);
    std::size_t count = 99;
    streams.server.async_read_some(asio::buffer(&byte, 1), [&](std::error_code failed, std::size_t size) {
      code = failed;
      count = size;
    });
    streams.io.restart();
    streams.io.run();
    return count;
  };
  const bool is_async = GENERATE(false, true);
  std::error_code code;
  for (int i = 0; i < 3; ++i) {
    send_empty(32);
    asio::write(streams.client, asio::buffer("x", 1));
    CHECK(read(is_async, code) == 1);
    CHECK_FALSE(code);
  }
  send_empty(33);
  CHECK(read(is_async, code) == 0);
  CHECK(code == std::errc::protocol_error);
  CHECK(streams.server.last_error()->text() == "the peer sends one empty packet after the other");
  CHECK(read(!is_async, code) == 0);
  CHECK(code == std::errc::protocol_error);
}

TEST_CASE("a peer that announces a long packet and sends nothing of it costs little") {
  Streams streams;
  std::error_code code;
  char byte = 0;
  streams.server.async_read_some(asio::buffer(&byte, 1), [&](std::error_code failed, std::size_t) { code = failed; });
  streams.io.poll();
  const auto idle = support::heap::live_bytes();
  asio::write(streams.client.next_layer(), asio::buffer("\0\0\x3f\xfc", 4));
  streams.io.restart();
  streams.io.poll();
  CHECK(support::heap::live_bytes() - idle < 1024);
}

TEST_CASE("a stream that is moved within a packet reads on, and what is left reads nothing") {
  asio::io_context io;
  Sockets sockets{io};
  auto ends = support::pair<mech::Krb5>();
  Stream client{std::move(sockets.client), std::move(ends.initiator)};
  Stream server{std::move(sockets.server), std::move(ends.acceptor)};
  const auto token = must(client.context().wrap("moved"));
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
  asio::write(client.next_layer(), asio::buffer(header.bytes));
  asio::write(client.next_layer(), asio::buffer(token.data(), 20));
  std::error_code code;
  char bytes[5];
  server.next_layer().non_blocking(true);
  CHECK(server.read_some(asio::buffer(bytes), code) == 0);
  CHECK(code == asio::error::would_block);
  Stream moved{std::move(server)};
  CHECK(server.read_some(asio::buffer(bytes), code) == 0);
  CHECK(code);
  asio::write(client.next_layer(), asio::buffer(token.data() + 20, token.size() - 20));
  CHECK(moved.read_some(asio::buffer(bytes), code) == 5);
  CHECK(std::string_view{bytes, 5} == "moved");
}

TEST_CASE("Asio at one end, a blocking descriptor at the other, each way, with and without encryption") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity, Protection::none);
  const RecordOptions options{.max_sent = 5000, .max_received = 6000, .protection = protection};
  const RecordOptions mirrored{.max_sent = 6000, .max_received = 5000, .protection = protection};
  asio::io_context io;
  Sockets sockets{io};
  auto ends = support::pair<mech::Krb5>();
  Stream ours{std::move(sockets.client), std::move(ends.initiator), options};
  SecureFdStream theirs{sockets.server.native_handle(), std::move(ends.acceptor), mirrored};
  const auto text = some_text(100'000);
  std::string there(text.size(), '\0');
  std::optional<Error> failed;
  std::thread peer{[&] {
    if (auto read = theirs.read(there.data(), there.size()); !read) failed = read.error();
    if (auto written = theirs.write(there); !written) failed = written.error();
    std::error_code code;
    sockets.server.shutdown(Socket::shutdown_send, code);
  }};
  std::string back;
  std::error_code code;
  const auto run = [&]() -> asio::awaitable<void> {
    const std::size_t written = co_await asio::async_write(ours, asio::buffer(text), asio::use_awaitable);
    CHECK(written == text.size());
    const std::size_t read =
        co_await asio::async_read(ours, asio::dynamic_buffer(back), asio::redirect_error(asio::use_awaitable, code));
    CHECK(read == text.size());
  };
  asio::co_spawn(io, run(), Rethrow{});
  io.run();
  peer.join();
  CHECK_FALSE(failed);
  CHECK(there == text);
  CHECK(back == text);
  CHECK(code == asio::error::eof);
}

TEST_CASE("what went wrong has the category of who says so") {
  Streams streams;
  std::error_code code;
  char byte = 0;
  SECTION("the GSS library, or Kerberos") {
    asio::write(streams.client.next_layer(), asio::buffer("\0\0\0\4abcd", 8));
    CHECK(streams.server.read_some(asio::buffer(&byte, 1), code) == 0);
    const auto& category = std::error_code{code}.category();
    CHECK((category == gss_category() || category == krb5_category()));
    CHECK(code == make_error_code(*streams.server.last_error()));
    CHECK_FALSE(code.message().empty());
  }
  SECTION("what was demanded") {
    const auto token = must(streams.client.context().wrap_unencrypted("in the clear"));
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    asio::write(streams.client.next_layer(), asio::buffer(header.bytes));
    asio::write(streams.client.next_layer(), asio::buffer(token.data(), token.size()));
    CHECK(streams.server.read_some(asio::buffer(&byte, 1), code) == 0);
    CHECK(std::error_code{code}.category() == refusal_category());
    CHECK(code == std::errc::permission_denied);
  }
  SECTION("the socket") {
    streams.server.next_layer().close();
    CHECK(streams.server.read_some(asio::buffer(&byte, 1), code) == 0);
    CHECK(code == asio::error::bad_descriptor);
    CHECK_FALSE(streams.server.last_error());
  }
}

TEST_CASE("the token of the executor is the default") {
  Streams streams;
  using Awaitable = asio::use_awaitable_t<>::as_default_on_t<Socket>;
  asio::io_context io;
  Awaitable client{io};
  Awaitable server{io};
  asio::local::connect_pair(client, server);
  auto ends = support::pair<mech::Krb5>();
  SecureStream<Awaitable, Krb5Context> ours{std::move(client), std::move(ends.initiator)};
  SecureStream<Awaitable, Krb5Context> theirs{std::move(server), std::move(ends.acceptor)};
  std::string got(5, '\0');
  const auto run = [&]() -> asio::awaitable<void> {
    const std::size_t sent = co_await ours.async_write_some(asio::buffer("hello", 5));
    CHECK(sent == 5);
    const std::size_t read = co_await theirs.async_read_some(asio::buffer(got));
    CHECK(read == 5);
  };
  asio::co_spawn(io, run(), Rethrow{});
  io.run();
  CHECK(got == "hello");
}

TEST_CASE("handlers are called on their executor, later, and once") {
  Streams streams;
  asio::io_context other;
  const auto here = asio::make_strand(other);
  int calls = 0;
  const auto count = [&](std::error_code code, std::size_t size) {
    CHECK(here.running_in_this_thread());
    CHECK_FALSE(code);
    CHECK(size == 5);
    ++calls;
  };
  char bytes[10];
  streams.client.async_write_some(asio::buffer("hello", 5), asio::bind_executor(here, count));
  streams.server.async_read_some(asio::buffer(bytes), asio::bind_executor(here, count));
  CHECK(calls == 0);
  for (int i = 0; i < 1000 && calls < 2; ++i) {
    streams.io.restart();
    streams.io.poll();
    other.restart();
    other.poll();
  }
  CHECK(calls == 2);
  // What is there already comes later, too.
  static_cast<void>(asio::write(streams.client, asio::buffer("hello more", 10)));
  CHECK(streams.server.read_some(asio::buffer(bytes, 5)) == 5);
  streams.server.async_read_some(asio::buffer(bytes), asio::bind_executor(here, count));
  CHECK(calls == 2);
  streams.io.restart();
  streams.io.poll();
  other.restart();
  other.poll();
  CHECK(calls == 3);
}

TEMPLATE_TEST_CASE("a read that is cancelled, in any way, loses nothing", "", CONTEXTS) {
  const auto type =
      GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total);
  StreamsWith<TestType> streams;
  const auto token = must(streams.client.context().wrap("kept"));
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
  const std::string packet = std::string{ByteView{header.bytes}.text()} + std::string{token.text()};
  const std::size_t cut = GENERATE(0u, 2u, 4u, 30u);
  asio::write(streams.client.next_layer(), asio::buffer(packet, cut));
  asio::cancellation_signal signal;
  std::error_code code;
  char bytes[10];
  std::size_t count = 99;
  const auto read = [&] {
    streams.server.async_read_some(
        asio::buffer(bytes), asio::bind_cancellation_slot(signal.slot(), [&](std::error_code failed, std::size_t size) {
          code = failed;
          count = size;
        }));
    streams.io.restart();
    streams.io.poll();
  };
  read();
  CHECK(count == 99);  // it waits
  signal.emit(type);
  streams.io.restart();
  streams.io.poll();
  CHECK(code == asio::error::operation_aborted);
  CHECK(count == 0);
  asio::write(streams.client.next_layer(), asio::buffer(packet) + cut);
  read();
  CHECK_FALSE(code);
  CHECK(std::string(bytes, count) == "kept");
}

TEST_CASE("the lowest layer is the socket, also of a stream over a stream") {
  Streams streams;
  static_assert(std::is_same_v<Stream::lowest_layer_type, Socket::lowest_layer_type>);
  CHECK(&streams.client.lowest_layer() == &streams.client.next_layer().lowest_layer());
  auto ends = support::pair<mech::Krb5>();
  SecureStream twice{std::move(streams.client), std::move(ends.initiator)};
  static_assert(std::is_same_v<decltype(twice)::lowest_layer_type, Socket::lowest_layer_type>);
  CHECK(twice.lowest_layer().native_handle() == twice.next_layer().next_layer().native_handle());
  SecureStream other{std::move(streams.server), std::move(ends.acceptor)};
  std::thread writer{[&] { asio::write(twice, asio::buffer("wrapped twice", 13)); }};
  std::string got(13, '\0');
  asio::read(other, asio::buffer(got));
  writer.join();
  CHECK(got == "wrapped twice");
}

#ifdef GSSKEY_TEST_LANES
TEST_CASE(
    "with lanes: a write leaves as many packets, which are opened at once, and the heap of who waits is as before") {
  asio::io_context io;
  Sockets sockets{io};
  auto both = support::handshakes_in_realm();
  const auto laned = [](auto&& end) { return must(MessageLanes::from_protector(support::taken(std::move(end)))); };
  SecureStream client{std::move(sockets.client), laned(std::move(both.initiator))};
  SecureStream server{std::move(sockets.server), laned(std::move(both.acceptor))};
  const auto text = some_text(65'536);
  std::string got(text.size(), '\0');
  long before = 0;
  for (int round = 0; round < 4; ++round) {
    CHECK(client.write_some(asio::buffer(text)) == text.size());
    CHECK(server.next_layer().available() > text.size());
    std::size_t reads = 0;
    for (std::size_t size = 0; size < got.size(); ++reads)
      size += server.read_some(asio::buffer(got.data() + size, got.size() - size));
    CHECK(got == text);
    const long now = support::heap::live_bytes();
    if (round > 1) CHECK(now <= before);
    before = now;
    if (round == 3) CHECK(reads == 1);  // when it knows how much comes
  }
}
#endif
