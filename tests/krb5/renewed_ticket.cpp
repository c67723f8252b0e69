// Ticket-granting tickets that are renewed without I/O, of MIT's KDC and of Heimdal's; replies that are none; and that
// no step reaches a network. With GSSKEY_EXHAUSTIVE every byte of every reply is changed.
#include <gsskey/krb5/renewed_ticket.hpp>

#include <gsskey/krb5/status.hpp>

#include <cstdlib>
#include <future>
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
using support::must;

namespace {

TestRealm start(Kdc kdc) {
  std::vector<std::string> settings{"max_renewable_life = 7d"};
  if (kdc == Kdc::heimdal) settings = {"max-kdc-datagram-reply-length = 200"};
  return must(TestRealm::start({.users = {{"alice", "secret"}},
                                .services = {"host/localhost"},
                                .kdc = kdc,
                                .libdefaults = {"renew_lifetime = 1d"},
                                .kdc_settings = settings}));
}
/// MIT's, in which this process is.
TestRealm& realm() {
  static TestRealm made = start(Kdc::mit);
  static const RealmEnvironment environment = must(made.enter());
  return made;
}
auto by_tcp(const TestRealm& of) {
  return [port = of.port()](const KdcStep& step) { return ask_kdc(port, true, step.request); };
}
TicketCache logged_in(const TestRealm& at = realm()) {
  auto cache = must(TicketCache::in_memory());
  auto login = must(InitialTicket::with_password(cache, must(Name::user("alice")), "secret"));
  must(support::carry_out(login, by_tcp(at)));
  return cache;
}

/// The ticket-granting ticket of a cache.
struct Ticket {
  std::string key;
  krb5_flags flags = 0;
  krb5_timestamp ends = 0;
  krb5_timestamp renewable_until = 0;
  std::size_t others = 0;  ///< tickets of the cache
};
Ticket ticket_of(const TicketCache& cache, void (*change)(krb5_creds&) = nullptr) {
  Ticket found;
  const krb5_context context = cache.context();
  krb5_cc_cursor cursor = nullptr;
  krb5_creds each{};
  krb5_creds changed{};
  REQUIRE(krb5_cc_start_seq_get(context, cache.get(), &cursor) == 0);
  while (krb5_cc_next_cred(context, cache.get(), &cursor, &each) == 0) {
    if (std::string_view{each.server->data[0].data, each.server->data[0].length} == "krbtgt") {
      found.key.assign(reinterpret_cast<const char*>(each.keyblock.contents), each.keyblock.length);
      found.flags = each.ticket_flags;
      found.ends = each.times.endtime;
      found.renewable_until = each.times.renew_till;
      std::swap(changed, each);
    } else if (!krb5_is_config_principal(context, each.server)) {
      ++found.others;
    }
    krb5_free_cred_contents(context, &each);
  }
  krb5_cc_end_seq_get(context, cache.get(), &cursor);
  if (change != nullptr) {
    change(changed);
    REQUIRE(krb5_cc_initialize(context, cache.get(), changed.client) == 0);
    REQUIRE(krb5_cc_store_cred(context, cache.get(), &changed) == 0);
  }
  krb5_free_cred_contents(context, &changed);
  return found;
}

std::string peer_of(const TicketCache& cache, const TestRealm& at = realm()) {
  auto ticket = must(ServiceTicket::for_target(cache, support::target()));
  must(support::carry_out(ticket, by_tcp(at)));
  const auto credential = must(cache.credential());
  auto ends = must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{}));
  return support::shown(must(ends.acceptor.inquire()).initiator);
}
constexpr auto status_of(int code) { return static_cast<Krb5Status>(0x96c73a00u + static_cast<unsigned>(code)); }

