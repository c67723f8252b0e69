// Lists of SASL mechanisms, and messages as lines: what is taken is what we would have written.
// SPDX-License-Identifier: MIT
#include <gsskey/sasl/line.hpp>
#include <gsskey/sasl/mechanism_list.hpp>

#include <optional>
#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

void list(std::string_view text) {
  constexpr std::string_view preferred[] = {"GSSAPI", "A"};
  const auto offered = sasl::MechanismList::parse(text);
  if (!offered) return;
  expect(!offered->contains("") && !offered->contains(" "), "an empty name is never there");
  const auto chosen = offered->choose(preferred);
  if (!chosen) return;
  expect(text.find(*chosen) != std::string_view::npos, "what is chosen was offered");
  expect(offered->confirm(*chosen, preferred).has_value(), "and is confirmed");
  expect(!offered->confirm(*chosen == "A" ? "GSSAPI" : "A", preferred), "and no other");
}

void lines(std::string_view text) {
  if (const auto message = sasl::from_line(text)) {
    expect(sasl::to_line(*message) == text, "one line for a message");
  }
  if (const auto message = sasl::from_initial_response(text)) {
    const auto bytes = *message ? std::optional<ByteView>{**message} : std::nullopt;
    expect(sasl::to_initial_response(bytes) == text, "one text for an initial response");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  list(bytes.text());
  lines(bytes.text());
  return 0;
}
