// Credentials across the end of their tickets: tickets of a few seconds, and handshakes all the time.
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/handshake.hpp>

#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/realm.hpp"
#include "support/wait_until.hpp"

using namespace gsskey;
using support::Client;
using support::must;
using support::peer_of;
using support::Server;
using support::wait_until;

namespace {

// What is added to the clocks: the machine slept, somebody set the time.
std::atomic<long> slept{0};
std::atomic<long> set_forward{0};

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  if (clock == CLOCK_BOOTTIME) out->tv_sec += slept;
  if (clock == CLOCK_REALTIME) out->tv_sec += slept + set_forward;
  return result;
}

namespace {

struct Clocks {
  Clocks() { slept = set_forward = 0; }
  Clocks(const Clocks&) = delete;
  Clocks& operator=(const Clocks&) = delete;
  ~Clocks() { slept = set_forward = 0; }
};

/// Bob's tickets live for six seconds, so that a process that stands still for some of them still finds one.
void shorten() {
  static const bool done = [] {
    must(support::realm().realm.kadmin("modprinc -maxlife 6sec bob"));
    return true;
  }();
  REQUIRE(done);
}

Result<Client> short_lived() {
  shorten();
  return Client::acquire_with_password(must(Name::user("bob")), "hunter2");
}

Result<Client> alice() { return Client::acquire_default(); }

bool has_ended(const Client& credential) { return must(credential.lifetime()) == Seconds{}; }

/// Handshakes all the time, over two renewals.
template <class Renewing>
void use_across_expiry(Renewing& renewing) {
  const std::string bob = support::realm().realm.principal("bob");
  const auto first = must(renewing.lease());
  CHECK(must(first->lifetime()) <= Seconds{6});
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
  RenewingCredential renewing{[] { return short_lived(); }, Seconds{3}};
  use_across_expiry(renewing);
}

TEST_CASE("a credential that has ended is never leased, without a margin either") {
  support::realm();
  RenewingCredential renewing{[] { return short_lived(); }, Seconds{}};
  auto held = must(renewing.lease());
  for (int renewals = 0; renewals < 2;) {
    const bool is_over = has_ended(*held);
    const auto lease = must(renewing.lease());
    if (is_over && lease->get() == held->get()) FAIL("its whole seconds were counted from a moment within the first");
    renewals += lease->get() != held->get();
    held = lease;
  }
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("handshakes go on across the end of tickets got with a client keytab") {
  auto& realm = support::realm().realm;
  shorten();
  const std::string keytab = must(realm.export_keytab("bob"));
  const std::string cache = "MEMORY:renewing";
  RenewingCredential renewing{
      [&] { return Client::acquire_from({.ccache = cache.c_str(), .client_keytab = keytab.c_str()}); }, Seconds{2}};
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
                              Seconds{3}};
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

TEST_CASE("a credential is due by either clock: after a sleep, and when the time was set forward, or far back") {
  const Clocks clocks;
  support::realm();
  int acquired = 0;
  RenewingCredential renewing{[&] {
    ++acquired;
    return alice();
  }};
  const long life = static_cast<long>(must(must(renewing.lease())->lifetime()).count());
  REQUIRE(life > 3600);
  struct {
    long sleep;
    long step;
    bool is_due;
  } const table[] = {
      {life - 400, 0, false}, {life - 200, 0, true},  // the margin is five minutes
      {0, life - 400, false}, {0, life - 200, true}, {0, life + 86400, true}, {0, -280, false},
      {0, -320, true},        {0, -86400, true},     {life, -life, true},  // whoever set it back
  };
  for (const auto& row : table) {
    CAPTURE(row.sleep, row.step);
    slept = set_forward = 0;
    must(renewing.renew());
    const int before = acquired;
    slept = row.sleep;
    set_forward = row.step;
    must(renewing.lease());
    CHECK(acquired == before + (row.is_due ? 1 : 0));
    must(renewing.lease());
    CHECK(acquired == before + (row.is_due ? 1 : 0));
  }
}

TEST_CASE("renew() acquires anew, and what was there stays if that fails") {
  support::realm();
  int calls = 0;
  RenewingCredential renewing{[&]() -> Result<Client> {
    if (++calls == 3) return unexpected(Error::usage("acquire", "not now"));
    return alice();
  }};
  const auto first = must(renewing.renew());
  const auto second = must(renewing.renew());
  CHECK(first->get() != second->get());
  CHECK(must(renewing.lease())->get() == second->get());
  CHECK(renewing.renew().error().text() == "not now");
  CHECK(must(renewing.lease())->get() == second->get());
  CHECK(calls == 3);
  CHECK(must(renewing.renew())->get() != second->get());  // at once, not after a second
  CHECK(calls == 4);
}

TEST_CASE("renew() does not take what another thread began to acquire before it was called") {
  support::realm();
  std::atomic<int> calls = 0;
  std::promise<void> is_in;
  std::promise<void> go_on;
  RenewingCredential renewing{[&] {
    if (++calls == 1) {
      is_in.set_value();
      go_on.get_future().wait();
    }
    return alice();
  }};
  std::thread first{[&] { static_cast<void>(renewing.lease()); }};
  is_in.get_future().wait();
  std::thread second{[&] {
    go_on.set_value();
    static_cast<void>(renewing.renew());
  }};
  first.join();
  second.join();
  CHECK(calls == 2);
}

TEST_CASE("a credential that is reported as stale is not leased any more, unless there is no other") {
  const Clocks clocks;
  support::realm();
  int calls = 0;
  bool is_down = false;
  RenewingCredential renewing{[&]() -> Result<Client> {
    ++calls;
    if (is_down) return unexpected(Error::usage("acquire", "no KDC today"));
    return alice();
  }};
  const auto told = [](std::uint32_t minor, std::uint32_t major = GSS_S_FAILURE) {
    return Error::gss("gss_init_sec_context", major, minor, "krb5");
  };
  const auto first = must(renewing.lease());
  CHECK_FALSE(renewing.report(first, told(0x96c73a22)));  // replay
  CHECK_FALSE(renewing.report(first, told(0x96c73a07)));  // unknown service
  CHECK_FALSE(renewing.report(first, Error::transport("recv", 0x2c)));
  CHECK_FALSE(renewing.report(first, Error::policy("establish", 0x96c73a2c, "")));
  CHECK(must(renewing.lease())->get() == first->get());
  CHECK(calls == 1);

  const std::uint32_t stale[] = {0x96c73a1f, 0x96c73a20, 0x96c73a29, 0x96c73a2c, 0x96c73a2d, 0};
  for (const std::uint32_t minor : stale) {
    CAPTURE(minor);
    const auto used = must(renewing.lease());
    const auto error = told(minor, minor == 0 ? GSS_S_CREDENTIALS_EXPIRED : GSS_S_FAILURE);
    CHECK(renewing.report(used, error));
    CHECK(renewing.report(used, error));  // of another thread, which used it too
    const auto next = must(renewing.lease());
    CHECK(next->get() != used->get());
    CHECK(renewing.report(used, error));        // has gone already
    CHECK_FALSE(renewing.report(next, error));  // a peer that says so all the time
    CHECK(must(renewing.lease())->get() == next->get());
    slept += 1;
  }
  CHECK(calls == 7);

  is_down = true;
  const auto last = must(renewing.lease());
  CHECK(renewing.report(last, told(0x96c73a2c)));
  CHECK(must(renewing.lease())->get() == last->get());
  CHECK(calls == 8);
  CHECK(must(renewing.lease())->get() == last->get());
  CHECK(calls == 8);
}

TEST_CASE("a child that is forked while a thread acquires, and others wait for it, has a credential of its own") {
  support::realm();
  const ::pid_t parent = ::getpid();
  std::promise<void> is_in;
  std::promise<void> go_on;
  std::atomic<int> calls = 0;
  const auto acquire = [&] {
    if (::getpid() == parent && ++calls == 1) {
      is_in.set_value();
      go_on.get_future().wait();
    }
    return alice();
  };
  std::optional<RenewingCredential<decltype(acquire)>> renewing;
  renewing.emplace(acquire);
  std::vector<std::thread> threads;
  const auto ask = [&] { static_cast<void>(renewing->lease()); };
  threads.emplace_back(ask);
  is_in.get_future().wait();
  for (int i = 0; i < 3; ++i) threads.emplace_back(ask);
  const auto work = [&] {
    const auto lease = renewing->lease();
    if (!lease || must((*lease)->lifetime()) == Seconds{}) return 1;
    if (must(renewing->lease())->get() != (*lease)->get()) return 2;
    renewing.reset();  // waits for no thread of the parent's
    return 0;
  };
  for (int i = 0; i < 20; ++i) CHECK(support::in_child(60, work) == 0);
  go_on.set_value();
  for (auto& thread : threads) thread.join();
  CHECK(calls == 1);
}

TEST_CASE("a child does not touch its parent's credential, nor a grandchild") {
  support::realm();
  RenewingCredential renewing{[] { return alice(); }};
  const auto ours = must(renewing.lease());
  const auto differs = [](const auto& here, const auto& there) { return here->get() != there->get(); };
  CHECK(support::in_child(60, [&] {
          const auto childs = must(renewing.lease());
          if (!differs(childs, ours)) return 1;
          return support::in_child(60, [&] {
            const auto lease = must(renewing.lease());
            return differs(lease, ours) && differs(lease, childs) ? 0 : 1;
          });
        }) == 0);
  CHECK(must(renewing.lease())->get() == ours->get());
  CHECK(peer_of(*ours) == support::realm().realm.principal("alice"));
}
