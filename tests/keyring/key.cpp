// Keys on the real kernel: what an owner does at its end, what a reference can do, and what they refuse.
#include <gsskey/keyring.hpp>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using support::error_of;
using support::must;

TEST_CASE("a key that was created is read, and gone at the end of its owner") {
  const support::Session session;
  KeyRef<key_type::User> seen;
  {
    const auto key = must(session->create(key_type::User{"db:password"}, "secret"));
    CHECK(must(key.read()).text() == "secret");
    CHECK(must(session->members()).contains(key));
    seen = key;
  }
  CHECK(must(session->members()).empty());
  CHECK(error_of(seen.read()) != 0);
}
