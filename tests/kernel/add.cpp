// add_key on the real kernel, by create() and upsert(): limits of types, descriptions and payloads, what is replaced
// and what is refused, quotas.
#include <gsskey/keyring.hpp>

#include <string>
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
using support::is_usage;
using support::must;
using support::outcome;
using support::timeout_of;
using support::Unchecked;

namespace {

/// Both calls that add_key, of a key that nobody can make.
template <KeyType T>
void check_refused(const KeyringRef& ring, const T& type, ByteView payload, int error) {
  CAPTURE(T::name);
  CHECK(error_of(ring.create(type, payload)) == error);
  if constexpr (requires { ring.upsert(type, payload); }) CHECK(error_of(ring.upsert(type, payload)) == error);
  CHECK(must(ring.members()).empty());  // and no scratch ring is left
}

/// What others of this user have left counts until it is collected. Three stay: both user rings, and the session.
void wait_for_collector() {
  support::eventually([] { return support::keys_in_quota() <= 3; }, 500);
}

}  // namespace

TEST_CASE("the name of a type: empty, unknown, reserved, as long as can be and longer") {
  const support::Session session;
  check_refused(*session, Unchecked<"">{"wibble"}, "stuff", EINVAL);
  check_refused(*session, Unchecked<"lizardsgizzards">{"wibble"}, "stuff", ENODEV);
  check_refused(*session, Unchecked<".user">{"wibble"}, "stuff", EPERM);
  check_refused(*session, Unchecked<"1234567890123456789012345678901">{"wibble"}, "stuff", ENODEV);
  check_refused(*session, Unchecked<"12345678901234567890123456789012">{"wibble"}, "stuff", EINVAL);
}

TEST_CASE("types that only the kernel adds to, and those that are not there") {
  const support::Session session;
  check_refused(*session, Unchecked<"blacklist">{"bin:00"}, "", EPERM);
  check_refused(*session, Unchecked<".request_key_auth">{"1"}, "x", EPERM);
}

TEST_CASE("a ring has no payload and a name without a dot") {
  const support::Session session;
  check_refused(*session, Unchecked<"keyring">{"wibble"}, "a", EINVAL);
  check_refused(*session, Unchecked<"keyring">{".wibble"}, {}, EPERM);
  check_refused(*session, Unchecked<"keyring">{""}, {}, EINVAL);
  CHECK(error_of(session->create(key_type::Keyring{".wibble"})) == EPERM);
  CHECK(is_usage(session->create(key_type::Keyring{std::string{}})));
}

TEST_CASE("a description has at most 4095 bytes") {
  const support::Session session;
  const std::string longest(4095, 'a');
  const std::string too_long(4096, 'a');
  {
    const auto key = must(session->create(key_type::User{longest}, "stuff"));
    CHECK(must(key.describe()).description() == longest);
    CHECK(must(session->search<key_type::User>(longest)) == key);
    const auto ring = must(session->create(key_type::Keyring{longest}));
    CHECK(must(ring.describe()).description() == longest);
    CHECK(must(session->members()).size() == 2);
  }
  check_refused(*session, key_type::User{too_long}, "stuff", EINVAL);
  CHECK(error_of(session->create(key_type::Keyring{too_long})) == EINVAL);
}

TEST_CASE("descriptions of every length are described back") {
  const support::Session session;
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  const auto ring = must(session->create(key_type::Keyring{"lengths"}));
  std::size_t wrong = 0;
  for (std::size_t size = 1; size <= 4095; ++size) {
    const std::string description(size, static_cast<char>('a' + size % 26));
    const auto key = must(ring.upsert(key_type::User{description}, "x"));
    if (must(key.describe()).description() != description) ++wrong;
    REQUIRE(ring.unlink(key));
  }
  CHECK(wrong == 0);
}

