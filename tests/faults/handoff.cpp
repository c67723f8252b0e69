// tests/faults/handoff: contexts parked and claimed, and caches in the kernel, each call failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/handoff/credential_cache.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/http/session.hpp>

#include <string>
#include <utility>

#include "faults/faults.hpp"
#include "faults/pair.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using faults::failed;
using faults::need;
using mech::Krb5;

namespace {

bool is_empty(KeyringRef ring) {
  const faults::Pause pause;
  if (failed("keyctl_unlink") || failed("keyctl_read") || failed("keyctl_get_keyring_ID")) return true;
  const auto left = ring.members();
  return left && left->empty();
}

void park_and_claim() {
  const auto session = again([] { return Keyring::join_session(); });
  auto ends = faults::pair<Krb5>();
  auto& [ours, theirs] = ends;
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  try {
    const auto parked = again([&] {
      // Sealing failed, and then taking it back.
      if (!ours && (failed("gss_import_sec_context") || failed("gss_inquire_context"))) throw faults::Stopped{};
      return handoff::park(std::move(ours), session, {.delegated = &ticket});
    });
    check(!ours, "a parked context is empty");
    // Whatever comes of a claim, nobody else's will succeed after it took the key.
    auto claimed = handoff::claim_all<Krb5>(parked);
    if (!claimed) faults::note(claimed.error());
    if (claimed) {
      check(need(theirs.unwrap(need(claimed->context.wrap("claimed")))).text() == "claimed", "the context goes on");
      check(static_cast<bool>(claimed->delegated), "what was delegated came along");
      faults::refused(handoff::claim<Krb5>(parked));
    }
  } catch (const faults::Stopped&) {
  }
  check(is_empty(session), "a key is left in the session");
}

void http_sessions() {
  const auto ring = again([] { return Keyring::join_session(); });
  auto ends = faults::pair<Krb5>();
  const Accepted<Krb5> login{std::move(ends.acceptor), need(Name::user("alice")), {}, {}, {}};
  const auto sessions = again([&] { return HttpSessions::from_ring(ring, "www.example.com"); });
  const auto cookie = again([&] { return sessions.issue(login); });
  const auto session = again([&] { return sessions.open(cookie.substr(0, cookie.find(';'))); });
  check(session.peer.starts_with("alice@"), "the session is hers");
  again([&] { return sessions.revoke_all(); });
  faults::refused(sessions.open(cookie.substr(0, cookie.find(';'))));
}

#if defined(GSSKEY_GSS_MIT)
void credential_cache() {
  using handoff::CredentialCache;
  const auto session = again([] { return Keyring::join_session(); });
  {
    const auto alice = again([] { return Name::user("alice"); });
    const auto first = again([&] { return CredentialCache::acquire_with_password(alice, "secret"); });
    check(!again([&] { return again([&] { return first.credential(); }).lifetime(); }).is_indefinite(), "its ticket");
    const auto second = again([&] { return CredentialCache::from_cache(first.name()); });
    const auto third =
        again([&] { return CredentialCache::from_credential(again([&] { return second.credential(); })); });
    check(static_cast<bool>(third.ring()), "a cache has a ring");
  }
  check(is_empty(session), "a key is left in the session");
}
#endif

const faults::Register registered[] = {
    {"http_sessions", &http_sessions},
    {"park_claim", &park_and_claim},
#if defined(GSSKEY_GSS_MIT)
    {"credential_cache", &credential_cache},
#endif
};

}  // namespace
