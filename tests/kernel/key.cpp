// What is done with one key on the real kernel: which right each call needs, what a dead key answers, and the limits of
// payloads, permissions, timeouts and owners.
#include <gsskey/keyring.hpp>
#include <gsskey/text/line.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using support::Answers;
using support::error_of;
using support::eventually;
using support::is_collected;
using support::is_usage;
using support::must;
using support::outcome;
using support::timeout_of;
using support::Unchecked;
using User = key_type::User;

namespace {

constexpr Risks every_risk = Risks::from_bits(0xffffffff);

/// A call about a key that hangs in the session ring, and the rights of which each alone is enough for it.
struct Try {
  const char* name;
  std::uint32_t enough;
  long (*call)(KeyRef<User> key);
};

const Try tries[] = {
    // The ring that was searched makes the key possessed; then search stands for read.
    {"read", 0x02 | 0x08, [](KeyRef<User> key) { return outcome(key.read()); }},
    {"update", 0x04, [](KeyRef<User> key) { return outcome(key.update("new", no_timeout)); }},
    {"describe", 0x01, [](KeyRef<User> key) { return outcome(key.describe()); }},
    {"as", 0x01, [](KeyRef<User> key) { return outcome(AnyKeyRef::from_serial(key.serial()).as<User>()); }},
    {"security_label", 0x01, [](KeyRef<User> key) { return outcome(key.security_label()); }},
    {"set_timeout", 0x20, [](KeyRef<User> key) { return outcome(key.set_timeout(Seconds{7200})); }},
    {"set_permissions", 0x20,
     [](KeyRef<User> key) { return outcome(key.set_permissions(Permissions{}.user(all_rights))); }},
    {"set_owner", 0x20, [](KeyRef<User> key) { return outcome(key.set_owner(::geteuid())); }},
    {"set_group", 0x20, [](KeyRef<User> key) { return outcome(key.set_group(::getegid())); }},
    {"revoke", 0x04 | 0x20, [](KeyRef<User> key) { return outcome(key.revoke()); }},
    {"invalidate", 0x08, [](KeyRef<User> key) { return outcome(key.invalidate()); }},
    {"link", 0x10, [](KeyRef<User> key) { return outcome(must(Keyring::session()).link(key)); }},
    {"move", 0x10,
     [](KeyRef<User> key) {
       const auto session = must(Keyring::session());
       const auto ring = must(session.create(key_type::Keyring{"ring"}));
       return outcome(session.move(key, ring));
     }},
    {"move_displacing", 0x10,
     [](KeyRef<User> key) {
       const auto session = must(Keyring::session());
       const auto ring = must(session.create(key_type::Keyring{"ring"}));
       return outcome(session.move_displacing(key, ring));
     }},
    {"search", 0x08, [](KeyRef<User>) { return outcome(must(Keyring::session()).search<User>("lizard")); }},
};

/// A call about a ring that hangs in the session ring and links "inner".
struct TryRing {
  const char* name;
  std::uint32_t enough;
  long (*call)(KeyringRef ring);
};

const TryRing ring_tries[] = {
    {"members", 0x02 | 0x08, [](KeyringRef ring) { return outcome(ring.members()); }},
    {"clear", 0x04, [](KeyringRef ring) { return outcome(ring.clear()); }},
    {"create", 0x04, [](KeyringRef ring) { return outcome(ring.upsert(User{"new"}, "x")); }},
    {"search", 0x08, [](KeyringRef ring) { return outcome(ring.search<User>("inner")); }},
    {"restrict", 0x20, [](KeyringRef ring) { return outcome(ring.refuse_links()); }},
    {"describe", 0x01, [](KeyringRef ring) { return outcome(ring.describe()); }},
    {"set_timeout", 0x20, [](KeyringRef ring) { return outcome(ring.set_timeout(Seconds{7200})); }},
    {"revoke", 0x04 | 0x20, [](KeyringRef ring) { return outcome(ring.revoke()); }},
    {"invalidate", 0x08, [](KeyringRef ring) { return outcome(ring.invalidate()); }},
};

}  // namespace

