// S4U2Self without I/O with MIT's KDC, S4U2Proxy with Heimdal's; requests and replies that somebody has changed; and
// that no step, and no handshake behind it, reaches a network. Active Directory: scenarios/active_directory. With
// GSSKEY_EXHAUSTIVE every byte of every reply is changed.
#include <gsskey/krb5/impersonated_ticket.hpp>

#include <gsskey/gss/credential/impersonation.hpp>
#include <gsskey/krb5/detail/tgs_message.hpp>
#include <gsskey/krb5/status.hpp>

#include <cstdlib>
#include <functional>
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

/// MIT's, in which this process is.
TestRealm& realm() {
  static TestRealm made = [] {
    auto started = must(TestRealm::start(
        {.users = {{"bob", "hunter2"}, {"rob", "secret"}}, .services = {"host/localhost", "other/localhost"}}));
    must(started.kadmin("modprinc +ok_to_auth_as_delegate host/localhost"));
    return started;
  }();
  static const RealmEnvironment environment = must(made.enter());
  return made;
}
std::string keytab_of(const TestRealm& of) { return "FILE:" + of.keytab(); }
auto by_tcp(const TestRealm& of) {
  return [port = of.port()](const KdcStep& step) { return ask_kdc(port, true, step.request); };
}
/// The service's own.
TicketCache logged_in(const TestRealm& at = realm()) {
  auto cache = must(TicketCache::in_memory());
  auto login = must(
      InitialTicket::with_keytab(cache, must(Name::principal("host/localhost@GSSKEY.TEST")), keytab_of(at).c_str()));
  must(support::carry_out(login, by_tcp(at)));
  return cache;
}
Name user(const char* name = "bob") { return must(Name::user(name)); }
Name service(const char* name, const char* host = "localhost") { return must(Name::host_service(name, host)); }

Result<std::string> peer_of(const TicketCache& cache, const char* target) {
  return support::without_network([&]() -> Result<std::string> {
    const auto credential = must(cache.credential());
    auto ends = support::establish(Initiator<mech::Krb5>{service(target), credential}, Acceptor<mech::Krb5>{});
    if (!ends) return unexpected(ends.error());
    CHECK(support::shown(must(impersonator(credential))).empty());
    return support::shown(must(ends->acceptor.inquire()).initiator);
  });
}
/// How many requests it took.
template <class Exchange>
std::size_t carry_out_cut_off(Exchange exchange, const TestRealm& at, bool tcp = true) {
  std::size_t requests = 0;
  std::string reply;
  while (true) {
    const auto next = support::without_network([&] { return must(exchange.step(reply)); });
    if (next.is_done()) break;
    CHECK(next.realm == "GSSKEY.TEST");
    reply = ask_kdc(at.port(), tcp, next.request);
    ++requests;
  }
  CHECK(exchange.step("x").error().domain() == Domain::usage);
  return requests;
}
constexpr auto status_of(int code) { return static_cast<Krb5Status>(0x96c73a00u + static_cast<unsigned>(code)); }
constexpr int bad_option = 13;

/// An exchange that has its request out, and what is in its caches.
struct Asked {
  TicketCache into;
  ImpersonatedTicket exchange;
  std::string request;
  [[nodiscard]] std::string honest_reply(const TestRealm& at = realm()) const {
    return ask_kdc(at.port(), true, request);
  }
};
const TicketCache& own() {
  static const TicketCache cache = logged_in();
  return cache;
}
Asked asked(const char* name = "bob") {
  auto into = must(TicketCache::in_memory());
  auto exchange = must(ImpersonatedTicket::for_user(into, own(), user(name), keytab_of(realm()).c_str()));
  std::string request{must(exchange.step()).request.text()};
  return {std::move(into), std::move(exchange), std::move(request)};
}
/// It ends with an error, and the cache has nothing.
Error refused(Asked& asking, const std::string& reply) {
  auto step = asking.exchange.step(reply);
  REQUIRE_FALSE(step);
  CAPTURE(step.error().operation(), step.error().text());
  CHECK((step.error().domain() == Domain::gss || step.error().domain() == Domain::transport));
  CHECK(step.error().minor_status() != 0);
  CHECK(asking.exchange.step("x").error().domain() == Domain::usage);
  CHECK_FALSE(asking.into.credential());
  return std::move(step).error();
}
Error refused(const std::string& reply) {
  auto asking = asked();
  return refused(asking, reply);
}
bool says(const Error& error, const char* text) { return error.text() == text; }

