// The first message of GS2: read and written, its authzid, its channel, and the framing of its token.
#include <gsskey/sasl/detail/gs2_message.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using namespace gsskey::sasl_detail;
using namespace std::string_literals;

namespace {

ByteView bytes_of(std::string_view text) { return {text.data(), text.size()}; }
std::string written(const Gs2Header& header) {
  std::string text(header.size(), '?');
  CHECK(header.write(text.data()) == text.data() + text.size());
  return text;
}

}  // namespace

TEST_CASE("gs2 message: what is written is read again") {
  for (const std::string_view authzid : {"", "www", ",", "=", "=2C", "a,b=c,"}) {
    for (const auto flag : {Gs2Flag::none, Gs2Flag::not_offered, Gs2Flag::used}) {
      const Gs2Header header{flag, flag == Gs2Flag::used ? "tls-exporter" : "", authzid};
      const std::string text = written(header);
      for (const std::string& prefix : {""s, "F,"s}) {
        const std::string whole = prefix + text + "token";
        Gs2Message message;
        REQUIRE(Gs2Message::read(bytes_of(whole), message) == nullptr);
        CHECK(message.is_framed == prefix.empty());
        CHECK(message.flag == flag);
        CHECK(message.type == header.type);
        CHECK(Gs2Message::unescaped(message.authzid) == authzid);
        CHECK(message.header.text() == text);
        CHECK(message.token.text() == "token");
      }
    }
  }
  CHECK(written({Gs2Flag::used, "tls-unique", "a,b=c"}) == "p=tls-unique,a=a=2Cb=3Dc,");
  CHECK(written({Gs2Flag::none, "", ""}) == "n,,");
}

TEST_CASE("gs2 message: what is none is left as it was") {
  Gs2Message message;
  message.type = "as it was";
  for (const std::string_view text : {"", "n", "n,", "n,,", "F", "F,", "F,n,", "F,n,,", "F,n,,\x60", "p,,token",
                                      "p=,,token", "z,,token", "n,a=,token", "n,a==4,", "n,a=x=,token"}) {
    CAPTURE(text);
    CHECK(Gs2Message::read(bytes_of(text), message) != nullptr);
    CHECK(message.type == "as it was");
  }
}

TEST_CASE("gs2 message: the type of a channel, and its data without it") {
  Gs2Channel channel;
  const ChannelBindings of_tls{"tls-server-end-point", ":a:hash"};
  REQUIRE(Gs2Channel::read(of_tls, channel));
  CHECK(channel.type == "tls-server-end-point");
  CHECK(channel.data.text() == ":a:hash");
  for (const auto& bindings :
       {ChannelBindings{}, ChannelBindings{"tls,unique", "x"}, ChannelBindings{"tls=unique", "x"},
        ChannelBindings::from_application_data(":x"), ChannelBindings::from_application_data("x:"),
        ChannelBindings::from_application_data("x")}) {
    CHECK_FALSE(Gs2Channel::read(bindings, channel));
  }
}

TEST_CASE("gs2 message: framing, taken off and put back, with lengths of each size") {
  for (const std::size_t size : {1u, 0x74u, 0x75u, 0xf4u, 0xf5u, 0xfff4u, 0xfff5u, 0x20000u}) {
    const std::string body(size, 'x');
    const auto token = support::must(Gs2Framing::restore(bytes_of(body)));
    CHECK(token.data()[0] == 0x60);
    CHECK(Gs2Framing::strip(token) == bytes_of(body));
    CHECK(Gs2Framing::strip(ByteView{token}.subview(0, token.size() - 1)).empty());
  }
  CHECK(support::must(Gs2Framing::restore("ab")).text() ==
        "\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
        "ab"s);
  CHECK(Gs2Framing::strip("\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02"
                          "ab")
            .empty());
  CHECK(Gs2Framing::strip("\x6e\x02xy").empty());
}
