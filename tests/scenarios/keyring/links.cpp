// What the kernel does with links, which it addresses by type and description: other processes replace, revoke, link
// and move keys meanwhile, and nobody loses what is not the owner's.
#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/sibling.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::all_at_once;
using support::Answers;
using support::elsewhere;
using support::error_of;
using support::must;

namespace {

/// Of others than root 200 keys count, those that died a moment ago among them.
Key<User> make(KeyringRef ring, const char* payload = "mine") {
  return must(wait_for_quota(Seconds{10}, [&] { return ring.create(User{"gsskey:link"}, std::string{payload}); }));
}

/// What nobody links any more is ENOKEY once the collector has come by.
bool is_unlinked(int error) { return error == ENOENT || error == ENOKEY; }

/// Whether it is what a small quota says while the collector has not come by: others than root have 200 keys.
bool is_short_of_keys(const Error& error) {
  return error.minor_status() == static_cast<std::uint32_t>(EDQUOT) && !support::has_large_quota();
}

/// A key of that name that another process puts into the ring, in place of what is there.
KeyRef<User> stranger(KeyringRef ring) {
  elsewhere([&] { return ring.put(User{"gsskey:link"}, "theirs").has_value(); });
  return must(ring.search<User>("gsskey:link"));
}

/// Leaves a key of that name in the ring that is dead in one of three ways.
enum class Death { revoked, expired, invalidated };
void leave_dead(KeyringRef ring, Death death) {
  const auto key = must(wait_for_quota(Seconds{10}, [&] { return ring.put(User{"gsskey:link"}, "dead"); }));
  if (death == Death::revoked) REQUIRE(key.revoke());
  if (death == Death::invalidated) REQUIRE(key.invalidate());
  if (death == Death::expired) {
    REQUIRE(key.set_timeout(Seconds{1}));
    REQUIRE(support::eventually([&] { return error_of(key.describe()) == EKEYEXPIRED; }));
  }
}

template <OnDestroy Policy>
void end_of_an_owner(KeyringRef ring) {
  KeyRef<User> theirs;
  {
    const auto mine = make(ring).on_destroy<Policy>();
    theirs = stranger(ring);
    REQUIRE(theirs.serial() != mine.serial());
  }
  CHECK(must(ring.members()).contains(theirs));
  CHECK(must(theirs.read()).text() == "theirs");
  REQUIRE(ring.unlink(theirs));
}

}  // namespace

TEST_CASE("the end of an owner does not touch what another process has put in its place") {
  const support::Session session;
  end_of_an_owner<OnDestroy::unlink>(*session);
  end_of_an_owner<OnDestroy::keep>(*session);
  end_of_an_owner<OnDestroy::revoke>(*session);
  end_of_an_owner<OnDestroy::invalidate>(*session);
  end_of_an_owner<OnDestroy::revoke_then_unlink>(*session);

  SECTION("revoked by another process, then made anew by add_key") {
    KeyRef<User> theirs;
    {
      const auto mine = make(*session);
      elsewhere([&] { return mine.revoke() && session->upsert(User{"gsskey:link"}, "theirs"); });
      theirs = must(session->search<User>("gsskey:link"));
      CHECK(theirs.serial() != mine.serial());
    }
    CHECK(must(theirs.read()).text() == "theirs");
    REQUIRE(session->unlink(theirs));
  }
  SECTION("replaced by a link, and by a move") {
    const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
    for (const bool by_move : {false, true}) {
      const auto theirs = must(ring.put(User{"gsskey:link"}, "theirs"));
      {
        const auto mine = make(*session);
        elsewhere([&] { return by_move ? ring.move_displacing(theirs, *session) : session->link(theirs); });
      }
      CHECK(must(session->members()).contains(theirs));
      REQUIRE(session->unlink(theirs));
    }
    static_cast<void>(ring.clear());
  }
  SECTION("close() says so, and the end of what was unlinked is silent") {
    auto mine = make(*session);
    const auto theirs = stranger(*session);
    CHECK(is_unlinked(error_of(std::move(mine).close())));
    CHECK(must(session->members()).contains(theirs));
    REQUIRE(session->unlink(theirs));
  }
}

