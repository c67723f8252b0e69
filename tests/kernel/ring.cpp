// Rings on the real kernel: links, moves, searches, restrictions, nests, sessions and the rings that outlive them.
#include <gsskey/keyring.hpp>

#include <sys/wait.h>

#include <string>
#include <thread>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using support::Answers;
using support::error_of;
using support::is_collected;
using support::is_usage;
using support::must;
using support::outcome;
using support::Unchecked;
using User = key_type::User;

namespace {

// Deep nests are not possessed any more; the user's rights do not depend on that.
const Permissions everything = Permissions{}.possessor(all_rights).user(all_rights);

Key<key_type::Keyring> new_ring(const KeyringRef& in, const std::string& name) {
  auto ring = must(in.create(key_type::Keyring{name}));
  must(ring.set_permissions(everything));
  return ring;
}

/// Ring after ring, each linked by the one before; the first hangs in `session`.
std::vector<Key<key_type::Keyring>> nest(const KeyringRef& session, const std::string& name, int depth) {
  std::vector<Key<key_type::Keyring>> rings;
  for (int at = 1; at <= depth; ++at) {
    // Made where it is possessed, and moved to its place.
    auto ring = new_ring(session, name + std::to_string(at));
    if (!rings.empty()) must(ring.move_to(rings.back()));
    rings.push_back(std::move(ring));
  }
  return rings;
}

/// A key that was there once.
KeyRef<User> gone_key(const KeyringRef& ring) {
  const auto key = must(ring.upsert(User{"gone"}, "x"));
  must(ring.unlink(key));
  REQUIRE(is_collected(key));
  return key;
}

std::size_t count(const KeyringRef& ring, const KeyHandle auto& key) {
  std::size_t found = 0;
  for (const AnyKeyRef member : must(ring.members())) found += member.serial() == key.serial() ? 1u : 0u;
  return found;
}

}  // namespace

TEST_CASE("clear: an empty ring, one key, forty keys, and what is no ring") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  REQUIRE(ring.clear());
  CHECK(must(ring.members()).empty());
  for (const int number : {1, 40}) {
    std::vector<KeyRef<User>> keys;
    for (int at = 0; at < number; ++at) {
      keys.push_back(must(ring.upsert(User{"lizard" + std::to_string(at)}, "gizzard")));
    }
    CHECK(must(ring.members()).size() == keys.size());
    for (const auto& key : keys) CHECK(must(ring.members()).contains(key));
    REQUIRE(ring.clear());
    CHECK(must(ring.members()).empty());
    CHECK(is_collected(keys.back()));
  }
  CHECK(is_usage(KeyringRef{}.clear()));
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  CHECK(error_of(KeyringRef::from_serial(key.serial()).clear()) == ENOTDIR);
  CHECK(error_of(KeyringRef::from_serial(gone_key(*session).serial()).clear()) == ENOKEY);
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(ring.clear()) == EACCES);
  REQUIRE(ring.revoke());
  CHECK(error_of(ring.clear()) == EKEYREVOKED);
}

TEST_CASE("link and unlink: once, again, and what is no key or no ring") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  REQUIRE(ring.link(key));
  REQUIRE(ring.link(key));
  CHECK(count(ring, key) == 1);
  REQUIRE(ring.unlink(key));
  CHECK(count(ring, key) == 0);
  CHECK(error_of(ring.unlink(key)) == ENOENT);

  const KeyRef<User> none;
  CHECK(is_usage(ring.link(none)));
  CHECK(is_usage(ring.unlink(none)));
  CHECK(is_usage(KeyringRef{}.link(key)));
  CHECK(is_usage(KeyringRef{}.unlink(key)));
  const auto not_a_ring = KeyringRef::from_serial(key.serial());
  CHECK(error_of(not_a_ring.link(ring)) == ENOTDIR);
  CHECK(error_of(not_a_ring.unlink(ring)) == ENOTDIR);
  const auto gone = gone_key(*session);
  CHECK(error_of(ring.link(gone)) == ENOKEY);
  CHECK(error_of(ring.unlink(gone)) == ENOKEY);
  CHECK(error_of(KeyringRef::from_serial(gone.serial()).link(key)) == ENOKEY);
  CHECK(error_of(KeyringRef::from_serial(gone.serial()).unlink(key)) == ENOKEY);
}

