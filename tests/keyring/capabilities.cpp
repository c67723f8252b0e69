// What the kernel says of itself.
#include <gsskey/keyring/capabilities.hpp>

#include <unistd.h>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Answers;
using support::must;

TEST_CASE("capabilities: the kernel says what it does, whoever asks") {
  const support::Session session;
  const auto all = must(keyring_capabilities());
  CHECK(all.contains(KeyringCapability::capabilities));
  CHECK(all.contains(KeyringCapability::invalidate));
  CHECK(all.contains(KeyringCapability::restrict_ring));
  CHECK(all.contains(KeyringCapability::move));
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(
      support::nobody, [](Answers& found) { found.push_back(static_cast<long>(must(keyring_capabilities()).bits())); });
  CHECK(answers == Answers{static_cast<long>(all.bits())});
}
