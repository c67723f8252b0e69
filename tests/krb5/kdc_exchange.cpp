// Tickets from KDCs over sockets of the test's own: logins, services, other realms; replies that are none; and that a
// handshake afterwards asks nobody. With GSSKEY_EXHAUSTIVE every byte of every reply is changed.
#include <gsskey/krb5/kdc_exchange.hpp>

#include <gsskey/krb5/status.hpp>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/heimdal_root.hpp"
#include "support/hostile_kdc.hpp"
#include "support/kdc_client.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::ask_kdc;
using support::carry_out;
using support::must;

#if !defined(GSSKEY_GSS_MIT)

TEST_CASE("exchanges are unavailable") {
  support::realm();
  const auto cache = must(TicketCache::in_memory());
  const auto alice = must(Name::user("alice"));
  const std::string keytab = "FILE:" + support::realm().realm.keytab();
  for (const auto& error : {InitialTicket::with_password(cache, alice, "secret").error(),
                            InitialTicket::with_keytab(cache, alice, keytab.c_str()).error(),
                            ServiceTicket::for_target(cache, support::target()).error()}) {
    CHECK(error.domain() == Domain::unavailable);
  }
  CHECK(InitialTicket{}.step().error().domain() == Domain::usage);
  CHECK(ServiceTicket{}.step().error().domain() == Domain::usage);
}

#else

