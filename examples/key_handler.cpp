// examples/key_handler: makes keys when they are asked for: a random token under every name, for as many minutes as the
// one who asks first says, at most an hour.
//
//   key_handler --rule > /etc/request-key.d/gsskey-token.conf      as root, once
//   keyctl request2 user gsskey-token:printer 10                   as anybody, from then on
//
// In a program: request_key<key_type::User>("gsskey-token:printer", "10").
// SPDX-License-Identifier: MIT
#include <sys/random.h>

#include <charconv>
#include <chrono>
#include <string_view>

#include <gsskey/keyring.hpp>

#include "print_rule.hpp"

using namespace gsskey;
using namespace std::chrono_literals;

namespace {

expected<Instantiation, Rejection> mint(const KeyRequest& request) {
  // Who asks chose description and callout info: they are no more to be trusted than any other input.
  const std::string_view wish = request.callout_info();
  unsigned minutes = 0;
  const auto [end, error] = std::from_chars(wish.data(), wish.data() + wish.size(), minutes);
  if (error != std::errc{} || end != wish.data() + wish.size() || minutes < 1 || minutes > 60) {
    return unexpected(Rejection{EINVAL, 1s});  // what request_key() fails with, and until when
  }

  unsigned char random[16];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return unexpected(Rejection{EAGAIN, 1s});
  auto token = SecretBytes::with_size(2 * sizeof random);
  if (!token) return unexpected(Rejection{ENOMEM, 1s});
  unsigned char* out = token->data();
  for (const unsigned char byte : random) {
    *out++ = static_cast<unsigned char>("0123456789abcdef"[byte >> 4]);
    *out++ = static_cast<unsigned char>("0123456789abcdef"[byte & 15]);
  }

  Instantiation made;
  made.payload = *std::move(token);
  made.timeout = std::chrono::minutes{minutes};
  made.permissions = Permissions{}.possessor(all_rights.without(Right::write));
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view{argv[1]} == "--rule") return example::print_rule("gsskey-token:*");
  return handle_upcall<key_type::User>(argc, argv, mint);
}
