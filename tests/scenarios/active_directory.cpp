// Logins to Active Directory, Samba's KDC: the PAC says the groups that LDAP says, directly and through others, and a
// thousand of them come through a handshake and through HTTP.
#include <gsskey/http/negotiate.hpp>
#include <gsskey/krb5/authorize.hpp>
#include <gsskey/krb5/impersonated_ticket.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/pac.hpp>

#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#ifdef GSSKEY_TEST_ASIO
#include "support/acquiring.hpp"
#endif
#include "support/active_directory.hpp"
#include "support/catch.hpp"
#include "support/kdc_client.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::must;

namespace {

/// Started at the first use; nullptr, and why, where it does not start.
support::ActiveDirectory* domain() {
  static auto started = support::ActiveDirectory::start();
  if (started) return started->get();
  support::skip(std::string{started.error().text()}.c_str());
  return nullptr;
}

/// With an empty cache, each time.
template <Mechanism M = mech::Krb5>
Credential<M, Initiate> login(const std::string& user) {
  return must(
      Credential<M, Initiate>::acquire_with_password(must(Name::user(user)), support::ActiveDirectory::password));
}

/// As the acceptor sees `user`.
support::Ends<mech::Krb5> reach(const std::string& user) {
  const auto credential = login(user);
  return must(support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{}));
}

/// What KDCs do not count: groups of the domain controller's own machine.
bool is_builtin(const Sid& sid) { return sid.count() == 2 && sid[0] == 32; }

}  // namespace

TEST_CASE("the groups of a PAC are those of LDAP's tokenGroups") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  for (const auto& [user, count] : {std::pair{"alice", 8u}, {"bob", 2u}, {"many", 1002u}}) {
    CAPTURE(user);
    const Pac pac = must(Pac::from(reach(user).acceptor));
    REQUIRE(pac.logon() != nullptr);
    CHECK(pac.logon()->user == directory->sid(user));
    CHECK(pac.logon()->name == user);
    CHECK(pac.logon()->domain_name == "GSSKEY");
    REQUIRE(pac.upn() != nullptr);
    CHECK(pac.upn()->upn == std::string{user} + "@gsskey.test");
    CHECK(pac.upn()->sid == pac.logon()->user);
    CHECK(pac.client()->name == user);

    std::set<Sid> told{pac.logon()->user};
    for (const auto groups : {pac.logon()->groups, pac.logon()->extra, pac.logon()->resource_groups}) {
      for (const PacGroup& group : groups) {
        CHECK(group.grants());
        CHECK(told.insert(group.sid).second);
      }
    }
    CHECK(told.erase(Sid{"S-1-18-1"}) == 1);  // "authentication authority asserted identity", of no directory
    std::set<Sid> expected = directory->token_groups(user);
    CHECK(std::erase_if(expected, is_builtin) == 1);  // BUILTIN\Users
    CHECK(told == expected);
    CHECK(told.size() == count);
    for (const Sid& sid : expected) CHECK(pac.is_member_of(sid).yes());
  }
}

TEST_CASE("a member through other groups, in a circle too, and who is none") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  const Pac alice = must(Pac::from(reach("alice").acceptor));
  for (const auto* group : {"engineers", "staff", "everybody", "printers", "round", "about"}) {
    CAPTURE(group);
    CHECK(alice.is_member_of(directory->sid(group)).yes());
  }
  CHECK(alice.is_member_of(directory->sid("alice")).yes());
  CHECK(alice.is_member_of(directory->sid("strangers")).no());
  CHECK(alice.is_member_of(directory->sid("bob")).no());
  CHECK(alice.is_member_of(Sid{"S-1-5-32-545"}).no());
  CHECK(alice.is_member_of(Sid{}).no());
  const Pac bob = must(Pac::from(reach("bob").acceptor));
  for (const auto* group : {"engineers", "staff", "everybody", "printers", "round", "about", "strangers"}) {
    CHECK(bob.is_member_of(directory->sid(group)).no());
  }
}

TEST_CASE("members of a group may come in, and nobody else") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  const Policy engineers{.sids = {directory->sid("strangers"), directory->sid("engineers")}};
  must(authorize(reach("alice").acceptor, engineers));
  must(authorize(reach("bob").acceptor, {.sids = {directory->sid("bob")}}));
  const auto refused = authorize(reach("bob").acceptor, engineers);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::policy);
  CHECK(refused.error().text() == "sids: the peer is none of them, and in none of them");
}

