// What is a transport, what is a stream, and what is neither.
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/io/transport.hpp>

#include <string>

#include "support/catch.hpp"

using namespace gsskey;

namespace {

/// Receives a T.
template <class T, class Sent = Result<void>>
struct Wire {
  std::string last{};
  Sent send(ByteView token) {
    last = token.text();
    return Sent();
  }
  Result<T> receive(std::size_t max_size) {
    if (last.size() > max_size) return unexpected(Error::transport("receive", EMSGSIZE));
    return T{last};
  }
};
static_assert(BlockingTransport<Wire<std::string>> && BlockingTransport<Wire<ByteView>>);
static_assert(!BlockingTransport<Wire<std::string, bool>> && !BlockingTransport<std::string>);
static_assert(BlockingTransport<FramedTransport<FdStream>> && !BlockingTransport<FdStream>);
static_assert(BlockingStream<FdStream> && !BlockingStream<Wire<std::string>>);

/// A stream in memory.
struct Memory {
  std::string bytes{};
  Result<void> write(ByteView header, ByteView body) {
    bytes.append(header.text()).append(body.text());
    return {};
  }
  Result<void> read(void* data, std::size_t size) {
    if (bytes.copy(static_cast<char*>(data), size) < size) return unexpected(Error::transport("read", ECONNRESET));
    bytes.erase(0, size);
    return {};
  }
};
static_assert(BlockingStream<Memory> && BlockingTransport<FramedTransport<Memory>>);

}  // namespace

TEST_CASE("a stream of one's own carries frames") {
  Memory memory;
  FramedTransport wire{memory};
  REQUIRE(wire.send("first"));
  REQUIRE(wire.send({}));
  CHECK(ByteView{*wire.receive(5)}.text() == "first");
  CHECK(ByteView{*wire.receive(5)}.empty());
  CHECK(wire.receive(5).error().minor_status() == ECONNRESET);
  CHECK(memory.bytes.empty());
}
