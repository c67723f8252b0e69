// Frames on a byte stream: four bytes of length, then the token; whatever the peer makes of that.
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;

namespace {

/// A stream in memory; reads past the end fail like a closed connection.
struct Memory {
  std::string bytes;
  std::size_t at = 0;
  int writes = 0;
  Result<void> write(ByteView header, ByteView body) {
    ++writes;
    bytes += header.text();
    bytes += body.text();
    return {};
  }
  Result<void> read(void* data, std::size_t size) {
    if (bytes.size() - at < size) return unexpected(Error::transport("read", ECONNRESET));
    std::memcpy(data, bytes.data() + at, size);
    at += size;
    return {};
  }
};

Error error_of(const std::string& bytes, std::size_t max_size = 65536) {
  Memory memory{bytes};
  FramedTransport wire{memory};
  const auto token = wire.receive(max_size);
  REQUIRE_FALSE(token);
  return token.error();
}

}  // namespace

TEST_CASE("frames come back as they were sent, empty ones and bytes of every value too") {
  Memory memory;
  FramedTransport wire{memory};
  std::string all(256, '\0');
  for (int i = 0; i < 256; ++i) all[static_cast<std::size_t>(i)] = static_cast<char>(i);
  const std::string tokens[] = {"first", "", all, std::string{"ends in zero\0", 13}, std::string(65536, 'x')};
  for (const auto& token : tokens) REQUIRE(wire.send(token));
  for (const auto& token : tokens) {
    const auto received = wire.receive(65536);
    REQUIRE(received);
    CHECK(received->text() == token);
  }
}

TEST_CASE("the header is four bytes, big-endian") {
  Memory memory;
  FramedTransport wire{memory};
  REQUIRE(wire.send(std::string(0x0102, 'x')));
  CHECK(memory.bytes.substr(0, 5) == std::string{"\0\0\1\2x", 5});
  CHECK(memory.writes == 1);                // two packets would cost a delayed acknowledgement
  if constexpr (sizeof(std::size_t) > 4) {  // refused before it is read
    CHECK_FALSE(wire.send({memory.bytes.data(), static_cast<std::size_t>(std::uint64_t{1} << 32)}));
  }
  CHECK(FrameHeader::of(0xffffffff).length() == 0xffffffff);
  CHECK(FrameHeader::of(0x01020304).length() == 0x01020304);
}

TEST_CASE("truncated frames are transport errors") {
  const std::string whole{"\0\0\0\5token", 9};
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const Error error = error_of(whole.substr(0, size));
    CHECK(error.domain() == Domain::transport);
    CHECK(error.minor_status() == ECONNRESET);
  }
}

TEST_CASE("a longer frame than allowed is refused before memory is taken for it") {
  const Error error = error_of("\xff\xff\xff\xff");  // 4 GiB announced, nothing there
  CHECK(error.domain() == Domain::transport);
  CHECK(error.minor_status() == EMSGSIZE);
  CHECK(std::string{error.operation()} == "receive");
  CHECK(error_of(std::string{"\0\1\0\1", 4}).minor_status() == EMSGSIZE);
  CHECK(error_of(std::string{"\0\0\0\5token", 9}, 4).minor_status() == EMSGSIZE);
}

TEST_CASE("memory grows with what has come, not with what is announced") {
  struct Watched {
    Memory memory{};
    long before = support::heap::live_bytes();
    int reads = 0;
    Result<void> write(ByteView header, ByteView body) { return memory.write(header, body); }
    Result<void> read(void* data, std::size_t size) {
      ++reads;
      CHECK(support::heap::live_bytes() - before <= 2 * static_cast<long>(memory.at) + 1024);
      return memory.read(data, size);
    }
  };
  const auto size = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{512}, std::size_t{513}, std::size_t{65536});
  const std::string token(size, 'x');
  Watched stream;
  FramedTransport wire{stream};
  REQUIRE(wire.send(token));
  SECTION("all of it comes, in few reads") {
    stream.before = support::heap::live_bytes();
    const auto received = wire.receive(65536);
    REQUIRE(received);
    CHECK(received->text() == token);
    CHECK(stream.reads <= 9);
  }
  SECTION("half of it comes") {
    stream.memory.bytes.resize(FrameHeader::size + size / 2);
    stream.before = support::heap::live_bytes();
    CHECK(wire.receive(65536).has_value() == (size == 0));
  }
}

TEST_CASE("a socket that delivers byte by byte delivers whole frames") {
  support::SocketPair sockets;
  std::thread peer{[&] {
    const std::string bytes{"\0\0\0\5token", 9};
    for (char byte : bytes) {
      if (::send(sockets.ends[1], &byte, 1, 0) != 1) return;
    }
  }};
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  const auto token = wire.receive(100);
  peer.join();
  REQUIRE(token);
  CHECK(token->text() == "token");
}

TEST_CASE("a frame larger than the socket's buffer passes whole") {
  support::SocketPair sockets;
  const std::string large(4 << 20, 'x');
  std::thread peer{[&] {
    FdStream stream{sockets.ends[1]};
    FramedTransport wire{stream};
    static_cast<void>(wire.send(large));
  }};
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  const auto token = wire.receive(large.size());
  peer.join();
  REQUIRE(token);
  CHECK(token->size() == large.size());
}

TEST_CASE("an incoming frame takes what has come, in any pieces, and leaves the rest") {
  Memory memory;
  FramedTransport wire{memory};
  const std::string tokens[] = {"first", "", std::string(2000, 'x'), "last"};
  for (const auto& token : tokens) REQUIRE(wire.send(token));
  const std::size_t piece = GENERATE(1u, 3u, 4u, 511u, 1'000'000u);
  std::string_view rest = memory.bytes;
  IncomingFrame frame{2000};
  for (const auto& token : tokens) {
    CHECK_FALSE(frame.has_begun());
    while (!frame.is_complete()) {
      CHECK(frame.token().empty());
      const auto used = frame.put(rest.substr(0, piece));
      REQUIRE((used && *used != 0));
      rest.remove_prefix(*used);
    }
    const auto more = frame.put(rest);
    REQUIRE(more);
    CHECK(*more == 0);
    CHECK(frame.token().text() == token);
    if (token.size() % 2 == 0) {
      frame.restart();
    } else {
      CHECK(frame.take().text() == token);
    }
  }
  CHECK(rest.empty());
}

TEST_CASE("nothing is taken of a frame that is not complete, and it goes on") {
  const std::string wire{"\0\0\0\5token", 9};
  for (std::size_t size = 0; size < wire.size(); ++size) {
    CAPTURE(size);
    IncomingFrame frame{5};
    CHECK(frame.put(std::string_view{wire}.substr(0, size)).value() == size);
    CHECK(frame.take().empty());
    CHECK(frame.put(std::string_view{wire}.substr(size)).value() == wire.size() - size);
    CHECK(frame.take().text() == "token");
  }
}

TEST_CASE("an incoming frame refuses what is announced too long, and what cannot have come") {
  IncomingFrame frame{4, "recv"};
  const auto refused = frame.put(std::string_view{"\0\0\0\5token", 9});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().minor_status() == EMSGSIZE);
  CHECK(std::string{refused.error().operation()} == "recv");
  CHECK_FALSE(frame.put("more"));  // again
  IncomingFrame other{4};
  CHECK(other.came(5).error().domain() == Domain::usage);
  CHECK_FALSE(other.has_begun());
}
