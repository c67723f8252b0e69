// The record layer without I/O: what is cut, sealed and framed comes out at the other end, in whatever pieces; what a
// hostile peer sends ends in an Error; a write that was given up goes on with the same bytes or not at all.
#include <gsskey/io/record_layer.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/marked_context.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::MarkedContext;
using support::must;
using Layer = RecordLayer<MarkedContext>;

namespace {

std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

/// What is on the wire after `count` bytes of what is to be sent, all of it if there is less.
std::string sent(Layer& layer, std::size_t count = std::size_t(-1)) {
  const auto parts = layer.unsent();
  const auto bytes = (std::string{parts[0].text()} + std::string{parts[1].text()}).substr(0, count);
  layer.sent(bytes.size());
  return bytes;
}
/// All packets of `text`.
std::string sealed(Layer& layer, std::string_view text) {
  std::string wire;
  while (!text.empty()) {
    text.remove_prefix(must(layer.seal(text)));
    wire += sent(layer);
  }
  return wire;
}
std::string taken(Layer& layer) {
  const std::string text{layer.opened().text()};
  layer.consume(text.size());
  return text;
}
/// What comes out when `wire` comes in pieces of `size`.
std::string opened(Layer& layer, std::string_view wire, std::size_t size) {
  std::string text;
  while (!wire.empty()) {
    const std::size_t used = must(layer.put(wire.substr(0, size)));
    CHECK((used != 0 || !layer.opened().empty()));
    wire.remove_prefix(used);
    text += taken(layer);
  }
  return text;
}
Error error_of(Layer& layer, ByteView wire) {
  const auto put = layer.put(wire);
  REQUIRE_FALSE(put);
  return put.error();
}

}  // namespace

TEST_CASE("what is sealed comes out, in whatever pieces it comes") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity, Protection::none);
  const RecordOptions options{.max_sent = 600, .max_received = 600, .protection = protection};
  Layer writer{MarkedContext{}, options};
  Layer reader{MarkedContext{}, options};
  CHECK(writer.protection() == protection);
  for (const std::size_t size : {1u, 100u, 594u, 595u, 5000u}) {
    const auto text = some_text(size);
    for (const std::size_t piece : {1u, 3u, 4u, 599u, 600u, 601u, 100'000u}) {
      INFO(size << " bytes in pieces of " << piece);
      CHECK(opened(reader, sealed(writer, text), piece) == text);
    }
  }
  CHECK(must(writer.seal("")) == 0);
  CHECK_FALSE(writer.has_unsent());
}

TEST_CASE("what is on the wire: four bytes of length and a token, or the bytes themselves") {
  const auto text = some_text(1000);
  SECTION("encrypted") {
    Layer layer{MarkedContext{}, {.max_sent = 506}};
    const auto wire = sealed(layer, text);
    CHECK(wire.size() == 1000 + 2 * 6);
    CHECK(wire.substr(0, 6) == std::string{"\0\0\1\xf6\x5a\0", 6});
    CHECK(wire.substr(506, 6) == std::string{"\0\0\1\xf6\x5a\1", 6});
    CHECK(wire.find("abcde") == std::string::npos);
  }
  SECTION("integrity only") {
    Layer layer{MarkedContext{}, {.max_sent = 506, .protection = Protection::integrity}};
    CHECK(sealed(layer, text).substr(0, 11) == std::string{"\0\0\1\xf6\x5b\0abcde", 11});
  }
  SECTION("none") {
    Layer layer{MarkedContext{}, {.max_sent = 506, .protection = Protection::none}};
    CHECK(must(layer.seal(text)) == 506);
    CHECK(sent(layer) == text.substr(0, 506));
  }
}

TEST_CASE("each direction has its limit") {
  Layer writer{MarkedContext{}, {.max_sent = 300, .max_received = 20}};
  Layer reader{MarkedContext{}, {.max_sent = 20, .max_received = 300}};
  const auto longest = some_text(294);
  CHECK(opened(reader, sealed(writer, longest), 1000) == longest);
  CHECK(opened(writer, sealed(reader, longest), 1000) == longest);
  CHECK(must(reader.seal(longest)) == 14);

  Layer narrow{MarkedContext{}, {.max_received = 299}};
  const Error error = error_of(narrow, std::string{"\0\0\1\x28", 4});
  CHECK(error.domain() == Domain::transport);
  CHECK(error.minor_status() == EMSGSIZE);
  CHECK(narrow.room().error().minor_status() == EMSGSIZE);  // and nothing more

  Layer tiny{MarkedContext{}, {.max_sent = 3, .max_received = 3}};
  CHECK(tiny.seal("x").error().domain() == Domain::policy);
  CHECK(error_of(tiny, std::string{"\0\0\0\1x", 5}).minor_status() == EMSGSIZE);
}

