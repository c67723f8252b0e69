// A program of component openssl.
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <utility>

#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/messages/take_over.hpp>

int main() {
  auto target = gsskey::Name::host_service("imap", "mail.example.com");
  if (!target) return 1;
  const auto protector = gsskey::take_over(gsskey::Initiator<gsskey::mech::Krb5>{*std::move(target)});
  if (protector) return 1;  // nobody has answered
  std::puts(protector.error().error.operation());
  return 0;
}
