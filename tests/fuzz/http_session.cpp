// Values of Cookie headers, and what is sealed in a session's cookie: what is taken lies in it, and has one form.
// SPDX-License-Identifier: MIT
#include <gsskey/http/session.hpp>

#include <string>
#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const bool is_header = input.byte() % 2u == 0;
  if (is_header) {
    constexpr std::string_view name = "name";
    const std::string_view header = input.rest().text();
    const auto value = http_detail::find_cookie(header, name);
    if (!value) {
      expect(value.error().domain() == Domain::transport, "a reason is told");
    } else if (!value->empty()) {
      expect(fuzz::is_within(*value, header), "it lies within");
      expect(value->find(';') == std::string_view::npos && !value->ends_with(' '), "it is one cookie");
      const auto begin = static_cast<std::size_t>(value->data() - header.data());
      expect(begin > name.size() && header.substr(begin - name.size() - 1, name.size() + 1) == "name=", "it is ours");
      for (const char* other : {"name=x", "name="}) {
        expect(!http_detail::find_cookie(std::string{header} + "; " + other, name) &&
                   !http_detail::find_cookie(std::string{other} + "; " + std::string{header}, name),
               "one too many is refused");
      }
    }
    return 0;
  }
  HttpSession session;
  ByteView bindings;
  if (!http_detail::read_session(input.rest(), session, bindings)) return 0;
  expect(fuzz::is_within(bindings, input.rest()) && !session.peer.empty(), "a session has a peer");
  expect(input.rest().size() == 13 + bindings.size() + session.peer.size(), "nothing is left over");
  return 0;
}