TEST_CASE("who wants encryption takes nothing else, who wants integrity takes both") {
  Layer clear{MarkedContext{}, {.protection = Protection::integrity}};
  const auto wire = sealed(clear, "in the clear");
  Layer strict{MarkedContext{}};
  CHECK(error_of(strict, wire).domain() == Domain::policy);
  CHECK(strict.opened().empty());
  Layer loose{MarkedContext{}, {.protection = Protection::integrity}};
  CHECK(opened(loose, wire, 100) == "in the clear");
  Layer secret{MarkedContext{}};
  sealed(secret, "number 0");
  CHECK(opened(loose, sealed(secret, "encrypted"), 100) == "encrypted");
}

TEST_CASE("a context without unencrypted messages says so") {
  struct Encrypting {
    MarkedContext context{};
    Result<SecretBytes> wrap(ByteView message) { return context.wrap(message); }
    Result<SecretBytes> unwrap(ByteView token) { return context.unwrap(token); }
    Result<SecretBytes> get_mic(ByteView message) { return context.get_mic(message); }
    Result<void> verify_mic(ByteView, ByteView) { return {}; }
    [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t size) const { return size; }
  };
  RecordLayer<Encrypting> layer{Encrypting{}, {.protection = Protection::integrity}};
  CHECK(layer.seal("x").error().domain() == Domain::usage);
  CHECK(layer.put(std::string{"\0\0\0\1x", 5}).error().domain() == Domain::usage);
}

TEST_CASE("a packet that is not encrypted holds what its own token leaves room for") {
  struct Uneven : MarkedContext {
    [[nodiscard]] static Result<std::uint32_t> wrap_size_limit(std::uint32_t) { return 1u; }
    [[nodiscard]] static Result<std::uint32_t> wrap_unencrypted_size_limit(std::uint32_t size) { return size - 2; }
  };
  for (const auto& [protection, size] : {std::pair{Protection::integrity, 94u}, {Protection::encrypted, 1u}}) {
    RecordLayer<Uneven> layer{Uneven{}, {.max_sent = 100, .protection = protection}};
    CHECK(must(layer.seal(some_text(200))) == size);
  }
}

TEST_CASE("a write that is given up at any point: the same bytes go on, and no others") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity, Protection::none);
  const RecordOptions options{.max_sent = 30, .protection = protection};
  const auto text = "pay alice 1 EUR" + some_text(100);
  auto other = text;
  other.replace(4, 10, "bob 99 EUR");
  Layer probe{MarkedContext{}, options};
  const std::size_t cut = must(probe.seal(text));
  const std::size_t packet = sent(probe).size();
  for (std::size_t point = 0; point < packet; ++point) {
    CAPTURE(point);
    Layer writer{MarkedContext{}, options};
    Layer reader{MarkedContext{}, {.protection = protection}};
    CHECK(must(writer.seal(text)) == cut);
    CHECK(writer.seal(text).error().minor_status() == EALREADY);  // not given up yet
    auto wire = sent(writer, point);
    writer.abandon(text);
    CHECK(writer.abandoned() == cut);
    auto last = text.substr(0, cut);
    last.back() ^= 1;
    for (const std::string& wrong : {other, last, text.substr(0, cut - 1), std::string{}}) {
      const auto refused = writer.seal(wrong);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().domain() == Domain::usage);
    }
    CHECK(must(writer.seal(text.substr(0, cut))) == cut);
    wire += sent(writer, 3);
    if (writer.has_unsent()) {
      writer.abandon(text);
      CHECK(writer.seal(other).error().domain() == Domain::usage);
      CHECK(must(writer.seal(text)) == cut);
      wire += sent(writer);
    }
    CHECK(writer.abandoned() == 0);
    wire += sealed(writer, other);
    CHECK(opened(reader, wire, 7) == text.substr(0, cut) + other);
  }
  probe.abandon(text);  // nothing is under way
  CHECK(must(probe.seal("anything")) == 8);
}

TEST_CASE("a packet that has gone after all when it was given up is not sent twice") {
  const auto protection = GENERATE(Protection::encrypted, Protection::none);
  Layer writer{MarkedContext{}, {.protection = protection}};
  Layer reader{MarkedContext{}, {.protection = protection}};
  static_cast<void>(must(writer.seal("once")));
  std::string wire{writer.unsent()[0].text()};
  wire += writer.unsent()[1].text();
  writer.abandon("once");
  writer.sent(wire.size() - 1);  // of the transfer that was under way
  writer.sent(1);
  CHECK(writer.abandoned() == 4);
  CHECK(writer.seal("other").error().domain() == Domain::usage);
  CHECK(must(writer.seal("once")) == 4);
  wire += sent(writer);
  CHECK_FALSE(writer.has_unsent());
  CHECK(opened(reader, wire + sealed(writer, ", and no more"), 100) == "once, and no more");
}