/// A renewal that has its request out.
struct Asked {
  TicketCache cache;
  RenewedTicket exchange;
  std::string request;
  [[nodiscard]] std::string honest_reply() const { return ask_kdc(realm().port(), true, request); }
};
Asked asked() {
  static const TicketCache first = logged_in();
  auto cache = must(TicketCache::in_memory());
  krb5_principal alice = nullptr;
  REQUIRE(krb5_cc_get_principal(cache.context(), first.get(), &alice) == 0);
  REQUIRE(krb5_cc_initialize(cache.context(), cache.get(), alice) == 0);
  REQUIRE(krb5_cc_copy_creds(cache.context(), first.get(), cache.get()) == 0);
  krb5_free_principal(cache.context(), alice);
  auto exchange = must(RenewedTicket::in(cache));
  std::string request{must(exchange.step()).request.text()};
  return {std::move(cache), std::move(exchange), std::move(request)};
}

}  // namespace

TEST_CASE("a ticket is renewed, over UDP and over TCP, and no step reaches a network") {
  realm();
  for (const bool tcp : {false, true}) {
    const auto cache = logged_in();
    CHECK(peer_of(cache) == "alice@GSSKEY.TEST");
    const Ticket old = ticket_of(cache);
    REQUIRE((old.flags & TKT_FLG_RENEWABLE) != 0);
    CHECK(old.others == 1);
    auto exchange = must(RenewedTicket::in(cache));
    std::string reply;
    std::size_t requests = 0;
    while (true) {
      const auto next = support::without_network([&] { return must(exchange.step(reply)); });
      if (next.is_done()) break;
      ++requests;
      CHECK(next.realm == "GSSKEY.TEST");
      CHECK_FALSE(next.over_tcp);
      reply = ask_kdc(realm().port(), tcp, next.request);
    }
    CHECK(requests == 1);
    const Ticket renewed = ticket_of(cache);
    CHECK(renewed.key.size() == old.key.size());
    CHECK(renewed.key != old.key);
    CHECK((renewed.flags & TKT_FLG_FORWARDABLE) != 0);
    CHECK(renewed.ends >= old.ends);
    CHECK(renewed.renewable_until == old.renewable_until);
    CHECK(renewed.others == 0);
    CHECK(peer_of(cache) == "alice@GSSKEY.TEST");
    CHECK(exchange.step("x").error().domain() == Domain::usage);
  }
}

TEST_CASE("Heimdal's KDC renews, of which all replies are too large for UDP") {
  if (!support::has_heimdal_kdc()) {
    support::skip("no KDC of Heimdal");
    return;
  }
  const auto heimdal = start(Kdc::heimdal);
  const auto environment = must(heimdal.enter());
  const auto renew = [&] {
    const auto cache = logged_in(heimdal);
    const Ticket old = ticket_of(cache);
    std::vector<bool> ways;
    auto exchange = must(RenewedTicket::in(cache));
    must(support::carry_out(exchange, [&](const KdcStep& step) {
      ways.push_back(step.over_tcp);
      return ask_kdc(heimdal.port(), step.over_tcp, step.request);
    }));
    CHECK(ways == std::vector{false, true});
    CHECK(ticket_of(cache).key != old.key);
    return peer_of(cache, heimdal);
  };
  CHECK(std::async(std::launch::async, renew).get() == "alice@GSSKEY.TEST");
}

TEST_CASE("a ticket that the KDC does not renew, one that has ended, and none") {
  realm();
  const auto cache = logged_in();
  ticket_of(cache, [](krb5_creds& ticket) { ticket.ticket.data[ticket.ticket.length - 1] ^= 1; });
  auto altered = must(RenewedTicket::in(cache));
  const auto refused = support::carry_out(altered, by_tcp(realm()));
  REQUIRE_FALSE(refused);
  CHECK(krb5_status(refused.error()) == Krb5Status::bad_integrity);
  CHECK(std::string{refused.error().operation()} == "RenewedTicket::step");

  must(realm().kadmin("addprinc -pw secret -allow_renewable bob"));
  const auto bobs = must(TicketCache::in_memory());
  auto login = must(InitialTicket::with_password(bobs, must(Name::user("bob")), "secret"));
  must(support::carry_out(login, by_tcp(realm())));
  auto short_lived = must(RenewedTicket::in(bobs));
  const auto not_renewed = support::carry_out(short_lived, by_tcp(realm()));
  REQUIRE_FALSE(not_renewed);
  CHECK(krb5_status(not_renewed.error()) == status_of(13));  // KDC_ERR_BADOPTION
  CHECK(peer_of(bobs) == "bob@GSSKEY.TEST");                 // nothing was lost

  ticket_of(cache, [](krb5_creds& ticket) { ticket.times.endtime = 1; });
  const auto ended = RenewedTicket::in(cache);
  REQUIRE_FALSE(ended);
  CHECK(std::string{ended.error().operation()} == "krb5_get_credentials");
  const auto empty = RenewedTicket::in(must(TicketCache::in_memory()));
  REQUIRE_FALSE(empty);
  CHECK(std::string{empty.error().operation()} == "krb5_cc_get_principal");
  CHECK(RenewedTicket::in({}).error().domain() == Domain::usage);
  CHECK(RenewedTicket{}.step().error().domain() == Domain::usage);
  CHECK(must(RenewedTicket::in(bobs)).step("a reply").error().domain() == Domain::usage);
}

