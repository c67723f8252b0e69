// A login that is renewed on the loop: shared, in good time, after failures, when it proved stale; and who waits for
// it.
#include <gsskey/asio/renewing.hpp>

#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/loop_kdc.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

// What is added to the clocks: the machine slept, somebody set the time. Between two changes they stand still.
std::atomic<bool> stands{false};
std::atomic<long> slept{0};
std::atomic<long> set_forward{0};

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  if (clock != CLOCK_BOOTTIME && clock != CLOCK_REALTIME) return result;
  if (stands) *out = {1'000'000'000, 0};
  out->tv_sec += slept + (clock == CLOCK_REALTIME ? set_forward.load() : 0);
  return result;
}

namespace {

struct Clocks {
  Clocks() {
    slept = set_forward = 0;
    stands = true;
  }
  Clocks(const Clocks&) = delete;
  Clocks& operator=(const Clocks&) = delete;
  ~Clocks() { stands = false; }
};

/// bob's logins, with what they are given.
struct Bob {
  std::string password = "hunter2";
  std::optional<Error> refusal{};
  int* calls = nullptr;

  Result<InitialTicket> operator()(const TicketCache& into) const {
    if (calls != nullptr) ++*calls;
    if (refusal) return unexpected(*refusal);
    return InitialTicket::with_password(into, must(Name::user("bob")), password);
  }
};

/// One who asks.
struct Asking {
  int calls = 0;
  std::optional<Result<TicketLease>> result{};
  asio::cancellation_signal signal{};

  template <class Renewing>
  void begin(Renewing& renewing) {
    renewing.async_lease(asio::bind_cancellation_slot(signal.slot(), [this](Result<TicketLease> ended) {
      ++calls;
      result.emplace(std::move(ended));
    }));
  }
};

template <class Renewing>
Result<TicketLease> ask(asio::io_context& io, Renewing& renewing) {
  Asking asking;
  asking.begin(renewing);
  io.restart();
  support::run_while(io, [&] { return !asking.result; });
  CHECK(asking.calls == 1);
  return *asking.result;
}

Error told(std::uint32_t minor) { return Error::gss("gss_init_sec_context", GSS_S_FAILURE, minor, "krb5"); }
constexpr std::uint32_t wrong_key_version = 0x96c73a2c;

}  // namespace

TEST_CASE("1,000 who ask at once share one login, by any completion token, and later ones the same") {
  asio::io_context io;
  support::LoopKdc kdc{io};
  AsyncRenewingCredential renewing{io.get_executor(), Bob{}};
  kdc.hold();
  std::vector<Asking> asking(1000);
  for (auto& one : asking) one.begin(renewing);
  auto future = renewing.async_lease(asio::use_future);
  std::optional<Result<TicketLease>> awaited;
  const auto await = [&]() -> asio::awaitable<void> {
    auto lease = co_await renewing.async_lease(asio::use_awaitable);
    awaited.emplace(std::move(lease));
  };
  asio::co_spawn(io, await(), support::Rethrow{});
  support::run_while(io, [&] { return kdc.held() == 0; });
  io.poll();
  CHECK(asking.back().calls == 0);
  kdc.release();
  support::run_while(io, [&] { return !awaited || asking.back().calls == 0; });
  io.poll();
  const auto first = must(*asking.front().result);
  for (const auto& one : asking) {
    REQUIRE(one.calls == 1);
    REQUIRE(must(*one.result)->get() == first->get());
  }
  CHECK(must(future.get())->get() == first->get());
  CHECK(must(*awaited)->get() == first->get());
  CHECK(must(ask(io, renewing))->get() == first->get());
  CHECK(kdc.logins() == 2);  // the KDC asks for a proof
  CHECK(support::shown(must(first->inquire()).name) == "bob@GSSKEY.TEST");
}

