// A program of component sasl.
// SPDX-License-Identifier: MIT
#include <gsskey/sasl/mechanism_list.hpp>

int main() {
  const auto offered = gsskey::sasl::MechanismList::parse("GSSAPI PLAIN");
  return offered && offered->contains("GSSAPI") ? 0 : 1;
}