TEST_CASE("unlink and the moves are about one key, not about its name") {
  const support::Session session;
  const auto here = must(session->create(key_type::Keyring{"gsskey:here"}));
  const auto there = must(session->create(key_type::Keyring{"gsskey:there"}));
  const auto one = make(here, "one");
  const auto other = make(there, "other");
  CHECK(error_of(here.unlink(other)) == ENOENT);
  CHECK(error_of(here.move(other, *session)) == ENOENT);
  CHECK(error_of(here.move_displacing(other, *session)) == ENOENT);
  CHECK(error_of(here.move_displacing(other, there)) == ENOENT);
  CHECK(must(here.members()).contains(one));
  CHECK(must(there.members()).contains(other));
  CHECK(must(session->members()).size() == 2);

  auto mine = make(*session);
  const auto theirs = stranger(*session);
  CHECK(is_unlinked(error_of(mine.move_to(there))));
  CHECK(must(session->members()).contains(theirs));
  REQUIRE(session->unlink(theirs));

  SECTION("in a ring of many keys too") {
    std::vector<KeyRef<User>> many;
    for (int at = 0; at < 150; ++at) {
      many.push_back(
          must(wait_for_quota(Seconds{10}, [&] { return here.upsert(User{"gsskey:" + std::to_string(at)}, "x"); })));
    }
    CHECK(error_of(here.unlink(other)) == ENOENT);
    CHECK(must(here.members()).size() == 151);
    REQUIRE(here.unlink(many.front()));
    REQUIRE(here.unlink(many.back()));
    CHECK(must(here.members()).size() == 149);
  }
  SECTION("a ring that cannot be read is left alone") {
    constexpr auto blind = all_rights.without(Right::read | Right::search);
    REQUIRE(here.set_permissions(Permissions{}.possessor(blind).user(blind)));
    CHECK(error_of(here.unlink(one)) == EACCES);
    REQUIRE(here.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
    CHECK(must(here.members()).contains(one));
  }
}

TEST_CASE("what goes by serial number never meets another key, however fast others replace it") {
  const support::Session session;
  // One process makes and revokes or invalidates its own key, the other puts keys of that name there all the time: what
  // the second has put last is always alive.
  const int rounds = support::has_large_quota() ? 300 : 30;
  const long lost = all_at_once(2, [&](int number) {
    long failures = 0;
    for (int round = 0; round < rounds; ++round) {
      if (number == 0) {
        const auto key = session->create_or_replace(User{"gsskey:link"}, "mine");
        if (!key) continue;
        static_cast<void>(round % 2 == 0 ? key->revoke() : key->invalidate());
      } else {
        const auto key = session->put(User{"gsskey:link"}, "theirs");
        if (key && !key->describe() && error_of(key->describe()) != ENOKEY) ++failures;  // ENOKEY: it was replaced
      }
    }
    return failures;
  });
  CHECK(lost == 0);
  must(session->clear());
}

TEST_CASE("create takes no notice of a dead key of that name") {
  const support::Session session;
  for (const Death death : {Death::revoked, Death::expired, Death::invalidated}) {
    leave_dead(*session, death);
    const auto key = make(*session, "new");
    CHECK(must(key.read()).text() == "new");
    CHECK(must(must(session->search<User>("gsskey:link")).read()).text() == "new");
    CHECK(must(session->members()).size() == 1);  // no lock, no scratch ring, nothing dead
    CHECK(error_of(session->create(User{"gsskey:link"}, "second")) == EEXIST);
    CHECK(must(session->members()).size() == 1);
  }
}

TEST_CASE("create over what is dead, in rings of every kind") {
  const support::Session session;
  SECTION("of a ring too, and through a ring of the caller's own") {
    const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
    REQUIRE(ring.revoke());
    const auto again = must(session->create(key_type::Keyring{"gsskey:ring"}));
    leave_dead(again, Death::revoked);
    const auto aside = must(session->create(key_type::Keyring{"gsskey:aside"}));
    CHECK(must(must(again.create_through(aside, User{"gsskey:link"}, "x")).read()).text() == "x");
    CHECK(must(aside.members()).empty());
  }
  SECTION("a living one deeper down is no other") {
    const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
    const auto deep = make(ring, "deep");
    leave_dead(*session, Death::revoked);
    const auto key = make(*session, "new");
    CHECK(must(deep.read()).text() == "deep");
  }
  SECTION("nor is one that cannot be viewed: then nothing is replaced") {
    leave_dead(*session, Death::revoked);
    const auto hidden = must(session->create(User{"gsskey:hidden"}, "x"));
    constexpr auto unseen = all_rights.without(Right::view);
    REQUIRE(hidden.set_permissions(Permissions{}.possessor(unseen)));
    CHECK(error_of(session->create(User{"gsskey:link"}, "x")) == EEXIST);
    must(session->clear());
  }
  SECTION("in a loop with invalidate") {
    for (int round = 0; round < 500; ++round) {
      auto made = session->create(User{"gsskey:link"}, "x");
      if (!made && is_short_of_keys(made.error())) break;
      REQUIRE(made);
      const auto key = std::move(*made).release();  // its owner would take the link away
      REQUIRE(must(key.read()).text() == "x");
      REQUIRE(key.invalidate());
    }
  }
  static_cast<void>(session->clear());
}

TEST_CASE("of 16 processes that create over a dead key, one does, and no living key is displaced") {
  const support::Session session;
  const int rounds = support::has_large_quota() ? 100 : 8;
  for (int round = 0; round < rounds; ++round) {
    leave_dead(*session, round % 2 == 0 ? Death::revoked : Death::invalidated);
    const long created = all_at_once(16, [&](int number) -> long {
      auto key =
          wait_for_quota(Seconds{10}, [&] { return session->create(User{"gsskey:link"}, std::to_string(number)); });
      if (!key) return key.error().minor_status() == static_cast<std::uint32_t>(EEXIST) ? 0 : 1000;
      return std::move(*key).release().read() ? 1 : 1000;
    });
    REQUIRE(created == 1);
    const auto key = must(session->search<User>("gsskey:link"));
    CHECK(must(key.read()).size() > 0);
    CHECK(must(session->members()).size() == 1);
    REQUIRE(session->unlink(key));
  }
}

TEST_CASE("what create() says that it made stays there, however many create, and however many keys die") {
  const support::Session session;
  const int turns = support::has_large_quota() ? (std::getenv("GSSKEY_EXHAUSTIVE") != nullptr ? 20000 : 200) : 8;
  const auto race = [&](int replacing) {
    return all_at_once(16, [&](int number) -> long {
      long lost = 0;
      for (int turn = 0; turn < turns; ++turn) {
        if (number < replacing) {
          const auto key = session->put(User{"gsskey:link"}, "put");
          if (!key && !is_short_of_keys(key.error())) ++lost;
          continue;
        }
        auto made = session->create(User{"gsskey:link"}, "created");
        if (!made) {
          if (made.error().minor_status() != static_cast<std::uint32_t>(EEXIST) && !is_short_of_keys(made.error()))
            ++lost;
          continue;
        }
        const auto key = std::move(*made).release();
        for (int look = 0; look < 3 && replacing == 0; ++look) {
          const auto members = session->members();
          if (!members || !members->contains(key)) ++lost;
        }
        static_cast<void>(turn % 2 == 0 ? key.revoke() : key.invalidate());
      }
      return lost;
    });
  };
  CHECK(race(0) == 0);
  CHECK(race(4) == 0);
  CHECK(support::eventually([&] { return must(session->members()).size() <= 1; }));
  must(session->clear());
}

TEST_CASE("put: a secret for a while, again and again, in one line") {
  const support::Session session;
  constexpr auto mask = Permissions{}.possessor(all_rights).user(Right::view | Right::read);
  KeyRef<User> before;
  for (const char* const secret : {"one", "two", "three"}) {
    const auto key =
        must(session->put(User{"gsskey:link"}, std::string{secret}, {.permissions = mask, .timeout = Seconds{600}}));
    CHECK(must(key.read()).text() == secret);
    CHECK(must(key.describe()).permissions() == mask);
    CHECK(must(must(ProcKeys::acquire()).find(key)).timeout != "perm");
    CHECK(must(session->members()).size() == 1);
    CHECK(key.serial() != before.serial());
    before = key;
  }
  leave_dead(*session, Death::expired);  // minute ten
  CHECK(must(must(session->put(User{"gsskey:link"}, "four", {.timeout = Seconds{600}})).read()).text() == "four");
  SECTION("owned: who owned the one before loses nothing and takes nothing") {
    auto mine = must(session->create_or_replace(User{"gsskey:link"}, "mine"));
    const auto next = must(session->create_or_replace(User{"gsskey:link"}, "next"));
    CHECK(is_unlinked(error_of(std::move(mine).close())));
    CHECK(must(next.read()).text() == "next");
  }
  SECTION("others always find one or the other") {
    const long missed = all_at_once(4, [&](int number) -> long {
      long misses = 0;
      for (int turn = 0; turn < 50; ++turn) {
        if (number == 0) {
          static_cast<void>(session->put(User{"gsskey:link"}, "new"));
        } else {
          misses += session->search<User>("gsskey:link") ? 0 : 1;
        }
      }
      return misses;
    });
    CHECK(missed == 0);
  }
  static_cast<void>(session->clear());
}

TEST_CASE("a payload in pieces") {
  const support::Session session;
  const auto header = must(SecretBytes::copy_of("v1:"));
  const auto secret = must(SecretBytes::copy_of("s3cret"));
  CHECK(must(must(session->create_pieces(User{"gsskey:link"}, {header, secret})).read()).text() == "v1:s3cret");
  const auto key = must(session->put_pieces(key_type::User{"gsskey:link"}, {header, ByteView{}, secret}));
  CHECK(must(key.read()).text() == "v1:s3cret");
  CHECK(support::is_usage(session->create_pieces(User{"gsskey:large"}, {ByteView{"x"}, std::string(32767, 'x')})));
  const ByteView huge{"x", static_cast<std::size_t>(-1) / 2};  // which is not looked at
  CHECK(support::is_usage(session->create_pieces(User{"gsskey:large"}, {huge, huge, huge})));
  REQUIRE(session->unlink(key));
}

TEST_CASE("a ring that refuses links takes the key of an upcall all the same, as refuse_links() says") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:closed"}));
  const auto key = make(*session);
  REQUIRE(ring.refuse_links());
  CHECK(error_of(ring.link(key)) == EPERM);
  CHECK(error_of(ring.upsert(User{"gsskey:other"}, "x")) == EPERM);
  CHECK(must(ring.members()).empty());
  // No handler answers: what is linked is the kernel's memory of that, by the way that a made key takes.
  CHECK(error_of(request_key<User>("gsskey-nobody-answers:link", "", ring)) != 0);
  if (must(ring.members()).empty()) return support::skip("this kernel has closed the gap");
  REQUIRE(ring.clear());
}

TEST_CASE("an upsert that fails leaves nothing behind") {
  if (::geteuid() != 0) return support::skip("needs root, to make a ring that its user may write and not possess");
  const support::Session session;
  const auto answers = support::as_user(4245, [](Answers& found) {
    // The user ring is not linked into this session: it can be written, and its keys are not possessed.
    const auto ring = Keyring::user();
    if (!ring) return;
    found.push_back(support::outcome(ring->upsert(User{"gsskey:link"}, "secret", Seconds{600})));
    const auto members = ring->members();
    found.push_back(members ? static_cast<long>(members->size()) : -1);
    found.push_back(support::outcome(ring->upsert(User{"gsskey:link"}, "secret")));
    static_cast<void>(ring->clear());
  });
  CHECK(answers == Answers{EACCES, 0, 0});
}
