// Keys on the real kernel: what an owner does at its end, what a reference can do, and what both refuse.
#include <gsskey/keyring.hpp>

#include <cerrno>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::must;

namespace {

Key<User> make(const KeyringRef& ring, const char* payload = "secret", KeyOptions options = {}) {
  return must(ring.create(User{"gsskey:test"}, std::string{payload}, options));
}

/// Whether an error is one of those that a key that is gone gives, whichever the collector's progress makes it.
bool is_gone(int error) { return error == ENOKEY || error == EKEYREVOKED || error == EKEYEXPIRED || error == EACCES; }

/// What the hook was told, while one lives.
struct Told {
  static inline std::vector<Error> errors;
  Told() {
    errors.clear();
    set_destroy_hook([](const Error& error) noexcept { errors.push_back(error); });
  }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() { set_destroy_hook(nullptr); }
};

}  // namespace

TEST_CASE("a key that was created is read, and gone at the end of its owner") {
  const support::Session session;
  KeyRef<User> seen;
  {
    const auto key = make(*session);
    CHECK(must(key.read()).text() == "secret");
    CHECK(must(session->members()).contains(key));
    CHECK(key.ring() == *session);
    seen = key;
    CHECK(must(seen.read()).text() == "secret");
  }
  CHECK(must(session->members()).empty());
  CHECK(is_gone(error_of(seen.read())));
}

TEST_CASE("policies") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:other"}));
  const auto key = make(*session);
  REQUIRE(ring.link(key));
  KeyRef<User> seen = key;
  SECTION("unlink: who has a link of his own keeps the key") {
    {
      const auto owner = must(ring.create(User{"gsskey:mine"}, "x"));
    }
    CHECK(must(ring.members()).size() == 1);
    CHECK(must(seen.read()).text() == "secret");
  }
  SECTION("keep") {
    const auto kept = must(ring.create(User{"gsskey:mine"}, "x")).release();
    CHECK(must(ring.members()).contains(kept));
    {
      const auto policy = must(ring.create(User{"gsskey:kept"}, "x")).on_destroy<OnDestroy::keep>();
    }
    CHECK(must(ring.members()).size() == 3);
  }
  SECTION("revoke") {
    KeyRef<User> revoked;
    {
      const auto owner = must(ring.create(User{"gsskey:mine"}, "x")).on_destroy<OnDestroy::revoke>();
      revoked = owner;
      REQUIRE(session->link(owner));
    }
    CHECK(error_of(revoked.read()) == EKEYREVOKED);
    REQUIRE(session->unlink(revoked));  // revoked keys can be unlinked
  }
  SECTION("invalidate") {
    KeyRef<User> gone;
    {
      const auto owner = must(ring.create(User{"gsskey:mine"}, "x")).on_destroy<OnDestroy::invalidate>();
      gone = owner;
      REQUIRE(session->link(owner));
    }
    CHECK(is_gone(error_of(gone.read())));
    CHECK(is_gone(error_of(session->search<User>("gsskey:mine"))));
    static_cast<void>(session->unlink(gone));
  }
  SECTION("revoke_then_unlink") {
    KeyRef<User> revoked;
    {
      const auto owner = must(ring.create(User{"gsskey:mine"}, "x")).on_destroy<OnDestroy::revoke_then_unlink>();
      revoked = owner;
      REQUIRE(session->link(owner));
    }
    CHECK(error_of(revoked.read()) == EKEYREVOKED);
    CHECK_FALSE(must(ring.members()).contains(revoked));
    REQUIRE(session->unlink(revoked));
  }
}

TEST_CASE("close says what the destructor can only tell") {
  const support::Session session;
  const Told told;
  auto key = make(*session);
  REQUIRE(session->unlink(key));
  CHECK(error_of(std::move(key).close()) == ENOENT);
  CHECK_FALSE(key);
  {
    const auto unlinked = make(*session);
    REQUIRE(session->unlink(unlinked));
  }
  CHECK(told.errors.empty());  // gone is what a destructor wants
  CHECK(make(*session).close());
}

TEST_CASE("a destructor that fails keeps errno, tells the hook and throws nothing") {
  const support::Session session;
  const Told told;
  key_serial_t serial = 0;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
  {
    const auto key = must(ring.create(User{"gsskey:test"}, "x"));
    serial = key.serial();
    // who may not write a ring cannot unlink from it
    REQUIRE(ring.set_permissions(
        Permissions{}.possessor(all_rights.without(Right::write)).user(all_rights.without(Right::write))));
    errno = 4711;
  }
  CHECK(errno == 4711);
  REQUIRE(told.errors.size() == 1);
  CHECK(std::string{told.errors[0].operation()} == "keyctl_unlink");
  CHECK(told.errors[0].minor_status() == EACCES);
  CHECK(told.errors[0].serial() == serial);
}

TEST_CASE("the ring of an owner is remembered by number") {
  const support::Session session;
  KeyringRef ring_of_the_thread;
  std::thread{[&] {
    ring_of_the_thread = must(Keyring::install_thread());
    const auto key = must(ring_of_the_thread.create(User{"gsskey:test"}, "x"));
    CHECK(key.ring() == ring_of_the_thread);
    CHECK(key.ring().serial() > 0);
  }}.join();
  CHECK(is_gone(error_of(ring_of_the_thread.members())));
}

