// Handshakes and jobs in Asio when something fails: memory, one allocation after the other; the stream, the offload,
// the handshake, by exceptions; the pool, by being full, stopped or gone. Whoever waits is told, once.
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>

#include <asio/bind_executor.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/heap.hpp"

using namespace gsskey;
using support::Rethrow;
using support::Socket;

namespace {

enum class Fault { none, step_throws, step_throws_no_exception };

/// Says "hello", wants an answer, and is done. Its context holds memory, so that one that is lost is found.
struct Greeting {
  struct Context {
    std::unique_ptr<int> something;
  };
  static constexpr bool starts = true;
  Fault fault = Fault::none;

  expected<Step, StepFailure> step(ByteView input) {
    if (fault == Fault::step_throws) throw std::runtime_error{"the step's own"};
    if (fault == Fault::step_throws_no_exception) throw 42;
    if (!input.empty()) return Step{Buffer{}, true};
    char* const hello = ::strdup("hello");
    if (hello == nullptr) return unexpected(StepFailure{Error::system("strdup", ENOMEM), {}});
    return Step{Buffer::adopt({5, hello}), false};
  }
  Result<Context> establish() && { return Context{std::make_unique<int>(7)}; }
};
static_assert(SteppedHandshake<Greeting>);
using Established = Result<Greeting::Context>;

/// A connection whose other end has answered already.
struct Connection {
  asio::io_context io;
  Socket ours{io};
  Socket theirs{io};
  Connection() {
    asio::local::connect_pair(ours, theirs);
    asio::write(theirs, asio::buffer("\0\0\0\6answer", 10));
  }
};

/// Which way the result is told.
enum class Way { handler, bound, future, awaitable, tuple, deferred };

/// How often the one who waits was told, and what.
struct Told {
  int by_result = 0;
  int by_exception = 0;
  std::optional<Error> error{};

  void operator()(Established established) {
    ++by_result;
    if (!established) error = established.error();
  }
};

/// One handshake; the n-th allocation in it fails. `told` is all that came of it.
template <class Offload, class Stream>
[[nodiscard]] bool one(Way way, Connection& connection, Stream& stream, Offload offload, Told& told, long n = 0,
                       Greeting greeting = {}) {
  auto& io = connection.io;
  support::heap::NthFails fails{0};
  const auto initiated = [&](auto initiate) {
    fails.arm(n);
    try {
      initiate();
    } catch (const std::bad_alloc&) {
      ++told.by_exception;
    }
    io.run();
  };
  std::optional<std::future<Established>> future;
  asio::cancellation_signal signal;
  switch (way) {
    case Way::handler:
      initiated(
          [&] { async_handshake(greeting, stream, offload, [&](Established result) { told(std::move(result)); }); });
      break;
    case Way::bound: {
      auto strand = asio::make_strand(io);
      initiated([&] {
        async_handshake(
            greeting, stream, offload,
            asio::bind_executor(strand, asio::bind_cancellation_slot(
                                            signal.slot(), [&](Established result) { told(std::move(result)); })));
      });
      break;
    }
    case Way::future:
      initiated([&] { future.emplace(async_handshake(greeting, stream, offload, asio::use_future)); });
      if (future) {
        REQUIRE(future->wait_for(std::chrono::seconds{0}) == std::future_status::ready);
        told(future->get());
      }
      break;
    case Way::deferred:
      initiated([&] {
        auto later = async_handshake(greeting, stream, offload, support::deferred);
        std::move(later)([&](Established result) { told(std::move(result)); });
      });
      break;
    case Way::awaitable:
    case Way::tuple: {
      const auto run = [&]() -> asio::awaitable<void> {
        fails.arm(n);
        try {
          if (way == Way::awaitable) {
            auto result = co_await async_handshake(greeting, stream, offload, asio::use_awaitable);
            told(std::move(result));
          } else {
            auto result = co_await async_handshake(greeting, stream, offload, support::as_tuple(asio::use_awaitable));
            told(std::get<0>(std::move(result)));
          }
        } catch (const std::bad_alloc&) {
          ++told.by_exception;
        }
        fails.arm(n > 0 && !fails.has_failed(n) ? 1'000'000 : 0);
      };
      asio::co_spawn(io, run(), Rethrow{});
      io.run();
      break;
    }
  }
  return fails.has_failed(n);
}

/// An allocation fails, each once, and the one who waits is told once.
template <class MakeOffload>
void fail_each_allocation(Way way, MakeOffload make_offload, long& count) {
  for (bool failed = true; failed; ++count) {
    Told told;
    {
      Connection connection;
      auto pool = make_offload();
      failed = one(way, connection, connection.ours, pool.offload(), told, count + 1);
    }
    INFO("way " << static_cast<int>(way) << ", allocation " << count + 1);
    REQUIRE(told.by_result + told.by_exception == 1);
    if (told.error) REQUIRE(told.error->minor_status() == ENOMEM);
    if (!failed) REQUIRE((told.by_result == 1 && !told.error));
  }
}

struct InTheLoop {
  [[nodiscard]] Inline offload() const { return {}; }
};
struct OnAPool {
  asio::thread_pool pool{1};
  [[nodiscard]] auto offload() { return offload_to(pool); }
};

/// A stream that throws at its n-th operation.
struct Throwing {
  using executor_type = Socket::executor_type;
  Socket& next;
  int left;

