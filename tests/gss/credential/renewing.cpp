// Credentials across the end of their tickets: tickets of a few seconds, and handshakes all the time.
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/handshake.hpp>

#include <poll.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/realm.hpp"
#include "support/wait_until.hpp"

using namespace gsskey;
using support::Client;
using support::must;
using support::peer_of;
using support::Server;
using support::wait_until;

namespace {

/// Of bob, whose tickets live for four seconds.
Result<Client> short_lived() {
  static const bool prepared = [] {
    must(support::realm().realm.kadmin("modprinc -maxlife 4sec bob"));
    return true;
  }();
  REQUIRE(prepared);
  return Client::acquire_with_password(must(Name::user("bob")), "hunter2");
}

Result<Client> alice() { return Client::acquire_default(); }

bool has_ended(const Client& credential) { return must(credential.lifetime()) == Seconds{}; }

/// Handshakes all the time, over two renewals.
template <class Renewing>
void use_across_expiry(Renewing& renewing) {
  const std::string bob = support::realm().realm.principal("bob");
  const auto first = must(renewing.lease());
  CHECK(must(first->lifetime()) <= Seconds{4});
  auto last = first;
  int renewals = 0;
  wait_until([&] {
    const auto lease = must(renewing.lease());
    if (has_ended(*lease)) FAIL("an expired credential was leased");
    if (peer_of(*lease) != bob) FAIL("somebody else's credential");
    if (lease->get() == last->get()) return false;
    CHECK_FALSE(has_ended(*last));  // in good time
    last = lease;
    return ++renewals == 2;
  });
  wait_until([&] { return has_ended(*first); });  // which is alive: it is leased
  CHECK(first->get() != last->get());
}

}  // namespace

TEST_CASE("handshakes go on across the end of tickets got with a password") {
  support::realm();
  RenewingCredential renewing{[] { return short_lived(); }, Seconds{2}};
  use_across_expiry(renewing);
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("handshakes go on across the end of tickets got with a client keytab") {
  auto& realm = support::realm().realm;
  must(realm.kadmin("modprinc -maxlife 4sec bob"));
  const std::string keytab = must(realm.export_keytab("bob"));
  const std::string cache = "MEMORY:renewing";
  RenewingCredential renewing{
      [&] { return Client::acquire_from({.ccache = cache.c_str(), .client_keytab = keytab.c_str()}); }, Seconds{1}};
  use_across_expiry(renewing);
}
#endif

TEST_CASE("one credential is acquired, whoever asks first, and shared") {
  support::realm();
  std::atomic<int> acquired = 0;
  RenewingCredential renewing{[&] {
    ++acquired;
    return alice();
  }};
  std::vector<gss_cred_id_t> seen(8);
  std::vector<std::thread> threads;
  for (auto& slot : seen) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        if (const auto lease = renewing.lease()) slot = (*lease)->get();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(acquired == 1);
  CHECK(std::set<gss_cred_id_t>{seen.begin(), seen.end()} == std::set<gss_cred_id_t>{must(renewing.lease())->get()});
}

TEST_CASE("threads have a good credential at any time, across renewals") {
  support::realm();
  std::atomic<int> acquired = 0;
  std::atomic<int> ended = 0;
  std::atomic<int> failed = 0;
  RenewingCredential renewing{[&] {
                                ++acquired;
                                return short_lived();
                              },
                              Seconds{2}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (acquired < 3) {
        const auto lease = renewing.lease();
        const auto left = lease ? (*lease)->lifetime() : Result<Seconds>{unexpected(lease.error())};
        failed += !left;
        ended += left && *left == Seconds{};
        ::poll(nullptr, 0, 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(acquired == 3);
  CHECK(ended == 0);
  CHECK(failed == 0);
}

TEST_CASE("while acquiring fails the old credential serves to its end, then the reason is told") {
  support::realm();
  int calls = 0;
  RenewingCredential renewing{[&]() -> Result<Client> {
                                if (++calls == 1) return short_lived();
                                return unexpected(Error::usage("acquire", "no KDC today"));
                              },
                              Seconds{2}};
  const auto first = must(renewing.lease());
  auto lease = renewing.lease();
  wait_until([&] {
    if (lease && (*lease)->get() != first->get()) FAIL("another credential");
    lease = renewing.lease();
    return !lease;
  });
  CHECK(lease.error().text() == "no KDC today");
  CHECK(must(first->lifetime()) <= Seconds{1});  // the clocks need not change their seconds together
  CHECK(calls >= 2);
  CHECK(calls <= 5);  // at most one attempt a second
}

TEST_CASE("a failure is remembered for a second, then there is a new attempt") {
  support::realm();
  int calls = 0;
  RenewingCredential renewing{[&]() -> Result<Client> {
    if (++calls > 1) return alice();
    return unexpected(Error::usage("acquire", "not yet"));
  }};
  for (int i = 0; i < 3; ++i) CHECK(renewing.lease().error().text() == "not yet");
  CHECK(calls == 1);
  auto lease = renewing.lease();
  wait_until([&] {
    lease = renewing.lease();
    return lease.has_value();
  });
  CHECK(calls == 2);
  CHECK(peer_of(**lease) == support::realm().realm.principal("alice"));
}

TEST_CASE("an exception of the callable passes through, and the next call tries again") {
  support::realm();
  int calls = 0;
  RenewingCredential renewing{[&] {
    if (++calls == 1) throw std::runtime_error{"from outside"};
    return alice();
  }};
  CHECK_THROWS_WITH(renewing.lease(), "from outside");
  CHECK(renewing.lease());
}

TEST_CASE("an expired credential is no credential") {
  support::realm();
  Client old = must(short_lived());
  wait_until([&] { return has_ended(old); });
  RenewingCredential renewing{[&]() -> Result<Client> { return std::move(old); }};
  const auto lease = renewing.lease();
  REQUIRE_FALSE(lease);
  CHECK(routine_error(lease.error()) == RoutineError::credentials_expired);
}

TEST_CASE("a lease outlives the credential's owner") {
  support::realm();
  const auto lease = [] {
    RenewingCredential renewing{[] { return alice(); }};
    return must(renewing.lease());
  }();
  CHECK(peer_of(*lease) == support::realm().realm.principal("alice"));
}

TEST_CASE("an acceptor's credential is acquired once, and serves old and new keys") {
  auto& realm = support::realm().realm;
  int calls = 0;
  RenewingCredential renewing{[&] {
    ++calls;
    return Server::acquire_default();
  }};
  const auto accept = [&](const Client& client) {
    const auto lease = must(renewing.lease());
    return support::establish(Initiator<mech::Krb5>{support::target(), client}, Acceptor<mech::Krb5>{*lease})
        .has_value();
  };
  const Client before = must(alice());
  CHECK(accept(before));  // its cache has a ticket for the old key now
  must(realm.kadmin("ktadd -k " + realm.keytab() + " host/localhost"));
  CHECK(accept(before));
  CHECK(accept(must(Client::acquire_with_password(must(Name::user("alice")), "secret"))));
  CHECK(calls == 1);
}
