// Credential caches in the kernel, used for handshakes, by many threads, and gone with their objects.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/handoff/credential_cache.hpp>
#include <gsskey/keyring/proc_keys.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/sibling.hpp"
#include "support/skip.hpp"
#include "support/wait_until.hpp"

using namespace gsskey;
using handoff::CredentialCache;
using support::Client;
using support::delegated;
using support::must;

#if !defined(GSSKEY_GSS_MIT)

TEST_CASE("without caches of type KEYRING, the error names the type") {
  support::realm();
  const auto check = [](const Result<CredentialCache>& cache) {
    REQUIRE_FALSE(cache);
    CHECK(cache.error().domain() == Domain::unavailable);
    CHECK(cache.error().text().find("KEYRING") != std::string_view::npos);
    CHECK(cache.error().text().find(GSSKEY_GSS_NAME) != std::string_view::npos);
  };
  const Name alice = must(Name::user("alice"));
  check(CredentialCache::acquire_with_password(alice, "secret"));
  check(CredentialCache::acquire_with_keytab(alice, "FILE:/nonexistent"));
  check(CredentialCache::from_cache("FILE:/nonexistent"));
  check(CredentialCache::from_credential(support::initiator_credential<mech::Krb5>()));
}

#else

namespace {

std::string principal(std::string_view user) { return support::realm().realm.principal(user); }

Result<std::string> peer_of(const Client& credential) {
  auto ends = support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>());
  if (!ends) return unexpected(ends.error());
  return std::string{must(must(ends->acceptor.inquire()).initiator.display()).text()};
}
/// Who one is with the tickets of a cache.
Result<std::string> owner_of(const CredentialCache& cache) {
  const auto credential = Client::acquire_from({.ccache = cache.name()});
  if (!credential) return unexpected(credential.error());
  return peer_of(*credential);
}

/// What the process loads once: a plugin holds the session that it was loaded in.
struct Prepared {
  Prepared() {
    support::acceptor_credential<mech::Krb5>();
    static const auto bob = must(Client::acquire_with_password(must(Name::user("bob")), "hunter2"));
  }
};
struct Session : Prepared, support::Session {};

}  // namespace

TEST_CASE("a forked child that drops its copy of a cache leaves the parent's") {
  const Session session;
  CredentialCache cache = must(CredentialCache::acquire_with_password(must(Name::user("alice")), "secret"));
  support::elsewhere([&] {
    const CredentialCache copy = std::move(cache);
    return true;
  });
  CHECK(must(owner_of(cache)) == principal("alice"));
}

TEST_CASE("what a killed process leaves of a cache ends with its ticket") {
  const Session session;
  const auto timeout_of = [](KeyringRef ring) {
    const auto keys = must(ProcKeys::acquire());
    return std::string{must(keys.find(ring)).timeout};
  };
  const std::string tickets = must(support::realm().realm.login("alice", {.lifetime = Seconds{3}}));
  const auto leave = [&](const char* from) {
    CHECK(support::in_child(60, [&] {
            const auto cache = must(CredentialCache::from_cache(from));
            ::raise(SIGKILL);
            return 0;
          }) == 128 + SIGKILL);
    const auto members = must(session->members());
    REQUIRE(members.size() == 1);
    return KeyringRef::from_serial(members[0].serial());
  };
  const auto long_one = leave(support::realm().alice.c_str());
  CHECK(timeout_of(long_one).ends_with('h'));
  must(session->clear());
  const auto short_one = leave(tickets.c_str());
  CHECK(timeout_of(short_one).ends_with('s'));
  support::wait_until([&] {
    const auto left = short_one.members();
    return !left && left.error().minor_status() == static_cast<std::uint32_t>(EKEYEXPIRED);
  });
  must(session->clear());
}

TEST_CASE("what killed processes leave of caches goes with their sessions, and does not become more") {
  const Session session;
  const auto before = support::in_quota();
  const int times = std::getenv("GSSKEY_TEST_EVERYTHING") != nullptr ? 1000 : 20;
  int killed = 0;
  for (int i = 0; i < times; ++i) {
    killed += support::in_child(60, [] {
                // A session as systemd has one for each start of a service. What is dead counts for a while.
                must(wait_for_quota(Seconds{10}, [] { return Keyring::join_session(); }));
                const auto cache = must(wait_for_quota(
                    Seconds{10}, [] { return CredentialCache::from_cache(support::realm().alice.c_str()); }));
                ::raise(SIGKILL);
                return 0;
              }) == 128 + SIGKILL;
  }
  CHECK(killed == times);
  CHECK(must(session->members()).empty());
  CHECK(support::eventually([&] { return support::is_within(support::in_quota(), before); }));
}