TEST_CASE("a packet that is given up without memory to repeat it is the last one") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  Layer layer{MarkedContext{}};
  static_cast<void>(must(layer.seal("first")));
  layer.sent(3);
  {
    const support::heap::Exhausted exhausted;
    layer.abandon("first");
  }
  CHECK_FALSE(layer.has_unsent());
  for (const std::size_t late : {0u, 3u, 100u}) layer.sent(late);  // a transfer that was under way when it was given up
  for (const char* text : {"first", "other"})
    CHECK(layer.seal(std::string_view{text}).error().minor_status() == ENOMEM);
}

TEST_CASE("empty packets: some are passed over, and then it is enough") {
  MarkedContext peer;
  Layer reader{MarkedContext{}};
  const auto packet = [&](ByteView message) {
    const auto token = must(peer.wrap(message));
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    return std::string{ByteView{header.bytes}.text()} + std::string{token.text()};
  };
  for (int round = 0; round < 3; ++round) {
    std::string wire;
    for (unsigned i = 0; i < Layer::max_empty_packets; ++i) wire += packet("");
    CHECK(opened(reader, wire + packet("x"), 1000) == "x");
  }
  for (unsigned i = 0; i < Layer::max_empty_packets; ++i) CHECK(must(reader.put(packet(""))) == 6);
  CHECK(error_of(reader, packet("")).minor_status() == EPROTO);
  CHECK(error_of(reader, packet("x")).minor_status() == EPROTO);
}

TEST_CASE("what fails to open ends the receiving, and not the sending") {
  Layer layer{MarkedContext{}};
  CHECK(error_of(layer, std::string{"\0\0\0\4abcd", 8}).text() == "not one of ours");
  Layer honest{MarkedContext{}};
  const auto wire = sealed(honest, "fine");
  CHECK(error_of(layer, wire).text() == "not one of ours");
  CHECK(layer.received(0).error().text() == "not one of ours");
  CHECK(layer.ended().error().text() == "not one of ours");
  CHECK(layer.opened().empty());
  CHECK(opened(honest, sealed(layer, "still"), 100) == "still");
}

TEST_CASE("the end of the stream is an Error within a packet only") {
  Layer writer{MarkedContext{}};
  const auto wire = sealed(writer, "message");
  for (std::size_t size = 0; size <= wire.size(); ++size) {
    CAPTURE(size);
    Layer reader{MarkedContext{}};
    static_cast<void>(must(reader.put(std::string_view{wire}.substr(0, size))));
    const auto ended = reader.ended();
    CHECK(ended.has_value() == (size == 0 || size == wire.size()));
    if (!ended) CHECK(ended.error().minor_status() == ECONNRESET);
    if (!ended) CHECK(reader.put(wire).error().minor_status() == ECONNRESET);
  }
  Layer bare{MarkedContext{}, {.protection = Protection::none}};
  static_cast<void>(must(bare.put("half a sen")));
  CHECK(bare.ended());
}

TEST_CASE("one packet at a time: what follows waits until it was taken") {
  Layer writer{MarkedContext{}};
  const auto first = sealed(writer, "first");
  const auto both = first + sealed(writer, "second");
  Layer reader{MarkedContext{}};
  CHECK(must(reader.put(both)) == first.size());
  CHECK(must(reader.put(ByteView{both}.subview(first.size()))) == 0);
  CHECK(must(reader.room()).size == 0);
  reader.consume(2);
  CHECK(reader.opened().text() == "rst");
  reader.consume(100);
  CHECK(reader.opened().empty());
  CHECK(must(reader.put(ByteView{both}.subview(first.size()))) == both.size() - first.size());
  CHECK(taken(reader) == "second");
}

TEST_CASE("more than there was room for cannot have come") {
  const auto protection = GENERATE(Protection::encrypted, Protection::none);
  Layer writer{MarkedContext{}, {.protection = protection}};
  Layer layer{MarkedContext{}, {.protection = protection}};
  SECTION("at the beginning") {
    const auto size = must(layer.room()).size;
    CHECK(layer.received(size + 1).error().domain() == Domain::usage);
  }
  SECTION("while something is to be taken") {
    static_cast<void>(must(layer.put(sealed(writer, "text"))));
    CHECK(layer.received(0));
    CHECK(layer.received(1).error().domain() == Domain::usage);
    CHECK(taken(layer) == "text");
  }
  CHECK(layer.room().error().domain() == Domain::usage);
}