/// A reply as a KDC would make it that is not honest: with what it has encrypted changed, as long as before.
std::string forged(const TicketCache& of, std::string reply, const std::function<void(std::string&)>& change) {
  const krb5_context context = of.context();
  krb5_creds wanted{};
  krb5_creds* granting = nullptr;
  REQUIRE(krb5_cc_get_principal(context, of.get(), &wanted.client) == 0);
  REQUIRE(krb5_parse_name(context, "krbtgt/GSSKEY.TEST@GSSKEY.TEST", &wanted.server) == 0);
  REQUIRE(krb5_get_credentials(context, KRB5_GC_CACHED, of.get(), &wanted, &granting) == 0);
  gsskey::detail::TgsReply message;
  REQUIRE(message.read(reply));
  krb5_enc_data sealed{};
  sealed.enctype = granting->keyblock.enctype;
  sealed.ciphertext.data = reply.data() + (message.encrypted.cipher.text().data() - reply.data());
  sealed.ciphertext.length = static_cast<unsigned>(message.encrypted.cipher.size());
  std::string plain(message.encrypted.cipher.size(), '\0');
  krb5_data open{};
  open.data = plain.data();
  open.length = static_cast<unsigned>(plain.size());
  constexpr krb5_keyusage usage = KRB5_KEYUSAGE_TGS_REP_ENCPART_SESSKEY;
  REQUIRE(krb5_c_decrypt(context, &granting->keyblock, usage, nullptr, &sealed, &open) == 0);
  plain.resize(open.length);
  change(plain);
  open.data = plain.data();
  REQUIRE(open.length == plain.size());
  REQUIRE(krb5_c_encrypt(context, &granting->keyblock, usage, nullptr, &open, &sealed) == 0);
  krb5_free_creds(context, granting);
  krb5_free_principal(context, wanted.client);
  krb5_free_principal(context, wanted.server);
  return reply;
}
std::function<void(std::string&)> with(std::string_view old, std::string_view now) {
  return [=](std::string& text) {
    const auto at = text.find(old);
    REQUIRE(at != std::string::npos);
    text.replace(at, now.size(), now);
  };
}

/// PA-FOR-USER within a request.
std::pair<std::size_t, std::size_t> for_user_in(const std::string& request) {
  constexpr std::string_view type{"\xa1\x04\x02\x02\x00\x81\xa2", 7};
  const auto at = request.find(type);
  REQUIRE(at != std::string::npos);
  const auto size = static_cast<unsigned char>(request[at + type.size()]);
  REQUIRE(size < 0x80);
  return {at, type.size() + 1 + size};
}

}  // namespace

TEST_CASE("S4U2Self: a ticket of a user who gave nothing, over UDP and over TCP, and nothing reaches a network") {
  realm();
  for (const bool tcp : {false, true}) {
    const auto into = must(TicketCache::in_memory());
    auto exchange = must(ImpersonatedTicket::for_user(into, own(), user(), keytab_of(realm()).c_str()));
    CHECK(carry_out_cut_off(std::move(exchange), realm(), tcp) == 1);
    CHECK(must(peer_of(into, "host")) == "bob@GSSKEY.TEST");
    CHECK(carry_out_cut_off(must(ImpersonatedTicket::for_target(into, own(), service("host"))), realm()) == 0);
    const auto elsewhere = peer_of(into, "other");
    REQUIRE_FALSE(elsewhere);
    CHECK(elsewhere.error().text().find("Matching credential not found") != std::string_view::npos);

    auto proxy = must(ImpersonatedTicket::for_target(into, own(), service("other")));
    const auto not_here = support::carry_out(proxy, by_tcp(realm()));  // for want of LDAP
    REQUIRE_FALSE(not_here);
    CHECK(krb5_status(not_here.error()) == status_of(bad_option));
    CHECK(std::string{not_here.error().operation()} == "ImpersonatedTicket::step");
    CHECK(must(peer_of(into, "host")) == "bob@GSSKEY.TEST");
  }
}