TEST_CASE("replies to a renewal that are none leave the old ticket") {
  realm();
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t thinned = 5;
#else
  constexpr std::size_t thinned = 1;
#endif
  const std::size_t stride = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr ? 1 : 8 * thinned;
  const auto meet = [&](Asked& asking, const std::string& reply) {
    const Ticket old = ticket_of(asking.cache);
    const auto step = asking.exchange.step(reply);
    REQUIRE_FALSE(step);
    CAPTURE(step.error().operation(), step.error().text());
    CHECK((step.error().domain() == Domain::gss || step.error().domain() == Domain::transport));
    CHECK(step.error().minor_status() != 0);
    CHECK(asking.exchange.step("x").error().domain() == Domain::usage);
    CHECK(ticket_of(asking.cache).key == old.key);
    return krb5_status(step.error());
  };
  const auto meet_new = [&](const std::string& reply) {
    auto asking = asked();
    return meet(asking, reply);
  };
  meet_new("");
  meet_new("noise");
  meet_new(asked().honest_reply());  // to another request
  meet_new(std::string(std::size_t{1} << 20, '\x6d'));
  meet_new(std::string((std::size_t{1} << 20) + 1, '\x6d'));
  meet_new("~");
  for (int code = 0; code < 128; code += static_cast<int>(thinned)) {
    if (code != 52) CHECK(meet_new(support::krb_error(code)) == status_of(code));
  }
  auto large = asked();
  const auto again = must(large.exchange.step(support::krb_error(52)));  // KRB_ERR_RESPONSE_TOO_BIG
  CHECK(again.over_tcp);
  CHECK(again.request.text() == large.request);
  meet(large, support::krb_error(52));

  // The login's own, for the same client, under another key.
  auto confused = asked();
  auto login = must(InitialTicket::with_password(confused.cache, must(Name::user("alice")), "secret"));
  meet(confused, by_tcp(realm())(must(login.step())));

  std::size_t size = asked().honest_reply().size();
  for (std::size_t at = 1; at < size; at += stride) {
    CAPTURE(at);
    auto asking = asked();
    meet(asking, asking.honest_reply().substr(0, at));
  }
  std::size_t refused = 0;
  std::size_t altered = 0;
  for (std::size_t at = 0; at < size; at += stride, ++altered) {
    CAPTURE(at);
    auto asking = asked();
    std::string reply = asking.honest_reply();
    if (at >= reply.size()) break;
    gsskey::detail::TgsReply read;
    REQUIRE(read.read(reply));
    const auto ticket = static_cast<std::size_t>(read.ticket.text().data() - reply.data());
    const bool is_of_ticket = at >= ticket && at < ticket + read.ticket.size();  // the KDC alone sees a change there
    reply[at] = static_cast<char>(reply[at] ^ (1 << (at % 8)));
    if (!is_of_ticket) {
      meet(asking, reply);
    } else if (const auto step = asking.exchange.step(reply); step) {
      CHECK(step->is_done());
      CHECK(support::shown(must(must(asking.cache.credential()).inquire()).name) == "alice@GSSKEY.TEST");
      continue;
    }
    ++refused;
  }
  CHECK(refused > altered / 4);
}
