// Threads that share the work of batches: they work, for several contexts, and a child does without.
#include <gsskey/messages/batch.hpp>
#include <gsskey/messages/batch_threads.hpp>
#include <gsskey/messages/take_over.hpp>

#include <ctime>
#include <future>
#include <utility>
#include <vector>

#include "support/batches.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::must;
using support::taken;

namespace {

/// Processor time of all other threads, in microseconds.
long of_others() {
  const auto read = [](::clockid_t clock) {
    ::timespec time{};
    REQUIRE(::clock_gettime(clock, &time) == 0);
    return time.tv_sec * 1'000'000L + time.tv_nsec / 1000;
  };
  const long mine = read(CLOCK_THREAD_CPUTIME_ID);
  return read(CLOCK_PROCESS_CPUTIME_ID) - mine;
}

struct Sender {
  MessageProtector protector;
  SecurityContext<mech::Krb5> peer;
  std::vector<Bytes> plain;
  std::vector<Bytes> memory;

  static Sender make(std::size_t count, std::size_t size) {
    auto both = support::handshakes_in_realm();
    Sender made{taken(std::move(both.initiator)), must(std::move(both.acceptor).establish()), {}, {}};
    const MessageRoom room = must(made.protector.room());
    made.plain.assign(count, support::message_of(size));
    made.memory.assign(count, Bytes(room.header + size + room.trailer));
    return made;
  }
  bool wrap(MessageBatch& batch) {
    std::vector<BatchMessage> all;
    for (std::size_t at = 0; at < plain.size(); ++at) all.push_back({plain[at], memory[at]});
    return batch.wrap(all).has_value();
  }
  void check() {
    for (std::size_t at = 0; at < plain.size(); ++at) {
      REQUIRE(support::bytes_of(must(peer.unwrap(memory[at]))) == plain[at]);
    }
  }
};

}  // namespace

TEST_CASE("batch threads: others do a part of the work, and may be moved meanwhile") {
  auto made = must(BatchThreads::start(2));
  CHECK(made.count() == 2);
  auto sender = Sender::make(64, 20'000);
  auto batch = must(MessageBatch::from_protector(sender.protector, &made));
  const BatchThreads threads = std::move(made);
  CHECK(threads.count() == 2);
  const long before = of_others();
  for (int round = 0; round < 1000 && of_others() - before < 3000; ++round) {
    REQUIRE(sender.wrap(batch));
    sender.check();
  }
  CHECK(of_others() - before >= 3000);
}

TEST_CASE("batch threads: contexts share them, each on a thread of its own") {
  auto threads = must(BatchThreads::start(3));
  const auto work = [&] {
    auto sender = Sender::make(48, 3000);
    auto batch = must(MessageBatch::from_protector(sender.protector, &threads));
    for (int round = 0; round < 10; ++round) {
      if (!sender.wrap(batch)) return false;
      sender.check();
    }
    return true;
  };
  support::handshakes_in_realm();  // the realm is there before the threads are
  auto other = std::async(std::launch::async, work);
  CHECK(work());
  CHECK(other.get());
}

TEST_CASE("batch threads: a child does without, and ends without waiting for them") {
  auto sender = Sender::make(48, 3000);
  auto threads = must(BatchThreads::start(3));
  auto batch = must(MessageBatch::from_protector(sender.protector, &threads));
  REQUIRE(sender.wrap(batch));
  sender.check();
  REQUIRE(support::in_child(60, [&] {
            if (!sender.wrap(batch)) return 1;
            sender.check();
            const auto gone = std::move(threads);
            return 0;
          }) == 0);
  REQUIRE(sender.wrap(batch));
  sender.check();
}

TEST_CASE("batch threads: none, and none left") {
  CHECK(BatchThreads::start(0).error().domain() == Domain::usage);
  auto threads = must(BatchThreads::start(1));
  CHECK(threads.count() == 1);
  const auto taken_away = std::move(threads);
  CHECK_FALSE(threads);  // NOLINT: asked
  CHECK(threads.count() == 0);
  auto both = support::handshakes_in_realm();
  auto ours = taken(std::move(both.initiator));
  CHECK(MessageBatch::from_protector(ours, &threads).error().domain() == Domain::usage);
}