TEST_CASE("moves: one owner, self-move changes nothing, assignment takes down at once") {
  const support::Session session;
  auto first = make(*session);
  const KeyRef<User> ref = first;
  Key<User> second = std::move(first);
  CHECK_FALSE(first);
  CHECK(second.serial() == ref.serial());
  auto& same = second;
  second = std::move(same);
  CHECK(must(second.read()).text() == "secret");
  second = must(session->create(User{"gsskey:other"}, "x"));
  CHECK_FALSE(must(session->members()).contains(ref));
  CHECK(must(session->members()).size() == 1);
}

TEST_CASE("an owner's key can be moved to another ring, and hangs there") {
  const support::Session session;
  const auto ring = must(session->create(key_type::Keyring{"gsskey:ring"}));
  auto key = make(*session);
  REQUIRE(key.move_to(ring));
  CHECK(key.ring() == KeyringRef{ring});
  CHECK(must(ring.members()).contains(key));
  CHECK_FALSE(must(session->members()).contains(key));
  auto twin = make(*session);
  CHECK(error_of(twin.move_to(ring)) == EEXIST);
  CHECK(twin.ring() == *session);
  CHECK(std::move(key).close());
  CHECK(must(ring.members()).empty());
}

TEST_CASE("an empty key answers every call") {
  const support::Session session;
  const Key<User> key;
  const auto refused = [](const auto& result) {
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::usage);
  };
  refused(key.read());
  refused(key.update("x", no_timeout));
  refused(key.describe());
  refused(key.security_label());
  refused(key.set_timeout(Seconds{1}));
  refused(key.set_permissions(Permissions{}.possessor(all_rights)));
  refused(key.set_group(0));
  refused(key.revoke());
  refused(key.invalidate());
  refused(session->link(key));
  refused(session->unlink(key));
  refused(session->move(key, *session));
  refused(session->search<User>("x", KeyringRef{}));
  const KeyringRef ring;
  refused(ring.members());
  refused(ring.clear());
  refused(ring.create(User{"x"}, "y"));
  refused(ring.upsert(User{"x"}, "y"));
  refused(ring.search<User>("x"));
  refused(ring.refuse_links());
  refused(ring.link(*session));
  refused(request_key<User>("x", "y", ring));
  CHECK(KeyRef<User>::from_serial(-3).serial() == 0);
}

TEST_CASE("update says the timeout, because the kernel drops it") {
  const support::Session session;
  const auto key = make(*session, "x", {.timeout = Seconds{3600}});
  const auto timeout = [&] { return std::string{must(must(ProcKeys::acquire()).find(key)).timeout}; };
  REQUIRE(key.update("new", no_timeout));
  CHECK(timeout() == "perm");
  REQUIRE(key.update("newer", Seconds{3 * 24 * 3600 + 60}));
  CHECK(timeout() == "3d");
  CHECK(must(key.read()).text() == "newer");
  const std::string most(4096, 'x');
  REQUIRE(key.update(most, no_timeout));
  const auto too_much = key.update(std::string(4097, 'x'), no_timeout);
  REQUIRE_FALSE(too_much);
  CHECK(too_much.error().domain() == Domain::usage);
  CHECK(must(key.read()).text() == most);
}

TEST_CASE("payloads of every size are read whole, with one allocation") {
  const support::Session session;
  for (const std::size_t size : {1u, 511u, 512u, 513u, 4096u, 32767u}) {
    if (size > 4096 && !support::has_large_quota()) continue;
    CAPTURE(size);
    const auto key = must(session->create(User{"gsskey:size"}, std::string(size, 's')));
    const long before = support::heap::allocations;
    const auto bytes = key.read();
    CHECK(support::heap::allocations - before == 1);
    CHECK(must(key.read()).text() == std::string(size, 's'));
    const support::heap::FreeWatch watch{bytes->data(), bytes->size()};
    {
      const auto dies = std::move(*const_cast<Result<SecretBytes>*>(&bytes));
    }
    CHECK(watch.was_wiped());
  }
}

TEST_CASE("a key that grows between two looks is read again, and what was short is wiped") {
  // No real key can be made to grow at that moment: the two looks are this test's.
  int look = 0;
  const auto bytes = must(keyring_detail::read_all("test", 1, [&](char* buffer, std::size_t size) noexcept -> long {
    const long lengths[] = {600, 700, 650};
    const long length = lengths[look++];
    if (static_cast<std::size_t>(length) <= size) std::memset(buffer, 'a' + look, static_cast<std::size_t>(length));
    return length;
  }));
  CHECK(look == 3);
  CHECK(bytes.text() == std::string(650, 'd'));
}

TEST_CASE("a member of a ring is asked for its type") {
  const support::Session session;
  const auto key = make(*session);
  const AnyKeyRef member = must(session->members())[0];
  CHECK(member.serial() == key.serial());
  CHECK(must(member.as<User>()) == KeyRef<User>{key});
  const auto wrong = member.as<key_type::Keyring>();
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().domain() == Domain::usage);
  CHECK(must(member.read()).text() == "secret");
}
