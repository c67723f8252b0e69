// Tickets on the loop: KDCs that are dead, silent, forged, or lose what is sent to them; answers that are none; and
// what is left of an exchange that is cancelled.
#include <gsskey/asio/kdc.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_future.hpp>

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/acquiring.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/heap.hpp"
#include "support/heimdal_root.hpp"
#include "support/hostile_kdc.hpp"
#include "support/kdc_client.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;
using support::must;

namespace {
/// Seconds that are added to the clock of timers.
std::atomic<long> later{0};
}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  if (clock == CLOCK_MONOTONIC) out->tv_sec += later;
  return result;
}

namespace {

using support::acquire;
using support::Acquiring;
using support::at;
using support::configuration;
using support::contains;
using support::endless;
using support::honest;
using support::login;
using support::open_files;
using support::Port;

TestRealm& realm() { return support::realm_of_two_requests(); }

constexpr KdcPatience short_patience{100ms, 10s};
/// Where nothing comes over UDP.
constexpr KdcPatience shorter_patience{10ms, 10s};

/// Whom the acceptor sees.
Result<std::string> reach(const TicketCache& cache) {
  const auto credential = must(cache.credential());
  auto ends = support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>());
  if (!ends) return unexpected(ends.error());
  return support::shown(must(ends->acceptor.inquire()).initiator);
}

}  // namespace

TEST_CASE("a login and a ticket for a service with any completion token, and then a handshake asks nobody") {
  realm();
  const auto cache = must(TicketCache::in_memory());
  asio::io_context io;
  SECTION("handlers") {
    must(acquire(login(cache)));
    must(acquire(must(ServiceTicket::for_target(cache, support::target()))));
  }
  SECTION("use_future") {
    auto logged_in = async_acquire(io.get_executor(), login(cache), asio::use_future);
    io.run();
    must(logged_in.get());
    auto ticket =
        async_acquire(io.get_executor(), must(ServiceTicket::for_target(cache, support::target())), asio::use_future);
    io.restart();
    io.run();
    must(ticket.get());
  }
  SECTION("use_awaitable") {
    const auto run = [&]() -> asio::awaitable<void> {
      const auto executor = co_await asio::this_coro::executor;
      auto exchange = login(cache);
      auto logged_in = co_await async_acquire(executor, std::move(exchange), asio::use_awaitable);
      must(std::move(logged_in));
      auto next = must(ServiceTicket::for_target(cache, support::target()));
      auto ticket = co_await async_acquire(executor, std::move(next), asio::use_awaitable);
      must(std::move(ticket));
    };
    asio::co_spawn(io, run(), support::Rethrow{});
    io.run();
  }
  CHECK(must(support::without_network([&] { return reach(cache); })) == "bob@GSSKEY.TEST");
}

TEST_CASE("Heimdal's KDC, of which all replies are too large for UDP") {
  if (!support::has_heimdal_kdc()) return support::skip("no KDC of Heimdal");
  const auto heimdal = must(TestRealm::start({.users = {{"bob", "hunter2"}},
                                              .services = {"host/localhost"},
                                              .kdc = Kdc::heimdal,
                                              .kdc_settings = {"max-kdc-datagram-reply-length = 200"}}));
  const auto environment = must(heimdal.enter());
  const auto log_in = [] {
    const auto cache = must(TicketCache::in_memory());
    must(acquire(login(cache)));
    must(acquire(must(ServiceTicket::for_target(cache, support::target()))));
    const auto credential = must(cache.credential());
    const auto ends = must(support::without_network([&] {
      return support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{});
    }));
    return support::shown(must(ends.acceptor.inquire()).initiator);
  };
  // In a thread of its own, which reads the configuration anew.
  CHECK(std::async(std::launch::async, log_in).get() == "bob@GSSKEY.TEST");
}

