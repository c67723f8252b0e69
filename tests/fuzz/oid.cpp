// Object identifiers as text and as octets: what is taken is the one form of what it names.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/oid.hpp>

#include <algorithm>
#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void octets(ByteView content) {
  const Oid oid = Oid::from_der(content);
  if (oid.empty()) return;
  expect(ByteView{oid} == content, "octets are taken whole");
  const OidText text = oid.to_text();
  expect(text.size <= sizeof text.chars && text.view().find_first_not_of("0123456789.") == std::string_view::npos,
         "digits and dots");
  const auto again = Oid::parse(text.view());
  if (again) {
    expect(*again == oid, "the text of an OID is that OID");
    return;
  }
  // An arc of more than 64 bits is shown and not read: its octets are ten or more.
  std::size_t longest = 0;
  std::size_t length = 0;
  for (const unsigned char octet : content) {
    longest = std::max(longest, ++length);
    if ((octet & 0x80) == 0) length = 0;
  }
  expect(longest >= 10, "an arc of 64 bits is read");
}

void dotted(std::string_view text) {
  const auto oid = Oid::parse(text);
  if (!oid) return;
  expect(!oid->empty() && oid->to_text().view() == text, "one text for an OID");
  expect(Oid::from_der(*oid) == *oid, "its octets are those of an OID");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    octets(input.rest());
  } else {
    dotted(input.rest().text());
  }
  return 0;
}