  executor_type get_executor() { return next.get_executor(); }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (left-- == 0) throw std::runtime_error{"the stream's own"};
    return next.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (left-- == 0) throw std::runtime_error{"the stream's own"};
    return next.async_write_some(buffers, std::forward<Token>(token));
  }
};

constexpr Way ways[] = {Way::handler, Way::bound, Way::future, Way::awaitable, Way::tuple, Way::deferred};

/// A job that says when it begins, and then waits to be let go.
struct Gated {
  std::binary_semaphore* begun;
  std::binary_semaphore* gate;
  std::shared_ptr<std::atomic<int>> runs;

  int operator()() const {
    ++*runs;
    begun->release();
    gate->acquire();
    return 1;
  }
};
struct Gates {
  std::binary_semaphore begun{0};
  std::binary_semaphore gate{0};
  std::shared_ptr<std::atomic<int>> runs = std::make_shared<std::atomic<int>>(0);
  [[nodiscard]] Gated job() { return {&begun, &gate, runs}; }
};

int four() { return 4; }

struct Throws {
  int operator()() const { throw std::runtime_error{"the job's own"}; }
};

template <class Offload, class Job>
asio::awaitable<void> wait_for(Offload offload, Job job, Told& told) {
  try {
    auto outcome = co_await offload(std::move(job));
    static_cast<void>(outcome);
    ++told.by_result;
  } catch (const std::exception& thrown) {
    ++told.by_exception;
    told.error = asio_detail::error_of("job", std::current_exception());
    static_cast<void>(thrown);
  }
}

}  // namespace

TEST_CASE("each allocation fails once, and the one who waits for the handshake is told once") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  for (const Way way : ways) {
    long count = 0;
    fail_each_allocation(way, [] { return InTheLoop{}; }, count);
    CHECK(count > 4);
    count = 0;
    fail_each_allocation(way, [] { return OnAPool{}; }, count);
    CHECK(count > 6);
  }
}

TEST_CASE("each allocation fails once, and drive() in a coroutine ends once") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  const auto drive_one = [](auto offload, long n, Told& told) {
    Connection connection;
    support::heap::NthFails fails{0};
    bool failed = false;
    const auto run = [&]() -> asio::awaitable<void> {
      fails.arm(n);
      try {
        AsioTransport wire{connection.ours};
        auto result = co_await drive<asio::awaitable>(Greeting{}, wire, offload);
        told(std::move(result));
      } catch (const std::bad_alloc&) {
        ++told.by_exception;
      }
      failed = fails.has_failed(n);
    };
    asio::co_spawn(connection.io, run(), Rethrow{});
    connection.io.run();
    return failed;
  };
  for (const bool is_offloaded : {false, true}) {
    bool failed = true;
    for (long n = 1; failed; ++n) {
      Told told;
      asio::thread_pool pool{1};
      failed = is_offloaded ? drive_one(offload_to(pool), n, told) : drive_one(Inline{}, n, told);
      INFO("allocation " << n);
      REQUIRE(told.by_result + told.by_exception == 1);
      if (told.error) REQUIRE(told.error->minor_status() == ENOMEM);
    }
  }
}

