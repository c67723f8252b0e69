// The members of a ring: serial numbers as the kernel writes them, a range of references, and those of large rings.
// SPDX-License-Identifier: MIT
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/key_list.hpp>

#include <algorithm>
#include <cstring>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::is_collected;
using support::is_usage;
using support::must;

static_assert(std::ranges::random_access_range<const KeyList> && std::ranges::sized_range<const KeyList>);
static_assert(std::is_same_v<std::ranges::range_value_t<KeyList>, AnyKeyRef>);

namespace {
/// What keyctl_read of a ring gives, with `more` bytes that are no whole serial.
SecretBytes as_read(const std::vector<key_serial_t>& serials, std::size_t more = 0) {
  auto bytes = must(SecretBytes::with_size(serials.size() * sizeof(key_serial_t) + more));
  std::memcpy(bytes.data(), serials.data(), serials.size() * sizeof(key_serial_t));
  return bytes;
}
}  // namespace

TEST_CASE("a list is a range of what the kernel has written") {
  const std::vector<key_serial_t> serials = {7, 0x7fffffff, 1, 42};
  const KeyList list{as_read(serials)};
  CHECK(std::ranges::equal(list, serials, {}, &AnyKeyRef::serial));
  CHECK(std::ranges::equal(list | std::views::reverse, serials | std::views::reverse, {}, &AnyKeyRef::serial));
  CHECK(list.end() - list.begin() == 4);
  CHECK(list.begin()[2].serial() == 1);
  CHECK(std::ranges::find(list, 42, &AnyKeyRef::serial) == list.begin() + 3);
  CHECK(std::ranges::is_sorted(std::views::take(list, 2), {}, &AnyKeyRef::serial));
  for (std::size_t i = 0; i < serials.size(); ++i) CHECK(list[i].serial() == serials[i]);
  CHECK_FALSE(list[4]);
  CHECK(list.contains(KeyRef<key_type::User>::from_serial(42)));
  CHECK_FALSE(list.contains(KeyRef<key_type::User>::from_serial(43)));
}

TEST_CASE("a list without members, and one that ends within a serial") {
  const KeyList none{SecretBytes{}};
  CHECK(none.empty());
  CHECK(none.begin() == none.end());
  CHECK_FALSE(none[0]);
  const KeyList cut{as_read({5, 6}, 3)};
  CHECK(cut.size() == 2);
  CHECK(cut.end() - cut.begin() == 2);
  CHECK_FALSE(cut[2]);
}

TEST_CASE("iterators survive a move of the list") {
  KeyList list{as_read({5, 6})};
  const auto second = list.begin() + 1;
  const KeyList moved = std::move(list);
  CHECK((*second).serial() == 6);
  CHECK(moved.end() - second == 1);
}

TEST_CASE("a key of any type can be named as one of an unknown type") {
  const auto user = KeyRef<key_type::User>::from_serial(42);
  const AnyKeyRef any = user;
  CHECK(any.serial() == 42);
  CHECK(any == user);
  CHECK(user == any);
  const auto mixed = {AnyKeyRef{user}, AnyKeyRef{KeyRef<key_type::Logon>::from_serial(43)}};
  CHECK(std::ranges::equal(mixed, std::vector{42, 43}, {}, &AnyKeyRef::serial));
  CHECK_FALSE(AnyKeyRef{KeyRef<key_type::User>{}});
}

TEST_CASE("members: all of a large ring, of every type, and what cannot be listed") {
  const support::Session session;
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  std::vector<AnyKeyRef> made;
  for (int at = 0; at < 700; ++at) {  // more than one buffer full
    const auto name = "a:" + std::to_string(at);
    made.push_back(AnyKeyRef::from_serial(must(ring.upsert(User{name}, "x")).serial()));
    if (at % 100 == 0) {
      made.push_back(AnyKeyRef::from_serial(must(ring.upsert(key_type::Logon{name}, "x")).serial()));
      made.push_back(
          AnyKeyRef::from_serial(must(ring.create(key_type::Keyring{name})).on_destroy<OnDestroy::keep>().serial()));
    }
  }
  const auto members = must(ring.members());
  CHECK(members.size() == made.size());
  std::size_t missing = 0;
  for (const auto& key : made) missing += members.contains(key) ? 0u : 1u;
  CHECK(missing == 0);
  CHECK(must(members[0].describe()).type().size() != 0);
  REQUIRE(ring.clear());

  CHECK(is_usage(KeyringRef{}.members()));
  const auto key = must(session->upsert(User{"gone"}, "x"));
  must(session->unlink(key));
  REQUIRE(is_collected(key));
  CHECK(error_of(KeyringRef::from_serial(key.serial()).members()) == ENOKEY);
  // Who possesses the ring and may search it lists it without the right to read.
  REQUIRE(ring.set_permissions(
      Permissions{}.possessor(all_rights.without(Right::read)).accepting(Risk::possessor_reads_anyway)));
  CHECK(must(ring.members()).empty());
  // Without search it is not possessed at all, and the possessor's rights are nobody's.
  REQUIRE(ring.set_permissions(Permissions{}
                                   .possessor({Right::read, Right::set_attributes, Right::write})
                                   .accepting(Risk::nobody_may_change_again)));
  CHECK(error_of(ring.members()) == EACCES);
  CHECK(error_of(ring.revoke()) == EACCES);
  CHECK(error_of(ring.set_permissions(Permissions{}.possessor(all_rights))) == EACCES);
}
