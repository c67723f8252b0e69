// MessageProtectors on several threads, without a lock; for ThreadSanitizer too.
#include <gsskey/messages/take_over.hpp>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::bytes_of;
using support::must;
using support::taken;

TEST_CASE("one thread sends while another receives") {
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  std::vector<Bytes> incoming;
  for (int at = 0; at < 2000; ++at) incoming.push_back(bytes_of(must(theirs.wrap("in"))));
  std::vector<Bytes> outgoing;
  std::thread sender{[&] {
    for (int at = 0; at < 2000; ++at) outgoing.push_back(bytes_of(*ours.wrap("out")));
  }};
  int good = 0;
  for (const Bytes& token : incoming) {
    const auto plain = ours.unwrap(token);
    good += plain && plain->text() == "in";
  }
  sender.join();
  CHECK(good == 2000);
  for (const Bytes& token : outgoing) REQUIRE(theirs.unwrap(token));
}
