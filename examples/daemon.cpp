// examples/daemon: a program that runs for days logs in with a keytab of its own, again and again, and never looks at
// when its ticket ends. It brings a realm along, as a test does: nothing has to be there but the programs of a KDC.
//
//   daemon [TIMES]          MIT krb5
//
// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/testing/test_realm.hpp>

#include "both_ends.hpp"
#include "print.hpp"

using namespace gsskey;

namespace {

Result<void> log_in(Initiator<mech::Krb5> initiator, const Credential<mech::Krb5, Accept>& key) {
  GSSKEY_TRY(auto context, example::accept_from(std::move(initiator), Acceptor<mech::Krb5>{key}));
  GSSKEY_TRY(const auto info, context.inquire());
  std::cout << example::name_or(info.initiator, "nobody") << " has logged in\n";
  return {};
}

Result<void> run(int times) {
  GSSKEY_TRY(auto realm, TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/localhost"}}));
  GSSKEY_TRY(auto keytab, realm.export_keytab("alice"));
  GSSKEY_TRY(auto here, realm.enter());  // the environment of this process, as long as `here` lives
  GSSKEY_TRY(auto key, Credential<mech::Krb5, Accept>::acquire_default());

  const std::string client_keytab = "FILE:" + keytab;
  const CredentialStore source{.ccache = "MEMORY:daemon", .client_keytab = client_keytab.c_str()};
  RenewingCredential client{[source] { return Credential<mech::Krb5, Initiate>::acquire_from(source); }};
  while (times-- > 0) {
    GSSKEY_TRY(auto target, Name::host_service("host", "localhost"));
    GSSKEY_TRY(auto lease, client.lease());  // on any thread
    Initiator<mech::Krb5> initiator{std::move(target), *lease};
    if (auto done = log_in(std::move(initiator), key); !done) return done;
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  const auto done = run(argc > 1 ? std::atoi(argv[1]) : 2);
  if (!done) std::cerr << "daemon: " << example::in_words(done.error()) << '\n';
  return done ? 0 : 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "daemon: " << failure.what() << '\n';
  return 1;
}
