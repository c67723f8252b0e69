// Peers that stall, hang up, dawdle, babble or repeat themselves, by the hundred and mixed with good ones: the good
// ones are served, and nothing is left of the others.
#include <gsskey/io/asio.hpp>
#include <gsskey/io/secure_stream.hpp>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Socket = asio::local::stream_protocol::socket;
using Krb5 = mech::Krb5;
using Context = SecurityContext<Krb5>;

constexpr int of_each = 40;

struct Counts {
  int served = 0;
  int refused = 0;
  int good = 0;
};

/// What a coroutine threw goes to the test.
struct Rethrow {
  void operator()(std::exception_ptr thrown) const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

template <class Offload>
asio::awaitable<void> serve(Socket socket, Offload offload, Counts& counts) {
  AsioTransport wire{socket};
  auto context = co_await drive<asio::awaitable>(support::acceptor<Krb5>(), wire, offload);
  if (!context) {
    ++counts.refused;
    co_return;
  }
  SecureStream stream{std::move(socket), *std::move(context)};
  std::string line;
  std::error_code code;
  const std::size_t size = co_await asio::async_read_until(stream, asio::dynamic_buffer(line, 100), '\n',
                                                           asio::redirect_error(asio::use_awaitable, code));
  if (code) {
    ++counts.refused;
    co_return;
  }
  const std::size_t sent = co_await asio::async_write(stream, asio::buffer(line, size), asio::use_awaitable);
  ++counts.served;
  static_cast<void>(sent);
}

template <class Offload>
asio::awaitable<void> good_client(Socket socket, Offload offload, Counts& counts) {
  AsioTransport wire{socket};
  auto context = co_await drive<asio::awaitable>(support::initiator<Krb5>(), wire, offload);
  if (!context) co_return;
  SecureStream stream{std::move(socket), *std::move(context)};
  const std::string line = "good\n";
  std::size_t size = co_await asio::async_write(stream, asio::buffer(line), asio::use_awaitable);
  std::string answer;
  size = co_await asio::async_read_until(stream, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
  if (answer.substr(0, size) == line) ++counts.good;
}

std::string framed(ByteView token) {
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
  return std::string{ByteView{header.bytes}.text()} + std::string{token.text()};
}

/// A first token of its own, each time.
std::string first_frame() {
  auto initiator = support::initiator<Krb5>();
  return framed(must(initiator.step()).token);
}

/// The first token a byte at a time, the loop in between; then the rest as a good client does it.
asio::awaitable<void> slow_client(Socket socket, Counts& counts) {
  auto initiator = support::initiator<Krb5>();
  const auto frame = framed(must(initiator.step()).token);
  for (const char byte : frame) {
    const std::size_t sent = co_await asio::async_write(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    static_cast<void>(sent);
    co_await asio::post(socket.get_executor(), asio::use_awaitable);
  }
  AsioTransport wire{socket};
  auto answer = co_await wire.async_receive(65536);
  if (!answer) co_return;
  if (!initiator.step(*answer)) co_return;
  auto context = std::move(initiator).establish();
  if (!context) co_return;
  SecureStream stream{std::move(socket), *std::move(context)};
  const std::string line = "slow\n";
  std::size_t size = co_await asio::async_write(stream, asio::buffer(line), asio::use_awaitable);
  std::string echo;
  size = co_await asio::async_read_until(stream, asio::dynamic_buffer(echo), '\n', asio::use_awaitable);
  if (echo.substr(0, size) == line) ++counts.good;
}

/// Says it all at once, and then the end; or stays and says nothing more.
void say(Socket& socket, const std::string& words, bool stays) {
  asio::write(socket, asio::buffer(words));
  if (!stays) socket.close();
}

std::string noise(unsigned seed, std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes) {
    seed = seed * 1664525u + 1013904223u;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

template <class Offload>
Counts run(asio::io_context& io, Offload offload) {
  Counts counts;
  std::vector<Socket> staying;
  const auto connect = [&] {
    Socket client{io};
    Socket server{io};
    asio::local::connect_pair(client, server);
    asio::co_spawn(io, serve(std::move(server), offload, counts), Rethrow{});
    return client;
  };
  for (int i = 0; i < of_each; ++i) {
    asio::co_spawn(io, good_client(connect(), offload, counts), Rethrow{});
    asio::co_spawn(io, slow_client(connect(), counts), Rethrow{});
    const auto seed = static_cast<unsigned>(i);
    const auto frame = first_frame();
    const std::string bad[] = {
        {},                                                             // hangs up at once
        frame.substr(0, 2),                                             // within the length
        frame.substr(0, frame.size() / 2),                              // within the token
        noise(seed, 64),                                                // a length and a token of noise
        framed(noise(seed, 200)),                                       // a token of noise
        framed(ByteView{frame}.subview(FrameHeader::size + 1 + seed)),  // the end of a token
        frame + framed(noise(seed, 32)),                                // a good token, then a packet of noise
        frame + frame,                                                  // the same one again, where a packet belongs
        framed({}) + frame,                                             // an empty one first
    };
    for (const auto& words : bad) {
      auto client = connect();
      say(client, words, false);
    }
    // Those stay until the loop has nothing else to do.
    for (const auto& words : {std::string{}, frame.substr(0, 3), frame.substr(0, frame.size() - 1)}) {
      say(staying.emplace_back(connect()), words, true);
    }
  }
  // The good ones do not wait for those who stall.
  while (counts.good < 2 * of_each && io.run_one() != 0) {
  }
  CHECK(counts.good == 2 * of_each);
  CHECK(counts.served == 2 * of_each);
  staying.clear();
  io.run();
  return counts;
}

}  // namespace

TEST_CASE("bad peers do not harm good ones, and leave nothing behind") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  const support::Handles handles;
  SECTION("steps in the loop") {
    asio::io_context io;
    const auto counts = run(io, Inline{});
    CHECK(counts.served == 2 * of_each);
    CHECK(counts.refused == 12 * of_each);
  }
  SECTION("steps on a pool") {
    asio::io_context io;
    asio::thread_pool pool{2};
    const auto counts = run(io, offload_to(pool));
    CHECK(counts.served == 2 * of_each);
    CHECK(counts.refused == 12 * of_each);
    pool.join();
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("all are cut off in the middle, and nothing stays") {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  const support::Handles handles;
  {
    asio::io_context io;
    asio::thread_pool pool{2};
    Counts counts;
    for (int i = 0; i < of_each; ++i) {
      Socket client{io};
      Socket server{io};
      asio::local::connect_pair(client, server);
      asio::co_spawn(io, serve(std::move(server), offload_to(pool), counts), Rethrow{});
      asio::co_spawn(io, good_client(std::move(client), offload_to(pool), counts), Rethrow{});
    }
    for (int i = 0; i < 5 * of_each; ++i) io.run_one();
  }
  CHECK(handles.leaked() == 0);
}