TEST_CASE("what the KDC refuses is told with its name and the realm's") {
  realm();
  const auto cache = must(TicketCache::in_memory());
  const auto refused = acquire(login(cache, "wrong"));
  REQUIRE_FALSE(refused);
  CHECK(std::string{refused.error().operation()} == "krb5_init_creds_step");
  CHECK(contains(refused.error().text(), at(realm().port()) + " over UDP, a KDC of GSSKEY.TEST"));
}

TEST_CASE("dead and silent KDCs are passed over, and who has answered is asked first, by other exchanges too") {
  const auto cache = must(TicketCache::in_memory());
  const auto dead = must(test_detail::ReservedPort::reserve("127.0.0.1", 0));
  asio::io_context io;
  int asked = 0;
  Port silent{io, [&](Port&, const std::string&, const udp::endpoint&) { ++asked; }};
  const support::Environment environment{"KRB5_CONFIG", configuration({at(dead.number), at(silent.number()),
                                                                       "localhost:" + std::to_string(realm().port())})};
  const auto acquire_by = [&](asio::io_context& loop, auto exchange) {
    Acquiring acquiring{loop};
    acquiring.begin(std::move(exchange), short_patience);
    while (!acquiring.result) {
      loop.poll();
      io.poll();
    }
    must(*std::move(acquiring.result));
    CHECK(acquiring.calls == 1);
  };
  acquire_by(io, login(cache));
  CHECK(asked == 2);  // of the first request, and none of the second
  acquire_by(io, must(ServiceTicket::for_target(cache, support::target())));
  acquire_by(io, login(must(TicketCache::in_memory())));
  CHECK(asked == 2);
  SECTION("on another loop nothing is known of it") {
    asio::io_context another;
    acquire_by(another, login(must(TicketCache::in_memory())));
    CHECK(asked == 4);
  }
  SECTION("for five minutes") {
    const struct Reset {
      ~Reset() { later = 0; }
    } reset;
    later = 290;
    acquire_by(io, login(must(TicketCache::in_memory())));
    CHECK(asked == 2);
    later = 310;
    acquire_by(io, login(must(TicketCache::in_memory())));
    CHECK(asked == 4);
  }
  SECTION("one that krb5.conf does not name any more is not asked") {
    const support::Environment changed{"KRB5_CONFIG", configuration({at(silent.number()), at(realm().port())})};
    acquire_by(io, login(must(TicketCache::in_memory())));
    CHECK(asked == 4);
  }
}

TEST_CASE("who has answered is remembered of 64 realms, and what is there is forgotten before there are more") {
  asio_detail::KdcMemory memory;
  const asio_detail::KdcPlace backup{.host = "backup.test"};
  const auto asked_first = [&](const std::string& realm) {
    asio_detail::KdcPlaces places{{.host = "first.test"}, backup};
    memory.put_first(places, realm);
    return places.front().host;
  };
  for (int realm = 0; realm < 64; ++realm) memory.remember(std::to_string(realm), backup);
  for (int realm = 0; realm < 64; ++realm) CHECK(asked_first(std::to_string(realm)) == "backup.test");
  memory.remember("7", backup);
  CHECK(asked_first("8") == "backup.test");
  memory.remember("another", backup);
  CHECK(asked_first("8") == "first.test");
  CHECK(asked_first("another") == "backup.test");
}