namespace {

TestRealm& realm() { return support::realm_of_two_requests(); }
auto by(bool tcp, std::uint16_t port = realm().port()) {
  return [=](const KdcStep& step) { return ask_kdc(port, tcp || step.over_tcp, step.request); };
}
Name user(const char* name) { return must(Name::user(name)); }
InitialTicket login(const TicketCache& into, const char* name = "bob", std::string_view password = "hunter2") {
  realm();
  return must(InitialTicket::with_password(into, user(name), password));
}
/// With bob's ticket-granting ticket.
TicketCache logged_in() {
  auto cache = must(TicketCache::in_memory());
  auto exchange = login(cache);
  must(carry_out(exchange, by(true)));
  return cache;
}
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t thinned = 5;
#else
constexpr std::size_t thinned = 1;
#endif
const std::size_t stride = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr ? 1 : 16 * thinned;

/// An exchange that has its first request out, and whose reply may be anything.
template <class Exchange>
struct Asked {
  TicketCache cache;
  Exchange exchange;
  std::string request;
  std::string client;  ///< whose ticket it is
  [[nodiscard]] std::string honest_reply() const { return ask_kdc(realm().port(), true, request); }
};
Asked<InitialTicket> asked_to_log_in() {
  auto cache = must(TicketCache::in_memory());
  auto exchange = login(cache, "alice", "secret");  // who needs one reply
  std::string request{must(exchange.step()).request.text()};
  return {std::move(cache), std::move(exchange), std::move(request), "alice@GSSKEY.TEST"};
}

/// Whom the acceptor sees, or why there is no handshake.
Result<std::string> reach(const TicketCache& cache, const Name& target) {
  const auto credential = must(cache.credential());
  auto ends =
      support::establish(Initiator<mech::Krb5>{must(target.duplicate()), credential}, support::acceptor<mech::Krb5>());
  if (!ends) return unexpected(ends.error());
  return support::shown(must(ends->acceptor.inquire()).initiator);
}

Asked<ServiceTicket> asked_for_service() {
  static const TicketCache first = logged_in();
  auto cache = must(TicketCache::in_memory());
  krb5_principal bob = nullptr;
  REQUIRE(krb5_cc_get_principal(cache.context(), first.get(), &bob) == 0);
  REQUIRE(krb5_cc_initialize(cache.context(), cache.get(), bob) == 0);
  REQUIRE(krb5_cc_copy_creds(cache.context(), first.get(), cache.get()) == 0);
  krb5_free_principal(cache.context(), bob);
  auto exchange = must(ServiceTicket::for_target(cache, support::target()));
  std::string request{must(exchange.step()).request.text()};
  return {std::move(cache), std::move(exchange), std::move(request), "bob@GSSKEY.TEST"};
}

/// An error of a reply names the call, and ends the exchange.
template <class Exchange>
void check_refused(Exchange& exchange, const Result<KdcStep>& step) {
  REQUIRE_FALSE(step);
  const Error& error = step.error();
  CAPTURE(error.text());
  CHECK(std::string{error.operation()}.starts_with("krb5_"));
  CHECK((error.domain() == Domain::gss || error.domain() == Domain::transport));
  CHECK(error.minor_status() != 0);
  CHECK(exchange.step("x").error().domain() == Domain::usage);
}

constexpr unsigned status_of_code(int code) { return 0x96c73a00u + static_cast<unsigned>(code); }

/// Replies that are none, to exchanges of `ask()`. Some make libkrb5 ask in another way, and get the same again.
template <class Ask>
void meet_hostile_replies(Ask ask) {
  const auto meet = [&](const std::string& reply, unsigned minor_status = 0) {
    CAPTURE(reply.size());
    auto asked = ask();
    auto step = asked.exchange.step(reply);
    int requests = 1;
    for (; step; ++requests) {
      REQUIRE_FALSE(step->is_done());
      CHECK(step->over_tcp == (minor_status == status_of_code(52)));
      step = asked.exchange.step(reply);
    }
    CHECK(requests <= 20);
    check_refused(asked.exchange, step);
    if (minor_status != 0 && requests == 1) CHECK(step.error().minor_status() == minor_status);
  };
  meet("");
  meet("noise");
  meet(ask().honest_reply());  // to another request
  meet(std::string(std::size_t{1} << 20, '\x6b'));
  meet(std::string((std::size_t{1} << 20) + 1, '\x6b'));
  const std::string cut = ask().honest_reply();
  for (std::size_t size = 1; size < cut.size(); size += stride) meet(cut.substr(0, size));
  for (int code = 0; code < 128; code += static_cast<int>(thinned)) {
    CAPTURE(code);
    meet(support::krb_error(code), status_of_code(code));
  }
}

/// Always wants one more.
struct Endless {
  using Handle = void*;
  struct Needs {};
  static constexpr const char* operation = "endless";
  static constexpr unsigned more = 1;
  static void free(krb5_context, Handle) {}
  static krb5_error_code step(krb5_context, Handle, krb5_data*, krb5_data*, krb5_data*, unsigned* flags) {
    *flags = more;
    return 0;
  }
  static Error failure(const gss_detail::ExchangeParts&, Needs, krb5_error_code) {
    return Error::usage(operation, "never");
  }
  static Result<void> finish(const gss_detail::ExchangeParts&, const Needs&, Handle, bool) { return {}; }
};

std::size_t tickets_in(const TicketCache& cache, const std::string& service) {
  krb5_principal wanted = nullptr;
  REQUIRE(krb5_parse_name(cache.context(), service.c_str(), &wanted) == 0);
  krb5_cc_cursor cursor = nullptr;
  REQUIRE(krb5_cc_start_seq_get(cache.context(), cache.get(), &cursor) == 0);
  std::size_t found = 0;
  krb5_creds ticket{};
  while (krb5_cc_next_cred(cache.context(), cache.get(), &cursor, &ticket) == 0) {
    found += krb5_principal_compare(cache.context(), ticket.server, wanted) != 0;
    krb5_free_cred_contents(cache.context(), &ticket);
  }
  krb5_cc_end_seq_get(cache.context(), cache.get(), &cursor);
  krb5_free_principal(cache.context(), wanted);
  return found;
}

}  // namespace