TEST_CASE("a login is renewed before its end, at no fixed moment, and the old one is served meanwhile") {
  const Clocks clocks;
  asio::io_context io;
  support::LoopKdc kdc{io};
  int calls = 0;
  AsyncRenewingCredential renewing{io.get_executor(), Bob{.calls = &calls}};
  const auto first = must(ask(io, renewing));
  const auto life = static_cast<long>(must(first->lifetime()).count());
  REQUIRE(life > 3600);
  struct {
    long sleep;
    long step;
    bool is_due;
  } const table[] = {{(life - 300) / 10 * 9 - 10, 0, false},
                     {life - 300, 0, true},
                     {0, (life - 300) / 10 * 9 - 10, false},
                     {0, life - 300, true},
                     {0, -280, false},
                     {0, -320, true}};
  for (const auto& row : table) {
    CAPTURE(row.sleep, row.step);
    slept = set_forward = 0;
    AsyncRenewingCredential another{io.get_executor(), Bob{.calls = &calls}};
    const auto old = must(ask(io, another));
    const int before = calls;
    slept = row.sleep;
    set_forward = row.step;
    kdc.hold();
    CHECK(must(ask(io, another))->get() == old->get());
    CHECK(must(ask(io, another))->get() == old->get());
    CHECK(calls == before + (row.is_due ? 1 : 0));
    kdc.release();
    support::run_while(io, [&] { return row.is_due && must(ask(io, another))->get() == old->get(); });
    CHECK(must(ask(io, another))->get() == must(ask(io, another))->get());
    CHECK(calls == before + (row.is_due ? 1 : 0));
  }
  // When it is over nobody gets it.
  slept = life;
  set_forward = 0;
  CHECK(must(ask(io, renewing))->get() != first->get());
  CHECK(support::shown(must(first->inquire()).name) == "bob@GSSKEY.TEST");  // as long as there is a lease
}

TEST_CASE("while logins fail the old one serves to its end, then the reason is told; attempts become rarer") {
  const Clocks clocks;
  asio::io_context io;
  support::LoopKdc kdc{io};
  int calls = 0;
  Error refusal = Error::usage("login", "not today");
  bool is_down = false;
  AsyncRenewingCredential renewing{io.get_executor(), [&](const TicketCache& into) {
                                     return Bob{.refusal = is_down ? std::optional{refusal} : std::nullopt,
                                                .calls = &calls}(into);
                                   }};
  const auto first = must(ask(io, renewing));
  const auto life = static_cast<long>(must(first->lifetime()).count());
  is_down = true;
  calls = 0;
  slept = life - 30;
  CHECK(must(ask(io, renewing))->get() == first->get());
  CHECK(must(ask(io, renewing))->get() == first->get());
  CHECK(calls == 1);
  slept = life;
  CHECK(ask(io, renewing).error().text() == "not today");
  CHECK(calls == 2);
  long pause = 2;
  for (int failures = 2; failures < 10; ++failures) {
    CAPTURE(failures);
    slept += pause - 1;
    CHECK(ask(io, renewing).error().text() == "not today");
    CHECK(calls == failures);
    slept += pause / 4 + 2;  // a quarter longer at most
    CHECK(ask(io, renewing).error().text() == "not today");
    CHECK(calls == failures + 1);
    pause = pause < 64 ? 2 * pause : 64;
  }
  is_down = false;
  slept += 128;
  CHECK(must(ask(io, renewing))->get() != first->get());
  CHECK(kdc.logins() == 4);
}

TEST_CASE("what the KDC refuses is told to all who wait, and each is told once") {
  asio::io_context io;
  support::LoopKdc kdc{io};
  AsyncRenewingCredential renewing{io.get_executor(), Bob{.password = "wrong"}};
  std::vector<Asking> asking(10);
  for (auto& one : asking) one.begin(renewing);
  support::run_while(io, [&] { return asking.back().calls == 0; });
  io.poll();
  for (const auto& one : asking) {
    REQUIRE(one.calls == 1);
    CHECK(std::string{one.result->error().operation()} == "krb5_init_creds_step");
  }
  CHECK(kdc.logins() == 2);
}

TEST_CASE("a login that is reported as stale is not leased any more, unless there is no other") {
  const Clocks clocks;
  asio::io_context io;
  support::LoopKdc kdc{io};
  int calls = 0;
  bool is_down = false;
  AsyncRenewingCredential renewing{io.get_executor(), [&](const TicketCache& into) {
                                     return Bob{.password = is_down ? "wrong" : "hunter2", .calls = &calls}(into);
                                   }};
  const auto first = must(ask(io, renewing));
  CHECK_FALSE(renewing.report(first, told(0x96c73a22)));  // replay
  CHECK_FALSE(renewing.report(first, Error::transport("recv", ECONNRESET)));
  CHECK(must(ask(io, renewing))->get() == first->get());
  CHECK(renewing.report(first, told(wrong_key_version)));
  CHECK(renewing.report(first, told(wrong_key_version)));  // of another handshake, with the same
  const auto second = must(ask(io, renewing));
  CHECK(second->get() != first->get());
  CHECK(renewing.report(first, told(wrong_key_version)));         // has gone already
  CHECK_FALSE(renewing.report(second, told(wrong_key_version)));  // within a second: a peer that says so all the time
  CHECK(must(ask(io, renewing))->get() == second->get());
  CHECK(calls == 2);
  slept += 1;
  is_down = true;
  CHECK(renewing.report(second, told(wrong_key_version)));
  CHECK(must(ask(io, renewing))->get() == second->get());
  CHECK(calls == 3);
}