TEST_CASE("each call about a key works with one right, and is refused with any other") {
  const support::Session session;
  for (const uid_t user : support::users()) {
    CAPTURE(user);
    // Which call with which right was not as expected, and what it said.
    const Answers wrong = support::as_user(user, [](Answers& found) {
      const auto ring = must(Keyring::session());
      for (std::uint32_t right = 1; right <= 0x20; right <<= 1) {
        for (std::size_t at = 0; at < std::size(tries); ++at) {
          eventually([] { return support::keys_in_quota() < 100; });  // what is dead counts until it is collected
          const auto key = must(ring.upsert(User{"lizard"}, "gizzard"));
          must(key.set_permissions(Permissions{}.user(Rights::from_bits(right)).accepting(every_risk)));
          // Without the right to view, the label is asked for as a handler's, who has none of that key.
          const bool as_handler = std::string_view{tries[at].name} == "security_label";
          const long expected = (tries[at].enough & right) != 0 ? 0 : as_handler ? ENOKEY : EACCES;
          const long got = tries[at].call(key);
          if (got != expected) found.insert(found.end(), {static_cast<long>(at), static_cast<long>(right), got});
          must(ring.clear());
        }
      }
    });
    CHECK(wrong == Answers{});
    const Answers wrong_of_rings = support::as_user(user, [](Answers& found) {
      const auto session_ring = must(Keyring::session());
      for (std::uint32_t right = 1; right <= 0x20; right <<= 1) {
        for (std::size_t at = 0; at < std::size(ring_tries); ++at) {
          eventually([] { return support::keys_in_quota() < 100; });
          const auto ring = must(session_ring.create(key_type::Keyring{"ring"})).on_destroy<OnDestroy::keep>();
          must(ring.upsert(User{"inner"}, "x"));
          must(ring.set_permissions(Permissions{}.user(Rights::from_bits(right)).accepting(every_risk)));
          const long expected = (ring_tries[at].enough & right) != 0 ? 0 : EACCES;
          const long got = ring_tries[at].call(ring);
          if (got != expected) found.insert(found.end(), {static_cast<long>(at), static_cast<long>(right), got});
          must(session_ring.clear());
        }
      }
    });
    CHECK(wrong_of_rings == Answers{});
  }
}

TEST_CASE("every call about a dead key says what it died of") {
  const support::Session session;
  SECTION("revoked") {
    const auto key = must(session->upsert(User{"lizard"}, "gizzard"));
    REQUIRE(key.revoke());
    for (const Try& each : tries) {
      CAPTURE(each.name);
      CHECK(each.call(key) == EKEYREVOKED);
    }
    CHECK(error_of(request_key<User>("lizard")) == EKEYREVOKED);
    REQUIRE(session->unlink(key));
  }
  SECTION("expired") {
    const auto key = must(session->upsert(User{"lizard"}, "gizzard", Seconds{1}));
    REQUIRE(eventually([&] { return error_of(key.read()) == EKEYEXPIRED; }));
    for (const Try& each : tries) {
      CAPTURE(each.name);
      CHECK(each.call(key) == EKEYEXPIRED);
    }
    CHECK(error_of(request_key<User>("lizard")) == ENOKEY);
    REQUIRE(session->unlink(key));
  }
  SECTION("collected") {
    const auto key = must(session->upsert(User{"lizard"}, "gizzard"));
    REQUIRE(session->unlink(key));
    REQUIRE(is_collected(key));
    for (const Try& each : tries) {
      CAPTURE(each.name);
      CHECK(each.call(key) == ENOKEY);
    }
    CHECK(error_of(session->unlink(key)) == ENOKEY);
    CHECK(error_of(request_key<User>("lizard")) == ENOKEY);
  }
  SECTION("invalidated") {
    const auto key = must(session->upsert(User{"lizard"}, "gizzard"));
    REQUIRE(key.invalidate());
    CHECK(error_of(key.describe()) == ENOKEY);
    CHECK(error_of(key.update("new", no_timeout)) == ENOKEY);
    CHECK(error_of(key.set_timeout(Seconds{1})) == ENOKEY);
    CHECK(error_of(key.revoke()) == ENOKEY);
    CHECK(error_of(key.invalidate()) == ENOKEY);
    CHECK(error_of(session->link(key)) == ENOKEY);
    CHECK(eventually([&] { return error_of(key.read()) == ENOKEY; }));
  }
}