TEST_CASE("a link takes the place of one to a key of the same type and description") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto inner = must(ring.create(User{"lizard"}, "inner"));
  const auto outer = must(session->create(User{"lizard"}, "outer"));
  REQUIRE(ring.link(outer));
  CHECK(must(ring.members()).size() == 1);
  CHECK(count(ring, outer) == 1);
  CHECK(is_collected(KeyRef<User>{inner}));
}

TEST_CASE("what link, unlink and move need: link on the key, write on the rings") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto other = must(session->create(key_type::Keyring{"wobble"}));
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  REQUIRE(ring.link(key));
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights.without(Right::link))));
  CHECK(error_of(other.link(key)) == EACCES);
  CHECK(error_of(ring.move(key, other)) == EACCES);
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(ring.unlink(key)) == EACCES);
  CHECK(error_of(ring.link(other)) == EACCES);
  CHECK(error_of(ring.move(key, other)) == EACCES);
  CHECK(error_of(session->move(key, ring)) == EACCES);
  CHECK(count(*session, key) == 1);
  CHECK(count(ring, key) == 1);
}

TEST_CASE("one key in twenty-one rings leaves them one by one") {
  const support::Session session;
  const auto top = must(session->create(key_type::Keyring{"top"}));
  std::vector<Key<key_type::Keyring>> rings;
  for (int at = 0; at < 20; ++at) rings.push_back(must(top.create(key_type::Keyring{"ring" + std::to_string(at)})));
  const auto key = must(top.upsert(User{"lizard"}, "gizzard"));
  for (const auto& ring : rings) REQUIRE(ring.link(key));
  const auto keys = must(ProcKeys::acquire());
  CHECK(must(keys.find(key)).usage == 21);
  for (const auto& ring : rings) {
    REQUIRE(ring.unlink(key));
    CHECK(error_of(ring.unlink(key)) == ENOENT);
  }
  CHECK(must(key.read()).text() == "gizzard");
  REQUIRE(top.unlink(key));
  CHECK(is_collected(key));
}

TEST_CASE("a ring cannot be linked into itself or below: EDEADLK, and ELOOP where the kernel stops to look") {
  const support::Session session;
  auto rings = nest(*session, "ring", 9);
  const KeyringRef first = rings.front();
  for (std::size_t at = 0; at < rings.size(); ++at) {
    CAPTURE(at);
    const int expected = at < 8 ? EDEADLK : ELOOP;
    CHECK(error_of(rings[at].link(first)) == expected);
    CHECK(error_of(session->move(first, rings[at])) == expected);
    CHECK(error_of(session->move_displacing(first, rings[at])) == expected);
  }
  CHECK(count(*session, first) == 1);
  while (!rings.empty()) rings.pop_back();
}

TEST_CASE("two stacks of rings cannot be linked into each other") {
  const support::Session session;
  auto a = nest(*session, "A", 4);
  auto b = nest(*session, "B", 4);
  REQUIRE(b.back().link(a.front()));
  CHECK(error_of(a.back().link(b.front())) == EDEADLK);
  CHECK(error_of(session->move(b.front(), a.back())) == EDEADLK);
  CHECK(error_of(session->move_displacing(b.front(), a.back())) == EDEADLK);
  REQUIRE(b.back().unlink(a.front()));
  REQUIRE(a.back().link(b.front()));
  CHECK(error_of(b.back().link(a.front())) == EDEADLK);
  CHECK(error_of(session->move(a.front(), b.back())) == EDEADLK);
  REQUIRE(a.back().unlink(b.front()));

  // Of five each, the cycle would be too long to be seen.
  for (auto* const stack : {&a, &b}) {
    auto fifth = new_ring(*session, stack == &a ? "A5" : "B5");
    REQUIRE(fifth.move_to(stack->back()));
    stack->push_back(std::move(fifth));
  }
  REQUIRE(b.back().link(a.front()));
  CHECK(error_of(a.back().link(b.front())) == ELOOP);
  CHECK(error_of(session->move(b.front(), a.back())) == ELOOP);
  REQUIRE(b.back().unlink(a.front()));
  REQUIRE(a.back().link(b.front()));
  CHECK(error_of(b.back().link(a.front())) == ELOOP);
  CHECK(error_of(session->move_displacing(a.front(), b.back())) == ELOOP);
  REQUIRE(a.back().unlink(b.front()));
  for (auto* const stack : {&a, &b}) {
    while (!stack->empty()) stack->pop_back();
  }
}