TEST_CASE("who is cancelled goes on at once, and the login for the others") {
  asio::io_context io;
  support::LoopKdc kdc{io};
  AsyncRenewingCredential renewing{io.get_executor(), Bob{}};
  kdc.hold();
  Asking stays;
  Asking goes;
  stays.begin(renewing);
  goes.begin(renewing);
  support::run_while(io, [&] { return kdc.held() == 0; });
  goes.signal.emit(asio::cancellation_type::terminal);
  support::run_while(io, [&] { return goes.calls == 0; });
  CHECK(goes.result->error().minor_status() == ECANCELED);
  CHECK(stays.calls == 0);
  kdc.release();
  support::run_while(io, [&] { return stays.calls == 0; });
  must(*stays.result);
  io.poll();
  CHECK(goes.calls == 1);
  CHECK(kdc.logins() == 2);
}

TEST_CASE("who waits when it goes is told once, and nothing runs on; a context that goes first tells nobody") {
  std::vector<Asking> asking(3);
  const auto held = std::make_shared<int>();
  {
    asio::io_context io;
    support::LoopKdc kdc{io};
    kdc.hold();
    {
      AsyncRenewingCredential renewing{io.get_executor(), Bob{}, {.patience = {std::chrono::hours{24}, {}}}};
      asking[0].begin(renewing);
      asking[1].begin(renewing);
      support::run_while(io, [&] { return kdc.held() == 0; });
      asking[2].begin(renewing);
    }
    kdc.close();
    io.run();  // would not come back if anything went on
    for (const auto& one : asking) {
      REQUIRE(one.calls == 1);
      CHECK(one.result->error().minor_status() == ECANCELED);
    }
    io.restart();
    AsyncRenewingCredential renewing{io.get_executor(), Bob{}};
    renewing.async_lease([held](Result<TicketLease>) { FAIL("called"); });
    for (int step = 0; step < 3; ++step) io.run_one();
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("what the callable throws is told as an Error, and the next one who asks has another login") {
  asio::io_context io;
  support::LoopKdc kdc{io};
  int calls = 0;
  AsyncRenewingCredential renewing{io.get_executor(), [&](const TicketCache& into) {
                                     if (++calls == 1) throw std::runtime_error{"from outside"};
                                     return Bob{}(into);
                                   }};
  const auto refused = ask(io, renewing);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text() == "from outside");
  must(ask(io, renewing));
}

TEST_CASE("the hook is told of each login, and of one that fails") {
  struct Told {
    std::string wanted;
    bool failed;
  };
  static std::vector<Told> reports;
  reports.clear();
  asio::io_context io;
  support::LoopKdc kdc{io};
  set_credential_hook([](const CredentialReport& report) noexcept {
    reports.push_back({std::string{report.wanted}, report.error != nullptr});
  });
  AsyncRenewingCredential good{io.get_executor(), Bob{}, {.wanted = "bob, with a password"}};
  AsyncRenewingCredential bad{io.get_executor(), Bob{.password = "wrong"}, {.wanted = "bob, with another"}};
  must(ask(io, good));
  CHECK_FALSE(ask(io, bad));
  set_credential_hook(nullptr);
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].wanted == "bob, with a password");
  CHECK_FALSE(reports[0].failed);
  CHECK(reports[1].wanted == "bob, with another");
  CHECK(reports[1].failed);
}

TEST_CASE("a child that is forked while a login is under way has one of its own, the parent its own") {
  support::realm_of_two_requests();
  asio::io_context io;
  int calls = 0;
  AsyncRenewingCredential renewing{io.get_executor(), Bob{.calls = &calls}};
  Asking inherited;
  inherited.begin(renewing);
  support::run_while(io, [&] { return calls == 0; });
  io.notify_fork(asio::io_context::fork_prepare);
  CHECK(support::in_child(60, [&] {
          io.notify_fork(asio::io_context::fork_child);
          const auto lease = ask(io, renewing);
          if (!lease || calls != 2) return 1;
          support::run_while(io, [&] { return inherited.calls == 0; });
          return inherited.result->has_value() && must(*inherited.result)->get() == (*lease)->get() ? 0 : 2;
        }) == 0);
  io.notify_fork(asio::io_context::fork_parent);
  support::run_while(io, [&] { return inherited.calls == 0; });
  const auto ours = must(*inherited.result);
  CHECK(calls == 1);
  CHECK(support::in_child(60, [&] {
          io.notify_fork(asio::io_context::fork_child);
          return must(ask(io, renewing))->get() == ours->get() && calls == 1 ? 0 : 1;  // its copy
        }) == 0);
}
