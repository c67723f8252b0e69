// A handshake that ends in what take_over() makes of it, in each loop; no realm.
#include <gsskey/io/co_drive.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/io/task.hpp>

#include <coroutine>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"

using namespace gsskey;

namespace {

/// What a handshake ends in of itself.
struct Own {
  int legs;
};
/// What take_over() makes.
struct Other {
  int legs;
};
/// What accept() gives.
struct All {
  int legs;
};
struct TakeOverFailure {
  Error error;
};

/// Says something, takes `wanted` answers, and is done.
struct Handshake {
  using Context = Own;
  static constexpr bool starts = true;
  int wanted = 1;
  bool can_be_taken = true;
  int legs = 0;

  expected<Step, StepFailure> step(ByteView) { return Step{Buffer{}, legs++ == wanted}; }
  Result<Own> establish() && { return Own{legs}; }
};
struct AcceptingHandshake : Handshake {
  Result<All> accept() && {
    if (!can_be_taken) return unexpected(Error::policy("accept", 0, "it is refused"));
    return All{legs};
  }
};
expected<Other, TakeOverFailure> take_over(Handshake&& handshake) {
  if (!handshake.can_be_taken) return unexpected(TakeOverFailure{Error::policy("take_over", 0, "it cannot be taken")});
  return Other{handshake.legs};
}

template <class T>
struct Ready {
  T value;
  [[nodiscard]] bool await_ready() const { return true; }
  void await_suspend(std::coroutine_handle<>) const {}
  T await_resume() { return std::move(value); }
};

/// Takes everything and answers at once.
struct Wire {
  int received = 0;
  Result<void> send(ByteView) { return {}; }
  Result<ByteView> receive(std::size_t) {
    ++received;
    return ByteView{"answer"};
  }
  Ready<Result<void>> async_send(ByteView) { return {{}}; }
  Ready<Result<SecretBytes>> async_receive(std::size_t) {
    ++received;
    return {SecretBytes::copy_of("answer")};
  }
};

}  // namespace

TEST_CASE("a handshake's own context needs no other type") {
  static_assert(std::is_same_v<decltype(establish_as<Own>(Handshake{})), Handshake>);
  Wire wire;
  const auto own = drive(establish_as<Own>(Handshake{2}), wire);
  REQUIRE(own);
  CHECK(own->legs == 3);
  CHECK(wire.received == 2);
}

TEST_CASE("take_over() makes the context, in either loop and with an offload") {
  Wire wire;
  const Result<Other> blocking = drive(establish_as<Other>(Handshake{2}), wire);
  REQUIRE(blocking);
  CHECK(blocking->legs == 3);
  CHECK(wire.received == 2);

  const Result<Other> awaited = sync_wait(drive<Task>(establish_as<Other>(Handshake{3}), wire));
  REQUIRE(awaited);
  CHECK(awaited->legs == 4);
  CHECK(wire.received == 5);

  const auto at_once = [](auto job) { return Ready<decltype(job())>{job()}; };
  const Result<Other> offloaded = sync_wait(drive<Task>(establish_as<Other>(Handshake{4}), wire, at_once));
  REQUIRE(offloaded);
  CHECK(offloaded->legs == 5);
  CHECK(wire.received == 9);
}

TEST_CASE("accept() gives what is asked for, in either loop") {
  Wire wire;
  const Result<All> all = drive(establish_as<All>(AcceptingHandshake{{2}}), wire);
  REQUIRE(all);
  CHECK(all->legs == 3);
  const Result<All> awaited = sync_wait(drive<Task>(establish_as<All>(AcceptingHandshake{{3}}), wire));
  REQUIRE(awaited);
  CHECK(awaited->legs == 4);
  CHECK(drive(establish_as<All>(AcceptingHandshake{{1, false}}), wire).error().text() == "it is refused");
  CHECK(drive(establish_as<Other>(AcceptingHandshake{{2}}), wire)->legs == 3);  // nothing else goes through accept()

  using Kept = decltype(establish_as<Accepted<mech::Krb5>>(std::declval<Acceptor<mech::Krb5>>()));
  static_assert(std::is_same_v<Kept::Context, Accepted<mech::Krb5>>);
}

TEST_CASE("the caps count, whatever the handshake ends in, in either loop") {
  Wire wire;
  const auto endless = [] { return establish_as<Other>(Handshake{99}); };
  const DriveOptions two{.max_rounds = 2};
  CHECK(drive(endless(), wire, two).error().minor_status() == EPROTO);
  CHECK(wire.received == 2);
  CHECK(sync_wait(drive<Task>(endless(), wire, Inline{}, two)).error().minor_status() == EPROTO);
  CHECK(wire.received == 4);
  const DriveOptions small{.max_token_size = 5};
  CHECK(drive(endless(), wire, small).error().minor_status() == EMSGSIZE);
  CHECK(sync_wait(drive<Task>(endless(), wire, Inline{}, small)).error().minor_status() == EMSGSIZE);
  CHECK(wire.received == 6);
}

TEST_CASE("a handshake that cannot be taken over says why") {
  Wire wire;
  const auto refused = [] { return establish_as<Other>(Handshake{.can_be_taken = false}); };
  CHECK(drive(refused(), wire).error().text() == "it cannot be taken");
  CHECK(sync_wait(drive<Task>(refused(), wire)).error().text() == "it cannot be taken");
}
