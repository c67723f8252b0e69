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
using support::ManyMarked;
using support::MarkedContext;
using support::must;
using Layer = RecordLayer<MarkedContext>;
using ManyLayer = RecordLayer<ManyMarked>;
template class gsskey::RecordLayer<ManyMarked>;

namespace {

std::string some_text(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

/// What is on the wire after `count` bytes of what is to be sent, all of it if there is less.
template <class C>
std::string sent(RecordLayer<C>& layer, std::size_t count = std::size_t(-1)) {
  const auto parts = layer.unsent();
  const auto bytes = (std::string{parts[0].text()} + std::string{parts[1].text()}).substr(0, count);
  layer.sent(bytes.size());
  return bytes;
}
/// All packets of `text`.
template <class C>
std::string sealed(RecordLayer<C>& layer, std::string_view text) {
  std::string wire;
  while (!text.empty()) {
    text.remove_prefix(must(layer.seal(text)));
    wire += sent(layer);
  }
  return wire;
}
template <class C>
std::string taken(RecordLayer<C>& layer) {
  const std::string text{layer.opened().text()};
  layer.consume(text.size());
  return text;
}
/// What comes out when `wire` comes in pieces of `size`.
template <class C>
std::string opened(RecordLayer<C>& layer, std::string_view wire, std::size_t size) {
  std::string text;
  while (!wire.empty()) {
    const std::size_t used = must(layer.put(wire.substr(0, size)));
    CHECK((used != 0 || !layer.opened().empty()));
    wire.remove_prefix(used);
    while (!layer.opened().empty()) text += taken(layer);
  }
  return text;
}
template <class C>
Error error_of(RecordLayer<C>& layer, ByteView wire) {
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

TEMPLATE_TEST_CASE("empty packets: some are passed over, and then it is enough", "", MarkedContext, ManyMarked) {
  MarkedContext peer;
  RecordLayer<TestType> reader{TestType{}};
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

TEMPLATE_TEST_CASE("the end of the stream is no Error before whole packets were taken", "", MarkedContext, ManyMarked) {
  for (const bool is_whole : {true, false}) {
    CAPTURE(is_whole);
    Layer writer{MarkedContext{}};
    std::string wire;
    for (int count = 0; count < 20; ++count) wire += sealed(writer, std::string(1, static_cast<char>('a' + count)));
    if (!is_whole) wire.pop_back();
    RecordLayer<TestType> reader{TestType{}, {.max_received = 100}};
    CHECK(must(reader.put(wire)) == wire.size());
    const auto ended = reader.ended();
    CHECK(ended.has_value() == is_whole);
    if (!ended) CHECK(ended.error().minor_status() == ECONNRESET);
    std::string text;
    while (!reader.opened().empty()) text += taken(reader);
    CHECK(text == std::string{"abcdefghijklmnopqrst"}.substr(0, is_whole ? 20 : 19));
  }
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

TEMPLATE_TEST_CASE("all that has come is read at once, and taken one packet after the other", "", MarkedContext,
                   ManyMarked) {
  Layer writer{MarkedContext{}};
  auto wire = sealed(writer, "first");
  wire += sealed(writer, "second");
  wire += sealed(writer, "third");
  const auto last = wire.substr(wire.size() - 1);
  wire.pop_back();
  RecordLayer<TestType> reader{TestType{}};
  CHECK(must(reader.put(wire)) == wire.size());
  CHECK(must(reader.put("x")) == 0);
  CHECK(must(reader.room()).size == 0);
  reader.consume(2);
  CHECK(reader.opened().text() == "rst");
  reader.consume(100);
  CHECK(taken(reader) == "second");
  CHECK(reader.opened().empty());
  CHECK(opened(reader, last, 1) == "third");
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

TEST_CASE("many at once: what is sealed comes out, in whatever pieces, whoever is at the other end") {
  const RecordOptions options{.max_sent = GENERATE(600u, 16384u), .max_received = 16384};
  ManyLayer many{ManyMarked{}, options};
  ManyLayer other{ManyMarked{}, options};
  Layer one{MarkedContext{}, options};
  Layer peer{MarkedContext{}, options};
  for (const std::size_t size : {1u, 594u, 4095u, 4096u, 5000u, 65'536u, 300'000u}) {
    const auto text = some_text(size);
    for (const std::size_t piece : {1u, 3u, 511u, 513u, 5000u, 1'000'000u}) {
      if (size > 5000 && piece < 500) continue;
      INFO(size << " bytes in pieces of " << piece);
      CHECK(opened(other, sealed(many, text), piece) == text);
      CHECK(opened(one, sealed(other, text), piece) == text);
      CHECK(opened(many, sealed(peer, text), piece) == text);
    }
  }
  CHECK(many.context().most == 16);
  CHECK(other.context().most == 16);
}

TEST_CASE("many packets: without lanes nothing is cut") {
  ManyMarked context;
  context.laned = false;
  ManyLayer many{std::move(context)};
  Layer one{MarkedContext{}};
  for (const std::size_t size : {1u, 5000u, 65'536u, 300'000u}) {
    const auto text = some_text(size);
    CHECK(must(many.seal(text)) == must(one.seal(text)));
    CHECK(sent(many).size() == sent(one).size());
  }
}

TEST_CASE("many at once: how a write is cut") {
  ManyLayer layer{ManyMarked{}};
  const auto lengths = [&](std::size_t size, std::size_t expected) {
    CHECK(must(layer.seal(std::string(size, 'x'))) == expected);
    CHECK(layer.unsent()[0].empty());
    std::string found;
    for (std::string_view wire{layer.unsent()[1].text()}; !wire.empty();) {
      FrameHeader header;
      std::memcpy(header.bytes, wire.data(), 4);
      found += std::to_string(header.length() - MarkedContext::overhead) + " ";
      wire.remove_prefix(4 + header.length());
    }
    sent(layer);
    CHECK_FALSE(layer.has_unsent());
    return found;
  };
  CHECK(lengths(4095, 4095) == "4095 ");
  CHECK(lengths(4096, 4096) == "1024 1024 1024 1024 ");
  CHECK(lengths(5000, 5000) == "1024 1024 1024 1024 904 ");
  std::string all;
  for (int i = 0; i < 16; ++i) all += "4096 ";
  CHECK(lengths(65'536, 65'536) == all);
  all.clear();
  for (int i = 0; i < 16; ++i) all += "16378 ";
  CHECK(lengths(1 << 20, 16 * 16378) == all);  // as long as the peer takes
}

TEST_CASE("many at once: a write that is given up at any point: the same bytes go on, and no others") {
  const auto text = "pay alice 1 EUR" + some_text(4985);
  auto other = text;
  other.replace(4, 10, "bob 99 EUR");
  for (const std::size_t point : {0u, 3u, 4u, 5u, 1029u, 1030u, 1031u, 5029u}) {
    CAPTURE(point);
    ManyLayer writer{ManyMarked{}};
    Layer reader{MarkedContext{}};
    CHECK(must(writer.seal(text)) == text.size());
    CHECK(writer.seal(text).error().minor_status() == EALREADY);
    auto wire = sent(writer, point);
    writer.abandon(text);
    CHECK(writer.abandoned() == text.size());
    for (const std::string& wrong : {other, text.substr(0, text.size() - 1)})
      CHECK(writer.seal(wrong).error().domain() == Domain::usage);
    CHECK(must(writer.seal(text + "more")) == text.size());
    wire += sent(writer);
    wire += sealed(writer, other);
    CHECK(opened(reader, wire, 1000) == text + other);
  }
}

TEMPLATE_TEST_CASE("what comes before what cannot be opened is taken, and nothing behind it", "", MarkedContext,
                   ManyMarked) {
  Layer honest{MarkedContext{}, {.max_sent = 106}};
  const auto text = some_text(4000);
  const auto good = sealed(honest, text);  // 40 packets of 106 bytes
  RecordLayer<TestType> reader{TestType{}, {.max_received = 106}};
  std::string wire = good;
  const std::size_t bad = GENERATE(0u, 1u, 15u, 16u, 39u);
  std::size_t whole = 100 * bad;
  int number = 0;
  SECTION("altered") { wire[106 * bad + 4] = 0; }
  SECTION("too long") {
    wire[106 * bad + 3] = 103;
    number = EMSGSIZE;
  }
  SECTION("one empty after the other") {
    wire.clear();
    MarkedContext peer;
    for (unsigned i = 0; i < bad + 34; ++i) {
      const auto token = must(peer.wrap(i < bad ? ByteView{"x"} : ByteView{}));
      const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
      wire += std::string{ByteView{header.bytes}.text()};
      wire += token.text();
    }
    whole = bad;
    number = EPROTO;
  }
  std::string got;
  while (!wire.empty()) {
    const auto used = reader.put(wire);
    if (!used) break;
    wire.erase(0, *used);
    while (!reader.opened().empty()) {
      got += reader.opened().text().substr(0, 30);
      reader.consume(30);
    }
  }
  CHECK(got == (number == EPROTO ? std::string(whole, 'x') : text.substr(0, whole)));
  for (const Error& error : {reader.room().error(), reader.received(0).error(), reader.ended().error()}) {
    if (number == 0) CHECK(error.text() == "not one of ours");
    CHECK(error.minor_status() == static_cast<std::uint32_t>(number));
  }
  CHECK(opened(honest, sealed(reader, "still"), 100) == "still");
}

TEMPLATE_TEST_CASE("the end of the stream is an Error within any of many packets", "", MarkedContext, ManyMarked) {
  Layer writer{MarkedContext{}, {.max_sent = 30}};
  const auto wire = sealed(writer, some_text(72));  // three packets of 30 bytes
  for (std::size_t size = 0; size <= wire.size(); ++size) {
    CAPTURE(size);
    RecordLayer<TestType> reader{TestType{}};
    CHECK(opened(reader, wire.substr(0, size), 100).size() == size / 30 * 24);
    const auto ended = reader.ended();
    CHECK(ended.has_value() == (size % 30 == 0));
    if (!ended) CHECK(reader.put(wire).error().minor_status() == ECONNRESET);
  }
}

TEMPLATE_TEST_CASE("memory grows with what has come, and none is kept", "", MarkedContext, ManyMarked) {
  const auto text = some_text(100'000);
  Layer writer{MarkedContext{}};
  RecordLayer<TestType> reader{TestType{}};
  const std::string half(8000, 'x');
  const long idle = support::heap::live_bytes();
  const std::string_view header{"\0\0\x3f\xfc", 4};
  static_cast<void>(must(reader.put(header.substr(0, 3))));
  CHECK(support::heap::live_bytes() == idle);
  static_cast<void>(must(reader.put(header.substr(3))));
  CHECK(support::heap::live_bytes() - idle < 1024);
  static_cast<void>(must(reader.put(half)));
  CHECK(support::heap::live_bytes() - idle <= 2 * 8192);

  reader = RecordLayer<TestType>{TestType{}};
  for (int round = 0; round < 3; ++round) {
    const bool is_same = opened(reader, sealed(writer, text), 1'000'000) == text;
    const long left = support::heap::live_bytes() - idle;
    CHECK(is_same);
    CHECK(left == 0);
  }
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  const support::heap::Exhausted exhausted;
  CHECK(error_of(reader, header).minor_status() == ENOMEM);
}

TEST_CASE("many at once: a context that fails may have used numbers up, so nothing more is sealed") {
  const auto text = some_text(5000);
  ManyLayer layer{ManyMarked{}};
  if (support::heap::Exhausted::possible) {
    {
      const support::heap::Exhausted exhausted;
      CHECK(layer.seal(text).error().minor_status() == ENOMEM);
    }
    Layer peer{MarkedContext{}};
    CHECK(opened(peer, sealed(layer, text), 1000) == text);  // for packets nothing had changed
  }
  layer.context().fails = true;
  CHECK(layer.seal(text).error().text() == "it fails");
  layer.context().fails = false;
  CHECK(layer.seal(text).error().text() == "it fails");
  CHECK_FALSE(layer.has_unsent());
}

TEST_CASE("many at once: all or nothing is encrypted") {
  ManyLayer marked{ManyMarked{}, {.protection = Protection::integrity}};
  CHECK(marked.seal("x").error().domain() == Domain::usage);
  CHECK(error_of(marked, "x").domain() == Domain::usage);
  ManyLayer bare{ManyMarked{}, {.max_sent = 100, .protection = Protection::none}};
  ManyLayer other{ManyMarked{}, {.protection = Protection::none}};
  const auto text = some_text(5000);
  CHECK(must(bare.seal(text)) == 100);
  sent(bare);
  CHECK(opened(other, sealed(bare, text), 700) == text);
  CHECK(bare.context().most == 0);
}

TEST_CASE("many at once: plaintext stays in no memory") {
  const std::string secret = "a secret that is longer than a string holds";
  std::string text = some_text(4000);
  text.replace(2000, secret.size(), secret);
  const support::heap::FreedText freed{secret};
  {
    ManyLayer writer{ManyMarked{}};
    ManyLayer reader{ManyMarked{}};
    writer.context().fails = GENERATE(false, true);
    const auto count = writer.seal(text);
    if (count) {
      std::string wire{writer.unsent()[1].text()};
      const int way = GENERATE(0, 1, 2);
      if (way == 1) wire += std::string{"\0\0", 2};
      if (way == 2) wire += std::string{"\0\0\0\1x", 5};
      static_cast<void>(must(reader.put(wire)));
      while (!reader.opened().empty()) reader.consume(1000);
    }
    writer.sent(5);
    writer.abandon(text);
  }
  explicit_bzero(text.data(), text.size());
  CHECK_FALSE(freed.seen());
}

TEST_CASE("many at once: a layer that is moved within packets goes on, and what is left passes nothing") {
  Layer writer{MarkedContext{}, {.max_sent = 30}};
  const auto text = some_text(72);
  const auto wire = sealed(writer, text);
  for (const std::size_t size : {2u, 20u, 30u, 47u, 90u}) {
    CAPTURE(size);
    ManyLayer reader{ManyMarked{}};
    static_cast<void>(must(reader.put(ByteView{wire}.subview(0, size))));
    ManyLayer moved{std::move(reader)};
    CHECK(reader.opened().empty());  // NOLINT: asked
    CHECK(reader.room().error().domain() == Domain::usage);
    reader.consume(1);
    ManyLayer assigned{ManyMarked{}};
    static_cast<void>(must(assigned.put(wire)));
    assigned = std::move(moved);
    std::string got;
    while (!assigned.opened().empty()) got += taken(assigned);
    CHECK(got + opened(assigned, std::string_view{wire}.substr(size), 7) == text);
  }
}