TEST_CASE("S4U2Proxy: the services that it may reach, as a user who gave it nothing, and nothing reaches a network") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const auto heimdal =
      must(TestRealm::start({.users = {{"bob", "hunter2"}, {"other/elsewhere.example", "secret"}},
                             .services = {"host/localhost", "other/localhost", "third/localhost"},
                             .kdc = Kdc::heimdal,
                             .delegations = {{"host/localhost", {"other/localhost", "other/elsewhere.example"}}}}));
  const auto environment = must(heimdal.enter());
  std::async(std::launch::async, [&] {
    const auto service_cache = logged_in(heimdal);
    const auto into = must(TicketCache::in_memory());
    auto self = must(ImpersonatedTicket::for_user(into, service_cache, user(), keytab_of(heimdal).c_str()));
    CHECK(carry_out_cut_off(std::move(self), heimdal) == 1);
    const auto begin = [&](const Name& target) {
      return must(ImpersonatedTicket::for_target(into, service_cache, target));
    };
    CHECK(carry_out_cut_off(begin(service("other")), heimdal) == 1);
    CHECK(must(peer_of(into, "other")) == "bob@GSSKEY.TEST");
    CHECK(must(peer_of(into, "host")) == "bob@GSSKEY.TEST");
    CHECK(carry_out_cut_off(begin(service("other")), heimdal) == 0);  // it is there

    const auto unmapped = [] { return service("other", "elsewhere.example"); };  // in no line of [domain_realm]
    CHECK(carry_out_cut_off(begin(unmapped()), heimdal) == 1);
    const auto credential = must(into.credential());
    CHECK(support::without_network([&] { return Initiator<mech::Krb5>{unmapped(), credential}.step().has_value(); }));

    auto third = begin(service("third"));
    const auto refused = support::carry_out(third, by_tcp(heimdal));
    REQUIRE_FALSE(refused);
    CHECK(krb5_status(refused.error()) == status_of(bad_option));

    // What the name in the reply is, nobody vouches for; what is encrypted, the KDC does.
    const auto another = [&] {
      const auto cache = must(TicketCache::in_memory());
      auto again = must(ImpersonatedTicket::for_user(cache, service_cache, user(), keytab_of(heimdal).c_str()));
      must(support::carry_out(again, by_tcp(heimdal)));
      auto exchange = must(ImpersonatedTicket::for_target(cache, service_cache, service("other")));
      const std::string reply = by_tcp(heimdal)(must(exchange.step()));
      return std::pair{std::move(exchange), reply};
    };
    auto [renamed, reply] = another();
    with("bob", "rob")(reply);
    CHECK(says(renamed.step(reply).error(), "the reply has a ticket for somebody else"));
    auto [moved, moved_reply] = another();
    CHECK(says(moved.step(forged(service_cache, moved_reply, with("other", "third"))).error(),
               "the reply has a ticket for another service, or refers to another realm"));
  }).get();
}

