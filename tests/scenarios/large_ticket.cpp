// A context whose ticket is larger than any key: parked and claimed like every other.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/handoff/parked_context.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/large_ticket.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"

using namespace gsskey;
using mech::Krb5;
using support::must;

TEST_CASE("an acceptor's context of 50 KB goes to another owner, and so does the initiator's") {
  const auto& realm = support::realm();
  const std::string cache = "FILE:" + realm.realm.folder() + "/large";
  support::store_large_ticket(cache, "alice", "host/localhost", 50000);
  must(Keyring::install_thread());
  const support::Session session;
  const auto credential = must(Credential<Krb5, Initiate>::acquire_from({.ccache = cache.c_str()}));
  auto ends = must(support::establish(Initiator<Krb5>{support::target(), credential}, support::acceptor<Krb5>()));

  const auto acceptor = must(handoff::park(std::move(ends.acceptor), *session));
  CHECK(acceptor.bytes().size() > 50000);
  CHECK(acceptor.bytes().size() > key_type::User::max_payload);
  const auto initiator = must(handoff::park(std::move(ends.initiator), *session));
  auto claimed = must(handoff::claim<Krb5>(acceptor));
  auto other = must(handoff::claim<Krb5>(initiator));
  CHECK(must(claimed.unwrap(must(other.wrap("there")))).text() == "there");
  CHECK(must(other.unwrap(must(claimed.wrap("and back")))).text() == "and back");
  CHECK(must(must(claimed.inquire()).initiator.display()).text() == realm.realm.principal("alice"));
  CHECK(must(session->members()).empty());
}
