// examples/realm: a Kerberos realm for as long as a command runs, with a user who is logged in.
//
//   realm [--user NAME:PASSWORD]... [--service SERVICE/HOST]... [--delegation SERVICE/HOST[:TARGET/HOST]]...
//         [--kdc ADDRESS:PORT] [--implementation mit|heimdal] -- COMMAND [ARGUMENT]...
//
// The default is --user alice:secret --service host/localhost, and MIT's KDC on a free port of 127.0.0.1. --delegation:
// the service may act for users, to itself and, with Heimdal's KDC, to the target. The command finds configuration,
// keytab and the first user's credential cache through its environment. Needs krb5-kdc, krb5-admin-server and
// krb5-user. SPDX-License-Identifier: MIT
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/testing/test_realm.hpp>

using namespace gsskey;

namespace {

int usage() {
  std::cerr << "usage: realm [--user NAME:PASSWORD]... [--service SERVICE/HOST]...\n"
               "             [--delegation SERVICE/HOST[:TARGET/HOST]]... [--kdc ADDRESS:PORT]\n"
               "             [--implementation mit|heimdal] -- COMMAND [ARGUMENT]...\n";
  return 2;
}

int failed(const Error& error) {
  std::cerr << "realm: " << error.operation() << ": " << error.text() << '\n';
  return 1;
}

/// "left:right"
std::pair<std::string, std::string> split(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string{text}, ""};
  return {std::string{text.substr(0, colon)}, std::string{text.substr(colon + 1)}};
}

/// The command's exit status, as a shell would give it.
Result<int> run(char** command) {
  const pid_t child = ::fork();
  if (child < 0) return unexpected(Error::system("fork", errno));
  if (child == 0) {
    ::execvp(command[0], command);
    std::cerr << "realm: " << command[0] << ": " << std::strerror(errno) << '\n';
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return unexpected(Error::system("waitpid", errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) try {
  TestRealmOptions options;
  int at = 1;
  for (; at + 1 < argc && std::string_view{argv[at]} != "--"; at += 2) {
    const std::string_view option = argv[at];
    const std::string_view value = argv[at + 1];
    if (option == "--user") {
      auto [name, password] = split(value);
      options.users.push_back({name, password});
    } else if (option == "--service") {
      options.services.emplace_back(value);
    } else if (option == "--delegation") {
      auto [service, delegate_to] = split(value);
      options.delegations.push_back({service, {}});
      if (!delegate_to.empty()) options.delegations.back().targets.push_back(delegate_to);
    } else if (option == "--implementation" && (value == "mit" || value == "heimdal")) {
      options.kdc = value == "mit" ? Kdc::mit : Kdc::heimdal;
    } else if (option == "--kdc") {
      auto [address, port] = split(value);
      options.kdc_address = address;
      options.kdc_port = static_cast<std::uint16_t>(std::atoi(port.c_str()));
    } else {
      return usage();
    }
  }
  if (at + 1 >= argc) return usage();
  if (options.users.empty()) options.users.push_back({"alice", "secret"});
  if (options.services.empty()) options.services.emplace_back("host/localhost");

  const std::string user = options.users.front().name;
  const auto realm = TestRealm::start(std::move(options));
  if (!realm) return failed(realm.error());
  const auto cache = realm->login(user);
  if (!cache) return failed(cache.error());
  const auto environment = realm->enter(*cache);
  if (!environment) return failed(environment.error());

  const auto status = run(argv + at + 1);
  if (!status) return failed(status.error());
  return *status;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "realm: " << failure.what() << '\n';
  return 1;
}