TEST_CASE("every call about a dead ring says what it died of") {
  const support::Session session;
  SECTION("revoked") {
    const auto ring = must(session->create(key_type::Keyring{"ring"}));
    REQUIRE(ring.revoke());
    for (const TryRing& each : ring_tries) {
      CAPTURE(each.name);
      CHECK(each.call(ring) == EKEYREVOKED);
    }
  }
  SECTION("expired") {
    const auto ring = must(session->create(key_type::Keyring{"ring"}));
    REQUIRE(ring.set_timeout(Seconds{1}));
    REQUIRE(eventually([&] { return error_of(ring.members()) == EKEYEXPIRED; }));
    for (const TryRing& each : ring_tries) {
      CAPTURE(each.name);
      CHECK(each.call(ring) == EKEYEXPIRED);
    }
  }
  SECTION("collected") {
    KeyringRef gone;
    {
      const auto ring = must(session->create(key_type::Keyring{"ring"}));
      gone = ring;
    }
    REQUIRE(is_collected(gone));
    for (const TryRing& each : ring_tries) {
      CAPTURE(each.name);
      CHECK(each.call(gone) == ENOKEY);
    }
  }
}

TEST_CASE("every call about no key is a misuse") {
  const support::Session session;
  const KeyRef<User> key;
  CHECK(is_usage(key.read()));
  CHECK(is_usage(key.update("x", no_timeout)));
  CHECK(is_usage(key.describe()));
  CHECK(is_usage(key.security_label()));
  CHECK(is_usage(key.set_timeout(Seconds{1})));
  CHECK(is_usage(key.set_permissions(Permissions{}.possessor(all_rights))));
  CHECK(is_usage(key.set_owner(0)));
  CHECK(is_usage(key.set_group(0)));
  CHECK(is_usage(key.revoke()));
  CHECK(is_usage(key.invalidate()));
  CHECK(is_usage(AnyKeyRef{}.as<User>()));
  CHECK_FALSE(KeyRef<User>::from_serial(KEY_SPEC_SESSION_KEYRING));
}

TEST_CASE("describe: type, owner, permissions, description; of a ring too") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"wibble"}));
  const auto info = must(ring.describe());
  CHECK(info.type() == "keyring");
  CHECK(info.description() == "wibble");
  CHECK(info.user() == ::geteuid());
  CHECK(info.group() == ::getegid());
  CHECK(info.permissions() == Permissions{}.possessor(all_rights).user(Right::view));
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  CHECK(must(AnyKeyRef::from_serial(key.serial()).as<User>()) == KeyRef<User>{key});
  CHECK(is_usage(AnyKeyRef::from_serial(key.serial()).as<key_type::Keyring>()));
}

TEST_CASE("read: who possesses the key and may search it needs no right to read") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  REQUIRE(key.set_permissions(Permissions::from_bits(0x003d0000).accepting(every_risk)));
  CHECK(must(key.read()).text() == "gizzard");
  REQUIRE(key.set_permissions(Permissions::from_bits(0x00350000).accepting(every_risk)));
  CHECK(error_of(key.read()) == EACCES);
  REQUIRE(key.set_permissions(Permissions::from_bits(0x3d200000).accepting(every_risk)));
  CHECK(must(key.read()).text() == "gizzard");
  REQUIRE(key.set_permissions(Permissions::from_bits(0x00370000).accepting(every_risk)));
  CHECK(must(key.read()).text() == "gizzard");
  REQUIRE(key.revoke());
  CHECK(error_of(key.read()) == EKEYREVOKED);
}

TEST_CASE("read: a payload beside updates is that of one of them, whole") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "1"));
  // Each payload is filled with a byte that says its size.
  const std::size_t sizes[] = {1, 511, 512, 513, 1024, 4096};
  bool failed = false;
  std::thread writer{[&] {
    for (int round = 0; round < 3000 && !failed; ++round) {
      const std::size_t at = static_cast<std::size_t>(round * 5) % std::size(sizes);
      failed = !key.update(std::string(sizes[at], static_cast<char>('1' + at)), no_timeout);
    }
  }};
  std::size_t torn = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto read = must(key.read());
    const auto text = read.text();
    const auto at = static_cast<std::size_t>(text.front() - '1');
    if (at >= std::size(sizes) || text != std::string(sizes[at], text.front())) ++torn;
  }
  writer.join();
  CHECK_FALSE(failed);
  CHECK(torn == 0);
}

