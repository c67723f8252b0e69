// tests/support/skip: how a test case says that this machine cannot run it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace support {

/// Set by skip(); main() turns it into exit code 77, or 1 with CI=true: a machine for CI can run everything.
inline bool skipped = false;

/// To be returned from the test case: `return support::skip("krb5kdc is not installed");`
inline void skip(const char* reason) noexcept {
  std::fprintf(stderr, "skipped: %s\n", reason);
  skipped = true;
}

inline int exit_code(int failures) noexcept {
  if (failures != 0 || !skipped) return failures;
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view{ci} == "true" ? 1 : 77;
}

}  // namespace support
