// examples/keep_secret: keeps a secret in the kernel for a while, where no file, environment or argument list shows it.
//
//   keep_secret store NAME SECONDS < SECRET      in the session ring: for all programs of this login, and no others
//   keep_secret fetch NAME > SECRET
//   keep_secret forget NAME
//
// Within su, sudo and set-uid programs the session may still be that of the user who called, who would read the secret:
// it is refused then, unless it is `keep_secret --in-session-of-another-user store ...`.
//
// It needs no GSS library: g++ -std=c++20 keep_secret.cpp -lkeyutils
// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/keyring.hpp>

using namespace gsskey;
using key_type::User;

namespace {

Result<SecretBytes> read_stdin() {
  auto secret = SecretBytes::with_size(User::max_payload + 1);  // one more, so that too much is refused and not cut
  std::size_t size = 0;
  while (secret && size < secret->size()) {
    const ::ssize_t count = ::read(STDIN_FILENO, secret->data() + size, secret->size() - size);
    if (count < 0) return unexpected(Error::system("read", errno));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (secret) {
    GSSKEY_TRY_VOID(secret->resize(size));
  }
  return secret;
}

Result<void> store(const std::string& name, Seconds lifetime, RingTerms terms) {
  GSSKEY_TRY(auto session, Keyring::session());
  if (auto good = check_ring(session, terms); !good) return good;
  GSSKEY_TRY(auto secret, read_stdin());
  // It replaces a key of that name, has its timeout from the first moment, and outlives this program.
  GSSKEY_TRY_VOID(session.put(User{name}, secret, {.timeout = lifetime}));
  return {};
}

Result<void> fetch(const std::string& name) {
  GSSKEY_TRY(auto key, request_key<User>(name));
  GSSKEY_TRY(auto secret, key.read());
  const ::ssize_t written = ::write(STDOUT_FILENO, secret.data(), secret.size());
  if (written != static_cast<::ssize_t>(secret.size())) return unexpected(Error::system("write", errno));
  return {};
}

Result<void> forget(const std::string& name) {
  GSSKEY_TRY(auto session, Keyring::session());
  GSSKEY_TRY(auto key, session.search<User>(name));
  return session.unlink(key);
}

int usage() {
  std::cerr << "usage: keep_secret [--in-session-of-another-user] store NAME SECONDS < SECRET\n"
               "       keep_secret fetch NAME > SECRET\n"
               "       keep_secret forget NAME\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  RingTerms terms;
  if (argc > 1 && std::string_view{argv[1]} == "--in-session-of-another-user") {
    terms.of_another_user = true;
    --argc, ++argv;
  }
  const std::string_view command = argc > 1 ? argv[1] : "";
  Result<void> done;
  if (command == "store" && argc == 4) {
    const long seconds = std::strtol(argv[3], nullptr, 10);
    if (seconds < 1 || seconds > 1'000'000'000) return usage();  // 0 would be for ever
    done = store(argv[2], Seconds{static_cast<std::uint32_t>(seconds)}, terms);
  } else if (command == "fetch" && argc == 3) {
    done = fetch(argv[2]);
  } else if (command == "forget" && argc == 3) {
    done = forget(argv[2]);
  } else {
    return usage();
  }
  if (!done) {
    std::cerr << "keep_secret: " << done.error().operation() << ": " << done.error().text() << '\n';
    return 1;
  }
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "keep_secret: " << failure.what() << '\n';
  return 1;
}
