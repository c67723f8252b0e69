// A blocking stream of protected messages over a socket: whole streams both ways, its limits of time, and what is over
// after which failure.
#include <gsskey/io/framing.hpp>
#include <gsskey/io/secure_fd_stream.hpp>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "support/marked_context.hpp"
#include "support/realm.hpp"
#include "support/slow_peer.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using support::must;
using support::SocketPair;
using Context = SecurityContext<mech::Krb5>;
using Stream = SecureFdStream<Context>;
static_assert(BlockingStream<Stream>);

namespace {

struct Streams {
  explicit Streams(RecordOptions options = {})
      : client{sockets.ends[0], std::move(ends.initiator), options},
        server{sockets.ends[1], std::move(ends.acceptor), options} {}
  SocketPair sockets{};
  support::Ends<mech::Krb5> ends = support::pair<mech::Krb5>();
  Stream client;
  Stream server;
};

std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}
std::string read(Stream& stream, std::size_t size) {
  std::string text(size, '\0');
  must(stream.read(text.data(), size));
  return text;
}

}  // namespace

TEST_CASE("writes and reads of any size, both ways, with and without encryption") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity, Protection::none);
  Streams streams{{.protection = protection}};
  const auto text = some_text(100'000);
  std::thread peer{[&] {
    const auto there = streams.server.write(text);
    std::string back(text.size(), '\0');
    const auto here = streams.server.read(back.data(), back.size());
    if (!there || !here || back != text) streams.sockets.close(1);  // so that the other end sees it
  }};
  std::string got(text.size(), '\0');
  std::size_t size = 0;
  const std::size_t pieces[] = {1, 7, 4096, 20'000};
  for (std::size_t i = 0; size < got.size(); ++i) {
    const auto count = streams.client.read_some(got.data() + size, std::min(pieces[i % 4], got.size() - size));
    REQUIRE((count && *count != 0));
    size += *count;
  }
  const auto written = streams.client.write(text);
  peer.join();
  CHECK(written);
  CHECK(got == text);
  CHECK(streams.sockets.ends[1] >= 0);
}

TEST_CASE("a context of many messages at once: reads of any size, and what comes before a packet that fails") {
  SocketPair sockets;
  SecureFdStream client{sockets.ends[0], support::ManyMarked{}};
  SecureFdStream server{sockets.ends[1], support::ManyMarked{}};
  const auto text = some_text(300'000);
  std::thread writer{[&] {
    static_cast<void>(client.write(text));
    FdStream raw{sockets.ends[0]};
    static_cast<void>(raw.write(std::string_view{"\0\0\0\4abcd", 8}));
  }};
  std::string got(text.size() + 1, '\0');
  std::size_t size = 0;
  const std::size_t pieces[] = {1, 7, 4096, 100'000};
  for (std::size_t i = 0; size < text.size(); ++i) {
    const auto count = server.read_some(got.data() + size, std::min(pieces[i % 4], got.size() - size));
    REQUIRE((count && *count != 0));
    size += *count;
  }
  writer.join();
  got.resize(size);
  CHECK(got == text);
  CHECK(server.context().most == 16);
  CHECK(server.read_some(got.data(), 1).error().text() == "not one of ours");
}

TEST_CASE("header and body go in one packet, encrypted") {
  Streams streams;
  must(streams.client.write("header ", "and body"));
  FdStream raw{streams.sockets.ends[1]};
  FramedTransport wire{raw};
  const auto token = must(wire.receive(16380));
  CHECK(token.text().find("body") == std::string_view::npos);
  CHECK(must(streams.server.context().unwrap(token)).text() == "header and body");
  must(streams.client.write("", ""));  // nothing
  must(streams.client.write({}, "body alone"));
  CHECK(must(streams.server.context().unwrap(must(wire.receive(16380)))).text() == "body alone");
}

TEST_CASE("packets are as long as is allowed") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity);
  Streams streams{{.protection = protection}};
  const auto text = some_text(40'000);
  std::thread writer{[&] { static_cast<void>(streams.client.write(text)); }};
  FdStream raw{streams.sockets.ends[1]};
  FramedTransport wire{raw};
  std::string plain;
  int packets = 0;
  for (; plain.size() < text.size(); ++packets) {
    const auto token = must(wire.receive(16380));
    if (packets == 0) CHECK(token.size() == 16380);
    plain += must(streams.server.context().unwrap_unencrypted(token)).message.text();
  }
  writer.join();
  CHECK(plain == text);
  CHECK(packets == 3);
}

TEST_CASE("tokens of another protocol through it") {
  Streams streams;
  FramedTransport ours{streams.client};
  FramedTransport theirs{streams.server};
  must(ours.send("token"));
  must(ours.send(""));
  CHECK(must(theirs.receive(100)).text() == "token");
  CHECK(must(theirs.receive(100)).empty());
}

TEST_CASE("the end of the stream, between packets and within one") {
  Streams streams;
  char bytes[100];
  must(streams.client.write("last"));
  SECTION("between packets") {
    streams.sockets.close(0);
    CHECK(must(streams.server.read_some(bytes, 100)) == 4);
    CHECK(must(streams.server.read_some(bytes, 100)) == 0);
    CHECK(streams.server.read(bytes, 1).error().minor_status() == ECONNRESET);
  }
  SECTION("within what was to be read") {
    streams.sockets.close(0);
    CHECK(streams.server.read(bytes, 5).error().minor_status() == ECONNRESET);
    CHECK(streams.server.read_some(bytes, 100).error().minor_status() == ECONNRESET);  // the four bytes are lost
  }
  SECTION("within a packet") {
    FdStream raw{streams.sockets.ends[0]};
    must(raw.write(std::string_view{"\0\0\0\7abc", 7}));
    streams.sockets.close(0);
    CHECK(must(streams.server.read_some(bytes, 100)) == 4);
    const auto cut = streams.server.read_some(bytes, 100);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().text() == "the peer closed the connection within a packet");
  }
}

TEST_CASE("a read that took too long can be repeated, and loses nothing") {
  Streams streams;
  auto token = must(streams.client.context().wrap("message"));
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
  FdStream raw{streams.sockets.ends[0]};
  char bytes[100];
  for (const ByteView part :
       {ByteView{header.bytes}.subview(0, 2), ByteView{header.bytes}.subview(2), ByteView{token}.subview(0, 20)}) {
    must(raw.write(part));
    streams.server.expires_after(10ms);
    CHECK(streams.server.read_some(bytes, 100).error().minor_status() == ETIMEDOUT);
  }
  must(raw.write(ByteView{token}.subview(20)));
  streams.server.expires_after(0s);
  CHECK(streams.server.read_some(bytes, 100).error().minor_status() == ETIMEDOUT);
  streams.server.expires_never();
  CHECK(read(streams.server, 7) == "message");
}

TEST_CASE("the time is for all of it: a packet whose every byte comes in time is given up") {
  auto ends = support::pair<mech::Krb5>();
  const auto token = must(ends.initiator.wrap("message"));
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(ByteView{token}.size()));
  const std::string packet = std::string{ByteView{header.bytes}.text()} + std::string{ByteView{token}.text()};
  const support::SlowPeer peer{packet};
  Stream stream{peer.wire(), std::move(ends.acceptor)};
  stream.expires_after(1s);  // a byte comes each tenth of it
  std::string got(7, '\0');
  CHECK(stream.read(got.data(), got.size()).error().minor_status() == ETIMEDOUT);
  CHECK(support::SlowPeer::taken() == 10);
  stream.expires_after(1h);
  must(stream.read(got.data(), got.size()));
  CHECK(support::SlowPeer::taken() == static_cast<long>(packet.size()));
  CHECK(got == "message");
}

TEST_CASE("a write that took too long is the last one") {
  Streams streams;
  streams.client.expires_after(20ms);
  CHECK(streams.client.write(std::string(16 << 20, 'x')).error().minor_status() == ETIMEDOUT);
  streams.client.expires_never();
  CHECK(streams.client.write("more").error().minor_status() == ETIMEDOUT);
  must(streams.server.write("the other way"));
  CHECK(read(streams.client, 13) == "the other way");
}

TEST_CASE("a peer that is gone is an Error for the writer, and no signal") {
  Streams streams;
  streams.sockets.close(1);
  CHECK(streams.client.write("x").error().minor_status() == EPIPE);
  CHECK(streams.client.write("x").error().minor_status() == EPIPE);
}

TEST_CASE("what does not open is the end of the reading") {
  Streams streams;
  FdStream raw{streams.sockets.ends[0]};
  must(raw.write(std::string_view{"\0\0\0\4abcd", 8}));
  must(streams.client.write("fine"));
  char byte;
  CHECK(streams.server.read_some(&byte, 1).error().domain() == Domain::gss);
  CHECK(streams.server.read_some(&byte, 1).error().domain() == Domain::gss);
}