TEST_CASE("read: a key that is revoked meanwhile is read whole or is EKEYREVOKED") {
  const support::Session session;
  for (int round = 0; round < 50; ++round) {
    const auto key = must(session->upsert(User{"lizard" + std::to_string(round)}, std::string(2000, 'x')));
    std::thread other{[&] { static_cast<void>(key.revoke()); }};
    while (true) {
      const auto read = key.read();
      if (!read) {
        CHECK(error_of(read) == EKEYREVOKED);
        break;
      }
      REQUIRE(read->text() == std::string(2000, 'x'));
    }
    other.join();
  }
  REQUIRE(session->clear());
}

TEST_CASE("read: what grows between two calls is read until it fits, up to a mebibyte") {
  std::vector<std::size_t> asked;
  std::size_t size = 600;
  const auto read = [&](char* buffer, std::size_t room) -> long {
    asked.push_back(room);
    const std::size_t now = size;
    if (now <= room) std::fill(buffer, buffer + now, 'x');
    size = size < (1u << 20) ? size * 3 : 1u << 20;
    return static_cast<long>(now);
  };
  const auto bytes = must(keyring_detail::read_all("keyctl_read", 1, read));
  CHECK(bytes.size() == 1u << 20);
  CHECK(bytes.text() == std::string(1u << 20, 'x'));
  CHECK(asked.size() == 9);
  for (const std::size_t whole : {0u, 1u, 511u, 512u, 513u, 4096u, 65536u, 1u << 20}) {
    int calls = 0;
    const auto same = must(keyring_detail::read_all("keyctl_read", 1, [&](char* buffer, std::size_t room) -> long {
      ++calls;
      if (whole <= room) std::fill(buffer, buffer + whole, 'y');
      return static_cast<long>(whole);
    }));
    CHECK(same.text() == std::string(whole, 'y'));
    CHECK(calls == (whole <= 512 ? 1 : 2));
  }
}

TEST_CASE("read: a ring around the size of the first buffer") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"ring"}));
  for (std::size_t number = 1; number <= 130; ++number) {
    REQUIRE(ring.upsert(User{"key" + std::to_string(number)}, "x"));
    if (number >= 126) CHECK(must(ring.members()).size() == number);
  }
}

TEST_CASE("update: 1 to 4096 bytes, and not of every key") {
  const support::Session session;
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  const auto key = must(session->create(User{"lizard"}, std::string(32767, 'x')));
  for (const std::size_t size : {1u, 2u, 4095u, 4096u}) {
    REQUIRE(key.update(std::string(size, 'y'), no_timeout));
    CHECK(must(key.read()).text() == std::string(size, 'y'));
  }
  CHECK(is_usage(key.update(std::string(4097, 'z'), no_timeout)));
  CHECK(error_of(key.update({}, no_timeout)) == EINVAL);
  CHECK(error_of(key.update(ByteView{nullptr, 64}, no_timeout)) == EFAULT);
  CHECK(must(key.read()).text() == std::string(4096, 'y'));
  const auto ring = must(session->create(key_type::Keyring{"ring"}));
  const auto as_other_type = KeyRef<Unchecked<"keyring">>::from_serial(ring.serial());
  CHECK(error_of(as_other_type.update("x", no_timeout)) == EOPNOTSUPP);
}

TEST_CASE("update drops the timeout, and sets the one that is given") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard", {{}, Seconds{7200}}));
  CHECK(timeout_of(key) != "perm");
  REQUIRE(key.update("x", no_timeout));
  CHECK(timeout_of(key) == "perm");
  REQUIRE(key.update("x", Seconds{7200}));
  CHECK(timeout_of(key) != "perm");
  // Without the right to set attributes the payload is new all the same, and the Error says which call failed.
  REQUIRE(key.set_permissions(
      Permissions{}.possessor(all_rights.without(Right::set_attributes)).accepting(Risk::nobody_may_change_again)));
  const auto result = key.update("y", Seconds{7200});
  CHECK(error_of(result) == EACCES);
  CHECK(std::string{result.error().operation()} == "keyctl_set_timeout");
  CHECK(must(key.read()).text() == "y");
  CHECK(timeout_of(key) == "perm");
}

