// What owners do when the clock of a running program is set forward by a day, back by a day, and right again, and when
// the machine slept: what is established goes on, what has ended is refused with the reason, and nothing stays behind.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/handoff/credential_cache.hpp>
#include <gsskey/handoff/parked_context.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/io/drive.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/krb5/advice.hpp>
#include <gsskey/messages/take_over.hpp>

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/implementation.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"
#include "support/sasl.hpp"
#include "support/session.hpp"
#include "support/socket_pair.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using mech::Krb5;
using mech::Spnego;
using support::Client;
using support::must;
using support::peer_of;
using support::Server;

// What is added to the clocks of this program and its libraries, which look for these functions in the program first.
static std::atomic<long> was_set{0};
static std::atomic<long> has_slept{0};
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME) time->tv_sec += was_set + has_slept;
  if (clock == CLOCK_BOOTTIME) time->tv_sec += has_slept;
  return result;
}
extern "C" int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  const int result = ::clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}
extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

namespace {

constexpr long day = 24 * 60 * 60;
constexpr Seconds a_day{day};

/// The clock is off by so much while this lives.
class Off {
 public:
  explicit Off(long seconds, std::atomic<long>& clock = was_set) : clock_{clock} { clock_ = seconds; }
  Off(const Off&) = delete;
  Off& operator=(const Off&) = delete;
  ~Off() { clock_ = 0; }

 private:
  std::atomic<long>& clock_;
};

/// Prepared while the clock is right.
void prepare() {
  support::initiator_credential<Krb5>();
  support::acceptor_credential<Krb5>();
  // What counts in the user's quota once: the thread's ring, and the session that a plugin of libkrb5 is loaded in.
  static_cast<void>(must(Keyring::install_thread()));
  static const auto bob = must(Client::acquire_with_password(must(Name::user("bob")), "hunter2"));
}

template <MessageContext One, MessageContext Other>
void talk(One& one, Other& other) {
  CHECK(must(other.unwrap(must(one.wrap("there")))).text() == "there");
  CHECK(must(one.unwrap(must(other.wrap("and back")))).text() == "and back");
}

Result<support::Ends<Krb5>> handshake() {
  return support::establish(support::initiator<Krb5>(), support::acceptor<Krb5>());
}

}  // namespace

TEMPLATE_TEST_CASE("contexts protect messages whatever the clock says, and go on when it is right again", "", Krb5,
                   Spnego) {
  prepare();
  auto ends = support::pair<TestType>();
  const auto before = must(ends.initiator.lifetime());
  {
    const Off forward{day};
    talk(ends.initiator, ends.acceptor);
    CHECK(must(ends.initiator.lifetime()) == Seconds{});
    CHECK(must(ends.acceptor.lifetime()) == Seconds{});
  }
  {
    const Off asleep{day, has_slept};
    talk(ends.initiator, ends.acceptor);
    CHECK(must(ends.initiator.lifetime()) == Seconds{});
  }
  {
    const Off back{-day};
    talk(ends.initiator, ends.acceptor);
    CHECK(must(ends.initiator.lifetime()) > before);  // until the same moment
    CHECK(must(ends.initiator.lifetime()).count() <= before.count() + a_day.count());
  }
  talk(ends.initiator, ends.acceptor);
  CHECK(must(ends.initiator.lifetime()) <= before);
}

TEST_CASE("an ExpiringContext refuses while its ticket has ended by the clock, and no longer") {
  prepare();
  auto ends = support::pair<Krb5>();
  auto ours = must(ExpiringContext<Krb5>::from_context(std::move(ends.initiator)));
  auto theirs = must(ExpiringContext<Krb5>::from_context(std::move(ends.acceptor)));
  talk(ours, theirs);
  for (auto* const clock : {&was_set, &has_slept}) {
    const Off forward{day, *clock};
    for (const auto& refused : {ours.wrap("message"), theirs.wrap("message")}) {
      REQUIRE_FALSE(refused);
      CHECK(routine_error(refused.error()) == RoutineError::context_expired);
    }
  }
  talk(ours, theirs);
}