TEST_CASE("cycles are seen among rings of the same name") {
  const support::Session session;
  const auto sandbox = must(session->create(key_type::Keyring{"sandbox"}));
  const auto second = must(sandbox.create(key_type::Keyring{"sandbox"}));
  CHECK(error_of(second.link(*session)) == EDEADLK);
  CHECK(error_of(second.link(sandbox)) == EDEADLK);
  CHECK(error_of(second.link(second)) == EDEADLK);
  const auto side = must(sandbox.create(key_type::Keyring{"side"}));
  const auto third = must(side.create(key_type::Keyring{"sandbox"}));
  CHECK(error_of(third.link(*session)) == EDEADLK);
  CHECK(error_of(third.link(sandbox)) == EDEADLK);
  CHECK(error_of(third.link(side)) == EDEADLK);
  REQUIRE(third.link(second));
  CHECK(error_of(second.link(third)) == EDEADLK);
  REQUIRE(third.unlink(second));
  REQUIRE(second.link(third));
  CHECK(error_of(third.link(second)) == EDEADLK);
  REQUIRE(second.unlink(third));
}

TEST_CASE("seventeen rings beside each other are all searched") {
  const support::Session session;
  const auto sandbox = must(session->create(key_type::Keyring{"sandbox"}));
  std::vector<Key<key_type::Keyring>> rings;
  std::vector<KeyRef<User>> keys;
  for (int at = 0; at <= 16; ++at)
    rings.push_back(must(sandbox.create(key_type::Keyring{"ring" + std::to_string(at)})));
  for (int at = 0; at <= 16; ++at) {
    keys.push_back(must(rings[static_cast<std::size_t>(at)].upsert(User{"a" + std::to_string(at)}, "a")));
  }
  for (int at = 0; at <= 16; ++at) {
    CHECK(must(sandbox.search<User>("a" + std::to_string(at))) == keys[static_cast<std::size_t>(at)]);
  }
  for (int at = 17; at <= 20; ++at) CHECK(error_of(sandbox.search<User>("a" + std::to_string(at))) == ENOKEY);
}

TEST_CASE("a search goes six rings deep, and possession with it") {
  const support::Session session;
  auto rings = nest(*session, "ring", 9);
  std::vector<KeyRef<User>> keys;
  for (std::size_t at = 0; at < rings.size(); ++at) {
    const auto key = must(session->create(User{"a" + std::to_string(at)}, "a")).release();
    REQUIRE(session->move(key, rings[at]));
    keys.push_back(key);
  }
  for (std::size_t at = 0; at < rings.size(); ++at) {
    CAPTURE(at);
    const auto found = rings.front().search<User>("a" + std::to_string(at));
    CHECK(error_of(found) == (at < 7 ? 0 : ENOKEY));
    CHECK(error_of(session->search<User>("a" + std::to_string(at))) == (at < 6 ? 0 : ENOKEY));
    CHECK(error_of(keys[at].read()) == (at < 6 ? 0 : EACCES));
  }
  // From the innermost on: what its ring does not hold any more, the collector may have taken away already.
  for (auto ring = rings.rbegin(); ring != rings.rend(); ++ring) REQUIRE(ring->clear());
  REQUIRE(session->clear());
}