TEST_CASE("an error names the key that was asked for") {
  const support::Session session;
  const auto text_of = [](const auto& result) {
    REQUIRE_FALSE(result);
    return std::string{result.error().text()};
  };
  CHECK(text_of(request_key<User>("krb:alice")) == "user;krb:alice: Required key not available");
  CHECK(text_of(session->search<User>("krb:alice")) == "user;krb:alice: Required key not available");
  CHECK(text_of(session->search<key_type::Keyring>("a")) == "keyring;a: Required key not available");
  const auto key = must(session->create(User{"krb:alice"}, "x"));
  CHECK(text_of(session->create(User{"krb:alice"}, "x")) == "user;krb:alice: File exists");
  CHECK(text_of(session->create(User{"krb:bob"}, "")) == "user;krb:bob: Invalid argument");
  CHECK(text_of(session->put(User{"krb:bob"}, "")) == "user;krb:bob: Invalid argument");
  CHECK(text_of(session->upsert(User{"krb:bob"}, "")) == "user;krb:bob: Invalid argument");
  CHECK(text_of(session->create(User{"krb:bob"}, std::string(32768, 'x'))) ==
        "user;krb:bob: the payload is larger than a key of this type can be");
  CHECK(text_of(session->upsert(User{"krb:bob"}, "x", std::chrono::seconds{0})) ==
        "user;krb:bob: the timeout is over already: 0 or negative; no_timeout is for ever");
  CHECK(text_of(AnyKeyRef::from_serial(key.serial()).as<key_type::Logon>()) ==
        "user;krb:alice: the key is of another type");
  CHECK(text_of(Keyring::thread()) == "keyring;@t: Required key not available");
  CHECK(text_of(Keyring::join_session(".system")) == "keyring;.system: Operation not permitted");

  // What a terminal could take for orders, and what fills a log: cut and made plain.
  const auto error = request_key<User>(std::string(300, 'x') + "\x1b[31m").error();
  CHECK(error.text() == "user;" + std::string(256, 'x') + "...: Required key not available");
  std::string line;
  append_line(line, request_key<User>("krb:\x1b[31m").error());
  CHECK(line == "request_key: user;krb:?[31m: Required key not available");
  static_assert(sizeof(Error) <= 40);
}

TEST_CASE("set_permissions: each of four times sixty-four masks") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  for (unsigned shift = 0; shift <= 24; shift += 8) {
    // The user keeps the rights to look and to set the next one; the user's own are walked as the possessor.
    const std::uint32_t kept = shift == 16 ? 0x3f000000 : 0x00210000;
    std::size_t wrong = 0;
    for (std::uint32_t rights = 0; rights <= 0x3f; ++rights) {
      // Possession needs search; where the possessor has it not, the user keeps the key alive.
      const auto mask = Permissions::from_bits(kept | rights << shift).accepting(every_risk);
      if (!key.set_permissions(mask) || !(must(key.describe()).permissions() == mask)) ++wrong;
    }
    CAPTURE(shift);
    CHECK(wrong == 0);
    REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights).user(all_rights)));
  }
}

TEST_CASE("set_permissions: bits that are no rights are EINVAL") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  for (const std::uint32_t bits : {0xffffffffu, 0x7f7f7f7fu, 0x3f3f3f7fu, 0x3f3f3fbfu, 0x3f3f7f3fu, 0x3f3fbf3fu,
                                   0x3f7f3f3fu, 0x3fbf3f3fu, 0x7f3f3f3fu, 0xbf3f3f3fu}) {
    CAPTURE(bits);
    CHECK(error_of(key.set_permissions(Permissions::from_bits(bits).accepting(every_risk))) == EINVAL);
  }
  CHECK(must(key.describe()).permissions().bits() == 0x3f010000);
}

