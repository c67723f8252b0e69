// tests/support/realm: one throwaway realm per test program, and contexts established in it without any wire.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/must.hpp"

namespace support {

using namespace gsskey;

/// Started at the first use. This process's environment points to it, and its default credential is alice's.
struct Realm {
  TestRealm realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}, {"bob", "hunter2"}}, .services = {"host/localhost", "other/localhost"}}));
  std::string alice = must(realm.login("alice"));
  RealmEnvironment environment = must(realm.enter(alice));

  /// No plugins: an installed gss-ntlmssp would take part in SPNEGO. MIT reads it at the first gss call.
  Realm() { ::setenv("GSS_MECH_CONFIG", "/dev/null", 0); }
};

inline Realm& realm() {
  static Realm realm;
  return realm;
}

/// Lets other users read the configuration, as libkrb5 does for most calls of a new process.
inline void let_others_read_configuration() {
  REQUIRE(::chmod(realm().realm.folder().c_str(), 0711) == 0);
  REQUIRE(::chmod(realm().realm.krb5_conf().c_str(), 0644) == 0);
}

/// alice's, acquired once.
template <Mechanism M>
Credential<M, Initiate>& initiator_credential() {
  realm();
  static auto credential = must(Credential<M, Initiate>::acquire_default());
  return credential;
}
template <Mechanism M>
Credential<M, Accept>& acceptor_credential() {
  realm();
  static auto credential = must(Credential<M, Accept>::acquire_default());
  return credential;
}

inline Name target() { return must(Name::host_service("host", "localhost")); }

template <Mechanism M>
Initiator<M> initiator(InitiatorOptions options = {}) {
  auto& credential = initiator_credential<M>();  // first: Heimdal reads its configuration once, in its first call
  return Initiator<M>{target(), credential, options};
}
template <Mechanism M>
Acceptor<M> acceptor(AcceptorOptions<M> options = {}) {
  return Acceptor<M>{acceptor_credential<M>(), options};
}

template <Mechanism M>
struct Ends {
  SecurityContext<M> initiator;
  SecurityContext<M> acceptor;
  Credential<M, Initiate> delegated = {};  // with .keep_delegated
};

/// Steps both until they are complete. The first failure of either is the answer.
template <Mechanism M>
Result<void> step_all(Initiator<M>& initiator, Acceptor<M>& acceptor) {
  Buffer token;
  while (true) {
    auto ours = initiator.step(token);
    if (!ours) return unexpected(ours.error().error);
    if (acceptor.is_complete()) return {};
    auto theirs = acceptor.step(ours->token);
    if (!theirs) return unexpected(theirs.error().error);
    token = std::move(theirs->token);
    if (initiator.is_complete()) return {};
  }
}

template <Mechanism M>
Result<Ends<M>> establish(Initiator<M> initiator, Acceptor<M> acceptor) {
  if (auto stepped = step_all(initiator, acceptor); !stepped) return unexpected(stepped.error());
  auto ours = std::move(initiator).establish();
  if (!ours) return unexpected(ours.error());
  auto theirs = std::move(acceptor).accept();
  if (!theirs) return unexpected(theirs.error());
  return Ends<M>{*std::move(ours), std::move(theirs->context), std::move(theirs->delegated)};
}

/// An established pair with everything at its default.
template <Mechanism M>
Ends<M> pair(InitiatorOptions initiator_options = {}, AcceptorOptions<M> acceptor_options = {}) {
  return must(establish(initiator<M>(initiator_options), acceptor<M>(acceptor_options)));
}

using Client = Credential<mech::Krb5, Initiate>;
using Server = Credential<mech::Krb5, Accept>;

inline std::string shown(const Name& name) { return name ? std::string{must(name.display()).text()} : std::string{}; }

/// Whom the acceptor sees when `credential` initiates.
template <Mechanism M>
std::string peer_of(const Credential<M, Initiate>& credential) {
  auto ends = must(establish(Initiator<M>{target(), credential}, acceptor<M>()));
  return shown(must(ends.acceptor.inquire()).initiator);
}

/// alice's, as a server gets it.
inline Client delegated() {
  auto ends = pair<mech::Krb5>({.request = {ContextFlag::delegate}}, {.keep_delegated = true});
  REQUIRE(ends.delegated);
  return std::move(ends.delegated);
}

}  // namespace support
