// A program that uses installed headers.
// SPDX-License-Identifier: MIT
#include <cstdio>

#include <gsskey/core/bytes.hpp>
#include <gsskey/gss.hpp>

int main() {
  const auto secret = gsskey::SecretBytes::copy_of("secret");
  const auto name = gsskey::Name::host_service("imap", "mail.example.com");
  if (!secret || !name) return 1;
  std::puts(GSSKEY_GSS_NAME);
  return 0;
}
