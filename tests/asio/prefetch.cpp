// Handshakes whose ticket is fetched on the loop: their steps run where the kernel lets nobody reach a network.
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/io/establish_as.hpp>

#include <asio/io_context.hpp>

#include <optional>
#include <string>
#include <utility>

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
    while (!condition()) io.run_one();
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
