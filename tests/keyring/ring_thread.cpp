// A thread that has keys for others: what it runs, and its end. Who gets what by it: scenarios/keyring/threads.cpp.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/ring_thread.hpp>

#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/session.hpp"
#include "support/single_threaded.hpp"

using namespace gsskey;
using key_type::User;
using support::Answers;
using support::must;
using support::outcome;

TEST_CASE("the end of a RingThread is the end of its keys") {
  const support::Session session;
  KeyRef<User> first;
  KeyRef<User> second;
  {
    RingThread keeper = must(RingThread::start());
    const auto make = [&] { return keeper.ring().upsert(User{"gsskey:kept"}, "secret"); };
    first = must(keeper.run(make));
    CHECK(must(first.describe()).description() == "gsskey:kept");
    keeper = must(RingThread::start());  // the one before ends here
    CHECK(support::eventually([&] { return outcome(first.describe()) == ENOKEY; }));
    second = must(keeper.run(make));
    const RingThread moved = std::move(keeper);
    CHECK(must(moved.run([&] { return outcome(second.read()); })) == 0);
    CHECK(must(moved.run([] { return Keyring::thread(); })) == moved.ring());
  }
  CHECK(support::eventually([&] { return outcome(second.describe()) == ENOKEY; }));
}

TEST_CASE("what a RingThread runs returns, and throws, to its caller") {
  const support::Session session;
  const RingThread thread = must(RingThread::start());
  int runs = 0;
  must(thread.run([&] { ++runs; }));
  CHECK(runs == 1);
  auto work = [count = 0]() mutable { return ++count; };  // called where it is, not copied
  CHECK(must(thread.run(work)) == 1);
  CHECK(must(thread.run(work)) == 2);
  CHECK(*must(thread.run([] { return std::make_unique<int>(7); })) == 7);
  CHECK(must(thread.run([] { return std::string(1000, 'x'); })) == std::string(1000, 'x'));
  const auto there = must(thread.run([] { return std::this_thread::get_id(); }));
  CHECK(there != std::this_thread::get_id());
  CHECK(there == must(thread.run([] { return std::this_thread::get_id(); })));

  CHECK_THROWS_WITH(thread.run([]() -> std::unique_ptr<int> { throw std::runtime_error{"not today"}; }), "not today");
  CHECK_THROWS_AS(thread.run([] { throw 7; }), int);
  CHECK(must(thread.run([] { return 1; })) == 1);
}

TEST_CASE("many callers of a RingThread are served one at a time") {
  const support::Session session;
  const RingThread thread = must(RingThread::start());
  const auto key = must(thread.run([&] { return thread.ring().upsert(User{"gsskey:counter"}, "0"); }));
  int counter = 0;  // not atomic: that is the point
  std::vector<std::thread> callers;
  std::vector<int> refusals(8);
  for (int number = 0; number < 8; ++number) {
    callers.emplace_back([&, number] {
      for (int round = 0; round < 100; ++round) {
        const int mine = number * 1000 + round;
        try {
          const int answer = must(thread.run([&, mine] {
            must(key.update(std::to_string(++counter), no_timeout));
            if (mine % 10 == 9) throw std::runtime_error{"refused"};
            return mine;
          }));
          if (answer != mine) refusals[static_cast<std::size_t>(number)] += 1000;
        } catch (const std::runtime_error&) {
          ++refusals[static_cast<std::size_t>(number)];
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(refusals == std::vector<int>(8, 10));
  CHECK(counter == 800);
  CHECK(must(thread.run([&] { return key.read(); })).text() == "800");
}

TEST_CASE("the end of a key on a thread that does not possess its ring is told to the hook") {
  static std::vector<Error> told;
  const support::Session session;
  const RingThread keeper = must(RingThread::start());
  set_destroy_hook([](const Error& error) noexcept { told.push_back(error); });
  KeyRef<User> name;
  {
    const auto key = must(keeper.run([&] { return keeper.ring().create(User{"gsskey:lost"}, "secret"); }));
    name = key;
  }
  set_destroy_hook(nullptr);
  REQUIRE(told.size() == 1);
  CHECK(told[0].operation() == std::string_view{"keyctl_unlink"});
  CHECK(told[0].minor_status() == EACCES);
  CHECK(told[0].serial() == name.serial());
  CHECK(must(keeper.run([&] { return outcome(name.read()); })) == 0);  // it is still there
}

TEST_CASE("where there is no thread to run on, RingThread says so") {
  const support::Session session;
  RingThread keeper = must(RingThread::start());
  CHECK(support::is_usage(keeper.run([&] { return keeper.run([] {}); })));  // on itself
  CHECK(support::in_child(60, [&] { return support::is_usage(keeper.run([] { return 1; })) ? 0 : 1; }) == 0);
  CHECK(support::in_child(60, [&] {
          {
            const RingThread copy = std::move(keeper);
          }  // waits for nobody
          return 0;
        }) == 0);
  CHECK(must(keeper.run([] { return 1; })) == 1);
  const RingThread moved = std::move(keeper);
  CHECK(support::is_usage(keeper.run([] { return 1; })));
}

TEST_CASE("where the quota is used up a RingThread is made all the same, and a key in it is not") {
  const Answers answers = support::as_user(support::nobody, [](Answers& found) {
    const auto fill = must(must(Keyring::session()).create(key_type::Keyring{"fill"}));
    support::use_up_quota(fill);
    const auto thread = must(RingThread::start());  // the kernel makes this ring beyond the quota
    const auto make = [&] { return thread.run([&] { return thread.ring().upsert(User{"gsskey:key"}, "x"); }); };
    found.push_back(outcome(make()));
    must(fill.clear());
    found.push_back(outcome(wait_for_quota(Seconds{10}, make)));
  });
  CHECK(answers == Answers{EDQUOT, 0});
}

TEST_CASE("a child that is forked while a RingThread works for others has no thread, and waits for none") {
  const support::Session session;
  std::optional<RingThread> keeper = must(RingThread::start());
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int number = 0; number < 2; ++number) {
    callers.emplace_back([&] {
      while (!stop) static_cast<void>(keeper->run([] {}));
    });
  }
  int refused = 0;
  for (int i = 0; i < 50; ++i) {  // in some of them the mutex is locked
    refused += support::in_child(60, [&] {
                 const bool is_refused = support::is_usage(keeper->run([] { return 1; }));
                 keeper.reset();
                 return is_refused ? 0 : 1;
               }) == 0;
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  CHECK(refused == 50);
  CHECK(must(keeper->run([] { return 1; })) == 1);
}

TEST_CASE("a RingThread that cannot be started is an error") {
  const Answers answers = support::as_user(support::nobody, [](Answers& found) {
    const ::rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    const auto thread = RingThread::start();
    found.push_back(outcome(thread));
    found.push_back(!thread && thread.error().operation() == std::string_view{"pthread_create"});
  });
  CHECK(answers == Answers{EAGAIN, 1});
}