TEST_CASE("memory grows with what has come") {
  SECTION("of a packet") {
    Layer layer{MarkedContext{}, {.max_received = 1 << 20}};
    const long before = support::heap::live_bytes();
    static_cast<void>(must(layer.put(std::string_view{"\0\x0f\0\0", 4})));
    CHECK(support::heap::live_bytes() - before < 1024);
    const std::string half(500'000, 'x');
    const long with_text = support::heap::live_bytes();
    static_cast<void>(must(layer.put(half)));
    CHECK(support::heap::live_bytes() - with_text < 2 * 500'000);
  }
  SECTION("without protection") {
    Layer layer{MarkedContext{}, {.max_received = 5000, .protection = Protection::none}};
    const long before = support::heap::live_bytes();
    for (const std::size_t size : {512u, 1024u, 2048u, 4096u, 5000u, 5000u}) {
      const auto room = must(layer.room());
      CHECK(room.size == size);
      CHECK(support::heap::live_bytes() - before <= static_cast<long>(size) + 64);
      std::memset(room.data, 'x', room.size);
      CHECK(layer.received(room.size));
      CHECK(taken(layer) == std::string(size, 'x'));
    }
    static_cast<void>(must(layer.room()));
    CHECK(layer.received(1));
    CHECK(taken(layer).size() == 1);
    CHECK(must(layer.room()).size == 5000);
  }
}

TEST_CASE("without memory nothing is sealed or received, and the stream goes on") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  const auto protection = GENERATE(Protection::encrypted, Protection::none);
  Layer layer{MarkedContext{}, {.protection = protection}};
  {
    const support::heap::Exhausted exhausted;
    CHECK(layer.seal("x").error().minor_status() == ENOMEM);
    if (protection == Protection::none) CHECK(layer.room().error().minor_status() == ENOMEM);
  }
  CHECK(must(layer.seal("x")) == 1);
  CHECK(layer.room());
}

TEST_CASE("plaintext stays in no memory") {
  const std::string secret = "a secret that is longer than a string holds";
  const auto protection = GENERATE(Protection::encrypted, Protection::none);
  const support::heap::FreedText freed{secret};
  {
    Layer writer{MarkedContext{}, {.protection = protection}};
    Layer reader{MarkedContext{}, {.protection = protection}};
    static_cast<void>(must(writer.seal(secret)));
    writer.sent(5);
    writer.abandon(secret);
    SECTION("never repeated") {}
    SECTION("repeated, and read") {
      static_cast<void>(must(writer.seal(secret)));
      writer.sent(1000);
      const ByteView message{secret};
      Layer again{MarkedContext{}, {.protection = protection}};
      static_cast<void>(must(again.seal(message)));
      for (const ByteView part : again.unsent()) static_cast<void>(must(reader.put(part)));
      CHECK(reader.opened() == message);
      reader.consume(secret.size());
    }
    SECTION("read, and not taken") {
      Layer again{MarkedContext{}, {.protection = protection}};
      static_cast<void>(must(again.seal(secret)));
      for (const ByteView part : again.unsent()) static_cast<void>(must(reader.put(part)));
    }
  }
  CHECK_FALSE(freed.seen());
  char* volatile copy = ::strdup(secret.c_str());  // it is seen where it does stay
  std::free(copy);
  CHECK(freed.seen());
}

TEST_CASE("a layer that is moved within packets goes on, and what is left passes nothing") {
  const auto protection = GENERATE(Protection::encrypted, Protection::integrity, Protection::none);
  Layer writer{MarkedContext{}, {.protection = protection}};
  Layer reader{MarkedContext{}, {.protection = protection}};
  static_cast<void>(must(writer.seal("moved")));
  const auto first = sent(writer, protection == Protection::none ? 2 : 7);
  auto text = opened(reader, first, 100);
  Layer writes{std::move(writer)};
  Layer reads{std::move(reader)};
  const auto passes_nothing = [](Layer& left) {
    CHECK_FALSE(left.has_unsent());
    CHECK(left.opened().empty());
    for (const char* bytes : {"", "in the clear"}) {
      CHECK(left.seal(std::string_view{bytes}).error().domain() == Domain::usage);
    }
    CHECK(left.room().error().domain() == Domain::usage);
    CHECK(left.put("x").error().domain() == Domain::usage);
    CHECK(left.received(0).error().domain() == Domain::usage);
    CHECK(left.ended().error().domain() == Domain::usage);
  };
  passes_nothing(writer);  // NOLINT: asked
  passes_nothing(reader);  // NOLINT
  static_cast<void>(must(reads.put(sent(writes))));
  text += reads.opened().text().substr(0, 1);
  reads.consume(1);
  auto& self = reads;
  reads = std::move(self);
  reader = std::move(reads);  // and takes what comes, though it was told that it cannot
  CHECK(text + taken(reader) == "moved");
  CHECK(reader.protection() == protection);
  passes_nothing(reads);  // NOLINT
  CHECK(opened(reader, sealed(writes, "on"), 1) == "on");
}
