// The failures that everybody meets with Kerberos, each produced for real: which failure, what the Error says, what to
// do. All of them, through SPNEGO too, and the guide's table are in scenarios/situations.
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/advice.hpp>
#include <gsskey/text/line.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/implementation.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::is_heimdal;
using support::must;
using support::Server;

namespace {

const Error& error_of(const Error& error) { return error; }
const Error& error_of(const StepFailure& failure) { return failure.error; }

/// `result` is an error of this kind, whose line names the call and, if any, `object`; there is advice about it.
template <class R>
void fails(const char* what, const R& result, Failure expected, std::string_view object = {}) {
  INFO(what);
  REQUIRE_FALSE(result);
  const Error& error = error_of(result.error());
  std::string line;
  append_line(line, error);
  CAPTURE(line);
  CHECK(failure_of(error) == expected);
  CHECK(line.starts_with(error.operation()));
  CHECK(line.find(object) != std::string::npos);
  const std::string_view todo = advice(error);
  CHECK(todo == advice(expected));
  CHECK_FALSE(todo.empty());
  // without the folder of this run
  for (std::size_t at = 0; (at = line.find("/tmp/", at)) != std::string::npos;) {
    line.replace(at, line.find_first_of("/", at + 5) - at, "…");
  }
  std::printf("| %s | `%s` | %.*s |\n", what, line.c_str(), static_cast<int>(todo.size()), todo.data());
}

auto first_step(std::string_view service) {
  return Initiator<mech::Krb5>{must(Name::host_service(service, "localhost")),
                               support::initiator_credential<mech::Krb5>()}
      .step();
}
auto first_token(std::string_view service = "host") { return must(first_step(service)).token; }

/// Runs the hidden test cases `tags` of this program in a process whose clock is off, with `cache`.
void run_with_clock(const char* offset, const char* tags, const std::string& cache) {
  const auto faketime = test_detail::find_program("faketime", "faketime", test_detail::program_folders());
  if (!faketime) return support::skip("faketime is not installed");
  const Environment in_cache{"KRB5CCNAME", cache};
  const char* asan = std::getenv("ASAN_OPTIONS");
  // faketime stops the search for leaks.
  const Environment sanitizer{"ASAN_OPTIONS", (asan != nullptr ? std::string{asan} + ":" : std::string{}) +
                                                  "verify_asan_link_order=0:detect_leaks=0"};
  char program[4096] = {};
  REQUIRE(::readlink("/proc/self/exe", program, sizeof program - 1) > 0);
  const std::string command = *faketime + " -f '" + offset + "' '" + program + "' '" + tags + "'";
  std::fflush(stdout);
  CHECK(std::system(command.c_str()) == 0);
}

}  // namespace

TEST_CASE("no ticket") {
  support::realm();
  const Environment no_cache{"KRB5CCNAME", "FILE:/nonexistent/cache"};
  const auto expected = is_heimdal ? Failure::no_credential : Failure::no_ticket;
  fails("no ticket", Initiator<mech::Krb5>{support::target()}.step(), expected, "FILE:/nonexistent/cache");
  fails("no ticket", Client::acquire(must(Name::user("alice"))), expected, "alice");
  fails("no ticket, SPNEGO", Initiator<mech::Spnego>{support::target()}.step(), expected);
}

TEST_CASE("somebody else's ticket") {
  auto& alice = support::realm().alice;
  const auto bob = must(Name::user("bob"));
  fails("no ticket of that user", Client::acquire(bob), is_heimdal ? Failure::no_credential : Failure::no_ticket,
        "bob");
  if (!capabilities.credential_store) return;
  fails("no ticket of that user", Client::acquire_from({.ccache = alice.c_str()}, bob), Failure::no_ticket, "bob");
}

TEST_CASE("ticket expired") { run_with_clock("+12h", "[at the end]", must(support::realm().realm.login("alice"))); }
TEST_CASE("when the ticket has ended", "[.][at the end]") {
  if (is_heimdal) {  // which does not acquire it then
    fails("ticket expired", Initiator<mech::Krb5>{support::target()}.step(), Failure::no_credential, "cache");
    return;
  }
  fails("ticket expired", Initiator<mech::Krb5>{support::target()}.step(), Failure::ticket_expired, "host@localhost");
  const auto credential = must(Client::acquire_default());
  const auto failed = Initiator<mech::Krb5>{support::target(), credential}.step();
  CHECK(failure_of(failed.error().error, credential) == Failure::ticket_expired);
}

