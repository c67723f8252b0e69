// Values of WWW-Authenticate and Authorization headers, and base64: what is taken is what we would have written.
// SPDX-License-Identifier: MIT
#include <gsskey/http/negotiate.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void check(const Result<NegotiateHeader>& header, std::size_t max_size) {
  if (!header || !header->is_present || header->token.empty()) return;
  expect(header->token.size() <= max_size, "no token is longer than is allowed");
  const std::string written = negotiate_header(header->token);
  const auto again = parse_authorization(written, max_size);
  expect(again && again->is_present && ByteView{again->token} == ByteView{header->token}, "one text per token");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned kind = input.byte() % 3u;
  const std::size_t max_size = input.byte();
  const std::string_view text = input.rest().text();
  if (kind == 0) {
    std::vector<std::string_view> values;
    for (std::size_t at = 0; at <= text.size(); at += values.back().size() + 1) {
      values.push_back(text.substr(at, text.find('\n', at) - at));
    }
    check(parse_www_authenticate(values, max_size), max_size);
  } else if (kind == 1) {
    check(parse_authorization(text, max_size), max_size);
  } else {
    const auto decoded = base64_decode(text);
    if (decoded) expect(base64_encode(*decoded) == text, "base64: one text for the same bytes");
    const auto again = base64_decode(base64_encode(input.rest()));
    expect(again && ByteView{*again} == input.rest(), "base64: what was encoded is decoded");
  }
  return 0;
}