TEST_CASE("where nobody answers the last one is told") {
  const auto cache = must(TicketCache::in_memory());
  const auto dead = must(test_detail::ReservedPort::reserve("127.0.0.1", 0));
  asio::io_context io;
  const auto nobody = [&](const std::string& kdc) {
    const support::Environment environment{"KRB5_CONFIG", configuration({kdc})};
    const auto refused = acquire(login(cache), {10ms, 10ms});
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().text());
    CHECK(refused.error().domain() == Domain::transport);
    CHECK(contains(refused.error().text(), kdc + " over TCP, a KDC of GSSKEY.TEST"));
    return refused.error().minor_status();
  };
  CHECK(nobody(at(dead.number)) == ECONNREFUSED);
  const tcp::acceptor listening{io, {asio::ip::address_v4::loopback(), 0}};  // and no more
  CHECK(nobody(at(listening.local_endpoint().port())) == ETIMEDOUT);
  tcp::acceptor full{io, tcp::v4()};  // its queue: a connection never comes about
  full.bind({asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<tcp::socket> queue;
  bool is_full = false;
  while (!is_full && queue.size() < 16) {
    queue.emplace_back(io, tcp::v4()).non_blocking(true);
    const auto to = full.local_endpoint();
    is_full = ::connect(queue.back().native_handle(), to.data(), static_cast<socklen_t>(to.size())) != 0;
  }
  CHECK(is_full);
  CHECK(nobody(at(full.local_endpoint().port())) == ETIMEDOUT);
  const support::Environment environment{"KRB5_CONFIG", configuration({"no..such"})};
  const auto unknown = acquire(login(cache));
  REQUIRE_FALSE(unknown);
  CHECK(contains(unknown.error().text(), "no..such, a KDC of GSSKEY.TEST"));
  const support::Environment proxy{"KRB5_CONFIG", configuration({"https://proxy.test/KdcProxy"})};
  const auto none = acquire(login(cache));
  REQUIRE_FALSE(none);
  CHECK(contains(none.error().text(), "GSSKEY.TEST"));
}

TEST_CASE("a KDC that is unavailable is passed over; if all are, that is what is told") {
  const auto cache = must(TicketCache::in_memory());
  asio::io_context io;
  int asked = 0;
  Port unavailable{io, [&](Port& port, const std::string&, const udp::endpoint& from) {
                     ++asked;
                     port.send(support::krb_error(29), from);
                   }};
  const auto run = [&](const std::vector<std::string>& kdcs) {
    const support::Environment environment{"KRB5_CONFIG", configuration(kdcs)};
    Acquiring acquiring{io};
    acquiring.begin(login(cache), endless);
    support::run_while(io, [&] { return !acquiring.result; });
    return *std::move(acquiring.result);
  };
  must(run({at(unavailable.number()), at(realm().port())}));
  CHECK(asked == 1);  // for the first request, and not for the second: another has answered
  const auto refused = run({at(unavailable.number()), at(unavailable.number())});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().minor_status() == static_cast<std::uint32_t>(KRB5KDC_ERR_SVC_UNAVAILABLE));
  CHECK(contains(refused.error().text(), at(unavailable.number()) + " over UDP, a KDC of GSSKEY.TEST"));
  CHECK(asked == 3);
}

TEST_CASE("a request that is too long for a datagram goes over TCP at once") {
  realm();
  const auto cache = must(TicketCache::in_memory());
  must(acquire(login(cache)));
  asio::io_context io;
  int asked = 0;
  Port kdc{io, [&](Port&, const std::string&, const udp::endpoint&) { ++asked; }};
  const support::Environment environment{"KRB5_CONFIG", configuration({at(kdc.number())})};
  const auto target = must(Name::principal(std::string(1500, 'x') + "@GSSKEY.TEST"));
  const auto refused = acquire(must(ServiceTicket::for_target(cache, target)), {100ms, 100ms});
  io.poll();
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().text(), at(kdc.number()) + " over TCP, a KDC of GSSKEY.TEST"));
  CHECK(asked == 0);
}

TEST_CASE("datagrams that are lost are sent again, and answers that come late and twice do no harm") {
  const auto cache = must(TicketCache::in_memory());
  asio::io_context io;
  std::vector<std::string> requests;
  std::vector<std::pair<std::string, udp::endpoint>> late;
  Port lossy{io, [&](Port& port, const std::string& request, const udp::endpoint& from) {
               requests.push_back(request);
               if (requests.size() % 4 != 0) return;  // lost
               late.emplace_back(honest(request), from);
               for (const auto& [reply, to] : late) {  // the one to the request before comes once more, and first
                 port.send(reply, to);
               }
               port.send(late.back().first, late.back().second);
             }};
  const support::Environment environment{"KRB5_CONFIG", configuration({at(lossy.number())})};
  Acquiring acquiring{io};
  acquiring.begin(login(cache), short_patience);
  support::run_while(io, [&] { return !acquiring.result; });
  lossy.close();
  must(acquiring.end());
  REQUIRE(requests.size() == 8);
  CHECK(requests[0] == requests[3]);
  CHECK(requests[3] != requests[4]);
  CHECK(requests[4] == requests[7]);
}

