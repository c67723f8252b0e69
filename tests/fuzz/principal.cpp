// Principals as text, and patterns of them: what is taken is written as one text, which is that principal again.
// SPDX-License-Identifier: MIT
#include <gsskey/krb5/principal.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// The same question, asked letter by letter.
bool matches_slowly(std::string_view pattern, std::string_view value) {
  if (pattern.empty()) return value.empty();
  if (pattern.front() == '*') {
    return matches_slowly(pattern.substr(1), value) || (!value.empty() && matches_slowly(pattern, value.substr(1)));
  }
  const bool is_escaped = pattern.front() == '\\';
  const char letter = is_escaped ? gss_detail::unescaped(pattern[1]) : pattern.front();
  return !value.empty() && value.front() == letter &&
         matches_slowly(pattern.substr(is_escaped ? 2 : 1), value.substr(1));
}

void pattern(std::string_view text, std::string_view value) {
  gss_detail::PrincipalParts parts;
  if (gss_detail::split_principal(text.substr(0, 12), false, parts) != nullptr) return;
  const std::string_view part = parts.components[0];
  expect(gss_detail::matches_part(part, value.substr(0, 12)) == matches_slowly(part, value.substr(0, 12)),
         "a pattern means one thing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  const unsigned kind = input.byte() % 3u;
  if (kind == 2) {
    const auto text = input.bytes(input.byte() % 16u).text();
    pattern(text, input.rest().text());
    return 0;
  }
  const std::string_view text = input.rest().text();
  const auto principal = kind == 0 ? Principal::parse(text, "REALM") : Principal::parse_enterprise(text, "REALM");
  if (!principal) return 0;
  expect(principal->size() >= 1 && principal->size() <= 64, "so many components");
  expect(kind == 0 || principal->size() == 1, "an enterprise name has one component");
  std::vector<std::string_view> components;
  for (std::size_t at = 0; at < principal->size(); ++at) {
    components.push_back(principal->component(at));
    expect(text.size() >= components.back().size(), "a component is not longer than its text");
  }
  const auto again = Principal::parse(principal->text());
  expect(again && *again == *principal, "the text of a principal is that principal");
  const auto same = Principal::from_parts(principal->realm(), components);
  expect(same && *same == *principal, "its parts are that principal");
  return 0;
}
