// Lines of request-key.conf: a line that is made is one that is found right, whatever stands in it.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring/handler/rule.hpp>

#include <algorithm>
#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    const std::string_view text = input.rest().text();
    const RequestKeyFault fault = check_request_key_conf(text);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    if (fault) expect(fault.line <= lines && fault.text != nullptr, "the fault is in a line that there is");
    return 0;
  }
  RequestKeyRule rule;
  rule.type = input.bytes(input.byte()).text();
  rule.description = input.bytes(input.byte()).text();
  rule.callout_info = input.bytes(input.byte()).text();
  rule.program = input.rest().text();
  const auto line = request_key_line(rule);
  if (!line) return 0;
  expect(!check_request_key_conf(line->text()), "a line that was made is right");
  expect(line->text().ends_with('\n') && std::count(line->begin(), line->end(), '\n') == 1, "one line");
  return 0;
}