TEST_CASE("create() goes one ring less deep, because of its scratch ring, and move_to() as deep as any") {
  const support::Session session;
  auto rings = nest(*session, "ring", 9);
  for (std::size_t at = 0; at < rings.size(); ++at) {
    CAPTURE(at);
    CHECK(error_of(rings[at].create(User{"lizard"}, "x")) == (at < 5 ? 0 : EACCES));
    const auto put = must(rings[at].upsert(User{"lizard"}, "x"));
    REQUIRE(rings[at].unlink(put));
    auto moved = must(session->create(User{"lizard"}, "x"));
    REQUIRE(moved.move_to(rings[at]));
    const auto members = must(rings[at].members());
    CHECK(members.size() == (at + 1 < rings.size() ? 2 : 1));  // the next ring and that key, and no scratch ring
  }
  while (!rings.empty()) rings.pop_back();
}

TEST_CASE("move: with and without displacing") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto other = must(session->create(key_type::Keyring{"wobble"}));
  const auto key = must(ring.create(User{"lizard"}, "gizzard")).release();
  REQUIRE(ring.move(key, *session));
  CHECK(count(*session, key) == 1);
  CHECK(count(ring, key) == 0);
  CHECK(error_of(ring.move(key, *session)) == ENOENT);
  CHECK(error_of(ring.move_displacing(key, *session)) == ENOENT);
  REQUIRE(session->move(key, ring));
  CHECK(error_of(session->move_displacing(key, ring)) == ENOENT);

  const auto second = must(session->upsert(User{"lizard"}, "second"));
  CHECK(error_of(ring.move(key, *session)) == EEXIST);
  CHECK(count(ring, key) == 1);
  CHECK(count(*session, key) == 0);
  CHECK(count(*session, second) == 1);
  REQUIRE(ring.move_displacing(key, *session));
  CHECK(must(ring.members()).empty());
  CHECK(count(*session, key) == 1);
  CHECK(count(*session, second) == 0);
  CHECK(is_collected(second));

  // The link that the other ring has already counts too.
  REQUIRE(ring.link(key));
  CHECK(error_of(ring.move(key, *session)) == EEXIST);
  CHECK(count(ring, key) == 1);
  REQUIRE(ring.move_displacing(key, *session));
  CHECK(count(ring, key) == 0);
  CHECK(count(*session, key) == 1);
  REQUIRE(session->move(key, *session));  // nothing happens
  REQUIRE(session->move_displacing(key, *session));
  CHECK(count(*session, key) == 1);

  REQUIRE(session->move(key, ring));
  REQUIRE(ring.move(key, other));
  REQUIRE(other.move(key, *session));
  REQUIRE(session->unlink(key));
  REQUIRE(is_collected(key));
  CHECK(error_of(session->unlink(key)) == ENOKEY);
  CHECK(error_of(ring.move(key, other)) == ENOKEY);
}

TEST_CASE("move: empty handles and what is no ring") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  const auto not_a_ring = KeyringRef::from_serial(key.serial());
  CHECK(is_usage(session->move(KeyRef<User>{}, ring)));
  CHECK(is_usage(session->move(key, KeyringRef{})));
  CHECK(is_usage(KeyringRef{}.move(key, ring)));
  CHECK(error_of(not_a_ring.move(key, ring)) == ENOTDIR);
  CHECK(error_of(session->move(key, not_a_ring)) == ENOTDIR);
  const auto gone = KeyringRef::from_serial(gone_key(*session).serial());
  CHECK(error_of(session->move(gone, ring)) == ENOKEY);
  CHECK(error_of(session->move(key, gone)) == ENOKEY);
  CHECK(error_of(gone.move(key, ring)) == ENOKEY);
}

TEST_CASE("an owner that moves its key takes it out of the new ring") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  {
    auto key = must(session->create(User{"lizard"}, "gizzard"));
    REQUIRE(key.move_to(ring));
    CHECK(key.ring() == KeyringRef{ring});
    CHECK(count(ring, key) == 1);
    const auto second = must(session->create(User{"lizard"}, "second"));
    CHECK(error_of(key.move_to(*session)) == EEXIST);
    CHECK(key.ring() == KeyringRef{ring});
  }
  CHECK(must(ring.members()).empty());
}