TEST_CASE("logins over UDP and TCP, by password and by keytab") {
  const std::string keytab = "FILE:" + must(realm().export_keytab("alice"));
  for (const bool tcp : {false, true}) {
    const auto cache = must(TicketCache::in_memory());
    std::size_t requests = 0;
    const auto count = [&, carry = by(tcp)](const KdcStep& step) {
      ++requests;
      CHECK(step.realm == "GSSKEY.TEST");
      CHECK_FALSE(step.over_tcp);
      return carry(step);
    };
    auto bob = login(cache);
    must(carry_out(bob, count));
    CHECK(requests == 2);
    CHECK(support::peer_of(must(cache.credential())) == "bob@GSSKEY.TEST");
    CHECK(bob.step().error().domain() == Domain::usage);

    auto alice = must(InitialTicket::with_keytab(cache, user("alice"), keytab.c_str()));
    must(carry_out(alice, count));
    CHECK(support::peer_of(must(cache.credential())) == "alice@GSSKEY.TEST");  // bob's tickets are gone
  }
}

TEST_CASE("a wrong password, and a user whom nobody knows") {
  const auto cache = must(TicketCache::in_memory());
  auto wrong = login(cache, "bob", "wrong");
  const auto refused = carry_out(wrong, by(true));
  REQUIRE_FALSE(refused);
  CHECK(krb5_status(refused.error()) == Krb5Status::preauth_failed);
  auto unknown = login(cache, "nobody");
  const auto not_found = carry_out(unknown, by(true));
  REQUIRE_FALSE(not_found);
  CHECK(krb5_status(not_found.error()) == Krb5Status::client_unknown);
}

TEST_CASE("Heimdal's KDC, of which all replies are too large for UDP") {
  if (!support::has_heimdal_kdc()) {
    support::skip("no KDC of Heimdal");
    return;
  }
  const auto heimdal = must(TestRealm::start({.users = {{"alice", "secret"}},
                                              .services = {"host/localhost"},
                                              .kdc = Kdc::heimdal,
                                              .kdc_settings = {"max-kdc-datagram-reply-length = 200"}}));
  const auto environment = must(heimdal.enter());
  std::vector<bool> ways;
  const auto log_in = [&] {
    const auto note = [&](const KdcStep& step) {
      ways.push_back(step.over_tcp);
      return ask_kdc(heimdal.port(), step.over_tcp, step.request);
    };
    const auto cache = must(TicketCache::in_memory());
    auto exchange = must(InitialTicket::with_password(cache, user("alice"), "secret"));
    must(carry_out(exchange, note));
    auto ticket = must(ServiceTicket::for_target(cache, support::target()));
    must(carry_out(ticket, note));
    const auto credential = must(cache.credential());
    return support::shown(
        must(must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{}))
                 .acceptor.inquire())
            .initiator);
  };
  // In a thread of its own, which reads the configuration anew.
  CHECK(std::async(std::launch::async, log_in).get() == "alice@GSSKEY.TEST");
  CHECK(ways == std::vector{false, false, true, false, true});  // the first reply is short: a demand for the proof
}

TEST_CASE("replies to a login that are none") { meet_hostile_replies(asked_to_log_in); }

TEST_CASE("replies of which one byte is changed make no ticket, or one that works, or one that the service refuses") {
  const auto meet = [](const char* what, auto ask) {
    std::size_t refused = 0;
    std::size_t altered = 0;
    for (std::size_t at = 0, size = 1; at < size; at += stride) {
      auto asked = ask();
      std::string reply = asked.honest_reply();
      size = reply.size();
      if (at >= size) break;
      ++altered;
      reply[at] = static_cast<char>(reply[at] ^ (1 << (at % 8)));
      CAPTURE(what, at);
      const auto step = asked.exchange.step(reply);
      if (!step || !step->is_done()) {
        ++refused;
        if (!step) check_refused(asked.exchange, step);
        continue;
      }
      const auto credential = must(asked.cache.credential());
      CHECK(support::shown(must(credential.inquire()).name) == asked.client);
      const auto peer = reach(asked.cache, support::target());
      if (peer) CHECK(*peer == asked.client);
    }
    CAPTURE(what, refused, altered);
    CHECK(altered > 5);
    CHECK(refused > altered / 3);
  };
  meet("a login", asked_to_log_in);
  meet("a service", asked_for_service);
}

