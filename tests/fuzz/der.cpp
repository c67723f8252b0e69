// Elements of DER: what is taken lies within the input and is what an encoder writes; what is refused is not taken.
// SPDX-License-Identifier: MIT
#include <gsskey/core/detail/der.hpp>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

fuzz::Bytes encoded(detail::DerElement element) {
  fuzz::Bytes bytes{element.tag};
  const std::size_t size = element.content.size();
  if (size < 0x80) {
    bytes.push_back(static_cast<unsigned char>(size));
  } else {
    std::size_t octets = 1;
    while (octets < sizeof size && size >> (8 * octets) != 0) ++octets;
    bytes.push_back(static_cast<unsigned char>(0x80 + octets));
    while (octets-- > 0) bytes.push_back(static_cast<unsigned char>(size >> (8 * octets)));
  }
  bytes.insert(bytes.end(), element.content.begin(), element.content.end());
  return bytes;
}

void walk(ByteView bytes, int depth) {
  detail::DerReader in{bytes};
  while (true) {
    const ByteView before = in.rest();
    detail::DerElement element;
    if (in.take(element) != detail::DerFault::none) {
      expect(in.rest().data() == before.data() && in.rest().size() == before.size(), "what is refused is not taken");
      return;
    }
    expect(fuzz::is_within(element.content, before), "the content lies within the input");
    const fuzz::Bytes again = encoded(element);
    expect(before.subview(0, before.size() - in.rest().size()) == ByteView{again}, "only DER is taken");
    if ((element.tag & 0x20) != 0 && depth < 16) walk(element.content, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  walk({data, size}, 0);
  return 0;
}
