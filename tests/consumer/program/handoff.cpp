// A program of component handoff.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <gsskey/handoff/envelope.hpp>
#include <gsskey/keyring/key_list.hpp>

int main() {
  const auto key = gsskey::SealKey::generate();
  const auto missing = gsskey::AnyKeyRef::from_serial(0x7fffffff).describe();
  if (!key || missing) return 1;
  std::puts(missing.error().operation());
  return 0;
}