TEST_CASE("what stream, offload or step throws is an error for the one who waits") {
  for (const Way way : ways) {
    INFO("way " << static_cast<int>(way));
    const auto told_by = [way](auto offload, int throwing_operation, Greeting greeting = {}) {
      Told told;
      Connection connection;
      Throwing stream{connection.ours, throwing_operation};
      static_cast<void>(one(way, connection, stream, offload, told, 0, greeting));
      REQUIRE(told.by_result == 1);
      REQUIRE(told.by_exception == 0);
      return told.error;
    };
    asio::thread_pool pool{1};
    int operations = 0;
    for (auto error = told_by(Inline{}, operations); error; error = told_by(Inline{}, ++operations)) {
      CHECK(error->text() == "the stream's own");
    }
    CHECK(operations == 3);  // the token, and the length and the rest of the answer
    CHECK(told_by(offload_to(pool), 2)->text() == "the stream's own");

    CHECK(told_by(Inline{}, 99, Greeting{Fault::step_throws})->text() == "the step's own");
    CHECK(told_by(offload_to(pool), 99, Greeting{Fault::step_throws})->text() == "the step's own");
    CHECK(told_by(offload_to(pool), 99, Greeting{Fault::step_throws_no_exception})->domain() == Domain::transport);

    const auto throws_at_once = [](auto job) -> asio::awaitable<std::invoke_result_t<decltype(job)>> {
      throw std::runtime_error{"the offload's own"};
    };
    CHECK(told_by(throws_at_once, 99)->text() == "the offload's own");
    const auto throws_later = [](auto job) -> asio::awaitable<std::invoke_result_t<decltype(job)>> {
      const auto executor = co_await asio::this_coro::executor;
      co_await asio::post(executor, asio::use_awaitable);
      if (executor != nullptr) throw std::runtime_error{"the offload's own"};
      co_return job();
    };
    CHECK(told_by(throws_later, 99)->text() == "the offload's own");
    const auto in_the_loop = [](auto job) -> asio::awaitable<std::invoke_result_t<decltype(job)>> { co_return job(); };
    CHECK_FALSE(told_by(in_the_loop, 99));
  }
}

TEST_CASE("what the handler throws goes to whoever runs the loop, and it is not called again") {
  Connection connection;
  int calls = 0;
  async_handshake(Greeting{}, connection.ours, Inline{}, [&](Established) {
    ++calls;
    throw std::runtime_error{"the handler's own"};
  });
  CHECK_THROWS_WITH(connection.io.run(), "the handler's own");
  connection.io.restart();
  connection.io.run();
  CHECK(calls == 1);
}

TEST_CASE("a job whose waiter is gone does not begin, and what it holds goes at once") {
  asio::io_context io;
  asio::thread_pool pool{1};
  Gates running;
  Gates queued;
  Told first;
  Told second;
  asio::cancellation_signal signals[2];
  asio::co_spawn(io, wait_for(offload_to(pool), running.job(), first),
                 asio::bind_cancellation_slot(signals[0].slot(), Rethrow{}));
  asio::co_spawn(io, wait_for(offload_to(pool), queued.job(), second),
                 asio::bind_cancellation_slot(signals[1].slot(), Rethrow{}));
  asio::post(io, [&] {
    running.begun.acquire();
    for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  });
  io.run();  // ends although the pool still works
  CHECK(first.error->minor_status() == ECANCELED);
  CHECK(second.error->minor_status() == ECANCELED);
  CHECK(queued.runs.use_count() == 1);
  running.gate.release();
  pool.join();
  CHECK(running.runs->load() == 1);
  CHECK(queued.runs->load() == 0);
}

TEST_CASE("what a job throws goes to the one who waits") {
  asio::io_context io;
  asio::thread_pool pool{1};
  Told told;
  asio::co_spawn(io, wait_for(offload_to(pool), Throws{}, told), Rethrow{});
  io.run();
  CHECK(told.by_exception == 1);
  CHECK(told.error->text() == "the job's own");
  // Without a coroutine; a handler of no executor is called on the pool.
  std::promise<std::string> promise;
  offload_to(pool).start(Throws{}, [&](std::exception_ptr thrown, std::optional<int> outcome) {
    const auto error = asio_detail::error_of("job", thrown);
    promise.set_value(outcome ? std::string{} : std::string{error.text()});
  });
  CHECK(promise.get_future().get() == "the job's own");
}