TEST_CASE("what another port answers is not heard; what the KDC's own answers is the reply, noise too") {
  const auto cache = must(TicketCache::in_memory());
  asio::io_context io;
  Port other{io, [](Port&, const std::string&, const udp::endpoint&) {}};
  std::string noise;
  Port kdc{io, [&](Port& port, const std::string& request, const udp::endpoint& from) {
             other.send(noise.empty() ? "noise" : honest(request), from);
             port.send(noise.empty() ? honest(request) : noise, from);
           }};
  const support::Environment environment{"KRB5_CONFIG", configuration({at(kdc.number())})};
  Acquiring acquiring{io};
  const auto run = [&] {
    acquiring.calls = 0;
    acquiring.begin(login(cache), endless);
    support::run_while(io, [&] { return !acquiring.result; });
    return *std::exchange(acquiring.result, std::nullopt);
  };
  must(run());
  noise = "noise";
  const auto refused = run();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::gss);
  CHECK(contains(refused.error().text(), at(kdc.number()) + " over UDP, a KDC of GSSKEY.TEST"));
}

TEST_CASE("answers that are too large for UDP, and over TCP those that are huge, cut or silent") {
  support::HostileKdc kdc{realm()};
  const auto cache = must(TicketCache::in_memory());
  const auto meet = [&](const support::KdcManner& manner, KdcPatience patience) {
    kdc.behave(manner);
    return kdc.ask(false, [&]() -> Result<void> {
      auto exchange = InitialTicket::with_password(cache, *Name::user("bob"), "hunter2");
      if (!exchange) return unexpected(exchange.error());
      asio::io_context io;
      std::optional<Result<void>> result;
      async_acquire(
          io.get_executor(), *std::move(exchange), [&](Result<void> ended) { result.emplace(std::move(ended)); },
          patience);
      io.run();
      return *std::move(result);
    });
  };
  const auto too_large = [](const support::KdcRequest& request) {
    return request.is_tcp ? support::KdcAnswer::honest(request) : support::KdcAnswer::message(support::krb_error(52));
  };
  must(meet(too_large, endless));
  CHECK(kdc.requests() == 3);  // the first over UDP and TCP, the second over TCP

  const auto over_tcp = [&](const support::KdcAnswer& answer, KdcPatience patience = shorter_patience) {
    const auto refused = meet(
        [answer](const support::KdcRequest& request) { return request.is_tcp ? answer : support::KdcAnswer::lost(); },
        patience);
    REQUIRE_FALSE(refused);
    CAPTURE(refused.error().text());
    CHECK(contains(refused.error().text(), "over TCP, a KDC of GSSKEY.TEST"));
    return refused.error();
  };
  CHECK(over_tcp(support::KdcAnswer::raw(support::tcp_length((1u << 20) + 1))).minor_status() == EMSGSIZE);
  CHECK(over_tcp(support::KdcAnswer::raw(support::tcp_length(0xffffffff))).minor_status() == EMSGSIZE);
  CHECK(over_tcp(support::KdcAnswer::raw("")).minor_status() == ECONNRESET);
  CHECK(over_tcp(support::KdcAnswer::raw("\1")).minor_status() == ECONNRESET);
  CHECK(over_tcp(support::KdcAnswer::raw(support::tcp_length(1000) + "cut")).minor_status() == ECONNRESET);
  CHECK(over_tcp(support::KdcAnswer::raw(support::tcp_length(0))).minor_status() == EBADMSG);
  CHECK(over_tcp(support::KdcAnswer::silence(), {10ms, 100ms}).minor_status() == ETIMEDOUT);
  CHECK(over_tcp(support::KdcAnswer::message("noise")).domain() == Domain::gss);
}

