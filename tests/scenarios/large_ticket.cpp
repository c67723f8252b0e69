// Tickets as large as those of Active Directory: their contexts are larger than any key, parked and claimed like every
// other, and their tokens longer than drive() takes.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>

#include <regex>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "support/large_ticket.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/socket_pair.hpp"

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

TEST_CASE("of a ticket of 80 KB both ends say how long its token is, and what is allowed") {
  const auto& realm = support::realm();
  const std::string cache = "FILE:" + realm.realm.folder() + "/larger";
  support::store_large_ticket(cache, "alice", "host/localhost", 80'000);
  const auto credential = must(Credential<Krb5, Initiate>::acquire_from({.ccache = cache.c_str()}));
  const auto& acceptor_credential = support::acceptor_credential<Krb5>();
  const auto run = [&](DriveOptions options) {
    support::SocketPair sockets;
    Result<SecurityContext<Krb5>> accepted = unexpected(Error::usage("", "not run"));
    std::thread server{[&] {
      FdStream stream{sockets.ends[1]};
      FramedTransport wire{stream};
      accepted = drive(Acceptor<Krb5>{acceptor_credential}, wire, options);
      sockets.close(1);
    }};
    FdStream stream{sockets.ends[0]};
    FramedTransport wire{stream};
    auto connected = drive(Initiator<Krb5>{support::target(), credential}, wire, options);
    server.join();
    return std::pair{std::move(connected), std::move(accepted)};
  };
  const auto [connected, accepted] = run({});
  REQUIRE_FALSE(accepted);
  CHECK(accepted.error().minor_status() == EMSGSIZE);
  // No two tokens need to be of one length: DER writes the first sequence number, which is random, and the microseconds
  // in as many bytes as they need.
  const std::string said{accepted.error().text()};
  std::smatch length;
  REQUIRE(
      std::regex_match(said, length, std::regex{"the peer's token has ([0-9]+) bytes, and at most 65536 are allowed"}));
  CHECK(std::stoul(length[1]) > 80'000);
  CHECK(std::stoul(length[1]) < 82'000);
  REQUIRE_FALSE(connected);
  CHECK(connected.error().text().ends_with("; the token sent has " + length[1].str() +
                                           " bytes, and at most 65536 may be allowed"));
  const auto [ours, theirs] = run({.max_token_size = 200'000});
  CHECK(ours);
  CHECK(theirs);
}
