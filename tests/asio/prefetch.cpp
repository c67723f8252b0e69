// Handshakes whose ticket is fetched on the loop: their steps run where the kernel lets nobody reach a network.
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/io/establish_as.hpp>

#include <asio/io_context.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "support/acquiring.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/loop_kdc.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;
using Krb5 = mech::Krb5;
using Established = Result<SecurityContext<Krb5>>;

namespace {

/// An initiator whose steps reach no network.
class CutOff {
 public:
  using Context = SecurityContext<Krb5>;
  static constexpr bool starts = true;

  explicit CutOff(Initiator<Krb5> initiator) : initiator_{std::move(initiator)} {}
  [[nodiscard]] const Name& target() const { return initiator_.target(); }
  [[nodiscard]] expected<Step, StepFailure> step(ByteView token) {
    return support::without_network([&] { return initiator_.step(token); });
  }
  [[nodiscard]] Established establish() && { return std::move(initiator_).establish(); }

 private:
  Initiator<Krb5> initiator_;
};

struct Loop {
  asio::io_context io{};
  support::LoopKdc kdc{io};
  TicketCache cache = must(TicketCache::in_memory());
  std::optional<Credential<Krb5, Initiate>> credential{};
  support::Sockets sockets{io};
  std::optional<Established> accepted{};

  Loop() {
    auto login = must(InitialTicket::with_password(cache, must(Name::user("bob")), "hunter2"));
    std::optional<Result<void>> done;
    async_acquire(io.get_executor(), std::move(login), [&](Result<void> ended) { done.emplace(std::move(ended)); });
    run_until([&] { return done.has_value(); });
    must(*std::move(done));
    credential.emplace(must(cache.credential()));
  }
  template <class Condition>
  void run_until(Condition condition) {
    support::run_while(io, [&] { return !condition(); });
  }
  [[nodiscard]] CutOff initiator(const char* host = "localhost") const {
    return CutOff{Initiator<Krb5>{must(Name::host_service("host", host)), *credential}};
  }
  void accept() {
    async_handshake(support::acceptor<Krb5>(), sockets.server, Inline{},
                    [this](Established ended) { accepted.emplace(std::move(ended)); });
  }
  /// With drive() in a coroutine.
  [[nodiscard]] Established drive_it(CutOff handshake) {
    std::optional<Established> established;
    AsioTransport wire{sockets.client};
    const auto run = [&]() -> asio::awaitable<void> {
      auto driven = co_await drive<asio::awaitable>(std::move(handshake), wire, prefetch(cache));
      established.emplace(std::move(driven));
    };
    asio::co_spawn(io, run(), support::Rethrow{});
    run_until([&] { return established.has_value(); });
    return *std::move(established);
  }
};

/// Many who want a ticket for the same service, each in a coroutine that can be cancelled.
struct Crowd {
  struct One {
    asio::cancellation_signal signal{};
    std::optional<Result<void>> fetched{};
    bool is_cancelled = false;
  };

  Loop& loop;
  std::deque<One> members{};
  std::size_t told = 0;

  Crowd(Loop& its_loop, std::size_t count, const char* host = "localhost") : loop{its_loop} {
    for (std::size_t number = 0; number < count; ++number) {
      auto& one = members.emplace_back();
      auto ended = [this, &one](std::exception_ptr thrown) {
        ++told;
        try {
          if (thrown) std::rethrow_exception(thrown);
          one.is_cancelled = !*one.fetched && one.fetched->error().minor_status() == ECANCELED;
        } catch (const AsioSystemError& failure) {  // of a coroutine that was cancelled before it awaits
          one.is_cancelled = failure.code() == asio::error::operation_aborted;
        }
      };
      asio::co_spawn(loop.io, fetch(one, host), asio::bind_cancellation_slot(one.signal.slot(), std::move(ended)));
    }
  }
  asio::awaitable<void> fetch(One& one, const char* host) {
    const auto initiator = loop.initiator(host);
    auto fetched = co_await prefetch(loop.cache, support::endless).prepare(initiator);
    one.fetched.emplace(std::move(fetched));
  }
  void cancel(std::size_t number) { members[number].signal.emit(asio::cancellation_type::terminal); }
  void wait() {
    loop.run_until([&] { return told == members.size(); });
  }
};

}  // namespace