TEST_CASE("a cancellation ends an exchange wherever it is, and nothing runs on; so does the end of its context") {
  realm();
  const auto cache = must(TicketCache::in_memory());
  const std::size_t before = open_files();
  const auto cancel = [](Acquiring& acquiring) {
    acquiring.signal.emit(asio::cancellation_type::terminal);
    const auto result = acquiring.end();  // would not come back if a timer of a day went on
    REQUIRE_FALSE(result);
    CHECK(result.error().minor_status() == ECANCELED);
  };
  SECTION("after each handler") {
    const support::Environment environment{"KRB5_CONFIG",
                                           configuration({"localhost:" + std::to_string(realm().port())})};
    int steps = 0;
    for (bool is_done = false; !is_done; ++steps) {
      CAPTURE(steps);
      asio::io_context io;
      Acquiring acquiring{io};
      asio::io_context dropped;
      Acquiring lost{dropped};
      acquiring.begin(login(cache), endless);
      lost.begin(login(cache), endless);
      for (int step = 0; step < steps && !acquiring.result; ++step) io.run_one();
      for (int step = 0; step < steps && !lost.result; ++step) dropped.run_one();
      is_done = acquiring.result.has_value();
      if (is_done) {
        must(acquiring.end());
      } else {
        cancel(acquiring);
      }
    }
    CHECK(steps > 5);
  }
  SECTION("while a KDC says nothing over UDP") {
    asio::io_context io;
    bool has_come = false;
    Port silent{io, [&](Port& port, const std::string&, const udp::endpoint&) {
                  has_come = true;
                  port.close();
                }};
    const support::Environment environment{"KRB5_CONFIG", configuration({at(silent.number())})};
    Acquiring acquiring{io};
    acquiring.begin(login(cache), endless);
    support::run_while(io, [&] { return !has_come; });
    cancel(acquiring);
  }
  SECTION("while a KDC says nothing over TCP") {
    asio::io_context io;
    tcp::acceptor listening{io, {asio::ip::address_v4::loopback(), 0}};
    tcp::socket connection{io};
    bool has_come = false;
    char first = 0;
    listening.async_accept(connection, [&](AsioErrorCode) {
      connection.async_receive(asio::buffer(&first, 1), [&](AsioErrorCode, std::size_t) { has_come = true; });
    });
    const support::Environment environment{"KRB5_CONFIG", configuration({at(listening.local_endpoint().port())})};
    Acquiring acquiring{io};
    acquiring.begin(login(cache), {10ms, 24h});
    support::run_while(io, [&] { return !has_come; });
    cancel(acquiring);
  }
  CHECK(open_files() == before);
}

TEST_CASE("1,000 exchanges wait at once on one thread, and none is lost") {
  constexpr std::size_t count = 1000;
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  rlimit more = files;
  more.rlim_cur = std::max<rlim_t>(files.rlim_cur, count + 200);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &more) == 0);
  realm();
  const auto cache = must(TicketCache::in_memory());
  must(acquire(login(cache)));
  asio::io_context io;
  std::vector<std::pair<std::string, udp::endpoint>> waiting;
  Port asleep{
      io, [&](Port&, const std::string& request, const udp::endpoint& from) { waiting.emplace_back(request, from); }};
  const support::Environment environment{"KRB5_CONFIG", configuration({at(asleep.number())})};
  std::size_t done = 0;
  const long before = support::heap::live_bytes();
  for (std::size_t number = 0; number < count; ++number) {
    async_acquire(
        io.get_executor(), must(ServiceTicket::for_target(cache, support::target())),
        [&](Result<void> ended) {
          must(std::move(ended));
          ++done;
        },
        endless);
    support::run_while(io, [&] { return waiting.size() <= number; });
  }
  const auto each = (support::heap::live_bytes() - before) / static_cast<long>(count);
  CAPTURE(each);
  CHECK(each < 32768);
  CHECK(done == 0);
  for (const auto& [request, from] : waiting) asleep.send(honest(request), from);
  support::run_while(io, [&] { return done < count; });
  asleep.close();
  io.run();
  CHECK(waiting.size() == count);
  CHECK(must(reach(cache)) == "bob@GSSKEY.TEST");
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
}

