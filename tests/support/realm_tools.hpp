// tests/support/realm_tools: realms of a test's own, and the tools of MIT Kerberos in them.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/test_realm.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace support {

using namespace gsskey;

inline TestRealm started(TestRealmOptions options = {.users = {{"alice", "secret"}}, .services = {"host/localhost"}}) {
  auto realm = TestRealm::start(std::move(options));
  if (!realm) FAIL(realm.error().text());
  return *std::move(realm);
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// A tool of MIT Kerberos inside the realm: what it printed, or "" and a failed check.
inline std::string tool(const TestRealm& realm, const char* name, std::vector<std::string> arguments,
                        std::string_view cache = {}) {
  auto path = test_detail::find_program(name, "krb5-user", test_detail::program_folders());
  if (!path) FAIL(path.error().text());
  arguments.insert(arguments.begin(), *path);
  auto done = test_detail::run(name, arguments, realm.environment(cache));
  if (!done) {
    FAIL_CHECK(done.error().text());
    return {};
  }
  return done->output;
}

}  // namespace support