TEST_CASE("a handshake with prefetch() asks the KDC on the loop, and no step reaches a network") {
  support::acceptor_credential<Krb5>();
  Loop loop;
  SECTION("without it there is no ticket") {
    auto refused = loop.initiator().step({});
    REQUIRE_FALSE(refused);
    CHECK(loop.kdc.services() == 0);
  }
  SECTION("in a coroutine") {
    loop.accept();
    auto initiated = must(loop.drive_it(loop.initiator()));
    loop.run_until([&] { return loop.accepted.has_value(); });
    auto accepted = must(*std::move(loop.accepted));
    CHECK(support::shown(must(accepted.inquire()).initiator) == "bob@GSSKEY.TEST");
    CHECK(must(accepted.unwrap(must(initiated.wrap("there")))).text() == "there");
    CHECK(loop.kdc.services() == 1);
  }
  SECTION("with a handler, twice: the second finds the ticket") {
    for (int turn = 0; turn < 2; ++turn) {
      loop.accepted.reset();
      loop.accept();
      std::optional<Established> established;
      async_handshake(establish_as<SecurityContext<Krb5>>(loop.initiator()), loop.sockets.client, prefetch(loop.cache),
                      [&](Established ended) { established.emplace(std::move(ended)); });
      loop.run_until([&] { return established && loop.accepted; });
      auto initiated = must(*std::move(established));
      CHECK(must(must(*std::move(loop.accepted)).unwrap(must(initiated.wrap("there")))).text() == "there");
    }
    CHECK(loop.kdc.services() == 1);
  }
}

TEST_CASE("a ticket that cannot be had ends the handshake before anything is sent") {
  Loop loop;
  const auto refused = loop.drive_it(loop.initiator("no.such.host"));
  REQUIRE_FALSE(refused);
  CHECK(std::string{refused.error().operation()} == "krb5_tkt_creds_step");
  CHECK(loop.sockets.server.available() == 0);

  auto empty = loop.drive_it(CutOff{Initiator<Krb5>{Name{}, *loop.credential}});
  REQUIRE_FALSE(empty);
  CHECK(empty.error().domain() == Domain::usage);
}

TEST_CASE("a cancellation while the KDC says nothing ends the handshake") {
  Loop loop;
  loop.kdc.hold();
  asio::cancellation_signal signal;
  std::optional<Established> established;
  async_handshake(
      loop.initiator(), loop.sockets.client, prefetch(loop.cache),
      asio::bind_cancellation_slot(signal.slot(), [&](Established ended) { established.emplace(std::move(ended)); }));
  loop.run_until([&] { return loop.kdc.held() != 0; });
  signal.emit(asio::cancellation_type::terminal);
  loop.run_until([&] { return established.has_value(); });
  REQUIRE_FALSE(*established);
  CHECK(established->error().minor_status() == ECANCELED);
}

