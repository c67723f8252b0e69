// When keys end: as it is said, and as the kernel counts it.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/timeout.hpp>

#include <chrono>

#include "support/catch.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::eventually;
using support::is_usage;
using support::must;
using support::timeout_of;

TEST_CASE("set_timeout: set, changed, taken away, over") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  CHECK(timeout_of(key) == "perm");
  REQUIRE(key.set_timeout(Seconds{10'000'000}));
  CHECK(timeout_of(key) == "16w");
  CHECK(must(key.read()).text() == "gizzard");
  REQUIRE(key.set_timeout(Seconds{0xfffffffe}));
  CHECK(timeout_of(key) == "7101w");
  REQUIRE(key.set_timeout(Seconds::indefinite()));
  CHECK(timeout_of(key) == "perm");
  REQUIRE(key.set_timeout(Seconds{7200}));
  REQUIRE(key.set_timeout(no_timeout));
  CHECK(timeout_of(key) == "perm");
  REQUIRE(key.set_timeout(Seconds{1}));
  CHECK(eventually([&] { return error_of(key.read()) == EKEYEXPIRED; }));
  CHECK(error_of(key.set_timeout(Seconds{20})) == EKEYEXPIRED);
  CHECK(timeout_of(key) == "expd");
}

TEST_CASE("a deadline that has passed is refused, wherever a timeout is taken, and nothing is made or changed") {
  using std::chrono::seconds;
  static_assert(Timeout{seconds{1}}.count() == 1 && Timeout{std::chrono::milliseconds{1}}.count() == 1);
  static_assert(Timeout{seconds{0}}.is_over() && Timeout{seconds{-1}}.is_over() && Timeout{seconds::min()}.is_over());
  static_assert(Timeout{Seconds{}}.is_over() && !Timeout{Seconds{}}.is_none() && no_timeout.is_none());
  static_assert(Timeout{}.is_none() && Timeout{Seconds::indefinite()}.is_none() && Timeout{seconds::max()}.is_none());
  static_assert(Timeout{Seconds{0xfffffffe}}.count() == 0xfffffffe);

  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard", {.timeout = seconds{7200}}));
  for (const Timeout over : {Timeout{seconds{-3600}}, Timeout{seconds{0}}, Timeout{Seconds{}}}) {
    CHECK(is_usage(session->create(User{"late"}, "secret", {.timeout = over})));
    CHECK(is_usage(session->create(key_type::Keyring{"late"}, {.timeout = over})));
    CHECK(is_usage(session->create_through(*session, User{"late"}, "secret", {.timeout = over})));
    CHECK(is_usage(session->upsert(User{"late"}, "secret", over)));
    CHECK(is_usage(session->upsert(User{"lizard"}, "late", over)));
    CHECK(is_usage(key.update("late", over)));
    CHECK(is_usage(key.set_timeout(over)));
  }
  CHECK(must(session->members()).size() == 1);
  CHECK(must(key.read()).text() == "gizzard");
  CHECK(timeout_of(key) != "perm");
}
