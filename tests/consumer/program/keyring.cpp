// A program that uses the installed headers of the keyring, and no GSS library.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <gsskey/keyring.hpp>

int main() {
  const auto missing = gsskey::AnyKeyRef::from_serial(0x7fffffff).describe();
  if (missing) return 1;
  std::puts(missing.error().operation());
  return 0;
}