TEST_CASE("a stream goes on in the middle of a packet whatever the clock says") {
  prepare();
  support::SocketPair sockets;
  auto ends = support::pair<Krb5>();
  RecordLayer ours{std::move(ends.initiator)};
  SecureFdStream theirs{sockets.ends[1], std::move(ends.acceptor)};
  FdStream wire{sockets.ends[0]};
  for (const long step : {day, -day}) {
    REQUIRE(must(ours.seal("there")) == 5);
    const auto [header, token] = ours.unsent();
    must(wire.write(header));
    const Off off{step};
    must(wire.write(token));
    ours.sent(header.size() + token.size());
    std::string text(5, '\0');
    must(theirs.read(text.data(), text.size()));
    CHECK(text == "there");
    must(theirs.write("and back"));
    while (ours.opened().empty()) {
      const auto room = must(ours.room());
      must(ours.received(must(wire.read_some(room.data, room.size))));
    }
    CHECK(ours.opened().text() == "and back");
    ours.consume(8);
  }
}

TEST_CASE("a MessageProtector asks no clock") {
  prepare();
  auto handshakes = support::handshakes_in_realm();
  auto ours = support::taken(std::move(handshakes.initiator));
  auto theirs = must(std::move(handshakes.acceptor).establish());
  for (const long step : {day, -day}) {
    const Off off{step};
    talk(ours, theirs);
  }
  talk(ours, theirs);
}

TEST_CASE(
    "with a clock a day ahead handshakes are refused for the ticket's end, and the same credentials serve after") {
  prepare();
  const auto alice = support::realm().realm.principal("alice");
  for (auto* const clock : {&was_set, &has_slept}) {
    {
      const Off forward{day, *clock};
      const auto refused = handshake();
      REQUIRE_FALSE(refused);
      CHECK(failure_of(refused.error(), support::initiator_credential<Krb5>()) == Failure::ticket_expired);
      CHECK(must(support::initiator_credential<Krb5>().lifetime()) == Seconds{});
    }
    CHECK(peer_of(support::initiator_credential<Krb5>()) == alice);
  }
}

TEST_CASE(
    "with a clock a day behind tickets are not valid yet for the acceptor, and the same credentials serve after") {
  prepare();
  {
    const Off back{-day};
    const auto refused = handshake();
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().text());
    CHECK(failure_of(refused.error()) == Failure::clock_skew);
    CHECK(must(support::initiator_credential<Krb5>().lifetime()) > Seconds{});
  }
  CHECK(peer_of(support::initiator_credential<Krb5>()) == support::realm().realm.principal("alice"));
}

TEST_CASE("the clock is set between the tokens of a handshake: one end refuses for the clock, and the next is as any") {
  prepare();
  for (const long step : {day, -day}) {
    CAPTURE(step);
    auto initiator = support::initiator<Krb5>();
    const auto first = must(initiator.step());
    auto acceptor = support::acceptor<Krb5>();
    {
      const Off off{step};
      auto refused = acceptor.step(first.token);
      if (refused) {  // Heimdal 7.8 tells the initiator, which may try again by the acceptor's clock
        CHECK_FALSE(acceptor.is_complete());
        refused = initiator.step(refused->token);
      }
      REQUIRE_FALSE(refused);
      CAPTURE(refused.error().error.text());
      CHECK(failure_of(refused.error().error) == (step > 0 ? Failure::ticket_expired : Failure::clock_skew));
    }
    CHECK(handshake());
  }
}

