// What a hook is told of handshakes that end: each once, with what was negotiated, how long it took and why it failed.
#include <gsskey/gss/handshake_report.hpp>

#include <gsskey/gss.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/krb5/status.hpp>

#include <dlfcn.h>
#include <time.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;
using support::shown;

namespace {

extern "C" const char __executable_start, etext;

/// Of our headers: each reading is a microsecond later.
std::uint64_t readings = 0;

}  // namespace

extern "C" int clock_gettime(clockid_t clock, struct timespec* time) noexcept {
  static auto* const next = reinterpret_cast<decltype(&clock_gettime)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const auto* caller = static_cast<const char*>(__builtin_return_address(0));
  if (caller < &__executable_start || caller >= &etext || clock != CLOCK_MONOTONIC) return next(clock, time);
  ++readings;
  *time = {static_cast<time_t>(readings / 1'000'000), static_cast<long>(readings % 1'000'000 * 1'000)};
  return 0;
}

namespace {

/// What one report said.
struct Told {
  bool is_initiator;
  std::string mechanism;
  Oid negotiated;
  std::string peer;
  ContextFlags flags;
  std::uint32_t steps;
  std::uint64_t nanoseconds;
  std::string initiator, acceptor;  // by the context; empty without one
  bool failed;
  Error error;
};
std::vector<Told> told;

/// Hears as long as it lives.
struct Hook {
  Hook() {
    support::realm();
    told.clear();
    set_handshake_hook([](const HandshakeReport& report) noexcept {
      Told one{report.is_initiator,
               report.mechanism,
               report.negotiated,
               shown(report.peer),
               report.flags,
               report.steps,
               report.nanoseconds,
               {},
               {},
               report.error != nullptr,
               report.error != nullptr ? *report.error : Error::usage("", "")};
      if (const auto info = report.context.inquire()) {
        one.initiator = shown(info->initiator);
        one.acceptor = shown(info->acceptor);
      }
      CHECK(static_cast<bool>(report.context) != one.failed);
      told.push_back(one);
    });
  }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { set_handshake_hook(nullptr); }
};

/// The one report that there is.
const Told& only() {
  REQUIRE(told.size() == 1);
  return told.front();
}

Name unknown() { return must(Name::host_service("nobody", "localhost")); }

/// What the first step of an initiator makes.
template <Mechanism M>
Buffer first_token() {
  return must(support::initiator<M>().step()).token;
}

}  // namespace

TEMPLATE_TEST_CASE("each end is told of once, when it is established", "", mech::Krb5, mech::Spnego,
                   mech::Negotiate<mech::Krb5>, mech::Any) {
  const Hook hook;
  const auto alice = support::realm().realm.principal("alice");
  const auto host = support::realm().realm.principal("host/localhost");
  const auto target = shown(support::target());
  support::pair<TestType>();
  REQUIRE(told.size() == 2);
  for (const Told& one : told) {
    CAPTURE(one.is_initiator);
    CHECK(one.mechanism == TestType::name);
    CHECK(one.negotiated == mech::Krb5::oid);
    CHECK(one.flags.contains(InitiatorOptions{}.demand));
    CHECK(one.initiator == alice);
    CHECK(one.acceptor == host);
    CHECK_FALSE(one.failed);
    CHECK(one.nanoseconds == one.steps * 1000u);
  }
  CHECK(told[0].is_initiator);
  CHECK(told[0].peer == target);
  CHECK(told[0].steps == 2);
  CHECK_FALSE(told[1].is_initiator);
  CHECK(told[1].peer == alice);
  CHECK(told[1].steps == 1);
}

TEST_CASE("without a hook nobody is told, and no clock is read") {
  {
    const Hook hook;
  }
  const auto before = readings;
  support::pair<mech::Spnego>();
  CHECK_FALSE(Initiator<mech::Krb5>{unknown()}.step());
  static_cast<void>(first_token<mech::Krb5>());  // of an initiator that is dropped then
  CHECK(told.empty());
  CHECK(readings == before);
}

TEMPLATE_TEST_CASE("a service that the KDC does not know", "", mech::Krb5, mech::Spnego) {
  const Hook hook;
  const auto name = shown(unknown());
  const auto step = Initiator<TestType>{unknown(), support::initiator_credential<TestType>()}.step();
  REQUIRE_FALSE(step);
  CHECK(only().is_initiator);
  CHECK(only().mechanism == TestType::name);
  CHECK(only().negotiated.empty());
  CHECK(only().peer == name);
  CHECK(only().flags.empty());
  CHECK(only().steps == 1);
  CHECK(only().nanoseconds == 1000);
  REQUIRE(only().failed);
  if (!TestType::negotiates) CHECK(krb5_status(only().error) == Krb5Status::server_unknown);
  CHECK(only().error.text() == step.error().error.text());
}

TEMPLATE_TEST_CASE("a ticket for a service whose key the acceptor does not have", "", mech::Krb5, mech::Spnego) {
  const auto token = first_token<TestType>();
  const auto keytab = must(support::realm().realm.export_keytab("other/localhost"));
  const support::Environment other{"KRB5_KTNAME", keytab.c_str()};
  const auto credential = must(Credential<TestType, Accept>::acquire_default());
  const Hook hook;
  Acceptor<TestType> acceptor{credential};
  const auto step = acceptor.step(token);
  REQUIRE_FALSE(step);
  CHECK_FALSE(only().is_initiator);
  CHECK(only().peer.empty());
  CHECK(only().steps == 1);
  REQUIRE(only().failed);
  CHECK(only().error.domain() == Domain::gss);
  CHECK(only().error.operation() == std::string{"gss_accept_sec_context"});
  CHECK(only().error.text() == step.error().error.text());
}

TEST_CASE("an initiator that fails in its second step") {
  const Hook hook;
  auto initiator = support::initiator<mech::Krb5>();
  static_cast<void>(must(initiator.step()));
  CHECK(told.empty());
  CHECK_FALSE(initiator.step("no token"));
  CHECK(only().steps == 2);
  CHECK(only().nanoseconds == 2000);
  CHECK(only().negotiated == mech::Krb5::oid);
  CHECK(routine_error(only().error) == RoutineError::defective_token);
}

TEST_CASE("what was demanded and is not granted: the flags that were") {
  const Hook hook;
  auto initiator = support::initiator<mech::Krb5>();
  auto acceptor = support::acceptor<mech::Krb5>({.demand = ContextFlag::delegate});
  must(support::step_all(initiator, acceptor));
  CHECK(told.empty());
  CHECK_FALSE(std::move(acceptor).establish());
  CHECK_FALSE(only().is_initiator);
  CHECK(only().peer == support::realm().realm.principal("alice"));
  CHECK(only().flags.contains(ContextFlag::mutual));
  REQUIRE(only().failed);
  CHECK(only().error.domain() == Domain::policy);
  CHECK(only().error.minor_status() == static_cast<std::uint32_t>(ContextFlag::delegate));
  CHECK(only().initiator.empty());
}

TEST_CASE("accept() tells as establish() does") {
  const Hook hook;
  auto initiator = support::initiator<mech::Krb5>();
  auto acceptor = support::acceptor<mech::Krb5>();
  must(support::step_all(initiator, acceptor));
  CHECK(must(std::move(acceptor).accept()).context);
  CHECK_FALSE(only().failed);
  CHECK(only().peer == support::realm().realm.principal("alice"));
}

TEST_CASE("misuse, and a handshake that has not begun, are not told") {
  const Hook hook;
  {
    auto fresh = support::initiator<mech::Krb5>();
    CHECK_FALSE(fresh.step("a token before the first"));
    CHECK_FALSE(std::move(fresh).establish());
    const auto unused = support::acceptor<mech::Krb5>();
  }
  CHECK_FALSE(Initiator<mech::Krb5>{}.step());
  CHECK(told.empty());
}

TEMPLATE_TEST_CASE("a handshake that is dropped half-way is told once, wherever it has moved", "", mech::Krb5,
                   mech::Spnego) {
  const Hook hook;
  const auto target = shown(support::target());
  const auto is_dropped = [](const Told& one, bool is_initiator) {
    CHECK(one.is_initiator == is_initiator);
    CHECK(one.steps == (is_initiator ? 2 : 1));
    CHECK(one.flags.empty());
    REQUIRE(one.failed);
    CHECK(one.error.domain() == Domain::transport);
    CHECK(one.error.minor_status() == ECANCELED);
    CHECK(one.error.operation() == std::string{is_initiator ? "gss_init_sec_context" : "gss_accept_sec_context"});
  };
  {
    auto initiator = support::initiator<TestType>();
    auto acceptor = support::acceptor<TestType>();
    must(support::step_all(initiator, acceptor));
    CHECK_FALSE(initiator.step("a token after the last"));
    auto moved = std::move(initiator);
    CHECK_FALSE(initiator.step());
    CHECK_FALSE(std::move(initiator).establish());
    CHECK(told.empty());
    acceptor = support::acceptor<TestType>();
    is_dropped(only(), false);
    CHECK(only().peer == support::realm().realm.principal("alice"));
    told.clear();
  }
  is_dropped(only(), true);
  CHECK(only().peer == target);
}

TEST_CASE("who knows why a handshake does not go on has that told, once") {
  const Hook hook;
  const auto late = Error::transport("the server", ETIMEDOUT);
  {
    auto initiator = support::initiator<mech::Krb5>();
    static_cast<void>(must(initiator.step()));
    initiator.abandon(late);
    CHECK_FALSE(initiator);
    CHECK_FALSE(initiator.step());
    initiator.abandon(late);
    CHECK(only().is_initiator);
    CHECK(only().error.minor_status() == ETIMEDOUT);
    CHECK(only().error.operation() == std::string{"the server"});
    told.clear();
    support::acceptor<mech::Krb5>().abandon(late);  // whose peer never said a word
    CHECK(only().steps == 0);
    CHECK(only().error.minor_status() == ETIMEDOUT);
    told.clear();
  }
  CHECK(told.empty());
}

TEST_CASE("drive() tells why the transport failed") {
  struct Mute {
    Result<void> send(ByteView) { return {}; }
    Result<SecretBytes> receive(std::size_t) { return unexpected(Error::transport("poll", ETIMEDOUT)); }
  } wire;
  const Hook hook;
  CHECK_FALSE(drive(support::initiator<mech::Krb5>(), wire));
  CHECK(only().is_initiator);
  CHECK(only().steps == 1);
  CHECK(only().error.minor_status() == ETIMEDOUT);
  CHECK(only().error.operation() == std::string{"poll"});
  told.clear();
  CHECK_FALSE(drive(support::acceptor<mech::Krb5>(), wire));
  CHECK_FALSE(only().is_initiator);
  CHECK(only().error.minor_status() == ETIMEDOUT);
  told.clear();
  CHECK_FALSE(drive(establish_as<Accepted<mech::Krb5>>(support::acceptor<mech::Krb5>()), wire));
  CHECK(only().error.minor_status() == ETIMEDOUT);
}

TEST_CASE("a handshake that moves on keeps what was counted") {
  const Hook hook;
  auto initiator = support::initiator<mech::Krb5>();
  auto acceptor = support::acceptor<mech::Krb5>();
  const auto first = must(initiator.step());
  const auto answer = must(acceptor.step(first.token));
  auto moved = std::move(initiator);
  Initiator<mech::Krb5> assigned;
  assigned = std::move(moved);
  static_cast<void>(must(assigned.step(answer.token)));
  CHECK(must(std::move(assigned).establish()));
  CHECK(only().steps == 2);
  CHECK(only().nanoseconds == 2000);
}

TEST_CASE("what Kerberos tries meanwhile is in the trace of the library, where the comment says") {
  const auto folder = must(test_detail::TempFolder::create("gsskey-test-"));
  const std::string trace = folder.path() + "/trace";
  const std::string logging = folder.path() + "/logging.conf";
  std::ofstream{logging} << "[logging]\nkrb5 = 0-/FILE:" << trace << "\n";
  const support::Environment mit{"KRB5_TRACE", trace};
  const support::Environment heimdal{"KRB5_CONFIG", support::realm().realm.krb5_conf() + ":" + logging};
  std::thread{[] {  // Heimdal reads its configuration once a thread
    auto initiator = support::initiator<mech::Krb5>();
    must(initiator.step());
  }}
      .join();
  std::ifstream in{trace};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  CAPTURE(text);
  CHECK(text.find(support::realm().realm.principal("")) != std::string::npos);
}

TEST_CASE("a hook that comes late has the steps from there on") {
  auto initiator = support::initiator<mech::Krb5>();
  auto acceptor = support::acceptor<mech::Krb5>();
  const auto first = must(initiator.step());
  const auto answer = must(acceptor.step(first.token));
  const Hook hook;
  static_cast<void>(must(initiator.step(answer.token)));
  CHECK(must(std::move(initiator).establish()));
  CHECK(only().steps == 1);
  CHECK(only().nanoseconds == 1000);
}
