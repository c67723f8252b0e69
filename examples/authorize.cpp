// examples/authorize: who is the peer, and may it come in? Both ends are here, without any wire.
//
//   authorize [--realm REALM]... [--principal PATTERN]... [--sid SID]... [--act-as USER] [--service PATTERN]...
//             SERVICE HOST
//
// Needs a ticket, and the service's key: realm -- authorize --realm GSSKEY.TEST host localhost
// SPDX-License-Identifier: MIT
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/authorize.hpp>

#include <iostream>
#include <string_view>
#include <utility>

#include "both_ends.hpp"
#include "print.hpp"

using namespace gsskey;

namespace {

int failed(const Error& error) {
  std::cerr << "authorize: " << example::in_words(error) << '\n';
  return 1;
}

int serve(const SecurityContext<mech::Krb5>& context, const Policy& policy) {
  const auto peer = context.peer();
  if (!peer) return failed(peer.error());
  const auto principal = peer->principal();
  if (!principal) return failed(principal.error());
  std::cout << principal->component(0) << " of " << principal->realm() << '\n';
  if (auto allowed = authorize(context, policy); !allowed) return failed(allowed.error());
  std::cout << "may come in\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Policy policy;
  int at = 1;
  for (; at + 3 < argc; at += 2) {
    const std::string_view option = argv[at];
    const char* const value = argv[at + 1];
    if (option == "--realm") {
      policy.realms.emplace_back(value);
    } else if (option == "--principal") {
      policy.principals.emplace_back(value);
    } else if (option == "--act-as") {
      policy.act_as = value;
    } else if (option == "--sid") {
      const auto sid = Sid::parse(value);
      if (!sid) return failed(sid.error());
      policy.sids.push_back(*sid);
    } else if (option == "--service") {
      policy.services.emplace_back(value);
    } else {
      break;
    }
  }
  if (at + 2 != argc) {
    std::cerr << "usage: authorize [--realm REALM] [--principal PATTERN] [--sid SID] [--act-as USER]"
                 " [--service PATTERN] SERVICE HOST\n";
    return 2;
  }
  auto target = Name::host_service(argv[at], argv[at + 1]);
  if (!target) return failed(target.error());
  const auto context = example::accept_from(Initiator<mech::Krb5>{*std::move(target)}, Acceptor<mech::Krb5>{});
  if (!context) return failed(context.error());
  return serve(*context, policy);
}