#if defined(GSSKEY_GSS_MIT)  // Heimdal negotiates with no password
TEST_CASE("a thousand groups come through SPNEGO in HTTP headers, longer than many servers allow") {
  if (domain() == nullptr) return;
  const auto credential = login<mech::Spnego>("many");
  const auto keys = must(Credential<mech::Spnego, Accept>::acquire_default());
  HttpInitiator<mech::Spnego> client{
      Initiator<mech::Spnego>{must(Name::host_service("host", "localhost")), credential}};
  HttpAcceptor<mech::Spnego> server{keys};
  const std::string header = must(client.authorize());
  CAPTURE(header.size());
  CHECK(header.size() > 8190);   // LimitRequestFieldSize of Apache httpd, when nobody says another
  CHECK(header.size() < 16384);  // what Windows' http.sys takes
  auto answer = server.step(header);
  REQUIRE(answer);
  const Pac pac = must(Pac::from(answer->peer));
  CHECK(pac.logon()->groups.size() == 1001);
  const std::vector<std::string_view> response{answer->www_authenticate};
  CHECK(std::move(client).establish(response));
}
#endif

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("tickets without I/O of the library, over UDP and then, with a PAC, over TCP") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  for (const char* const user : {"alice", "many"}) {
    CAPTURE(user);
    const auto cache = must(TicketCache::in_memory());
    bool was_too_large = false;
    const auto carry = [&](const KdcStep& step) {
      was_too_large = step.over_tcp;
      return support::ask_kdc(directory->kdc_port(), step.over_tcp, step.request);
    };
    auto exchange = must(InitialTicket::with_password(cache, must(Name::user(user)),
                                                      std::string_view{support::ActiveDirectory::password}));
    must(support::carry_out(exchange, carry));
    CHECK(was_too_large);  // with a PAC
    auto ticket = must(ServiceTicket::for_target(cache, support::target()));
    must(support::carry_out(ticket, carry));
    CHECK(was_too_large);
    const auto credential = must(cache.credential());
    const auto ends = must(support::without_network([&] {
      return support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{});
    }));
    CHECK(must(Pac::from(ends.acceptor)).logon()->user == directory->sid(user));
  }
}

TEST_CASE("S4U2Self and S4U2Proxy without I/O: the target gets the groups of who did not come himself") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  const auto carry = [&](const KdcStep& step) {
    return support::ask_kdc(directory->kdc_port(), step.over_tcp, step.request);
  };
  const auto own = must(TicketCache::in_memory());
  auto login = must(InitialTicket::with_password(own, must(Name::user("service")),
                                                 std::string_view{support::ActiveDirectory::password}));
  must(support::carry_out(login, carry));
  const auto cache = must(TicketCache::in_memory());
  auto self = must(ImpersonatedTicket::for_user(cache, own, must(Name::user("alice")), std::getenv("KRB5_KTNAME")));
  must(support::carry_out(self, carry));
  const auto other = [] { return must(Name::host_service("other", "localhost")); };
  auto proxy = must(ImpersonatedTicket::for_target(cache, own, other()));
  must(support::carry_out(proxy, carry));
  const auto credential = must(cache.credential());
  const auto ends = must(support::without_network(
      [&] { return support::establish(Initiator<mech::Krb5>{other(), credential}, Acceptor<mech::Krb5>{}); }));
  CHECK(support::shown(must(ends.acceptor.inquire()).initiator) == "alice@GSSKEY.TEST");
  const Pac pac = must(Pac::from(ends.acceptor));
  CHECK(pac.logon()->user == directory->sid("alice"));
  CHECK(pac.is_member_of(directory->sid("everybody")).yes());

  auto third = must(ImpersonatedTicket::for_target(cache, own, must(Name::host_service("third", "localhost"))));
  const auto refused = support::carry_out(third, carry);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text().find("fulfill requested option") != std::string_view::npos);
}

#ifdef GSSKEY_TEST_ASIO
TEST_CASE("tickets on Asio's loop") {
  const auto* const directory = domain();
  if (directory == nullptr) return;
  const auto cache = must(TicketCache::in_memory());
  must(support::acquire(
      must(InitialTicket::with_password(cache, must(Name::user("many")), support::ActiveDirectory::password))));
  must(support::acquire(must(ServiceTicket::for_target(cache, support::target()))));
  const auto credential = must(cache.credential());
  const auto ends = must(support::without_network([&] {
    return support::establish(Initiator<mech::Krb5>{support::target(), credential}, Acceptor<mech::Krb5>{});
  }));
  CHECK(must(Pac::from(ends.acceptor)).logon()->user == directory->sid("many"));
}
#endif
#endif