TEST_CASE("search: the names that the kernel refuses, and where there is nothing to search") {
  const support::Session session;
  const auto into = must(session->create(key_type::Keyring{"into"}));
  const auto check = [&]<KeyType T>(const T& type, int error) {
    CAPTURE(T::name);
    CHECK(error_of(session->search<T>(type.description)) == error);
    CHECK(error_of(session->search<T>(type.description, into)) == error);
  };
  check(Unchecked<"">{"wibble"}, EINVAL);
  check(Unchecked<"lizardsgizzards">{"wibble"}, ENOKEY);
  check(Unchecked<".user">{"wibble"}, EPERM);
  check(Unchecked<"1234567890123456789012345678901">{"wibble"}, ENOKEY);
  check(Unchecked<"12345678901234567890123456789012">{"wibble"}, EINVAL);
  const std::string longest(4095, 'a');
  const std::string too_long(4096, 'a');
  check(User{longest}, ENOKEY);
  check(User{too_long}, EINVAL);
  CHECK(is_usage(session->search<User>(std::string{})));
  CHECK(is_usage(session->search<User>("a", KeyringRef{})));
  CHECK(is_usage(KeyringRef{}.search<User>("a")));
  CHECK(must(into.members()).empty());

  const auto key = must(session->create(User{"a"}, "a"));
  CHECK(error_of(KeyringRef::from_serial(key.serial()).search<User>("a")) == ENOTDIR);
  CHECK(error_of(KeyringRef::from_serial(key.serial()).search<User>("a", into)) == ENOTDIR);
  CHECK(error_of(session->search<User>("a", KeyringRef::from_serial(key.serial()))) == ENOTDIR);
  const auto gone = KeyringRef::from_serial(gone_key(*session).serial());
  CHECK(error_of(gone.search<User>("a")) == ENOKEY);
  CHECK(error_of(session->search<User>("a", gone)) == ENOKEY);
}

TEST_CASE("search: by type and description, the nearest first, linked if wanted") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto second_ring = must(session->create(key_type::Keyring{"wibble2"}));
  REQUIRE(ring.set_permissions(everything));
  REQUIRE(second_ring.set_permissions(everything));
  const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
  CHECK(error_of(session->search<User>("snake")) == ENOKEY);
  CHECK(must(session->search<User>("lizard")) == key);
  CHECK(error_of(session->search<key_type::Keyring>("lizard", second_ring)) == ENOKEY);
  CHECK(must(second_ring.members()).empty());
  CHECK(must(session->search<User>("lizard", second_ring)) == key);
  CHECK(count(second_ring, key) == 1);
  REQUIRE(second_ring.unlink(key));

  const auto second = must(second_ring.upsert(User{"lizard"}, "skin"));
  CHECK(must(key.read()).text() == "gizzard");
  CHECK(must(second.read()).text() == "skin");
  CHECK(must(ring.search<User>("lizard")) == key);
  CHECK(must(second_ring.search<User>("lizard")) == second);
  REQUIRE(ring.link(second_ring));
  CHECK(must(ring.search<User>("lizard")) == key);
  REQUIRE(key.revoke());
  CHECK(must(ring.search<User>("lizard")) == second);
  REQUIRE(ring.unlink(key));
  CHECK(must(session->search<User>("lizard")) == second);
  REQUIRE(ring.unlink(second_ring));
  CHECK(error_of(ring.search<User>("lizard")) == ENOKEY);
  CHECK(must(session->search<User>("lizard")) == second);
}

TEST_CASE("search passes rings over that may not be searched, but not the one that it starts at, nor the key") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto inner = must(ring.create(key_type::Keyring{"wobble"}));
  const auto key = must(inner.create(User{"lizard"}, "gizzard"));
  const auto without_search = Permissions{}.user(all_rights.without(Right::search));
  const auto with_search = Permissions{}.user(all_rights);

  REQUIRE(key.set_permissions(with_search));
  REQUIRE(inner.set_permissions(with_search));
  REQUIRE(ring.set_permissions(without_search));
  CHECK(error_of(ring.search<User>("lizard")) == EACCES);
  CHECK(error_of(session->search<User>("lizard")) == ENOKEY);
  REQUIRE(ring.set_permissions(with_search));
  CHECK(must(ring.search<User>("lizard")) == KeyRef<User>{key});
  REQUIRE(inner.set_permissions(without_search));
  CHECK(error_of(ring.search<User>("lizard")) == ENOKEY);
  CHECK(error_of(session->search<User>("lizard")) == ENOKEY);
  REQUIRE(inner.set_permissions(with_search));
  REQUIRE(key.set_permissions(without_search));
  CHECK(error_of(ring.search<User>("lizard")) == EACCES);
  CHECK(error_of(session->search<User>("lizard")) == EACCES);
  REQUIRE(key.set_permissions(with_search));
  CHECK(must(session->search<User>("lizard")) == KeyRef<User>{key});
  REQUIRE(key.revoke());
  CHECK(error_of(ring.search<User>("lizard")) == EKEYREVOKED);
  CHECK(error_of(session->search<User>("lizard")) == EKEYREVOKED);
}

