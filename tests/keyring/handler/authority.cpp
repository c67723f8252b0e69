// The right to answer a request, without one; in a handler it is tested in upcall.cpp.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/handler/authority.hpp>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::must;

TEST_CASE("a destination is a ring, the requestor's ring or none") {
  const support::Session session;
  CHECK(Destination::none().number() == 0);
  CHECK(Destination::ring(*session).number() == session->serial());
  CHECK(Destination::requestor().number() == -8);  // KEY_SPEC_REQUESTOR_KEYRING of <linux/keyctl.h>
}

TEST_CASE("who has no authority over a key cannot assume it") {
  const support::Session session;
  const auto key = must(session->create(User{"gsskey:mine"}, "secret"));
  CHECK(error_of(Authority<User>::assume(key)) == ENOKEY);
  CHECK(error_of(Authority<User>::assume(KeyRef<User>::from_serial(0x7fffffff))) == ENOKEY);
  const auto none = Authority<User>::assume(KeyRef<User>{});
  REQUIRE_FALSE(none);
  CHECK(none.error().domain() == Domain::usage);
  CHECK(must(key.read()).text() == "secret");
}