TEST_CASE("clock skew, as the KDC sees it") {
  run_with_clock("+20m", "[skewed]", must(support::realm().realm.login("alice")));
}
TEST_CASE("with a clock that is fast", "[.][skewed]") {
  fails("clock skew", Initiator<mech::Krb5>{support::target()}.step(), Failure::clock_skew, "host");
}
TEST_CASE("clock skew, as an acceptor sees it") {
  auto& realm = support::realm().realm;
  const std::string cache = must(realm.login("alice"));
  {
    const Environment in_cache{"KRB5CCNAME", cache};
    must(Initiator<mech::Krb5>{support::target()}.step());  // the service's ticket is in the cache now
  }
  const std::string file = realm.folder() + "/token";
  const Environment out{"TOKEN_FILE", file};
  run_with_clock("+20m", "[skewed token]", cache);
  const auto token = test_detail::read_file(file);
  if (token.empty()) return;  // no faketime
  const auto step = support::acceptor<mech::Krb5>().step(token);
  if (is_heimdal) {  // answers with its own time, as if another token were to come
    REQUIRE(step);
    CHECK_FALSE(step->complete);
    CHECK_FALSE(step->token.empty());
    return;
  }
  fails("clock skew", step, Failure::clock_skew);
}
TEST_CASE("a token of a clock that is fast", "[.][skewed token]") {
  const auto token = must(Initiator<mech::Krb5>{support::target()}.step()).token;
  must(test_detail::write_file(std::getenv("TOKEN_FILE"), token.text()));
}