TEST_CASE("search: expired, revoked and invalidated keys, and of two dead ones the last that was seen") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto expired = must(session->upsert(User{"lizard"}, "x", Seconds{1}));
  REQUIRE(support::eventually([&] { return error_of(expired.read()) == EKEYEXPIRED; }));
  CHECK(error_of(session->search<User>("lizard")) == EKEYEXPIRED);
  const auto revoked = must(ring.upsert(User{"lizard"}, "x"));
  REQUIRE(revoked.revoke());
  CHECK(error_of(ring.search<User>("lizard")) == EKEYREVOKED);
  CHECK(error_of(session->search<User>("lizard")) == EKEYREVOKED);
  REQUIRE(session->unlink(expired));
  REQUIRE(ring.unlink(revoked));

  const auto key = must(session->upsert(User{"lizard"}, "x"));
  REQUIRE(key.invalidate());
  const int error = error_of(session->search<User>("lizard"));
  CHECK((error == EKEYREVOKED || error == ENOKEY));  // the first until it is collected
  CHECK(support::eventually([&] { return error_of(session->search<User>("lizard")) == ENOKEY; }));
}

TEST_CASE("invalidate: the links go by themselves, those of a ring's members too") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
  REQUIRE(key.invalidate());
  CHECK(error_of(key.describe()) == ENOKEY);
  CHECK(support::eventually([&] { return must(ring.members()).empty(); }));
  const auto second = must(ring.upsert(User{"lizard2"}, "gizzard"));
  REQUIRE(ring.invalidate());
  CHECK(support::eventually([&] { return error_of(ring.members()) == ENOKEY; }));
  CHECK(is_collected(second));
  CHECK(support::eventually([&] { return must(session->members()).empty(); }));
}

TEST_CASE("a revoked ring lets go of what it linked") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
  REQUIRE(ring.revoke());
  CHECK(error_of(ring.members()) == EKEYREVOKED);
  CHECK(error_of(ring.describe()) == EKEYREVOKED);
  CHECK(error_of(ring.search<User>("lizard")) == EKEYREVOKED);
  CHECK(error_of(ring.link(*session)) == EKEYREVOKED);
  CHECK(error_of(session->search<User>("lizard")) == ENOKEY);
  CHECK(is_collected(key));
}

TEST_CASE("an expired ring refuses, and yet its members are found through it") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}, {{}, Seconds{1}}));
  const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
  REQUIRE(support::eventually([&] { return error_of(ring.describe()) == EKEYEXPIRED; }));
  CHECK(error_of(ring.members()) == EKEYEXPIRED);
  CHECK(error_of(ring.set_timeout(Seconds{20})) == EKEYEXPIRED);
  CHECK(error_of(ring.invalidate()) == EKEYEXPIRED);
  CHECK(error_of(ring.revoke()) == EKEYEXPIRED);
  CHECK(error_of(ring.clear()) == EKEYEXPIRED);
  CHECK(error_of(ring.search<User>("lizard")) == EKEYEXPIRED);
  CHECK(must(session->search<User>("lizard")) == key);
}