TEST_CASE("any callable is a job: what it owns and what it returns come back, once") {
  struct Release {
    void operator()(std::atomic<int>* released) const { ++*released; }
  };
  using Counted = std::unique_ptr<std::atomic<int>, Release>;
  struct OnlyOnce {
    std::unique_ptr<int> value;
    std::unique_ptr<int> operator()() && { return std::move(value); }
  };
  std::atomic<int> released = 0;
  std::atomic<int> calls = 0;
  const std::string text = "not moved from";
  asio::io_context io;
  asio::thread_pool pool{1};
  const auto offload = offload_to(pool);
  const auto run = [&]() -> asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    auto counted = [owned = Counted{&released}, here]() mutable {
      return std::pair{std::move(owned), std::this_thread::get_id() != here};
    };
    auto back = co_await offload(std::move(counted));
    CHECK(back.second);
    CHECK(back.first.get() == &released);
    CHECK(released == 0);

    OnlyOnce once{std::make_unique<int>(3)};
    const auto three = co_await offload(std::move(once));
    CHECK(*three == 3);

    const int length = co_await offload(&four);
    CHECK(length == 4);

    auto refers = [&text]() -> const std::string& { return text; };
    auto copy = co_await offload(refers);
    static_assert(std::is_same_v<decltype(copy), std::string>);
    CHECK(copy == text);

    auto gives_nothing = [&calls] { ++calls; };
    co_await offload(gives_nothing);
    CHECK(calls == 1);
  };
  asio::co_spawn(io, run(), Rethrow{});
  io.run();
  CHECK(released == 1);

  std::promise<bool> promise;
  offload.start([&calls] { ++calls; },
                [&](std::exception_ptr thrown, std::optional<std::monostate> done) {
                  promise.set_value(thrown == nullptr && done.has_value());
                });
  CHECK(promise.get_future().get());
  CHECK(calls == 2);
}

TEST_CASE("a pool that is stopped tells those whose jobs it drops") {
  asio::io_context io;
  Gates running;
  Gates queued;
  Told first;
  Told second;
  {
    asio::thread_pool pool{1};
    asio::co_spawn(io, wait_for(offload_to(pool), running.job(), first), Rethrow{});
    asio::co_spawn(io, wait_for(offload_to(pool), queued.job(), second), Rethrow{});
    io.poll();
    running.begun.acquire();
    pool.stop();
    running.gate.release();
  }
  io.restart();
  io.run();
  CHECK(first.by_result == 1);
  CHECK(second.by_exception == 1);
  CHECK(second.error->minor_status() == ECANCELED);
  CHECK(queued.runs->load() == 0);
}

TEST_CASE("pool and io_context are destroyed in either order, with jobs running and in the queue") {
  Gates running;
  Gates queued;
  Told first;
  Told second;
  const auto begin = [&](asio::io_context& io, asio::thread_pool& pool) {
    asio::co_spawn(io, wait_for(offload_to(pool), running.job(), first), Rethrow{});
    asio::co_spawn(io, wait_for(offload_to(pool), queued.job(), second), Rethrow{});
    io.poll();
    running.begun.acquire();
    queued.gate.release();  // it may begin, if the first one ends before its waiter goes
  };
  SECTION("the context first") {
    asio::thread_pool pool{1};
    {
      asio::io_context io;
      begin(io, pool);
    }
    running.gate.release();
    pool.join();
    CHECK(queued.runs->load() == 0);
  }
  SECTION("the context first, while the job ends") {
    asio::thread_pool pool{1};
    {
      asio::io_context io;
      begin(io, pool);
      running.gate.release();
    }
    pool.join();
  }
  SECTION("the pool first") {
    asio::io_context io;
    asio::thread_pool pool{1};
    begin(io, pool);
    running.gate.release();
  }
  CHECK(running.runs->load() == 1);
  CHECK(first.by_result + second.by_result + first.by_exception + second.by_exception == 0);
  CHECK(running.runs.use_count() == 1);
  CHECK(queued.runs.use_count() == 1);
}

TEST_CASE("a handshake that is cancelled before it begins, and after it has ended") {
  Connection connection;
  asio::cancellation_signal signal;
  Told told;
  async_handshake(Greeting{}, connection.ours, Inline{},
                  asio::bind_cancellation_slot(signal.slot(), [&](Established result) { told(std::move(result)); }));
  SECTION("before") {
    signal.emit(asio::cancellation_type::terminal);
    connection.io.run();
    CHECK(told.error->minor_status() == ECANCELED);
  }
  SECTION("after") {
    connection.io.run();
    signal.emit(asio::cancellation_type::terminal);
    CHECK_FALSE(told.error);
  }
  CHECK(told.by_result == 1);
}