TEST_CASE("an exchange that never ends, is empty, is asked too early, or has nothing to go into") {
  gss_detail::KdcExchange<Endless, KdcStep> endless;
  must(endless.step({}));
  for (int requests = 1; requests < 32; ++requests) must(endless.step("reply"));
  CHECK(endless.step("reply").error().domain() == Domain::policy);

  auto cache = must(TicketCache::in_memory());
  CHECK(login(cache).step("a reply").error().domain() == Domain::usage);
  CHECK(InitialTicket{}.step().error().domain() == Domain::usage);
  CHECK(ServiceTicket{}.step().error().domain() == Domain::usage);
  for (const auto& error : {InitialTicket::with_password({}, user("bob"), "hunter2").error(),
                            InitialTicket::with_password(cache, {}, "hunter2").error(),
                            InitialTicket::with_password(cache, user("bob"), "").error(),
                            InitialTicket::with_password(cache, user("bob"), std::string_view{"a\0b", 3}).error(),
                            InitialTicket::with_password(cache, user("bob"), std::string(4097, 'x')).error(),
                            InitialTicket::with_keytab(cache, user("bob"), "").error(),
                            InitialTicket::with_keytab(cache, user("bob"), nullptr).error()}) {
    CHECK(error.domain() == Domain::usage);
  }
  auto exchange = must(InitialTicket::with_keytab(cache, user("bob"), "FILE:/nonexistent"));
  CHECK_FALSE(carry_out(exchange, by(true)));
}

TEST_CASE("an exchange needs its cache's owner no longer") {
  auto cache = must(TicketCache::in_memory());
  auto exchange = login(cache);
  cache = {};
  static_cast<void>(carry_out(exchange, by(true)));
}

TEST_CASE("with the ticket in the cache a handshake reaches no network, and without it fails for that") {
  for (const bool by_host : {true, false}) {
    const auto target = by_host ? support::target() : must(Name::principal("host/localhost@GSSKEY.TEST"));
    const auto cache = logged_in();
    const auto cut_off = support::without_network([&] { return reach(cache, target); });
    REQUIRE_FALSE(cut_off);
    CHECK(krb5_status(cut_off.error()) == Krb5Status::kdc_unreachable);

    auto exchange = must(ServiceTicket::for_target(cache, target));
    std::size_t requests = 0;
    must(carry_out(exchange, [&, carry = by(false)](const KdcStep& step) {
      ++requests;
      CHECK(step.realm == "GSSKEY.TEST");
      return carry(step);
    }));
    CHECK(requests == 1);
    CHECK(must(support::without_network([&] { return reach(cache, target); })) == "bob@GSSKEY.TEST");
    auto there = must(ServiceTicket::for_target(cache, target));
    CHECK(must(there.step()).is_done());
  }
}

TEST_CASE("a handshake that delegates asks the KDC itself, whatever is in the cache") {
  const auto delegates = [](const TicketCache& cache) {
    const auto credential = must(cache.credential());
    auto ends = must(
        support::establish(Initiator<mech::Krb5>{support::target(), credential, {.request = {ContextFlag::delegate}}},
                           support::acceptor<mech::Krb5>()));
    return must(ends.initiator.inquire()).flags.contains(ContextFlag::delegate);
  };
  const auto cache = logged_in();
  auto exchange = must(ServiceTicket::for_target(cache, support::target()));
  must(carry_out(exchange, by(true)));
  CHECK_FALSE(support::without_network([&] { return delegates(cache); }));
  CHECK(delegates(cache));

  // A forwarded ticket that was got ahead, with one for the service: it would have to be forwarded itself.
  const auto credential = must(cache.credential());
  const auto ends = must(
      support::establish(Initiator<mech::Krb5>{support::target(), credential, {.request = {ContextFlag::delegate}}},
                         support::acceptor<mech::Krb5>({.keep_delegated = true})));
  const auto forwarded = must(TicketCache::in_memory());
  krb5_principal bob = nullptr;
  REQUIRE(krb5_cc_get_principal(cache.context(), cache.get(), &bob) == 0);
  REQUIRE(krb5_cc_initialize(forwarded.context(), forwarded.get(), bob) == 0);
  krb5_free_principal(cache.context(), bob);
  must(copy_to_cache(ends.delegated, forwarded.get()));
  auto again = must(ServiceTicket::for_target(forwarded, support::target()));
  must(carry_out(again, by(true)));
  CHECK_FALSE(support::without_network([&] { return delegates(forwarded); }));
  CHECK(delegates(forwarded));
}

