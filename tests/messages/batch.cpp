// Many messages at once, on one thread and on several; with lanes: tests/messages/lanes.cpp.
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/take_over.hpp>

#include <ctime>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/batches.hpp"
#include "support/catch.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::must;
using support::taken;

TEST_CASE("a batch: octets, errors and order are those of one by one, on any number of threads") {
  const unsigned count = GENERATE(0u, 1u, 2u, 4u);
  CAPTURE(count);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = taken(std::move(both.acceptor));
  auto threads = must(BatchThreads::start(count == 0 ? 1 : count));
  auto batch = must(MessageBatch::from_protector(ours, count == 0 ? nullptr : &threads));
  support::check_tokens_in_disorder(batch, ours, theirs);
  support::check_mics_in_disorder(batch, ours, theirs);
}

TEST_CASE("a batch on several threads: consecutive sequence numbers, and receiving meanwhile") {
  const unsigned count = GENERATE(1u, 2u, 4u);
  CAPTURE(count);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto threads = must(BatchThreads::start(count));
  auto batch = must(MessageBatch::from_protector(ours, &threads));
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
    must(batch.get_mic(all));
    const auto mic_size = must(ours.room()).trailer;
    for (std::size_t at = 0; at < 100; ++at)
      must(theirs.verify_mic(messages[at], ByteView{memory[at].data(), mic_size}));
  }
  Bytes small(around + 3);
  const BatchMessage too_small[] = {{"four", small}};
  CHECK(batch.wrap(too_small).error().domain() == Domain::usage);
  const BatchMessage too_small_for_mic[] = {{"four", std::span{small}.first(must(ours.room()).trailer - 1)}};
  CHECK(batch.get_mic(too_small_for_mic).error().domain() == Domain::usage);
  must(batch.wrap(std::span<const BatchMessage>{}));
  must(batch.get_mic({}));
  must(theirs.unwrap(must(ours.wrap("after"))));  // no number was used up
}

TEST_CASE("a batch takes a protector over, and is moved with it") {
  static_assert(WrapsManyMessages<MessageBatch>);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  auto theirs = must(std::move(both.acceptor).establish());
  auto made = must(MessageBatch::from_protector(std::move(ours)));
  CHECK_FALSE(ours);  // NOLINT: asked
  CHECK(MessageBatch::from_protector(std::move(ours)).error().domain() == Domain::usage);
  auto batch = std::move(made);
  CHECK(must(theirs.unwrap(must(batch.wrap("one")))).text() == "one");
  CHECK(must(batch.unwrap(must(theirs.wrap("back")))).text() == "back");
  BatchMic mic;
  CHECK(mic.verified.error().domain() == Domain::usage);
}