TEST_CASE("a ring that refuses links: for good, but what is there can go") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto key = must(ring.create(User{"lizard"}, "gizzard"));
  const auto other = must(session->create(User{"snake"}, "x"));
  REQUIRE(ring.refuse_links());
  CHECK(error_of(ring.refuse_links()) == EEXIST);
  CHECK(error_of(ring.restrict_links<key_type::Asymmetric>("builtin_trusted")) == EEXIST);
  CHECK(error_of(ring.link(other)) == EPERM);
  CHECK(error_of(ring.link(key)) == EPERM);  // even what it links already
  CHECK(error_of(session->move(other, ring)) == EPERM);
  CHECK(error_of(session->move_displacing(other, ring)) == EPERM);
  CHECK(error_of(ring.upsert(User{"new"}, "x")) == EPERM);
  CHECK(error_of(ring.create(User{"new"}, "x")) == EPERM);
  CHECK(error_of(ring.create(key_type::Keyring{"new"})) == EPERM);
  CHECK(error_of(session->search<User>("snake", ring)) == EPERM);
  CHECK(must(ring.members()).size() == 1);
  REQUIRE(ring.move(key, *session));
  REQUIRE(session->unlink(key));
  REQUIRE(ring.clear());

  CHECK(is_usage(KeyringRef{}.refuse_links()));
  CHECK(error_of(KeyringRef::from_serial(other.serial()).refuse_links()) == ENOTDIR);
  const auto kept = must(session->create(key_type::Keyring{"kept"}));
  REQUIRE(kept.set_permissions(
      Permissions{}.possessor(all_rights.without(Right::set_attributes)).accepting(Risk::nobody_may_change_again)));
  CHECK(error_of(kept.refuse_links()) == EACCES);
}

TEST_CASE("restrictions that are none") {
  const support::Session session;
  const auto authorities = must(session->create(key_type::Keyring{"authorities"}));
  const auto ring = must(session->create(key_type::Keyring{"restricted"}));
  const auto restricted = [&](const std::string& restriction) {
    return error_of(ring.restrict_links<key_type::Asymmetric>(restriction));
  };
  const auto number = std::to_string(authorities.serial());
  CHECK(restricted("key_or_keyring:" + number + ":bad_param") == EINVAL);
  CHECK(restricted("builtin_trusted:bad_param") == EINVAL);
  CHECK(restricted("no_such_method:" + number) == EINVAL);
  CHECK(restricted("key_or_keyring:abcxyz") == EINVAL);
  CHECK(restricted("key_or_keyring:0") == ENOKEY);
  CHECK(is_usage(ring.restrict_links<key_type::Asymmetric>(std::string{})));
  CHECK(error_of(ring.restrict_links<Unchecked<"not_a_key_type">>("builtin_trusted")) == ENOKEY);
  CHECK(error_of(ring.restrict_links<User>("builtin_trusted")) == ENOENT);  // of a type that knows no restriction
  const auto key = must(ring.create(User{"lizard"}, "gizzard"));            // none of these took hold
  CHECK(error_of(KeyringRef::from_serial(key.serial()).restrict_links<key_type::Asymmetric>("builtin_trusted")) ==
        ENOTDIR);
}