TEST_CASE("a cache that takes no ticket any more is an error of the exchange") {
  const std::string folder = realm().folder() + "/gone";
  std::filesystem::create_directory(folder);
  const auto cache = must(TicketCache::resolve(("FILE:" + folder + "/cache").c_str()));
  const auto fails = [&](auto exchange, std::string_view call) {
    const auto done = carry_out(exchange, [&](const KdcStep& step) {
      std::filesystem::remove_all(folder);
      return by(true)(step);
    });
    REQUIRE_FALSE(done);
    CHECK(done.error().operation() == call);
  };
  fails(login(cache), "krb5_cc_initialize");
  std::filesystem::create_directory(folder);
  auto exchange = login(cache);
  must(carry_out(exchange, by(true)));
  fails(must(ServiceTicket::for_target(cache, support::target())), "krb5_cc_store_cred");
}

TEST_CASE("no step of an exchange reaches a network") {
  const auto cache = must(TicketCache::in_memory());
  std::string request;
  bool over_tcp = false;
  const auto step = [&](auto& exchange, const std::string& reply) {
    return support::without_network([&] {
      const auto next = must(exchange.step(reply));
      request.assign(next.request.text());
      over_tcp = next.over_tcp;
      return !next.is_done();
    });
  };
  auto initial = login(cache);
  for (bool more = step(initial, {}); more;) more = step(initial, ask_kdc(realm().port(), over_tcp, request));
  auto service = must(ServiceTicket::for_target(cache, support::target()));
  for (bool more = step(service, {}); more;) more = step(service, ask_kdc(realm().port(), over_tcp, request));
  CHECK(must(reach(cache, support::target())) == "bob@GSSKEY.TEST");
}

TEST_CASE("replies to a request for a service that are none") { meet_hostile_replies(asked_for_service); }

TEST_CASE("a service that nobody knows, and a cache without a ticket") {
  const auto cache = logged_in();
  auto exchange = must(ServiceTicket::for_target(cache, must(Name::principal("no/such@GSSKEY.TEST"))));
  const auto refused = carry_out(exchange, by(true));
  REQUIRE_FALSE(refused);
  CHECK(krb5_status(refused.error()) == Krb5Status::server_unknown);
  CHECK(std::string{refused.error().operation()} == "krb5_tkt_creds_step");
  CHECK_FALSE(ServiceTicket::for_target(must(TicketCache::in_memory()), support::target()));
}