TEST_CASE("many handshakes at once, on strands of a loop that several threads run") {
  constexpr int count = 60;
  asio::thread_pool pool{2};
  asio::thread_pool loop{3};
  std::atomic<int> established = 0;
  std::atomic<int> cancelled = 0;
  const auto told = [&](const Established& result) {
    if (result) ++established;
    if (!result && result.error().minor_status() == ECANCELED) ++cancelled;
  };
  struct One {
    explicit One(asio::thread_pool& loop) : strand{asio::make_strand(loop)}, ours{strand}, theirs{strand} {
      asio::local::connect_pair(ours, theirs);
    }
    asio::strand<asio::thread_pool::executor_type> strand;
    Socket ours;
    Socket theirs;
    asio::cancellation_signal signal{};
  };
  std::vector<std::unique_ptr<One>> all;
  for (int i = 0; i < count; ++i) {
    auto& one = *all.emplace_back(std::make_unique<One>(loop));
    if (i % 3 == 0) {  // in a coroutine
      asio::co_spawn(
          one.strand,
          [&one, &pool, &told]() -> asio::awaitable<void> {
            auto result = co_await async_handshake(Greeting{}, one.ours, offload_to(pool), asio::use_awaitable);
            told(result);
          },
          Rethrow{});
    } else {
      asio::dispatch(one.strand, [&one, &pool, &told] {
        async_handshake(Greeting{}, one.ours, offload_to(pool), asio::bind_cancellation_slot(one.signal.slot(), told));
      });
    }
    if (i % 3 == 2) {  // some are cancelled on their way
      asio::post(one.strand, [&one] { one.signal.emit(asio::cancellation_type::terminal); });
    } else {
      asio::write(one.theirs, asio::buffer("\0\0\0\6answer", 10));
    }
  }
  loop.join();
  CHECK(established == 2 * count / 3);
  CHECK(cancelled == count / 3);
}

namespace {

/// Seals nothing.
struct Plain {
  Result<SecretBytes> wrap(ByteView message) { return SecretBytes::copy_of(message); }
  Result<SecretBytes> unwrap(ByteView token) { return SecretBytes::copy_of(token); }
  Result<SecretBytes> get_mic(ByteView message) { return SecretBytes::copy_of(message); }
  Result<void> verify_mic(ByteView, ByteView) { return {}; }
  [[nodiscard]] Result<std::uint32_t> wrap_size_limit(std::uint32_t size) const { return size; }
};
static_assert(WrapsMessages<Plain>);

/// Takes what it is given once it is open.
struct Shut {
  using executor_type = asio::io_context::executor_type;
  std::string* taken;
  bool is_open = false;

  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, std::error_code& code) {
    if (!is_open) code = asio::error::would_block;
    if (code) return 0;
    const std::size_t before = taken->size();
    taken->resize(before + asio::buffer_size(buffers));
    return asio::buffer_copy(asio::buffer(*taken) + before, buffers);
  }
};

}  // namespace

TEST_CASE("what is written stays in no memory, also of a write that is given up") {
  const std::string secret = "a secret that is longer than a string holds";
  std::string taken;
  taken.reserve(100);
  std::error_code code;
  const support::heap::FreedText freed{secret};
  {
    SecureStream stream{Shut{&taken}, Plain{}};
    CHECK(stream.write_some(asio::buffer(secret), code) == 0);
    SECTION("and never repeated") {}
    SECTION("and repeated") {
      stream.next_layer().is_open = true;
      CHECK(stream.write_some(asio::buffer(secret), code) == secret.size());
    }
  }
  CHECK_FALSE(freed.seen());
  char* volatile copy = ::strdup(secret.c_str());  // it is seen where it does stay
  std::free(copy);
  CHECK(freed.seen());
}

TEST_CASE("a write that is given up when there is no memory to repeat it is the last one") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  int lost = 0;
  bool failed = true;
  for (long n = 1; failed; ++n) {
    std::string taken;
    SecureStream stream{Shut{&taken}, Plain{}};
    std::error_code code;
    {
      support::heap::NthFails fails{n};
      static_cast<void>(stream.write_some(asio::buffer("first", 5), code));
      failed = fails.has_failed(n);
    }
    const bool was_sealed = code == asio::error::would_block;
    stream.next_layer().is_open = true;
    const std::size_t other = stream.write_some(asio::buffer("other", 5), code);
    const auto refused = code;
    const std::size_t same = stream.write_some(asio::buffer("first", 5), code);
    if (!was_sealed) {  // wrap() had failed: as if nothing had been written
      CHECK((other == 5 && same == 5));
    } else if (failed) {
      ++lost;
      CHECK((other == 0 && same == 0));
      CHECK(refused == std::errc::not_enough_memory);
      CHECK(code == std::errc::not_enough_memory);
      CHECK(taken.empty());
    } else {
      CHECK((other == 0 && same == 5));
      CHECK(refused == std::errc::invalid_argument);
      CHECK(taken.size() == 9);
    }
  }
  CHECK(lost == 1);
}