TEST_CASE("the clock is set within a login by HTTP or SASL: it is refused for the clock, and the next is as any") {
  prepare();
  HttpAcceptor<Spnego> site{support::acceptor_credential<Spnego>()};
  for (const long step : {day, -day}) {
    CAPTURE(step);
    HttpInitiator<Spnego> browser{support::initiator<Spnego>()};
    const std::string request = must(browser.authorize());
    auto client = support::sasl_client();
    auto server = support::sasl_server();
    const auto response = must(client.step());
    {
      const Off off{step};
      const auto refused = site.step(request);
      REQUIRE_FALSE(refused);
      auto challenge = server.step(support::view_of(response));
      // Heimdal's acceptor may tell the initiator, as above.
      const auto at_http = refused.error().is_challenge ? browser.authorize(refused.error().www_authenticate)
                                                        : Result<std::string>{unexpected(refused.error().error)};
      const auto at_sasl = challenge ? client.step(support::view_of(*challenge)) : std::move(challenge);
      REQUIRE_FALSE(at_http);
      REQUIRE_FALSE(at_sasl);
      CAPTURE(at_http.error().text(), at_sasl.error().text());
      const auto failure = step > 0 ? Failure::ticket_expired : Failure::clock_skew;
      CHECK(failure_of(at_sasl.error()) == failure);
      if (!support::is_heimdal) CHECK(failure_of(at_http.error()) == failure);  // whose SPNEGO knows of a failure alone
    }
    CHECK_FALSE(site.step({}));  // ends a handshake that is under way
    CHECK(site.step(must(HttpInitiator<Spnego>{support::initiator<Spnego>()}.authorize())));
    CHECK(support::log_in(support::sasl_client(), support::sasl_server()));
  }
}

TEST_CASE("a limit of time is not over because the clock was set") {
  prepare();
  for (const long step : {day, -day}) {
    support::SocketPair sockets;
    FdStream ours{sockets.ends[0]};
    FdStream theirs{sockets.ends[1]};
    auto initiator = support::initiator<Krb5>();
    const auto first = must(initiator.step());
    ours.expires_after(60s);
    theirs.expires_after(60s);
    const Off off{step};
    FramedTransport out{ours};
    FramedTransport in{theirs};
    CHECK(out.send(first.token));
    CHECK(must(in.receive(65536)).size() == ByteView{first.token}.size());
  }
}

TEST_CASE("a context that is parked cannot be claimed later than the clock allows, and leaves no key") {
  prepare();
  support::Session session;
  const auto ring = must(Keyring::session());
  for (const long step : {day, -day}) {
    auto ends = support::pair<Krb5>();
    const auto parked = must(handoff::park(std::move(ends.initiator), ring));
    const Off off{step};
    auto claimed = handoff::claim<Krb5>(parked);
    if (step > 0) {
      REQUIRE_FALSE(claimed);
      CHECK(claimed.error().domain() == Domain::seal);
    } else {
      auto context = must(std::move(claimed));
      talk(context, ends.acceptor);
    }
  }
}

#if defined(GSSKEY_GSS_MIT)
// When somebody acquires from it libkrb5 gives the ring a second, if its tickets have ended by the clock.
TEST_CASE("a cache in the kernel ends with its ticket by the clock, though the clock is wrong, and another serves") {
  prepare();
  support::Session session;
  const auto make = [] { return handoff::CredentialCache::acquire_with_password(must(Name::user("alice")), "secret"); };
  const auto alice = support::realm().realm.principal("alice");
  const auto cache = must(make());
  const auto acquire = [&] { return Client::acquire_from({.ccache = cache.name()}); };
  CHECK(peer_of(must(acquire())) == alice);
  {
    const Off forward{day};
    if (const auto credential = acquire()) {
      const auto refused =
          support::establish(Initiator<Krb5>{support::target(), *credential}, support::acceptor<Krb5>());
      REQUIRE_FALSE(refused);
      const auto failure = failure_of(refused.error());
      CHECK((failure == Failure::ticket_expired || failure == Failure::no_credential));
    }
  }
  const auto has_ended = [&] {
    const auto members = must(cache.ring().members());
    return std::any_of(members.begin(), members.end(), [](const auto& key) { return !key.describe(); });
  };
  CHECK(support::eventually(has_ended));  // who acquires before that, by the right clock, keeps it
  CHECK_FALSE(acquire());
  const auto next = must(make());
  CHECK(peer_of(must(Client::acquire_from({.ccache = next.name()}))) == alice);
}
#endif