TEST_CASE("set_permissions: a mask that implies more than it says has to be accepted") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  const auto base = Permissions{}.possessor(all_rights).user(all_rights);
  const std::pair<Permissions, Risk> risky[] = {
      {base.group(Right::search), Risk::others_may_invalidate},
      {base.other(Right::search), Risk::others_may_invalidate},
      {base.group(Right::view), Risk::others_see_description},
      {base.other(Right::view), Risk::others_see_description},
      {base.possessor(all_rights.without(Right::read)), Risk::possessor_reads_anyway},
      {Permissions{}.possessor({Right::view, Right::read, Right::search}), Risk::nobody_may_change_again},
      {Permissions{}.possessor(all_rights.without(Right::search)), Risk::nobody_may_change_again},
  };
  for (const auto& [mask, risk] : risky) {
    CAPTURE(mask.bits());
    CHECK(mask.risks() == risk);
    const auto refused = key.set_permissions(mask);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::policy);
    CHECK(must(key.describe()).permissions().bits() == 0x3f010000);
  }
  for (const auto& [mask, risk] : risky) {
    const auto other = must(session->upsert(User{"other"}, "x"));
    CHECK(error_of(other.set_permissions(mask.accepting(risk))) == 0);
    // Which is true: nobody may change it again, or it is as before.
    const bool is_final = risk == Risk::nobody_may_change_again;
    CHECK(error_of(other.set_permissions(base)) == (is_final ? EACCES : 0));
    REQUIRE(session->unlink(other));
  }
}

TEST_CASE("set_permissions: rights of group and other are not the owner's, and what was given up is gone") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  const auto set = [&](std::uint32_t bits) {
    return error_of(key.set_permissions(Permissions::from_bits(bits).accepting(every_risk)));
  };
  REQUIRE(set(0x00201f00) == 0);
  CHECK(error_of(key.describe()) == EACCES);
  REQUIRE(set(0x0020001f) == 0);
  CHECK(error_of(key.describe()) == EACCES);
  REQUIRE(set(0x1f1f1f1f) == 0);
  CHECK(must(key.describe()).description() == "lizard");
  CHECK(set(0x3f3f1f1f) == EACCES);
  const auto second = must(session->create(User{"second"}, "x"));
  REQUIRE(second.set_permissions(Permissions{}.accepting(every_risk)));
  CHECK(error_of(second.set_permissions(Permissions{}.user(all_rights))) == EACCES);  // for root too
  CHECK(error_of(second.describe()) == EACCES);
}

TEST_CASE("chown: root gives keys away and takes them back, and the quota goes along") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root gives keys away");
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  const auto keys_of = [](uid_t user) {
    const auto quota = key_quota(user);
    return quota ? quota->keys : 0;
  };
  constexpr uid_t stranger = 54321;
  const auto before = keys_of(stranger);
  REQUIRE(key.set_owner(stranger));
  CHECK(must(key.describe()).user() == stranger);
  CHECK(must(key.describe()).group() == 0);
  CHECK(keys_of(stranger) == before + 1);
  REQUIRE(key.set_owner(0));
  CHECK(must(key.describe()).user() == 0);
  CHECK(keys_of(stranger) == before);
  REQUIRE(key.set_group(1));
  CHECK(must(key.describe()).group() == 1);
  CHECK(must(key.describe()).user() == 0);
  REQUIRE(key.set_owner(1, 2));
  CHECK(must(key.describe()).user() == 1);
  CHECK(must(key.describe()).group() == 2);
  constexpr uid_t nobodys = static_cast<uid_t>(-1);  // what the kernel takes for "as it is"
  CHECK(is_usage(key.set_owner(nobodys)));
  CHECK(is_usage(key.set_group(nobodys)));
  CHECK(is_usage(key.set_owner(nobodys, 0)));
  CHECK(is_usage(key.set_owner(0, nobodys)));
  CHECK(is_usage(Keyring::persistent(*session, nobodys)));
  CHECK(must(key.describe()).user() == 1);
  CHECK(must(key.describe()).group() == 2);
  // Root sets attributes of a key that is another's, if the mask lets it as the possessor.
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));
  REQUIRE(key.set_owner(0, 0));
}

TEST_CASE("chown: others change the group to one of their own, and nothing else") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(support::nobody, [](Answers& found) {
    const auto key = must(must(Keyring::session()).create(User{"lizard"}, "gizzard"));
    found.push_back(outcome(key.set_owner(0)));
    found.push_back(outcome(key.set_owner(1)));
    found.push_back(outcome(key.set_owner(support::nobody)));
    found.push_back(outcome(key.set_group(0)));
    found.push_back(outcome(key.set_group(1)));
    found.push_back(outcome(key.set_group(support::nobody)));
    found.push_back(must(key.describe()).user());
    found.push_back(must(key.describe()).group());
  });
  CHECK(answers == Answers{EACCES, EACCES, 0, EACCES, EACCES, 0, 65534, 65534});
}

