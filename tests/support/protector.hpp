// tests/support/protector: protectors and the contexts at their other end, in a realm of one encryption type.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/gss.hpp>
#include <gsskey/messages/take_over.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <cstddef>
#include <cstdlib>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "support/must.hpp"
#include "support/realm.hpp"

namespace support {

using Bytes = std::vector<unsigned char>;
inline Bytes bytes_of(ByteView view) { return {view.begin(), view.end()}; }

struct EnctypeRow {
  const char* name;
  std::size_t mac_size;
};
inline constexpr EnctypeRow enctypes[] = {
    {"aes128-cts-hmac-sha1-96", 12},    {"aes256-cts-hmac-sha1-96", 12},
    {"aes128-cts-hmac-sha256-128", 16}, {"aes256-cts-hmac-sha384-192", 24},
#if defined(GSSKEY_GSS_MIT)  // Heimdal 7.8 has no Camellia
    {"camellia128-cts-cmac", 16},       {"camellia256-cts-cmac", 16},
#endif
};

/// Runs `work` in a realm with keys of one type only; in a thread of its own, because Heimdal reads krb5.conf once in a
/// thread.
template <class Work>
void in_realm_of(const std::string& enctype, Work work) {
  ::setenv("GSS_MECH_CONFIG", "/dev/null", 0);
  auto realm = must(TestRealm::start(
      {.users = {{"alice", "secret"}}, .services = {"host/localhost"}, .permitted_enctypes = enctype}));
  const auto cache = must(realm.login("alice"));
  const auto environment = must(realm.enter(cache));
  std::async(std::launch::async, work).get();
}

template <Mechanism M>
struct Handshakes {
  Initiator<M> initiator;
  Acceptor<M> acceptor;
};
/// Complete, not yet established; with the default credentials.
template <Mechanism M>
Handshakes<M> handshakes(InitiatorOptions options = {}) {
  AcceptorOptions<M> accepting{};
  if (!options.demand.contains(ContextFlag::replay)) {
    accepting.demand = {ContextFlag::integrity, ContextFlag::confidentiality};
  }
  auto target = must(Name::host_service("host", "localhost"));  // support::target() would enter support::realm()
  Handshakes<M> both{Initiator<M>{std::move(target), options}, Acceptor<M>{accepting}};
  must(step_all(both.initiator, both.acceptor));
  return both;
}

/// In the realm of all tests.
inline Handshakes<mech::Krb5> handshakes_in_realm() {
  realm();  // before the first gss call: Heimdal reads its configuration once
  return handshakes<mech::Krb5>();
}

template <class H>
MessageProtector taken(H&& handshake, ProtectorOptions options = {}) {
  auto made = take_over(std::move(handshake), options);
  if (!made) must(Result<void>{unexpected(made.error().error)});
  return *std::move(made);
}

/// A message that is never the same in two places.
inline Bytes message_of(std::size_t size) {
  Bytes message(size);
  for (std::size_t at = 0; at < size; ++at) message[at] = static_cast<unsigned char>(at * 13 + at / 251);
  return message;
}

}  // namespace support