TEST_CASE("exchanges that are due at once are worked on in their order, and the loop sees to all else in between") {
  realm();
  const auto cache = must(TicketCache::in_memory());
  must(acquire(login(cache)));
  must(acquire(must(ServiceTicket::for_target(cache, support::target()))));
  asio::io_context io;
  // It is due again whenever the loop looks.
  asio::steady_timer timer{io};
  std::size_t ticks = 0;
  const std::function<void(AsioErrorCode)> tick = [&](AsioErrorCode) {
    ++ticks;
    timer.expires_at(std::chrono::steady_clock::time_point::min());
    timer.async_wait(tick);
  };
  tick({});
  constexpr std::size_t count = 20;
  std::vector<std::pair<std::size_t, std::size_t>> done;  // who, and after how many ticks
  asio::cancellation_signal signal;
  for (std::size_t number = 0; number < count; ++number) {
    auto ended = [&, number](Result<void> ticket) {
      done.emplace_back(number, ticks);
      REQUIRE(ticket.has_value() == (number != 7));
    };
    auto exchange = must(ServiceTicket::for_target(cache, support::target()));  // is there already
    if (number == 7) {
      async_acquire(io.get_executor(), std::move(exchange),
                    asio::bind_cancellation_slot(signal.slot(), std::move(ended)));
    } else {
      async_acquire(io.get_executor(), std::move(exchange), std::move(ended));
    }
  }
  support::run_while(io, [&] { return done.empty(); });
  signal.emit(asio::cancellation_type::terminal);
  support::run_while(io, [&] { return done.size() < count; });
  std::erase_if(done, [](const auto& one) { return one.first == 7; });
  for (std::size_t place = 1; place < done.size(); ++place) {
    CAPTURE(place);
    CHECK(done[place].first == (place < 7 ? place : place + 1));
    CHECK(done[place].second > done[place - 1].second);
  }
}

TEST_CASE("each allocation of ours fails once, and the one who waits is told once") {
  if (!support::heap::Exhausted::possible) return;  // ASan, TSan
  realm();
  const auto cache = must(TicketCache::in_memory());
  const support::Environment environment{"KRB5_CONFIG", configuration({"localhost:" + std::to_string(realm().port())})};
  support::heap::NthFails::counts = [](const void* caller) noexcept {
    static Dl_info program{};
    if (program.dli_fbase == nullptr) ::dladdr(reinterpret_cast<const void*>(&honest), &program);
    Dl_info library{};
    if (::dladdr(caller, &library) == 0) return false;
    // operator new is in libstdc++.so, or in libc++.so and libc++abi.so
    return library.dli_fbase == program.dli_fbase || std::strstr(library.dli_fname, "libstdc++") != nullptr ||
           std::strstr(library.dli_fname, "libc++") != nullptr;
  };
  long count = 0;
  for (bool failed = true; failed; ++count) {
    CAPTURE(count);
    auto exchange = login(cache);
    asio::io_context io;
    Acquiring acquiring{io};
    int thrown = 0;
    support::heap::NthFails fails{count + 1};
    try {
      acquiring.begin(std::move(exchange), endless);
    } catch (const std::bad_alloc&) {
      ++thrown;
    }
    try {
      io.run();
    } catch (const std::bad_alloc&) {  // of Asio's resolver
      io.run();
    }
    failed = fails.has_failed(count + 1);
    REQUIRE(acquiring.calls + thrown == 1);
    if (acquiring.result && !*acquiring.result) REQUIRE(acquiring.result->error().minor_status() == ENOMEM);
    if (!failed) must(acquiring.end());
  }
  support::heap::NthFails::counts = nullptr;
  CHECK(count > 40);
}