TEST_CASE("a description holds any byte but NUL") {
  const support::Session session;
  const std::vector<std::string> texts{"semi;colon;s;",           ";",         "two\nlines",
                                       "\xff\xfe not UTF-8 \x80", "\x01\x7f ", "user;0;0;3f010000;looks like a line"};
  for (const std::string& text : texts) {
    CAPTURE(text);
    const auto key = must(session->create(key_type::User{text}, "stuff"));
    const auto info = must(key.describe());
    CHECK(info.type() == "user");
    CHECK(info.description() == text);
    CHECK(info.user() == ::geteuid());
    CHECK(info.group() == ::getegid());
    CHECK(must(session->search<key_type::User>(text)) == key);
    CHECK(error_of(session->create(key_type::User{text}, "stuff")) == EEXIST);
    const auto keys = must(ProcKeys::acquire());
    CHECK(must(keys.find(key)).text == text + ": 5");
  }
  using namespace std::string_literals;
  CHECK(is_usage(session->create(key_type::User{"with\0NUL"s}, "stuff")));
  CHECK(is_usage(session->upsert(key_type::User{"with\0NUL"s}, "stuff")));
  CHECK(is_usage(session->create(key_type::User{""s}, "stuff")));
  check_refused(*session, Unchecked<"user">{""}, "stuff", EINVAL);  // the kernel wants none that is empty either
}

TEST_CASE("the payload of a user key: 1 to 32767 bytes") {
  const support::Session session;
  if (!support::has_large_quota()) return support::skip("root's quota is needed");
  for (const std::size_t size : {1u, 2u, 511u, 512u, 513u, 4095u, 4096u, 4097u, 32766u, 32767u}) {
    CAPTURE(size);
    std::string payload(size, '\0');
    for (std::size_t at = 0; at < size; ++at) payload[at] = static_cast<char>(at * 7 + size);
    const auto key = must(session->create(key_type::User{"created"}, payload));
    CHECK(must(key.read()).text() == payload);
    const auto put = must(session->upsert(key_type::User{"put"}, payload));
    CHECK(must(put.read()).text() == payload);
    REQUIRE(session->unlink(put));
  }
  const std::string megabytes(2u << 20, 'x');
  check_refused(*session, key_type::User{"wibble"}, {}, EINVAL);
  check_refused(*session, key_type::Logon{"wibble:wobble"}, {}, EINVAL);
  CHECK(is_usage(session->create(key_type::User{"wibble"}, std::string(32768, 'x'))));  // ours, before the kernel's
  for (const std::size_t size : {32768u, (1u << 20) - 1, 1u << 20, 2u << 20}) {
    CAPTURE(size);
    check_refused(*session, Unchecked<"user">{"wibble"}, ByteView{megabytes.data(), size}, EINVAL);
    check_refused(*session, Unchecked<"logon">{"wibble:wobble"}, ByteView{megabytes.data(), size}, EINVAL);
    check_refused(*session, Unchecked<"keyring">{"wibble"}, ByteView{megabytes.data(), size}, EINVAL);
  }
}

TEST_CASE("a payload that is nowhere is EFAULT") {
  const support::Session session;
  const ByteView nowhere{nullptr, 64};
  check_refused(*session, key_type::User{"wibble"}, nowhere, EFAULT);
  check_refused(*session, key_type::Logon{"wibble:wobble"}, nowhere, EFAULT);
  check_refused(*session, key_type::Asymmetric{"wibble"}, nowhere, EFAULT);
  check_refused(*session, Unchecked<"keyring">{"wibble"}, nowhere, EFAULT);
  check_refused(*session, Unchecked<"encrypted">{"wibble"}, nowhere, EFAULT);
}

TEST_CASE("a logon key is described by prefix:rest") {
  const support::Session session;
  for (const char* description : {"wibble", ":", ":wibble", ""}) {
    CAPTURE(description);
    check_refused(*session, Unchecked<"logon">{std::string{description}}, "stuff", EINVAL);
    CHECK(is_usage(session->create(key_type::Logon{std::string{description}}, "stuff")));
  }
  for (const char* description : {"a:", "a:b", "a:b:c", "a b:;"}) {
    const auto key = must(session->create(key_type::Logon{std::string{description}}, "stuff"));
    CHECK(must(key.describe()).description() == description);
  }
}