TEST_CASE("no key in the keytab") {
  auto& realm = support::realm().realm;
  const auto token = first_token();
  {
    const Environment other{"KRB5_KTNAME", "FILE:" + must(realm.export_keytab("other/localhost"))};
    fails("missing keytab entry", Acceptor<mech::Krb5>{}.step(token), Failure::no_key, "host/localhost");
    fails("missing keytab entry", Server::acquire(support::target()),
          is_heimdal ? Failure::no_credential : Failure::no_key, "host@localhost");
  }
  const Environment none{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
  const auto expected = is_heimdal ? Failure::no_credential : Failure::no_key;
  fails("missing keytab", Acceptor<mech::Krb5>{}.step(token), expected, "FILE:/nonexistent/keytab");
  fails("missing keytab", Server::acquire(support::target()), expected, "/nonexistent/keytab");
}

TEST_CASE("wrong realm") {
  support::realm();
  const auto stranger = must(Name::principal("alice@NOWHERE.TEST"));
  fails("wrong realm", Client::acquire_with_password(stranger, "secret"),
        is_heimdal ? Failure::kdc_unreachable : Failure::unknown_realm, "NOWHERE.TEST");
  const auto& alice = support::initiator_credential<mech::Krb5>();
  fails("wrong realm, target",
        Initiator<mech::Krb5>{must(Name::principal("host/www.nowhere.test@NOWHERE.TEST")), alice}.step(),
        Failure::unknown_service, "NOWHERE.TEST");
}

TEST_CASE("unknown service, unknown user") {
  support::realm();
  fails("unknown service", first_step("nobody"), Failure::unknown_service, "nobody/localhost");
  fails("unknown user", Client::acquire_with_password(must(Name::user("mallory")), "secret"), Failure::unknown_user,
        "mallory");
}

TEST_CASE("KDC unreachable") {
  auto& realm = support::realm().realm;
  const auto& alice = support::initiator_credential<mech::Krb5>();
  realm.stop_kdc();
  const auto step = Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")), alice}.step();
  const auto login = Client::acquire_with_password(must(Name::user("alice")), "secret");
  must(realm.restart_kdc());
  fails("KDC unreachable", step, Failure::kdc_unreachable, "other");
  fails("KDC unreachable", login, Failure::kdc_unreachable, "alice");
}

TEST_CASE("wrong password") {
  support::realm();
  fails("wrong password", Client::acquire_with_password(must(Name::user("alice")), "wrong"), Failure::wrong_password,
        "alice");
  const auto empty = Client::acquire_with_password(must(Name::user("alice")), "");
  REQUIRE_FALSE(empty);
  CHECK(empty.error().domain() == Domain::usage);
  CHECK(empty.error().text() == "the password is empty");
}

TEST_CASE("what a refused ticket is to each end: the acceptor's key, not the initiator's password") {
  const Error at_acceptor = Error::gss("gss_accept_sec_context", GSS_S_FAILURE, 0x96c73a1f, "krb5");
  const Error at_initiator = Error::gss("gss_init_sec_context", GSS_S_FAILURE, 0x96c73a1f, "krb5");
  CHECK(failure_of(at_acceptor) == Failure::wrong_key_version);
  CHECK(failure_of(at_initiator) == Failure::wrong_key_version);
  CHECK(failure_of(Error::gss("gss_acquire_cred", GSS_S_NO_CRED, 0x96c73a1f, "krb5")) == Failure::wrong_password);
}

TEST_CASE("every code of Kerberos is decided on: it has a failure, or a reason why there is nothing to advise") {
  struct Codes {
    unsigned first;
    unsigned last;
  };
  constexpr Codes without[] = {
      {0x00, 0x00}, {0x03, 0x03}, {0x27, 0x28},                // no error; versions and types of messages
      {0x04, 0x05}, {0x08, 0x09},                              // the KDC's own database
      {0x1a, 0x1a}, {0x24, 0x24}, {0x26, 0x26},                // a ticket of another server, client or address
      {0x2a, 0x2a}, {0x2f, 0x32}, {0x3d, 0x3d},                // what came was changed, or is out of order
      {0x34, 0x34},                                            // no end of it: the client goes on over TCP
      {0x43, 0x43}, {0xca, 0xca},                              // tickets between users, which GSS-API does not ask for
      {0x1e, 0x1e}, {0x35, 0x3b}, {0x52, 0x54}, {0x57, 0x59},  // reserved
      {0x5e, 0x63}, {0x65, 0x7f},                              // reserved
      {0x80, 0x86}, {0x8a, 0x8a},                              // the calling program's: locks, passwords, names, types
      {0x91, 0x93},  // what a KDC gave does not fit: many reasons, attacks too
      {0x9d, 0x9d}, {0xad, 0xb2}, {0xba, 0xbb}, {0xbd, 0xc0},  // local names, old tables, keys, types registered twice
      {0xc9, 0xc9}, {0xcc, 0xcf}, {0xd6, 0xd6}, {0xda, 0xdb},  // flags, sendauth, address and name types, version 4
      {0xde, 0xde}, {0xe7, 0xea}, {0xee, 0xee}, {0xf4, 0xf5},  // programs that expire, kpasswd, functions that are gone
      {0xf8, 0xfb}, {0xfd, 0xff},                              // times, plugins, UTF-8, KRB-SAFE's addresses, traces
  };
  for (unsigned number = 0; number < 256; ++number) {
    const auto of = [number](const char* call) {
      return failure_of(Error::gss(call, GSS_S_FAILURE, 0x96c73a00 + number, "krb5"));
    };
    const bool is_without = std::any_of(std::begin(without), std::end(without), [number](const Codes& codes) {
      return codes.first <= number && number <= codes.last;
    });
    CAPTURE(number);
    for (const char* call : {"gss_init_sec_context", "gss_accept_sec_context", "gss_acquire_cred"}) {
      CHECK((of(call) == Failure::other) == is_without);
    }
  }
}

TEST_CASE("every failure but the last has advice of its own") {
  std::vector<std::string_view> seen;
  for (unsigned char number = 1; number <= static_cast<unsigned char>(Failure::told_in_log); ++number) {
    const auto words = advice(static_cast<Failure>(number));
    CHECK_FALSE(words.empty());
    CHECK(std::find(seen.begin(), seen.end(), words) == seen.end());
    seen.push_back(words);
  }
  CHECK(advice(Failure::other).empty());
}

TEST_CASE("replay") {
  if (!capabilities.replay_cache) return;  // a line of the table
  support::realm();
  const auto token = first_token();
  REQUIRE(support::acceptor<mech::Krb5>().step(token));
  fails("replay", support::acceptor<mech::Krb5>().step(token), Failure::replay);
}

TEST_CASE("no mutual authentication") {
  const auto demand = InitiatorOptions{}.demand.without(ContextFlag::mutual | ContextFlag::sequence);
  fails("no mutual authentication",
        support::establish(support::initiator<mech::Krb5>({.demand = demand}),
                           support::acceptor<mech::Krb5>({.demand = ContextFlag::mutual})),
        Failure::not_mutual, "mutual");
}

TEST_CASE("bad binding") {
  const auto initiator = [](ChannelBindings bindings) {
    return support::initiator<mech::Krb5>({.bindings = bindings});
  };
  const ChannelBindings ours{"tls-exporter", "ours"};
  fails("bad binding",
        support::establish(initiator({"tls-exporter", "theirs"}), support::acceptor<mech::Krb5>({.bindings = ours})),
        Failure::bad_binding);
  if (!capabilities.channel_bound_flag) return;
  const AcceptorOptions<mech::Krb5> demanding{.demand = ContextFlag::channel_bound, .bindings = ours};
  fails("no binding", support::establish(initiator({}), support::acceptor<mech::Krb5>(demanding)), Failure::bad_binding,
        "channel_bound");
}

TEST_CASE("not delegated") {
  must(support::realm().realm.kadmin("modprinc -allow_forwardable bob"));
  const auto bob = must(Client::acquire_with_password(must(Name::user("bob")), "hunter2"));
  const auto demand = InitiatorOptions{}.demand | ContextFlag::delegate;
  fails("not delegated",
        support::establish(Initiator<mech::Krb5>{support::target(), bob, {.demand = demand}},
                           support::acceptor<mech::Krb5>()),
        Failure::not_delegated, "delegate");
}

TEST_CASE("wrong key version") {
  auto& realm = support::realm().realm;
  const Environment old{"KRB5_KTNAME", "FILE:" + must(realm.export_keytab("other/localhost"))};
  must(realm.kadmin("cpw -randkey other/localhost"));
  const Environment in_cache{"KRB5CCNAME", must(realm.login("alice"))};  // without the service's old ticket
  const auto token = must(Initiator<mech::Krb5>{must(Name::host_service("other", "localhost"))}.step()).token;
  fails("wrong key version", Acceptor<mech::Krb5>{}.step(token),
        is_heimdal ? Failure::no_key : Failure::wrong_key_version, "other/localhost");
}

TEST_CASE("the right version of another realm's key") {
  support::realm();
  const auto token = first_token();
  const auto other = must(TestRealm::start({.services = {"host/localhost"}}));
  const Environment keytab{"KRB5_KTNAME", "FILE:" + other.keytab()};
  fails("wrong key", Acceptor<mech::Krb5>{}.step(token), Failure::wrong_key_version);
}

TEST_CASE("errors that are none of these have no advice") {
  support::realm();
  CHECK(advice(Error::usage("x", "y")).empty());
  CHECK(advice(Error::system("open", 2)).empty());
  CHECK(advice(Error::policy("x", ContextFlags{ContextFlag::confidentiality}.bits(), "y")).empty());
  CHECK(advice(Error::gss("gss_wrap", GSS_S_BAD_QOP, 0, "krb5")).empty());
  // A file that cannot be read is Kerberos' if Kerberos says so.
  const auto unreadable = [](const char* call, OM_uint32 major, const char* mechanism) {
    return failure_of(Error::gss(call, major, EACCES, mechanism));
  };
  CHECK(unreadable("gss_accept_sec_context", GSS_S_FAILURE, "krb5") == Failure::replay_cache_unusable);
  CHECK(unreadable("gss_accept_sec_context", GSS_S_FAILURE, "ntlmssp") == Failure::other);
  CHECK(unreadable("gss_init_sec_context", GSS_S_FAILURE, "spnego") == Failure::configuration);
  CHECK(unreadable("gss_init_sec_context", GSS_S_FAILURE, "ntlmssp") == Failure::other);
  CHECK(unreadable("gss_acquire_cred", GSS_S_NO_CRED, "krb5") == Failure::no_key);
  CHECK(unreadable("gss_acquire_cred", GSS_S_NO_CRED, "ntlmssp") == Failure::no_credential);
  // and the credential is asked only about errors of the GSS-API
  const auto& alice = support::initiator_credential<mech::Krb5>();
  CHECK(failure_of(Error::usage("x", "y"), alice) == Failure::other);
  CHECK(failure_of(Error::gss("x", GSS_S_FAILURE, 0x96c73a22, "krb5"), alice) == Failure::replay);
}