TEST_CASE("a ticket that many wait for is fetched once") {
  Loop loop;
  loop.kdc.hold();
  SECTION("and is there for all") {
    Crowd crowd{loop, 100};
    loop.run_until([&] { return loop.kdc.held() != 0; });
    Crowd late{loop, 100};
    loop.io.poll();
    CHECK(crowd.told + late.told == 0);
    loop.kdc.release();
    crowd.wait();
    late.wait();
    for (auto& one : crowd.members) must(*std::move(one.fetched));
    for (auto& one : late.members) must(*std::move(one.fetched));
    CHECK(loop.kdc.services() == 1);
    CHECK(must(loop.initiator().step({})).token.size() != 0);
  }
  SECTION("another service's is another one") {
    Crowd crowd{loop, 10};
    Crowd other{loop, 10, "other"};
    loop.run_until([&] { return loop.kdc.held() == 2; });
    loop.kdc.release();
    crowd.wait();
    other.wait();
    CHECK(loop.kdc.services() == 3);  // nobody knows "other", and libkrb5 asks twice
    CHECK(crowd.members.front().fetched->has_value());
    CHECK_FALSE(other.members.back().fetched->has_value());
  }
  SECTION("and if it cannot be had all are told why") {
    Crowd crowd{loop, 100, "no.such.host"};
    loop.run_until([&] { return loop.kdc.held() != 0; });
    loop.kdc.release();
    crowd.wait();
    CHECK(loop.kdc.services() == 2);
    for (const auto& one : crowd.members) {
      REQUIRE_FALSE(*one.fetched);
      REQUIRE(one.fetched->error().minor_status() == static_cast<std::uint32_t>(KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN));
    }
  }
  SECTION("by a handshake without coroutines, too") {
    std::optional<Established> established;
    async_handshake(loop.initiator(), loop.sockets.client, prefetch(loop.cache, support::endless),
                    [&](Established ended) { established.emplace(std::move(ended)); });
    Crowd crowd{loop, 1};
    loop.accept();
    loop.run_until([&] { return loop.kdc.held() != 0; });
    loop.kdc.release();
    crowd.wait();
    loop.run_until([&] { return established && loop.accepted; });
    must(*std::move(established));
    CHECK(loop.kdc.services() == 1);
  }
}

TEST_CASE("who gives up does not keep the others from their ticket; when nobody waits any more, nothing runs on") {
  Loop loop;
  loop.kdc.hold();
  Crowd crowd{loop, 10};
  SECTION("one, before anything has run") { crowd.cancel(3); }
  SECTION("the first, and the last") {
    loop.run_until([&] { return loop.kdc.held() != 0; });
    crowd.cancel(0);
    crowd.cancel(9);
    loop.run_until([&] { return crowd.told == 2; });
    CHECK(crowd.members[0].is_cancelled);
    CHECK(crowd.members[9].is_cancelled);
    loop.kdc.release();
    crowd.wait();
    for (std::size_t number = 1; number < 9; ++number) must(*std::move(crowd.members[number].fetched));
    CHECK(loop.kdc.services() == 1);
  }
  SECTION("all, and then one begins anew") {
    loop.run_until([&] { return loop.kdc.held() != 0; });
    for (std::size_t number = 0; number < 10; ++number) crowd.cancel(number);
    crowd.wait();
    for (const auto& one : crowd.members) CHECK(one.is_cancelled);
    Crowd again{loop, 2};
    loop.run_until([&] { return loop.kdc.held() == 2; });
    loop.kdc.release();
    again.wait();
    must(*std::move(again.members.back().fetched));
    CHECK(loop.kdc.services() == 2);
  }
  SECTION("all, each at another moment") {
    for (std::size_t number = 0; number < 10; ++number) {
      crowd.cancel(number);
      for (int steps = 0; steps < 3 && !loop.kdc.held(); ++steps) loop.io.run_one();
    }
    crowd.wait();
  }
  for (std::size_t number = 0; number < 10; ++number) crowd.cancel(number);
  loop.kdc.close();
  loop.sockets.client.close();
  loop.io.run();  // would not come back if something waited for the KDC
  CHECK(crowd.told == 10);
}

TEST_CASE("a loop that is destroyed takes along all who wait, wherever they are") {
  const auto files = support::open_files();
  for (int steps = 0; steps < 40; ++steps) {
    CAPTURE(steps);
    auto loop = std::make_unique<Loop>();
    loop->kdc.hold();
    auto crowd = std::make_unique<Crowd>(*loop, 5);
    for (int step = 0; step < steps; ++step) loop->io.poll_one();
    if (steps % 2 != 0) {
      loop->kdc.release();
      for (int step = 0; step < steps; ++step) loop->io.poll_one();
    }
    // The loop goes before the coroutines' signals, and after the cache.
    auto cache = std::move(loop->cache);
    loop.reset();
  }
  CHECK(support::open_files() == files);
}