TEST_CASE("where a key cannot be made: no ring, a key that is none, one that is gone, one without the right to write") {
  const support::Session session;
  const KeyringRef none;
  CHECK(is_usage(none.create(key_type::User{"wibble"}, "stuff")));
  CHECK(is_usage(none.upsert(key_type::User{"wibble"}, "stuff")));

  const auto key = must(session->create(key_type::User{"lizard"}, "gizzard"));
  const auto not_a_ring = KeyringRef::from_serial(key.serial());
  CHECK(error_of(not_a_ring.create(key_type::User{"wibble"}, "stuff")) == ENOTDIR);
  CHECK(error_of(not_a_ring.upsert(key_type::User{"wibble"}, "stuff")) == ENOTDIR);

  auto ring = must(session->create(key_type::Keyring{"ring"}));
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(ring.create(key_type::User{"wibble"}, "stuff")) == EACCES);
  CHECK(error_of(ring.upsert(key_type::User{"wibble"}, "stuff")) == EACCES);
  REQUIRE(ring.set_permissions(Permissions{}.possessor(all_rights)));
  REQUIRE(ring.revoke());
  CHECK(error_of(ring.create(key_type::User{"wibble"}, "stuff")) == EKEYREVOKED);
  CHECK(error_of(ring.upsert(key_type::User{"wibble"}, "stuff")) == EKEYREVOKED);

  const KeyringRef gone = ring;
  REQUIRE(std::move(ring).close());
  REQUIRE(support::is_collected(gone));
  CHECK(error_of(gone.create(key_type::User{"wibble"}, "stuff")) == ENOKEY);
  CHECK(error_of(gone.upsert(key_type::User{"wibble"}, "stuff")) == ENOKEY);
}

TEST_CASE("create() refuses what is there, and leaves it alone") {
  const support::Session session;
  const auto key = must(session->create(key_type::User{"lizard"}, "gizzard"));
  CHECK(error_of(session->create(key_type::User{"lizard"}, "other")) == EEXIST);
  CHECK(must(key.read()).text() == "gizzard");
  const auto members = must(session->members());
  CHECK(members.size() == 1);
  CHECK(members[0].serial() == key.serial());

  const auto ring = must(session->create(key_type::Keyring{"lizard"}));  // of another type: another key
  const auto inner = must(ring.create(key_type::User{"lizard"}, "inner"));
  CHECK(error_of(session->create(key_type::Keyring{"lizard"})) == EEXIST);
  CHECK(must(ring.members()).contains(inner));
}

TEST_CASE("upsert() makes a key or changes it, and drops its timeout unless one is given") {
  const support::Session session;
  const auto key = must(session->upsert(key_type::User{"lizard"}, "gizzard"));
  CHECK(must(session->upsert(key_type::User{"lizard"}, "a longer one than before")) == key);
  CHECK(must(key.read()).text() == "a longer one than before");
  CHECK(must(session->members()).size() == 1);

  REQUIRE(key.set_timeout(Seconds{7200}));
  CHECK(timeout_of(key) != "perm");
  CHECK(must(session->upsert(key_type::User{"lizard"}, "x")) == key);
  CHECK(timeout_of(key) == "perm");
  CHECK(must(session->upsert(key_type::User{"lizard"}, "x", Seconds{7200})) == key);
  CHECK(timeout_of(key) != "perm");

  const auto ring = must(session->create(key_type::Keyring{"other"}));
  const auto other = must(ring.upsert(key_type::User{"lizard"}, "of another ring"));
  CHECK_FALSE(other == key);
  CHECK(must(key.read()).text() == "x");
  REQUIRE(session->unlink(key));
}