TEST_CASE("a service of another realm, two realms away") {
  const auto start = [](const char* name, std::vector<TestUser> users, std::vector<std::string> services) {
    return must(TestRealm::start({.realm = name,
                                  .users = std::move(users),
                                  .services = std::move(services),
                                  .kdc_settings = {"reject_bad_transit = false"}}));
  };
  must(realm().kadmin("addprinc -pw near krbtgt/MIDDLE.TEST@GSSKEY.TEST"));
  const auto middle =
      start("MIDDLE.TEST", {{"krbtgt/MIDDLE.TEST@GSSKEY.TEST", "near"}, {"krbtgt/FAR.TEST", "far"}}, {});
  const auto far = start("FAR.TEST", {{"krbtgt/FAR.TEST@MIDDLE.TEST", "far"}}, {"host/far.test", "host/two.far.test"});
  std::string configuration = test_detail::read_file(realm().krb5_conf());
  configuration += "[capaths]\n GSSKEY.TEST = {\n  FAR.TEST = MIDDLE.TEST\n }\n";
  const std::string path = realm().folder() + "/paths.conf";
  must(test_detail::write_file(path, configuration));
  const support::Environment environment{"KRB5_CONFIG", path};
  const std::map<std::string, std::uint16_t, std::less<>> ports{
      {"GSSKEY.TEST", realm().port()}, {"MIDDLE.TEST", middle.port()}, {"FAR.TEST", far.port()}};
  const auto cache = logged_in();
  const auto realms_asked_for = [&](const char* service) {
    std::vector<std::string> asked;
    auto exchange = must(ServiceTicket::for_target(cache, must(Name::principal(service))));
    must(carry_out(exchange, [&](const KdcStep& step) {
      asked.emplace_back(step.realm);
      return ask_kdc(ports.find(step.realm)->second, step.over_tcp, step.request);
    }));
    return asked;
  };
  const auto asked = realms_asked_for("host/far.test@FAR.TEST");
  CHECK(asked.front() == "GSSKEY.TEST");
  CHECK(asked.back() == "FAR.TEST");
  CHECK(asked.size() >= 3);
  // The ticket-granting ticket that was got on the way is in the cache, and once.
  CHECK(realms_asked_for("host/two.far.test@FAR.TEST") == std::vector<std::string>{"FAR.TEST"});
  CHECK(realms_asked_for("host/two.far.test@FAR.TEST").empty());
  CHECK(tickets_in(cache, "krbtgt/FAR.TEST@MIDDLE.TEST") == 1);
  CHECK(tickets_in(cache, "host/two.far.test@FAR.TEST") == 1);
  CHECK(tickets_in(cache, "krbtgt/GSSKEY.TEST@GSSKEY.TEST") == 1);
}

TEST_CASE("a cache that says in which realm its login was is believed, as by libkrb5 itself") {
  const auto cache = logged_in();
  krb5_data elsewhere{};
  std::string realm_name = "ELSEWHERE.TEST";
  elsewhere.data = realm_name.data();
  elsewhere.length = static_cast<unsigned>(realm_name.size());
  REQUIRE(krb5_cc_set_config(cache.context(), cache.get(), nullptr, "start_realm", &elsewhere) == 0);
  auto exchange = must(ServiceTicket::for_target(cache, must(Name::principal("host/far.test@FAR.TEST"))));
  const auto refused = exchange.step();  // there is no ticket-granting ticket of that realm
  REQUIRE_FALSE(refused);
  CHECK(refused.error().minor_status() == static_cast<OM_uint32>(KRB5_CC_NOTFOUND));
}

TEST_CASE("a cache in a file that is cut anywhere is an Error, or what is left of it is used") {
  const std::string path = realm().folder() + "/cut";
  const std::string name = "FILE:" + path;
  std::string whole;
  {
    const auto cache = must(TicketCache::resolve(name.c_str()));
    auto exchange = login(cache);
    must(carry_out(exchange, by(true)));
    whole = test_detail::read_file(path);
  }
  REQUIRE(whole.size() > 500);
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); size += size < 64 ? 1 : stride) {
    CAPTURE(size);
    must(test_detail::write_file(path, whole.substr(0, size)));
    const auto cache = must(TicketCache::resolve(name.c_str()));
    auto exchange = ServiceTicket::for_target(cache, support::target());
    const auto step = exchange ? exchange->step() : Result<KdcStep>{unexpected(exchange.error())};
    REQUIRE_FALSE(step);  // the only ticket is not whole
    CHECK(step.error().domain() == Domain::gss);
    CHECK_FALSE(step.error().text().empty());
    ++refused;
  }
  CHECK(refused > 64);
  must(test_detail::write_file(path, whole));
  auto exchange = must(ServiceTicket::for_target(must(TicketCache::resolve(name.c_str())), support::target()));
  must(carry_out(exchange, by(true)));
}

#endif
