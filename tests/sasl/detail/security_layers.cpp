// The four octets, strengths, and what is UTF-8.
#include <gsskey/sasl/detail/security_layers.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"

using namespace gsskey;
using namespace gsskey::sasl_detail;
using namespace std::string_literals;

namespace {
ByteView bytes_of(std::string_view text) { return {text.data(), text.size()}; }
}  // namespace

TEST_CASE("octets of an offer and of a reply") {
  LayerMessage message;
  for (const std::string_view cut : {""s, "\x07"s, "\x07\x01\x02"s})
    CHECK_FALSE(LayerMessage::read(bytes_of(cut), message));
  REQUIRE(LayerMessage::read("\xff\x01\x02\x03you", message));
  CHECK(message.layers == 7);
  CHECK(message.buffer == 0x010203);
  CHECK(message.rest.text() == "you");
  unsigned char octets[4];
  write_layers(4, 0xFFFFFF, octets);
  CHECK(ByteView{octets, 4} == bytes_of("\x04\xff\xff\xff"));
}

TEST_CASE("layers that will do") {
  const ContextFlags all = ContextFlag::integrity | ContextFlag::sequence | ContextFlag::confidentiality;
  const auto layers = [&](std::uint32_t min, std::uint32_t max, std::uint32_t below, ContextFlags flags) {
    return static_cast<int>(NeededStrength::of(min, max, below).layers(flags, 128));
  };
  CHECK(layers(0, 256, 0, all) == 7);
  CHECK(layers(1, 256, 0, all) == 6);
  CHECK(layers(2, 256, 0, all) == 4);
  CHECK(layers(128, 128, 0, all) == 4);
  CHECK(layers(129, 256, 0, all) == 0);
  CHECK(layers(0, 127, 0, all) == 3);
  CHECK(layers(0, 0, 0, all) == 1);
  CHECK(layers(1, 256, 256, all) == 1);
  CHECK(layers(129, 256, 1, all) == 4);
  CHECK(layers(0, 256, 0, ContextFlag::integrity) == 1);
  CHECK(layers(0, 256, 0, ContextFlag::integrity | ContextFlag::sequence) == 3);
  CHECK(layers(1, 256, 0, ContextFlag::integrity) == 0);
}

TEST_CASE("UTF-8 as RFC 3629 has it, without NUL") {
  for (const std::string& text : {""s, "alice"s, "\x7f\xc2\x80\xdf\xbf"s, "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"s,
                                  "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"s}) {
    CHECK(is_utf8_text(bytes_of(text)));
  }
  for (const std::string& text :
       {"\0"s, "a\0"s, "\x80"s, "\xc0\x80"s, "\xc1\xbf"s, "\xc2"s, "\xc2\x41"s, "\xe0\x9f\xbf"s, "\xed\xa0\x80"s,
        "\xe1\x80"s, "\xf0\x8f\xbf\xbf"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xf1\x80\x80"s, "\xff"s}) {
    CHECK_FALSE(is_utf8_text(bytes_of(text)));
  }
}
