// A program of component testing.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <gsskey/testing/realm_options.hpp>

int main() {
  const gsskey::TestRealmOptions options{.users = {{"alice", "secret"}}};
  std::puts(options.realm.c_str());
  return options.users.size() == 1 ? 0 : 1;
}
