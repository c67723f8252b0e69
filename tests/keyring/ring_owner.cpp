// Whose a ring is, as root and as another user in the same session.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/ring_owner.hpp>

#include <unistd.h>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Answers;
using support::must;
using support::outcome;

TEST_CASE("rings that every process of the user has are told from one's own") {
  const support::Session session;
  const RingTerms strict{.of_all_processes = false};
  CHECK(check_ring(*session, strict));
  for (const auto& shared : {must(Keyring::user()), must(Keyring::user_session())}) {
    CHECK(check_ring(shared));
    const auto refused = check_ring(shared, strict);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::policy);
  }
  CHECK(outcome(check_ring(KeyringRef::from_serial(0x7fffffff))) == ENOKEY);
}

TEST_CASE("a session that belongs to another user") {
  if (::geteuid() != 0) return support::skip("needs root, to become another user");
  const support::Session session;
  CHECK(check_ring(*session));
  const auto answers = support::as_user(
      support::nobody,
      [&](Answers& found) {
        found.push_back(outcome(check_ring(*session)));
        found.push_back(outcome(check_ring(*session, {.of_another_user = true})));
        // A ring of one's own in it leads there all the same; that of the thread does not.
        const auto own = must(session->create(key_type::Keyring{"gsskey:own"}));
        found.push_back(outcome(check_ring(own)));
        found.push_back(outcome(check_ring(must(Keyring::install_thread()))));
        static_cast<void>(session->clear());
        const auto joined = must(Keyring::join_session());
        found.push_back(outcome(check_ring(joined)));
      },
      support::ChildSession::inherited);
  CHECK(answers == Answers{-1, 0, -1, 0, 0});
}
