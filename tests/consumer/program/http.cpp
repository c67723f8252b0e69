// A program of component http.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <gsskey/http/session.hpp>

int main() {
  const auto sessions = gsskey::HttpSessions::from_ring(gsskey::KeyringRef{}, "");
  if (sessions) return 1;
  std::puts(sessions.error().operation());
  return 0;
}
