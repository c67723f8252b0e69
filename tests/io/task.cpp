// Tasks: when they start, what becomes of their results, of exceptions, and of what they hold.
#include <gsskey/io/task.hpp>

#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "support/catch.hpp"
#include "support/loop.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

static_assert(!std::is_copy_constructible_v<Task<int>> && std::is_nothrow_move_constructible_v<Task<int>>);

TEST_CASE("sync_wait runs a task to its end, here or on another thread") {
  support::Loop loop;
  support::Threads threads{loop};
  struct Doubling {
    int value;
    int operator()() const { return 2 * value; }
  };
  const auto compute = [](support::Threads& pool) -> Task<int> {
    Doubling job{21};
    const int doubled = co_await pool.run(job);
    co_return doubled;
  };
  std::thread runner{[&] { loop.wait_one(); }};
  CHECK(sync_wait(compute(threads)) == 42);
  runner.join();
  const auto at_once = []() -> Task<std::string> { co_return "done"; };
  CHECK(sync_wait(at_once()) == "done");
}

TEST_CASE("a task starts when it is awaited, and is destroyed with what it holds") {
  const auto held = std::make_shared<int>(7);
  const auto compute = [](std::shared_ptr<int> number, bool& started) -> Task<int> {
    started = true;
    co_return *number;
  };
  bool started = false;
  {
    const auto never_awaited = compute(held, started);
    CHECK(held.use_count() == 2);
  }
  CHECK_FALSE(started);
  CHECK(held.use_count() == 1);
  auto task = compute(held, started);
  auto other = compute(std::make_shared<int>(8), started);
  other = std::move(task);  // what it held goes now
  CHECK(held.use_count() == 2);
  CHECK(sync_wait(std::move(other)) == 7);
  CHECK(started);
  CHECK(held.use_count() == 1);
}

TEST_CASE("tasks await tasks, and exceptions pass through all of them") {
  const auto inner = [](bool throws) -> Task<std::unique_ptr<int>> {
    if (throws) throw std::runtime_error{"from within"};
    co_return std::make_unique<int>(5);
  };
  const auto outer = [&](bool throws) -> Task<int> {
    auto task = inner(throws);
    const auto number = co_await std::move(task);
    co_return *number + 1;
  };
  CHECK(sync_wait(outer(false)) == 6);
  CHECK_THROWS_WITH(sync_wait(outer(true)), "from within");
}

TEST_CASE("a task that was moved from gives a misuse, where a Result can say so") {
  auto task = []() -> Task<Result<int>> { co_return 1; }();
  auto moved = std::move(task);
  const auto nothing = sync_wait(std::move(task));  // NOLINT(bugprone-use-after-move)
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().domain() == Domain::usage);
  CHECK(must(sync_wait(std::move(moved))) == 1);
}