TEST_CASE("upsert() of a key that this process may not write is EACCES") {
  const support::Session session;
  const auto key = must(session->create(key_type::User{"lizard"}, "gizzard"));
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights.without(Right::write))));
  CHECK(error_of(session->upsert(key_type::User{"lizard"}, "x")) == EACCES);
  CHECK(must(key.read()).text() == "gizzard");
}

TEST_CASE("upsert() over a revoked key makes a new one in its place") {
  const support::Session session;
  const auto old = must(session->upsert(key_type::User{"lizard"}, "gizzard"));
  REQUIRE(old.revoke());
  const auto key = must(session->upsert(key_type::User{"lizard"}, "x"));
  CHECK_FALSE(key == old);
  const auto members = must(session->members());
  CHECK(members.size() == 1);
  CHECK(members.contains(key));
  REQUIRE(session->unlink(key));
}

TEST_CASE("upsert() over an expired key brings it to life again") {
  const support::Session session;
  const auto key = must(session->upsert(key_type::User{"lizard"}, "gizzard", Seconds{1}));
  REQUIRE(support::eventually([&] { return error_of(key.read()) == EKEYEXPIRED; }));
  CHECK(must(session->upsert(key_type::User{"lizard"}, "x")) == key);
  CHECK(must(key.read()).text() == "x");
  REQUIRE(session->unlink(key));
}

TEST_CASE("a ring that is added again is another one, which is why upsert() of a Keyring does not compile") {
  const support::Session session;
  const auto first = must(session->upsert(Unchecked<"keyring">{"wibble"}, {}));
  const auto second = must(session->upsert(Unchecked<"keyring">{"wibble"}, {}));
  CHECK_FALSE(first == second);
  CHECK(must(session->members()).size() == 1);
  CHECK(must(session->members()).contains(second));
  CHECK(support::is_collected(first));
  REQUIRE(session->unlink(second));
}

TEST_CASE("the permissions and the timeout of create() are there with the key") {
  const support::Session session;
  const auto mask = Permissions{}.possessor(all_rights).user({Right::view, Right::read});
  const auto key = must(session->create(key_type::User{"lizard"}, "gizzard", {mask, Seconds{7200}}));
  CHECK(must(key.describe()).permissions() == mask);
  CHECK(timeout_of(key) != "perm");
  const auto plain = must(session->create(key_type::User{"plain"}, "gizzard"));
  CHECK(must(plain.describe()).permissions().bits() == 0x3f010000);
  CHECK(timeout_of(plain) == "perm");
  const auto logon = must(session->create(key_type::Logon{"a:b"}, "gizzard"));
  CHECK(must(logon.describe()).permissions().bits() == 0x3d010000);
  const auto ring = must(session->create(key_type::Keyring{"ring"}));
  CHECK(must(ring.describe()).permissions().bits() == 0x3f010000);

  // What cannot be set is no key at all.
  CHECK(error_of(session->create(key_type::User{"none"}, "x", {Permissions::from_bits(0xff010000), no_timeout})) ==
        EINVAL);
  CHECK(is_usage(session->create(key_type::User{"none"}, "x", {Permissions{}.possessor(Right::view), no_timeout})));
  // Possession needs search, and the move the right to link as possessor.
  CHECK(is_usage(session->create(
      key_type::User{"none"}, "x",
      {Permissions{}.possessor(all_rights.without(Right::search)).accepting(Risk::nobody_may_change_again),
       no_timeout})));
  CHECK(error_of(session->search<key_type::User>("none")) == ENOKEY);
  CHECK(must(session->members()).size() == 4);
}

