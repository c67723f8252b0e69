// Many messages on several threads.
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::must;
using support::taken;

TEST_CASE("a batch on several threads: consecutive sequence numbers, and receiving meanwhile") {
  const unsigned threads = GENERATE(1u, 2u, 4u);
  CAPTURE(threads);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto batch = must(MessageBatch::from_protector(ours, threads));
  const std::size_t around = must(ours.room()).header + must(ours.room()).trailer;
  must(theirs.unwrap(must(ours.wrap("before"))));
  const auto incoming = must(theirs.wrap("meanwhile"));
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> messages;
    std::vector<Bytes> memory;
    for (std::size_t at = 0; at < 100; ++at) {
      messages.push_back(std::string(at * 37, static_cast<char>('a' + at % 26)));
      memory.emplace_back(messages.back().size() + around);
    }
    std::vector<BatchMessage> all;
    for (std::size_t at = 0; at < 100; ++at) all.push_back({messages[at], memory[at]});
    bool done = false;
    std::thread sender{[&] { done = batch.wrap(all).has_value(); }};
    if (round == 0) CHECK(must(ours.unwrap(incoming)).text() == "meanwhile");
    sender.join();
    REQUIRE(done);
    for (std::size_t at = 0; at < 100; ++at) REQUIRE(must(theirs.unwrap(memory[at])).text() == messages[at]);
    must(theirs.unwrap(must(ours.wrap("between"))));
  }
  Bytes small(around + 3);
  const BatchMessage too_small[] = {{"four", small}};
  CHECK(batch.wrap(too_small).error().domain() == Domain::usage);
  must(batch.wrap({}));
  must(theirs.unwrap(must(ours.wrap("after"))));  // no number was used up
  CHECK(MessageBatch::from_protector(ours, 0).error().domain() == Domain::usage);
}
