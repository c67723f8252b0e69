// Tokens over a stream that a coroutine awaits: in pieces of any size, of any length, and what goes wrong with them.
#include <gsskey/io/co_framing.hpp>
#include <gsskey/io/task.hpp>

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/loop.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

/// What was written can be read. At most `piece` bytes at a time, each after a turn of the loop.
struct Echo {
  support::Loop loop{};
  std::size_t piece = 1000;
  std::string bytes{};
  int failure = 0;  // an errno, once there is nothing more to read
  int write_failure = 0;
  int writes = 0;

  template <class Work>
  struct Turn {
    Echo& echo;
    Work work;
    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { echo.loop.post(waiting); }
    Result<std::size_t> await_resume() { return work(echo); }
  };
  template <class Work>
  Turn<Work> turn(Work work) {
    return {*this, work};
  }

  auto async_write_some(ByteView header, ByteView body) {
    return turn([header, body](Echo& echo) -> Result<std::size_t> {
      ++echo.writes;
      if (echo.write_failure != 0) return unexpected(Error::transport("write", echo.write_failure));
      std::string both{header.text()};
      both += body.text();
      both.resize(std::min(both.size(), echo.piece));
      echo.bytes += both;
      return both.size();
    });
  }
  auto async_read_some(void* data, std::size_t size) {
    return turn([data, size](Echo& echo) -> Result<std::size_t> {
      const std::size_t count = std::min({size, echo.piece, echo.bytes.size()});
      if (count == 0 && echo.failure != 0) return unexpected(Error::transport("read", echo.failure));
      std::memcpy(data, echo.bytes.data(), count);
      echo.bytes.erase(0, count);
      return count;
    });
  }
};
static_assert(AwaitableStream<Echo>);

/// Runs the loop meanwhile.
template <class T>
T result_of(Echo& echo, Task<T> task) {
  struct Ran {
    std::coroutine_handle<> handle;
    struct promise_type {
      Ran get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_always final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const { throw; }
    };
  };
  std::optional<T> result;
  const auto run = [](Task<T> awaited, std::optional<T>& out) -> Ran {
    auto value = co_await std::move(awaited);
    out.emplace(std::move(value));
  };
  const auto ran = run(std::move(task), result);
  while (echo.loop.run_one()) {
  }
  ran.handle.destroy();
  return *std::move(result);
}

using Framed = CoFramedTransport<Task, Echo>;

}  // namespace

TEST_CASE("tokens of any length, in pieces of any size") {
  for (const std::size_t piece : {1u, 3u, 4u, 5u, 100'000u}) {
    Echo echo{.piece = piece};
    Framed wire{echo};
    for (const std::size_t size : {0u, 1u, 511u, 512u, 513u, 5000u}) {
      CAPTURE(piece, size);
      const std::string token(size, 'x');
      must(result_of(echo, wire.async_send(ByteView{token})));
      must(result_of(echo, wire.async_send("the next one")));
      CHECK(must(result_of(echo, wire.async_receive(5000))).text() == token);
      CHECK(must(result_of(echo, wire.async_receive(5000))).text() == "the next one");
    }
  }
  Echo echo;
  must(result_of(echo, Framed{echo}.async_send("ab")));  // the task outlives the transport
  CHECK(echo.bytes == std::string{"\0\0\0\2ab", 6});
  CHECK(echo.writes == 1);
}

TEST_CASE("a token that is too long, an end and an error") {
  Echo echo;
  Framed wire{echo};
  const auto error_of = [&] {
    const auto received = result_of(echo, wire.async_receive(10));
    REQUIRE_FALSE(received);
    CHECK(received.error().domain() == Domain::transport);
    return received.error().minor_status();
  };
  echo.bytes = std::string{"\0\0\0\xb", 4};
  CHECK(error_of() == EMSGSIZE);
  for (const std::size_t arrived : {0u, 3u, 4u, 8u}) {
    CAPTURE(arrived);
    echo.bytes = std::string{"\0\0\0\x5 abcde", arrived};
    CHECK(error_of() == ECONNRESET);
    echo.bytes = std::string{"\0\0\0\x5 abcde", arrived};
    echo.failure = ETIMEDOUT;
    CHECK(error_of() == ETIMEDOUT);
    echo.failure = 0;
  }
  echo.write_failure = EPIPE;
  const auto sent = result_of(echo, wire.async_send("token"));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().minor_status() == EPIPE);
  const auto oversized = result_of(echo, wire.async_send(ByteView{"", std::size_t{1} << 32}));  // none of it is read
  REQUIRE_FALSE(oversized);
  CHECK(oversized.error().minor_status() == EMSGSIZE);
}

TEST_CASE("what the stream throws passes through") {
  struct Broken {
    struct Throwing {
      [[nodiscard]] bool await_ready() const { return true; }
      void await_suspend(std::coroutine_handle<>) const {}
      Result<std::size_t> await_resume() const { throw std::runtime_error{"the host's own"}; }
    };
    Throwing async_write_some(ByteView, ByteView) { return {}; }
    Throwing async_read_some(void*, std::size_t) { return {}; }
  };
  Broken stream;
  CoFramedTransport<Task, Broken> wire{stream};
  CHECK_THROWS_WITH(sync_wait(wire.async_send("token")), "the host's own");
  CHECK_THROWS_WITH(sync_wait(wire.async_receive(10)), "the host's own");
}