TEST_CASE("a user without privileges has a quota of keys") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(support::nobody, [](Answers& found) {
    const auto ring = must(Keyring::session());
    wait_for_collector();
    const auto before = must(key_quota(support::nobody));
    std::uint32_t made = 0;
    auto last = ring.upsert(key_type::User{"key"}, "x");
    for (; last; ++made) last = ring.upsert(key_type::User{"key" + std::to_string(made)}, "x");
    found.push_back(outcome(last));
    found.push_back(static_cast<long>(before.max_keys - before.keys - made));
    found.push_back(outcome(ring.create(key_type::User{"another"}, "x")));
    found.push_back(outcome(ring.create(key_type::Keyring{"another"})));
    found.push_back(outcome(ring.upsert(key_type::User{"key"}, "an update is no new key")));
    // Another key takes the place of one that is dead, as soon as that is collected.
    found.push_back(outcome(ring.unlink(must(ring.search<key_type::User>("key")))));
    found.push_back(outcome(wait_for_quota(Seconds{5}, [&] { return ring.upsert(key_type::User{"another"}, "x"); })));
    found.push_back(outcome(ring.clear()));
  });
  CHECK(answers == Answers{EDQUOT, 0, EDQUOT, EDQUOT, 0, 0, 0, 0});
}

TEST_CASE("a user without privileges has a quota of bytes, all of which can be used") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(support::nobody, [](Answers& found) {
    const auto ring = must(Keyring::session());
    wait_for_collector();
    const auto key = must(ring.upsert(key_type::User{"key"}, "x"));
    const auto before = must(key_quota(support::nobody));
    const std::size_t most = 1 + before.max_bytes - before.bytes;
    const std::string payload(most + 1, 'x');
    found.push_back(outcome(ring.upsert(key_type::User{"key"}, ByteView{payload.data(), most})));
    found.push_back(static_cast<long>(before.max_bytes - must(key_quota(support::nobody)).bytes));
    found.push_back(outcome(ring.upsert(key_type::User{"key"}, payload)));
    found.push_back(static_cast<long>(most - must(key.read()).size()));
    // An update is charged too, and a revoked key's payload is free at once.
    found.push_back(outcome(ring.upsert(key_type::User{"key"}, ByteView{payload.data(), 15000})));
    found.push_back(outcome(ring.upsert(key_type::User{"second"}, ByteView{payload.data(), 15000})));
    found.push_back(outcome(key.revoke()));
    found.push_back(outcome(ring.upsert(key_type::User{"second"}, ByteView{payload.data(), 15000})));
    found.push_back(outcome(ring.clear()));
  });
  CHECK(answers == Answers{0, 0, EDQUOT, 0, 0, EDQUOT, 0, 0, 0});
}

TEST_CASE("root and nobody have the same limits") {
  const support::Session session;
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  for (const uid_t user : {::geteuid(), support::nobody}) {
    CAPTURE(user);
    const Answers answers = support::as_user(user, [](Answers& found) {
      const auto ring = must(Keyring::session());
      const std::string longest(4095, 'a');
      found.push_back(outcome(ring.create(key_type::User{longest}, "stuff")));
      found.push_back(outcome(ring.create(key_type::User{longest + "a"}, "stuff")));
      found.push_back(outcome(ring.create(key_type::User{"wibble"}, {})));
      found.push_back(outcome(ring.create(Unchecked<"">{"wibble"}, "stuff")));
      found.push_back(outcome(ring.create(Unchecked<"lizardsgizzards">{"wibble"}, "stuff")));
      found.push_back(outcome(ring.create(Unchecked<".user">{"wibble"}, "stuff")));
      found.push_back(outcome(ring.create(Unchecked<"keyring">{".wibble"}, {})));
      found.push_back(outcome(ring.create(Unchecked<"blacklist">{"bin:00"}, {})));
      const auto key = must(ring.upsert(key_type::User{"lizard"}, "gizzard"));
      found.push_back(outcome(KeyringRef::from_serial(key.serial()).upsert(key_type::User{"wibble"}, "stuff")));
      found.push_back(outcome(ring.clear()));
    });
    CHECK(answers == Answers{0, EINVAL, EINVAL, EINVAL, ENODEV, EPERM, EPERM, EPERM, ENOTDIR, 0});
  }
}
