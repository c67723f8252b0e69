// Security identifiers as text and as bytes: what is taken is the one form of what it names.
// SPDX-License-Identifier: MIT
#include <gsskey/krb5/sid.hpp>

#include <algorithm>
#include <cctype>
#include <string>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void as_bytes(ByteView bytes) {
  const auto sid = Sid::from_bytes(bytes);
  if (!sid) return;
  expect(!sid->empty() && ByteView{sid->to_bytes()} == bytes, "bytes are taken whole");
  const SidText text = sid->to_text();
  expect(text.size <= sizeof text.chars, "the text has room");
  const auto again = Sid::parse(text.view());
  expect(again && *again == *sid, "the text of a SID is that SID");
}

void as_text(std::string_view text) {
  const auto sid = Sid::parse(text);
  if (!sid) return;
  const auto small = [](std::string letters) {
    std::transform(letters.begin(), letters.end(), letters.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    return letters;
  };
  expect(small(std::string{sid->to_text().view()}) == small(std::string{text}), "one text for a SID");
  const auto again = Sid::from_bytes(sid->to_bytes());
  expect(again && *again == *sid, "its bytes are those of a SID");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    as_bytes(input.rest());
  } else {
    as_text(input.rest().text());
  }
  return 0;
}
