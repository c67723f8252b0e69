// Keys made in rings on the real kernel: new ones, and what takes their place.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/ring.hpp>

#include <cerrno>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::must;

TEST_CASE("create is exclusive and leaves nothing of what it tried") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:test"}, "first"));
  CHECK(error_of(session->create(User{"gsskey:test"}, "second")) == EEXIST);
  CHECK(must(session->members()).size() == 1);  // no scratch ring
  CHECK(must(key.read()).text() == "first");
  CHECK(error_of(session->create(User{"gsskey:other"}, ByteView{})) == EINVAL);
  CHECK(must(session->members()).size() == 1);
  // another type, same description
  const auto logon = must(session->create(key_type::Logon{"gsskey:test"}, "password"));
  CHECK(must(session->members()).size() == 2);
}

TEST_CASE("a key appears with its permissions and timeout") {
  const support::Session session;
  constexpr auto mask = Permissions{}.possessor(all_rights).user({Right::view, Right::read});
  const auto key = must(session->create(User{"gsskey:test"}, "x", {.permissions = mask, .timeout = Seconds{3600}}));
  CHECK(must(key.describe()).permissions() == mask);
  const auto line = must(ProcKeys::acquire());
  const auto timeout = must(line.find(key)).timeout;
  CAPTURE(timeout);
  CHECK((timeout == "60m" || timeout == "59m" || timeout == "1h"));
  const auto forever = must(session->create(User{"gsskey:forever"}, "x"));
  CHECK(must(must(ProcKeys::acquire()).find(forever)).timeout == "perm");
}

TEST_CASE("permissions that the move needs, and risks, are asked for before anything is made") {
  const support::Session session;
  const auto without_link = Permissions{}.possessor(all_rights.without(Right::link));
  const auto refused = session->create(User{"gsskey:test"}, "x", {.permissions = without_link});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::usage);
  const auto risky = session->create(User{"gsskey:test"}, "x",
                                     {.permissions = Permissions{}.possessor(all_rights).other(Right::search)});
  REQUIRE_FALSE(risky);
  CHECK(risky.error().domain() == Domain::policy);
  CHECK(must(session->members()).empty());
}

TEST_CASE("create through a ring of one's own: where no scratch ring can be, and nothing is left either") {
  const support::Session session;
  std::thread{[&] {  // whose ring goes with it
    const auto own = must(Keyring::install_thread());
    const auto key = must(session->create_through(own, User{"gsskey:test"}, "first", {.timeout = Seconds{3600}}));
    CHECK(key.ring() == *session);
    CHECK(must(session->members()).size() == 1);
    CHECK(must(key.read()).text() == "first");
    CHECK(must(own.members()).empty());
    CHECK(error_of(session->create_through(own, User{"gsskey:test"}, "second")) == EEXIST);
    CHECK(support::is_usage(session->create_through(KeyringRef{}, User{"gsskey:other"}, "x")));
    CHECK(support::is_usage(KeyringRef{}.create_through(own, User{"gsskey:other"}, "x")));
    const auto without_link = Permissions{}.possessor(all_rights.without(Right::link));
    CHECK(support::is_usage(session->create_through(own, User{"gsskey:x"}, "x", {.permissions = without_link})));
    CHECK(must(own.members()).empty());
    CHECK(must(session->members()).size() == 1);

    std::vector<Key<key_type::Keyring>> nest;
    nest.push_back(must(session->create(key_type::Keyring{"gsskey:nest"})));
    while (auto deeper = nest.back().create(key_type::Keyring{"gsskey:nest"})) nest.push_back(*std::move(deeper));
    CHECK(error_of(nest.back().create(User{"gsskey:deep"}, "x")) == EACCES);
    CHECK(must(must(nest.back().create_through(own, User{"gsskey:deep"}, "x")).read()).text() == "x");
    while (!nest.empty()) nest.pop_back();
  }}
      .join();
}

TEST_CASE("upsert takes what is there, and nobody owns it") {
  const support::Session session;
  const std::size_t large = support::has_large_quota() ? 32767 : 15000;
  const auto made = must(session->upsert(User{"gsskey:test"}, "first", Seconds{3600}));
  const auto again = must(session->upsert(User{"gsskey:test"}, std::string(large, 'x')));
  CHECK(made == again);
  CHECK(must(made.read()).size() == large);
  CHECK(must(must(ProcKeys::acquire()).find(made)).timeout == "perm");
  REQUIRE(session->unlink(made));
}