TEST_CASE("users and groups of 2^31 and more, which the kernel prints as negative numbers here and there") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root gives keys away");
  for (const uid_t user : {0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xfffffffeu}) {
    CAPTURE(user);
    const gid_t group = user - 1;
    const auto before = key_quota(user);
    const auto key = must(session->create(User{"lizard"}, "gizzard"));
    REQUIRE(key.set_owner(user, group));
    CHECK(must(key.describe()).user() == user);
    CHECK(must(key.describe()).group() == group);
    const auto keys = must(ProcKeys::acquire());
    const auto line = must(keys.find(key));
    CHECK(line.user == user);
    CHECK(line.group == group);
    CHECK(line.text == "lizard: 7");
    CHECK(must(key_quota(user)).keys == (before ? before->keys : 0) + 1);
    const Answers answers = support::as_user(user, [user](Answers& found) {
      const auto ring = must(Keyring::session());
      const auto mine = must(ring.create(User{"mine"}, "x"));
      found.push_back(must(mine.describe()).user() == user && must(mine.describe()).group() == user);
      found.push_back(outcome(mine.set_owner(user)));
      found.push_back(must(key_quota(user)).keys >= 2);
      const auto of_user = must(Keyring::user());
      found.push_back(must(of_user.describe()).description() == "_uid." + std::to_string(user));
      found.push_back(diagnose().contains(Finding::quota_is_full));
    });
    CHECK(answers == Answers{1, 0, 1, 1, 0});
  }
}

TEST_CASE("chown: a full quota takes no more keys") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root gives keys away");
  constexpr uid_t stranger = 54322;
  const auto first = must(session->create(User{"first"}, std::string(15000, 'x')));
  const auto second = must(session->create(User{"second"}, std::string(15000, 'x')));
  REQUIRE(first.set_owner(stranger));
  CHECK(error_of(second.set_owner(stranger)) == EDQUOT);
  CHECK(must(second.describe()).user() == 0);
  CHECK(must(key_quota(stranger)).bytes < 20000);
}

TEST_CASE("a stranger has the rights of other, but for permissions and owner, which only the owner and root set") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const auto key = must(session->upsert(User{"lizard"}, "gizzard"));
  const auto hidden = must(session->create(User{"hidden"}, "gizzard"));
  REQUIRE(key.set_permissions(
      Permissions{}.possessor(all_rights).user(all_rights).other(all_rights).accepting(every_risk)));
  const Answers answers = support::as_user(support::nobody, [&](Answers& found) {
    const auto own = must(Keyring::session());
    found.push_back(outcome(hidden.read()));
    found.push_back(outcome(hidden.describe()));
    found.push_back(outcome(hidden.revoke()));
    found.push_back(outcome(hidden.invalidate()));
    found.push_back(outcome(own.link(hidden)));
    found.push_back(outcome(key.read()));
    found.push_back(outcome(key.describe()));
    found.push_back(outcome(key.update("theirs", no_timeout)));
    found.push_back(outcome(own.link(key)));
    found.push_back(outcome(key.set_timeout(Seconds{7200})));
    found.push_back(outcome(key.set_permissions(Permissions{}.user(all_rights))));
    found.push_back(outcome(key.set_owner(support::nobody)));
    found.push_back(outcome(own.unlink(key)));
    found.push_back(outcome(key.invalidate()));  // the right to search is that too
  });
  CHECK(answers == Answers{EACCES, EACCES, EACCES, EACCES, EACCES, 0, 0, 0, 0, 0, EACCES, EACCES, 0, 0});
  CHECK(error_of(key.describe()) == ENOKEY);
}

TEST_CASE("the security label is empty where there is no security module that gives keys one") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  const auto label = must(key.security_label());
  std::ifstream file{"/sys/kernel/security/lsm"};
  const std::string modules{std::istreambuf_iterator<char>{file}, {}};
  if (modules.find("selinux") == std::string::npos && modules.find("smack") == std::string::npos) {
    std::fprintf(stderr, "this kernel has no security labels for keys\n");
    CHECK(label.empty());
  } else {
    CHECK_FALSE(label.empty());
    CHECK(label.text().find('\0') == std::string::npos);
  }
  const auto ring = must(session->create(key_type::Keyring{"ring"}));
  CHECK(must(ring.security_label()).text() == label.text());
}
