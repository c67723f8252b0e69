// The handshake loop as a coroutine: in our Task and in one that is written here, on one thread and with steps
// elsewhere, and destroyed wherever it can be suspended.
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/task.hpp>

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/loop.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// A task type as hosts have their own: starts at once, is polled.
template <class T, class Tag = void>
class Eager {
 public:
  struct promise_type {
    std::optional<T> value;
    Eager get_return_object() { return Eager{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() { std::terminate(); }
  };
  Eager(Eager&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  ~Eager() {
    if (handle_) handle_.destroy();
  }
  [[nodiscard]] bool done() const { return handle_.done(); }
  [[nodiscard]] T& result() const { return *handle_.promise().value; }

 private:
  explicit Eager(std::coroutine_handle<promise_type> handle) : handle_{handle} {}
  std::coroutine_handle<promise_type> handle_;
};

/// Our Task is lazy: this runs one in an Eager.
template <class T>
Eager<T> started(Task<T> task) {
  auto result = co_await std::move(task);
  co_return result;
}
template <class T>
Eager<T> started(Eager<T> task) {
  return task;
}

struct Connection {
  support::Loop loop;
  support::Pipe to_acceptor{loop};
  support::Pipe to_initiator{loop};
  support::PipeEnd client{to_initiator, to_acceptor};
  support::PipeEnd server{to_acceptor, to_initiator};

  void run() {
    while (loop.run_one()) {
    }
  }
};

/// The ends of handshakes, as the hook is told of them while this lives: errno of transport, 0 of what is established.
struct Told {
  static inline std::vector<std::uint32_t> errors;
  Told() {
    errors.clear();
    set_handshake_hook([](const HandshakeReport& report) noexcept {
      errors.push_back(report.error != nullptr ? report.error->minor_status() : 0);
    });
  }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
  ~Told() { set_handshake_hook(nullptr); }
};

template <class M>
void check_messages(SecurityContext<M> ours, SecurityContext<M> theirs) {
  const auto token = must(ours.wrap("over the wire"));
  CHECK(must(theirs.unwrap(token)).text() == "over the wire");
  const auto answer = must(theirs.wrap("and back"));
  CHECK(must(ours.unwrap(answer)).text() == "and back");
}

template <template <class...> class TaskType, class M>
void handshake_in() {
  Connection connection;
  auto server = started(drive<TaskType>(support::acceptor<M>(), connection.server));
  auto client = started(drive<TaskType>(support::initiator<M>(), connection.client));
  connection.run();
  REQUIRE(client.done());
  REQUIRE(server.done());
  check_messages(must(std::move(client.result())), must(std::move(server.result())));
}

}  // namespace

TEMPLATE_TEST_CASE("a handshake in any task type", "", mech::Krb5, mech::Spnego) {
  handshake_in<Task, TestType>();
  handshake_in<Eager, TestType>();
}

TEST_CASE("exceptions of the transport pass through") {
  struct Broken {
    struct Throwing {
      [[nodiscard]] bool await_ready() const { return true; }
      void await_suspend(std::coroutine_handle<>) const {}
      Result<void> await_resume() const { throw std::runtime_error{"the host's own"}; }
    };
    struct Never {
      [[nodiscard]] bool await_ready() const { return true; }
      void await_suspend(std::coroutine_handle<>) const {}
      Result<SecretBytes> await_resume() const { return SecretBytes{}; }
    };
    Throwing async_send(ByteView) { return {}; }
    Never async_receive(std::size_t) { return {}; }
  };
  const support::Handles handles;
  Broken wire;
  CHECK_THROWS_WITH(sync_wait(drive<Task>(support::initiator<mech::Krb5>(), wire)), "the host's own");
  CHECK(support::Handles::live_contexts() == 0);
}

TEMPLATE_TEST_CASE("steps on other threads", "", mech::Krb5, mech::Spnego) {
  Connection connection;
  support::Threads threads{connection.loop};
  const support::OffloadTo offload{threads};
  auto server = started(drive<Task>(support::acceptor<TestType>(), connection.server, offload));
  auto client = started(drive<Task>(support::initiator<TestType>(), connection.client, offload));
  while (!client.done() || !server.done()) connection.loop.wait_one();
  check_messages(must(std::move(client.result())), must(std::move(server.result())));
}

TEST_CASE("the text of an error survives the way from another thread") {
  const auto unknown = [] {
    return Initiator<mech::Krb5>{must(Name::host_service("nosuch", "localhost")),
                                 support::initiator_credential<mech::Krb5>()};
  };
  auto here = unknown();
  const auto expected = here.step();
  REQUIRE_FALSE(expected);

  Connection connection;
  support::Threads threads{connection.loop};
  auto client = started(drive<Task>(unknown(), connection.client, support::OffloadTo{threads}));
  while (!client.done()) connection.loop.wait_one();
  REQUIRE_FALSE(client.result());
  CHECK(client.result().error().text() == expected.error().error.text());
  CHECK(client.result().error().major_status() == expected.error().error.major_status());
}

TEST_CASE("the peer gets the token that comes with an error") {
  const std::string garbage(64, 'x');
  auto acceptor = support::acceptor<mech::Krb5>();
  const auto step = acceptor.step(garbage);
  REQUIRE_FALSE(step);

  Connection connection;
  auto server = started(drive<Task>(support::acceptor<mech::Krb5>(), connection.server));
  connection.to_acceptor.push(garbage);
  connection.run();
  REQUIRE(server.done());
  REQUIRE_FALSE(server.result());
  CHECK(server.result().error().text() == step.error().error.text());
  REQUIRE(connection.to_initiator.tokens.size() == (step.error().token.empty() ? 0 : 1));
  for (const auto& told : connection.to_initiator.tokens) CHECK(told.size() == step.error().token.size());
}

TEST_CASE("caps and the end of the stream") {
  Connection connection;
  const Told told;
  SECTION("a token longer than is allowed") {
    connection.to_acceptor.push(std::string(65537, 'x'));
    auto server = started(drive<Task>(support::acceptor<mech::Krb5>(), connection.server));
    connection.run();
    CHECK(server.result().error().minor_status() == EMSGSIZE);
    CHECK(told.errors == std::vector<std::uint32_t>{EMSGSIZE});
  }
  SECTION("more rounds than are allowed") {
    auto server = started(drive<Task>(support::acceptor<mech::Krb5>(), connection.server, Inline{}, {.max_rounds = 0}));
    connection.run();
    CHECK(server.result().error().minor_status() == EPROTO);
    CHECK(told.errors == std::vector<std::uint32_t>{EPROTO});
  }
  SECTION("the peer goes away") {
    connection.to_acceptor.close();
    auto server = started(drive<Task>(support::acceptor<mech::Krb5>(), connection.server));
    connection.run();
    CHECK(server.result().error().minor_status() == ECONNRESET);
    CHECK(told.errors == std::vector<std::uint32_t>{ECONNRESET});
  }
}

TEMPLATE_TEST_CASE("destroyed at any suspension point, nothing stays open", "", mech::Krb5, mech::Spnego) {
  support::initiator_credential<TestType>();
  support::acceptor_credential<TestType>();
  int resumed = 0;
  std::size_t before = 1;
  for (bool complete = false; !complete; ++resumed) {
    const support::Handles handles;
    const Told told;
    {
      Connection connection;
      auto server = started(drive<Task>(support::acceptor<TestType>(), connection.server));
      auto client = started(drive<Task>(support::initiator<TestType>(), connection.client));
      for (int i = 0; i < resumed; ++i) connection.loop.run_one();
      complete = client.done() && server.done();
    }
    CHECK(handles.leaked() == 0);
    const auto ends = told.errors.size();  // the client has begun at once, and the server when it has a token
    CHECK(ends >= before);
    CHECK((ends == 1 || ends == 2));
    CHECK(told.errors.back() == (complete ? 0 : ECANCELED));
    before = ends;
  }
  CHECK(before == 2);
  CHECK(resumed > 4);
}

TEST_CASE("destroyed while a step is on another thread, the step ends by itself") {
  support::initiator_credential<mech::Krb5>();
  const support::Handles handles;
  {
    Connection connection;
    std::binary_semaphore gate{0};
    support::Threads threads{connection.loop, &gate};
    {
      const auto client =
          started(drive<Task>(support::initiator<mech::Krb5>(), connection.client, support::OffloadTo{threads}));
      REQUIRE_FALSE(client.done());
    }
    gate.release();
    threads.join();
    CHECK(connection.to_acceptor.tokens.empty());
  }
  CHECK(handles.leaked() == 0);
}
