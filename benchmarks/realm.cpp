// benchmarks/realm: runs a command in a throwaway realm, with a ticket, and ends with its status.
// SPDX-License-Identifier: MIT
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <gsskey/testing/test_realm.hpp>

namespace {

[[noreturn]] void fail(const gsskey::Error& error) {
  const auto text = error.text();
  std::fprintf(stderr, "%s: %.*s\n", error.operation(), static_cast<int>(text.size()), text.data());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto realm = gsskey::TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/localhost"}});
  if (!realm) fail(realm.error());
  const auto cache = realm->login("alice");
  if (!cache) fail(cache.error());
  const auto environment = realm->enter(*cache);
  if (!environment) fail(environment.error());
  ::setenv("KRB5RCACHENAME", "none:", 1);  // a replay cache is file I/O: noise here

  const ::pid_t child = ::fork();
  if (child == 0) {
    ::execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    ::_exit(127);
  }
  int status = 1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) std::perror(argv[1]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
