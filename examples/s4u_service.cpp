// examples/s4u_service: a service that has authenticated a user by other means, a web login say, sends a message to
// another service as that user, whose password it does not know (S4U2Self, then S4U2Proxy).
//
//   s4u_service [--allow PRINCIPAL]... SERVICE HOST USER TARGET-HOST PORT TARGET-SERVICE MESSAGE
//
// --allow: the users that it may be asked to act as; without, any that the realm knows.
// The target is examples/server. The keys of SERVICE/HOST must be in the keytab (KRB5_KTNAME) and in the client keytab
// (KRB5_CLIENT_KTNAME), and the KDC must let it act for users towards the target. MIT krb5 only; the KDC may be
// Heimdal's or Active Directory.
// SPDX-License-Identifier: MIT
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/credential/impersonation.hpp>

#include "allow.hpp"
#include "deliver.hpp"
#include "print.hpp"

using namespace gsskey;
using namespace example;

namespace {

struct Options {
  const char* service;
  const char* host;
  const char* user;
  const char* target_host;
  const char* port;
  const char* target_service;
  std::string_view message;
  AllowList allowed;
};

Result<void> run(const Options& options) {
  GSSKEY_TRY(auto self, Name::host_service(options.service, options.host));
  // Both: as acceptor the service reads the ticket for itself that the KDC gives it in the user's name.
  GSSKEY_TRY(auto own, Credential<mech::Krb5, Both>::acquire_from({.ccache = "MEMORY:s4u_service"}, self));

  GSSKEY_TRY(auto name, Name::user(options.user));
  GSSKEY_TRY(auto user, impersonate(own, name));
  GSSKEY_TRY(auto info, user.inquire());
  if (auto admitted = options.allowed.admit(info.name); !admitted) return admitted;  // as the KDC names the user
  GSSKEY_TRY(auto behind, impersonator(user));
  std::cout << name_or(behind, "nobody") << " acts for " << name_or(info.name, "somebody") << '\n';

  GSSKEY_TRY(auto target, Name::host_service(options.target_service, options.target_host));
  return deliver(options.target_host, options.port, Initiator<mech::Krb5>{std::move(target), user}, options.message);
}

}  // namespace

int main(int argc, char** argv) try {
  auto allowed = allow_list("s4u_service", argc, argv);
  if (argc != 8) {
    std::cerr
        << "usage: s4u_service [--allow PRINCIPAL]... SERVICE HOST USER TARGET-HOST PORT TARGET-SERVICE MESSAGE\n";
    return 2;
  }
  if (const auto done = run({argv[1], argv[2], argv[3], argv[4], argv[5], argv[6], argv[7], std::move(allowed)});
      !done) {
    std::cerr << "s4u_service: " << in_words(done.error()) << '\n';
    return 1;
  }
  std::cout << "message received\n";
  return 0;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "s4u_service: " << failure.what() << '\n';
  return 1;
}