TEST_CASE("users and targets of another realm, caches without a ticket, and what is empty") {
  realm();
  const std::string keys = keytab_of(realm());
  const auto into = must(TicketCache::in_memory());
  const auto empty = must(TicketCache::in_memory());
  const auto for_user = [&](const TicketCache& to, const TicketCache& from, const Name& name, const char* keytab) {
    auto made = ImpersonatedTicket::for_user(to, from, name, keytab);
    REQUIRE_FALSE(made);
    return std::move(made).error();
  };
  const auto foreign = for_user(into, own(), must(Name::principal("bob@ELSEWHERE.TEST")), keys.c_str());
  CHECK(foreign.domain() == Domain::unavailable);
  CHECK(says(foreign, "a user of another realm: impersonate() asks there, and waits"));
  CHECK(std::string{for_user(into, empty, user(), keys.c_str()).operation()} == "krb5_cc_get_principal");
  for (const Error& misuse :
       {for_user({}, own(), user(), keys.c_str()), for_user(into, {}, user(), keys.c_str()),
        for_user(own(), own(), user(), keys.c_str()), for_user(into, own(), {}, keys.c_str()),
        for_user(into, own(), user(), nullptr), for_user(into, own(), user(), ""), ImpersonatedTicket{}.step().error(),
        must(ImpersonatedTicket::for_user(into, own(), user(), keys.c_str())).step("a reply").error()}) {
    CHECK(misuse.domain() == Domain::usage);
  }

  CHECK(std::string{ImpersonatedTicket::for_target(empty, own(), service("other")).error().operation()} ==
        "krb5_cc_get_principal");
  auto self = must(ImpersonatedTicket::for_user(into, own(), user(), keys.c_str()));
  must(support::carry_out(self, by_tcp(realm())));
  const auto away =
      ImpersonatedTicket::for_target(into, own(), must(Name::principal("other/localhost@ELSEWHERE.TEST")));
  REQUIRE_FALSE(away);
  CHECK(away.error().domain() == Domain::unavailable);
  const auto bobs = must(TicketCache::in_memory());  // his own tickets, of which none is for the service
  auto login = must(InitialTicket::with_password(bobs, user(), "hunter2"));
  must(support::carry_out(login, by_tcp(realm())));
  const auto no_evidence = ImpersonatedTicket::for_target(bobs, own(), service("other"));
  REQUIRE_FALSE(no_evidence);
  CHECK(std::string{no_evidence.error().operation()} == "krb5_get_credentials");
  // He may not act for others: his ticket of S4U2Self is for himself, and in no keytab.
  auto other = must(ImpersonatedTicket::for_user(into, bobs, user("rob"), keys.c_str()));
  const auto not_a_service = support::carry_out(other, by_tcp(realm()));
  REQUIRE_FALSE(not_a_service);
  CHECK(not_a_service.error().domain() == Domain::gss);

  auto nobody = must(ImpersonatedTicket::for_user(into, own(), user("nobody"), keys.c_str()));
  const auto unknown = support::carry_out(nobody, by_tcp(realm()));
  REQUIRE_FALSE(unknown);
  CHECK(krb5_status(unknown.error()) == status_of(6));      // KDC_ERR_C_PRINCIPAL_UNKNOWN
  CHECK(must(peer_of(into, "host")) == "bob@GSSKEY.TEST");  // nothing was lost
}

TEST_CASE("whose ticket it is, only the ticket says") {
  realm();
  // A request of an earlier day in this one: the KDC gives a ticket of rob, and the way back says bob.
  auto replayed = asked();
  const auto robs = asked("rob");
  const auto [from, size] = for_user_in(robs.request);
  const auto [to, same_size] = for_user_in(replayed.request);
  REQUIRE(size == same_size);
  replayed.request.replace(to, size, robs.request.substr(from, size));
  std::string reply = replayed.honest_reply();
  with("rob", "bob")(reply);
  CHECK(says(refused(replayed, reply), "the ticket in the reply is somebody else's"));

  // No user at all: the KDC gives the service one of its own.
  auto stripped = asked();
  stripped.request[for_user_in(stripped.request).first + 5] ^= 1;
  CHECK(says(refused(stripped, stripped.honest_reply()), "the reply has a ticket for somebody else"));

  // One of bob, too, but of an earlier reply.
  auto swapped = asked();
  reply = swapped.honest_reply();
  const std::string earlier = asked().honest_reply();
  gsskey::detail::TgsReply now;
  gsskey::detail::TgsReply then;
  REQUIRE((now.read(reply) && then.read(earlier) && now.ticket.size() == then.ticket.size()));
  reply.replace(static_cast<std::size_t>(now.ticket.text().data() - reply.data()), now.ticket.size(),
                then.ticket.text());
  CHECK(says(refused(swapped, reply), "the ticket in the reply belongs to another one"));

  // A key that the keytab does not have.
  auto keyless = must(TicketCache::in_memory());
  auto exchange = must(ImpersonatedTicket::for_user(keyless, own(), user(), "FILE:/nonexistent"));
  const auto unread = support::carry_out(exchange, by_tcp(realm()));
  REQUIRE_FALSE(unread);
  CHECK(std::string{unread.error().operation()} == "krb5_server_decrypt_ticket_keytab");
  CHECK_FALSE(keyless.credential());
}