TEST_CASE("rings restricted to what was signed") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  using key_type::Asymmetric;
  using Added = support::Unchecked<"asymmetric">;  // as upsert() would not: no certificate takes another payload
  support::Certificates certificates;
  const auto first_authority = certificates.make("first");
  const auto second_authority = certificates.make("second");
  const auto intermediate = certificates.make("intermediate", "second");
  const auto signed_by_second = certificates.make("leaf", "second");
  const auto signed_by_intermediate = certificates.make("deep", "intermediate");
  const auto self_signed = certificates.make("lone");
  const auto by = [](const auto& handle, const char* rest = "") {
    return "key_or_keyring:" + std::to_string(handle.serial()) + rest;
  };

  const auto authorities = must(session->create(key_type::Keyring{"authorities"}));
  const auto by_ring = must(session->create(key_type::Keyring{"by ring"}));
  REQUIRE(by_ring.restrict_links<Asymmetric>(by(authorities)));
  CHECK(error_of(authorities.restrict_links<Asymmetric>(by(by_ring))) == EDEADLK);
  CHECK(error_of(by_ring.restrict_links<Asymmetric>("builtin_trusted")) == EEXIST);
  const auto by_builtin = must(session->create(key_type::Keyring{"by builtin"}));
  REQUIRE(by_builtin.restrict_links<Asymmetric>("builtin_trusted"));

  const auto first = must(authorities.create(Asymmetric{""}, first_authority));
  CHECK(error_of(by_ring.upsert(Added{""}, signed_by_second)) == ENOKEY);
  CHECK(error_of(by_builtin.upsert(Added{""}, signed_by_second)) == ENOKEY);
  const auto second = must(authorities.create(Asymmetric{""}, second_authority));
  const auto by_key = must(session->create(key_type::Keyring{"by key"}));
  REQUIRE(by_key.restrict_links<Asymmetric>(by(second)));

  const auto leaf = must(by_ring.upsert(Added{""}, signed_by_second));
  REQUIRE(by_key.link(leaf));
  for (const auto* const ring : {&by_ring, &by_key, &by_builtin}) {
    CHECK(error_of(ring->upsert(Added{""}, self_signed)) == ENOKEY);
  }
  CHECK(error_of(by_key.link(first)) == ENOKEY);
  CHECK(error_of(by_key.restrict_links<Asymmetric>("builtin_trusted")) == EEXIST);
  // Of another type, and so no scratch ring either: create() elsewhere, and move.
  CHECK(error_of(by_ring.upsert(User{"lizard"}, "gizzard")) == EOPNOTSUPP);
  CHECK(error_of(by_ring.create(User{"lizard"}, "gizzard")) == EOPNOTSUPP);
  CHECK(error_of(by_ring.create(Asymmetric{""}, signed_by_second)) == EOPNOTSUPP);
  {
    auto moved = must(session->create(Asymmetric{"moved"}, signed_by_second));
    REQUIRE(moved.move_to(by_ring));
    auto refused = must(session->create(Asymmetric{"refused"}, self_signed));
    CHECK(error_of(refused.move_to(by_ring)) == ENOKEY);
    CHECK(count(*session, refused) == 1);
  }
  CHECK(must(by_ring.members()).size() == 1);

  // A ring that trusts what it has.
  const auto own_leaf = must(session->create(key_type::Keyring{"own leaf"}));
  const auto own_authority = must(session->create(key_type::Keyring{"own authority"}));
  REQUIRE(own_leaf.link(leaf));
  REQUIRE(own_authority.link(second));
  REQUIRE(own_leaf.restrict_links<Asymmetric>("key_or_keyring:0:chain"));
  REQUIRE(own_authority.restrict_links<Asymmetric>("key_or_keyring:0:chain"));
  CHECK(error_of(own_leaf.link(second)) == ENOKEY);
  CHECK(error_of(own_leaf.upsert(Added{""}, self_signed)) == ENOKEY);
  CHECK(error_of(own_authority.upsert(Added{""}, self_signed)) == ENOKEY);
  REQUIRE(own_authority.link(leaf));
  const auto middle = must(own_authority.upsert(Added{""}, intermediate));
  const auto deep = must(own_authority.upsert(Added{""}, signed_by_intermediate));

  // A ring that trusts another and what it has itself: the chain has to come in order.
  const auto chained = must(session->create(key_type::Keyring{"chained"}));
  REQUIRE(chained.restrict_links<Asymmetric>(by(authorities, ":chain")));
  CHECK(error_of(chained.link(deep)) == ENOKEY);
  REQUIRE(chained.link(middle));
  REQUIRE(chained.link(deep));

  const auto closed = must(session->create(key_type::Keyring{"closed"}));
  REQUIRE(closed.link(second));
  REQUIRE(closed.refuse_links());
  CHECK(error_of(closed.link(second)) == EPERM);
  CHECK(error_of(closed.upsert(Added{""}, self_signed)) == EPERM);

  // A certificate whose signature is wrong, although it names an authority that is there.
  auto forged = signed_by_second;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  const int error = error_of(by_ring.upsert(Added{"forged"}, forged));
  CHECK((error == EKEYREJECTED || error == EBADMSG || error == EINVAL));
  CHECK(error_of(by_ring.search<Asymmetric>("forged")) == ENOKEY);
}
