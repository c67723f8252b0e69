// Base64: the vectors of RFC 4648 section 10, every byte at every place, and what is not taken.
#include <gsskey/core/base64.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("the vectors of RFC 4648") {
  const struct {
    std::string_view bytes, text;
  } vectors[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    CAPTURE(text);
    CHECK(base64_encode(bytes) == text);
    CHECK(must(base64_decode(text)).text() == bytes);
    CHECK(base64_size(bytes.size()) == text.size());
  }
}

TEST_CASE("all bytes, at any place") {
  for (std::size_t shift = 0; shift < 3; ++shift) {
    std::string bytes(shift, 'x');
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
    CHECK(must(base64_decode(base64_encode(bytes))).text() == bytes);
  }
}

TEST_CASE("64 KiB and more") {
  const std::string bytes(100'000, '\xfb');
  CHECK(must(base64_decode(base64_encode(bytes))).text() == bytes);
}

TEST_CASE("what base64_encode() would not have written") {
  const std::string_view refused[] = {"Z",     "Zg",      "Zg=",     "=",       "==",   "====", "Z===",    "Zg==Zg==",
                                      "Zm9v=", "Zm9v\n",  " Zm9v",   "Zm 9",    "Zh==", "Zm9=", "Zm-_",    "Zm9v====",
                                      "Zg=g",  "Zm9\x01", "Zm\xe4v", "Zm9vZm9", "Zm9,", "Zm=v", "Zg==\r\n"};
  for (const auto text : refused) {
    CAPTURE(text);
    const auto bytes = base64_decode(text);
    REQUIRE_FALSE(bytes);
    CHECK(bytes.error().domain() == Domain::transport);
    CHECK(bytes.error().minor_status() == EPROTO);
  }
}