TEST_CASE("what a KDC has encrypted is for this request, this service and a time to come") {
  realm();
  const auto meet = [](const std::function<void(std::string&)>& change) {
    auto asking = asked();
    return refused(asking, forged(own(), asking.honest_reply(), change));
  };
  CHECK(says(meet(with("host", "most")), "the reply has a ticket for another service, or refers to another realm"));
  CHECK(says(meet(with("GSSKEY", "OTHERS")), "the reply has a ticket for another service, or refers to another realm"));
  constexpr std::string_view end_time = "\xa7\x11\x18\x0f";
  CHECK(says(meet(with(end_time,
                       "\xa7\x11\x18\x0f"
                       "2001")),
             "the ticket in the reply has ended"));
  CHECK(says(meet(with("\xa0", "\xa1")), "what the KDC has encrypted is no ticket"));
  CHECK(says(refused(asked().honest_reply()), "the reply is one to another request"));
  auto asking = asked();
  const std::string same = forged(own(), asking.honest_reply(), [](std::string&) {});  // so forged() does what it says
  CHECK(must(asking.exchange.step(same)).is_done());
  CHECK(must(peer_of(asking.into, "host")) == "bob@GSSKEY.TEST");
}

TEST_CASE("replies to S4U2Self that are none") {
  realm();
  for (const char* const reply : {"", "noise", "~", "m"}) static_cast<void>(refused(reply));
  static_cast<void>(refused(std::string(std::size_t{1} << 20, '\x6d')));
  static_cast<void>(refused(std::string((std::size_t{1} << 20) + 1, '\x6d')));
  for (const int code : {0, 6, 12, 13, 31, 60, 68}) {
    CHECK(krb5_status(refused(support::krb_error(code))) == status_of(code));
  }
  auto large = asked();
  const auto again = must(large.exchange.step(support::krb_error(52)));  // KRB_ERR_RESPONSE_TOO_BIG
  CHECK(again.over_tcp);
  CHECK(again.request.text() == large.request);
  static_cast<void>(refused(large, support::krb_error(52)));

#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t stride_of_some = 61;
#else
  constexpr std::size_t stride_of_some = 13;
#endif
  const std::size_t stride = std::getenv("GSSKEY_EXHAUSTIVE") != nullptr ? 1 : stride_of_some;
  const std::size_t size = asked().honest_reply().size();
  std::size_t harmless = 0;
  for (std::size_t at = 0; at < size; at += stride) {
    CAPTURE(at);
    auto cut = asked();
    static_cast<void>(refused(cut, cut.honest_reply().substr(0, at)));
    auto altered = asked();
    std::string reply = altered.honest_reply();
    if (at >= reply.size()) break;
    reply[at] = static_cast<char>(reply[at] ^ (1 << (at % 8)));
    if (const auto step = altered.exchange.step(reply); step) {  // padata, the type of a name, a number of a version
      CHECK(step->is_done());
      CHECK(must(peer_of(altered.into, "host")) == "bob@GSSKEY.TEST");
      ++harmless;
    }
  }
  CHECK(harmless * 8 < size / stride);
}