TEST_CASE("a cache ends with the ticket that is in it when credential() is called") {
  const Session session;
  const auto cache = must(CredentialCache::from_cache(support::realm().alice.c_str()));
  const auto timeout = [&] {
    const auto keys = must(ProcKeys::acquire());
    return std::string{must(keys.find(cache.ring())).timeout};
  };
  CHECK(timeout().ends_with('h'));
  must(cache.ring().set_timeout(Seconds{50}));
  CHECK(timeout().ends_with('s'));
  CHECK(must(peer_of(must(cache.credential()))) == principal("alice"));
  CHECK(timeout().ends_with('h'));
}

TEST_CASE("whatever a sibling does to the keys of a cache, it is alice's or an error") {
  const Session session;
  int works = 0;
  for (const auto& deed : support::deeds()) {
    for (const bool to_ring : {false, true}) {
      CAPTURE(deed.name, to_ring);
      {
        const auto cache = must(CredentialCache::acquire_with_password(must(Name::user("alice")), "secret"));
        const auto theirs = must(session->create(key_type::Keyring{"gsskey:theirs"}));
        const AnyKeyRef ring = AnyKeyRef::from_serial(cache.ring().serial());
        support::elsewhere([&] {
          if (to_ring) return deed.to(ring, *session, theirs) || true;
          for (const AnyKeyRef key : must(cache.ring().members()))
            static_cast<void>(deed.to(key, cache.ring(), theirs));
          return true;
        });
        const auto credential = cache.credential();
        const auto peer = credential ? peer_of(*credential) : Result<std::string>{unexpected(credential.error())};
        if (peer) {
          CHECK(*peer == principal("alice"));
          ++works;
        } else {
          CHECK_FALSE(peer.error().text().empty());
        }
      }
      static_cast<void>(session->clear());
    }
  }
  CHECK(works == 4);  // linked, the ring moved, and where the kernel does not let one write to it
}

TEST_CASE("a cache filled in each of the ways authenticates, and goes with its object") {
  const Session session;
  auto& realm = support::realm().realm;
  std::string name;
  const auto check = [&](CredentialCache cache, const std::string& owner) {
    CHECK(std::string{cache.name()}.starts_with("KEYRING:session:gsskey-"));
    CHECK(must(owner_of(cache)) == owner);
    CHECK(must(peer_of(must(cache.credential()))) == owner);
    CHECK(must(session->members()).contains(cache.ring()));
    name = cache.name();
  };
  SECTION("a password") {
    check(must(CredentialCache::acquire_with_password(must(Name::user("bob")), "hunter2")), principal("bob"));
  }
  SECTION("a keytab") {
    must(realm.kadmin("addprinc -randkey carol"));
    const std::string keytab = "FILE:" + must(realm.export_keytab("carol"));
    check(must(CredentialCache::acquire_with_keytab(must(Name::user("carol")), keytab.c_str())), principal("carol"));
  }
  SECTION("another cache") {
    check(must(CredentialCache::from_cache(must(realm.login("bob")).c_str())), principal("bob"));
  }
  SECTION("a delegated credential") { check(must(CredentialCache::from_credential(delegated())), principal("alice")); }
  SECTION("another cache in the kernel") {
    const auto first = must(CredentialCache::acquire_with_password(must(Name::user("bob")), "hunter2"));
    check(must(CredentialCache::from_cache(first.name())), principal("bob"));
    CHECK(must(owner_of(first)) == principal("bob"));
  }
  const auto gone = Client::acquire_from({.ccache = name.c_str()});
  CHECK((!gone || !peer_of(*gone)));
  must(session->clear());  // asking for a cache that is gone makes its ring
}

TEST_CASE("a cache that is gone from the session is said to be, and none of its name is made") {
  const Session session;
  auto cache = must(CredentialCache::acquire_with_password(must(Name::user("alice")), "secret"));
  const auto moved = std::move(cache);
  CHECK(std::string{cache.name()}.empty());
  CHECK(support::is_usage(cache.credential()));
  REQUIRE(session->unlink(moved.ring()));
  const auto gone = moved.credential();
  REQUIRE_FALSE(gone);
  CHECK(gone.error().domain() == Domain::keyring);
  CHECK(must(session->members()).empty());
}

TEST_CASE("in another user's session a cache is refused, unless that is meant") {
  if (::geteuid() != 0) return support::skip("needs root, to become another user");
  const Session session;
  support::let_others_read_configuration();
  const auto answers = support::as_user(
      support::nobody,
      [](support::Answers& found) {
        const auto make = [&](handoff::CredentialCacheOptions options) {
          const auto made = CredentialCache::acquire_with_password(must(Name::user("alice")), "secret", options);
          found.push_back(made ? 0 : made.error().domain() == Domain::policy ? 1 : 2);
        };
        make({});
        make({.in_session_of_another_user = true});
        REQUIRE(Keyring::join_session());
        make({});
      },
      support::ChildSession::inherited);
  CHECK(answers == support::Answers{1, 0, 0});
}

TEST_CASE("two caches of one user have nothing in common; a moved one stays where it is in the kernel") {
  const Session session;
  auto one = must(CredentialCache::acquire_with_password(must(Name::user("bob")), "hunter2"));
  const std::string name = one.name();
  {
    const auto two = must(CredentialCache::from_credential(delegated()));
    CHECK(name != two.name());
    CHECK(must(owner_of(two)) == principal("alice"));
  }
  CHECK(must(owner_of(one)) == principal("bob"));
  const auto moved = std::move(one);
  CHECK(name == moved.name());
  CHECK(must(owner_of(moved)) == principal("bob"));
  CHECK(must(session->members()).size() == 1);
}

TEST_CASE("eight threads with eight identities, in one process and without its environment") {
  auto& realm = support::realm().realm;
  const Session session;
  const support::Environment nowhere{"KRB5CCNAME", "FILE:/nonexistent/cache"};
  constexpr int count = 8;
  std::string commands;
  for (int at = 0; at < count; ++at) commands += "addprinc -pw secret user" + std::to_string(at) + "\n";
  must(realm.kadmin(commands));
  std::vector<std::string> failures(count);
  std::vector<std::thread> threads;
  for (int at = 0; at < count; ++at) {
    threads.emplace_back([&failure = failures[static_cast<std::size_t>(at)], at] {
      try {
        const std::string user = "user" + std::to_string(at);
        const Name name = must(Name::user(user));
        for (int round = 0; round < 5; ++round) {
          // The caches before count until they are collected.
          const auto cache =
              must(wait_for_quota(Seconds{10}, [&] { return CredentialCache::acquire_with_password(name, "secret"); }));
          if (auto owner = must(owner_of(cache)); owner != principal(user)) failure += owner + ' ';
          if (auto owner = must(owner_of(cache)); owner != principal(user)) failure += owner + ' ';
        }
      } catch (const std::exception& thrown) {
        failure += thrown.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures) CHECK(failure == "");
}

TEST_CASE("when the user's quota is used up, the error has the figures, and nothing is left") {
  support::realm();
  const Name bob = must(Name::user("bob"));
  if (::geteuid() != 0) return support::skip("another user's quota needs root");
  const auto credential = must(Client::acquire_with_password(bob, "hunter2"));
  support::let_others_read_configuration();
  const auto answers = support::as_user(support::nobody, [&](support::Answers& found) {
    const auto session = must(Keyring::session());
    const auto fill = must(session.create(key_type::Keyring{"fill"}));
    const auto keys = [] { return must(key_quota(::geteuid())).keys; };
    // 1: EDQUOT with the figures, and nothing left; 0: a cache
    const auto outcome = [&] {
      const auto cache = CredentialCache::from_credential(credential);
      if (cache) return 0;
      const auto& error = cache.error();
      const bool is_quota = error.domain() == Domain::keyring &&
                            error.minor_status() == static_cast<std::uint32_t>(EDQUOT) &&
                            error.text().find(" of 200 keys, ") != std::string_view::npos;
      return is_quota && must(session.members()).size() == 1 ? 1 : 2;
    };
    auto fillers = support::use_up_quota(fill);
    for (const std::size_t room : {0u, 2u, 3u, 30u}) {
      const auto wanted = keys() - static_cast<std::uint32_t>(room);
      for (std::size_t at = 0; at < room; ++at) {
        must(fill.unlink(fillers.back()));
        fillers.pop_back();
      }
      found.push_back(support::eventually([&] { return keys() <= wanted; }));
      found.push_back(outcome());
    }
  });
  CHECK(answers == support::Answers{1, 1, 1, 1, 1, 1, 1, 0});
}

TEST_CASE("a cache that cannot be filled is an error, and leaves nothing") {
  const Session session;
  const Name bob = must(Name::user("bob"));
  CHECK(CredentialCache::acquire_with_password(bob, "wrong").error().operation() ==
        std::string{"gss_acquire_cred_with_password"});
  CHECK_FALSE(CredentialCache::acquire_with_keytab(bob, "FILE:/nonexistent"));
  CHECK_FALSE(CredentialCache::from_cache("FILE:/nonexistent"));
  CHECK(CredentialCache::from_credential(Client{}).error().domain() == Domain::usage);
  CHECK(must(session->members()).empty());
}

#endif
