// Sessions: a cookie opens for whom it was made, where it was made and as long, and otherwise there is an error.
#include <gsskey/http/session.hpp>

#include <gsskey/keyring/proc_keys.hpp>

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/realm.hpp"
#include "support/session.hpp"
#include "support/sibling.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using mech::Spnego;
using support::must;
using namespace std::string_literals;

// The clock that our headers read stands still, but for what is added to it; libraries here ask time() and
// gettimeofday().
static std::atomic<long> stands_at{0};
static std::atomic<long> was_set{0};
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME) time->tv_sec = (stands_at != 0 ? stands_at.load() : time->tv_sec) + was_set;
  return result;
}

namespace {

/// What a process has anyway, before keys are counted.
struct Prepared {
  Prepared() {
    support::initiator_credential<Spnego>();
    support::acceptor_credential<Spnego>();
    static_cast<void>(must(Keyring::install_thread()));
  }
};
/// A session ring of its own; at the end the sessions of `site` are revoked, and the clock is right.
struct Site : Prepared, support::Session {
  HttpSessions sessions = must(HttpSessions::from_ring(**this, "www.example.com"));
  Site() { stands_at = ::time(nullptr); }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;
  ~Site() {
    stands_at = was_set = 0;
    must((*this)->clear());
  }
};

constexpr long hour = 3600;

Accepted<Spnego> login() {
  auto initiator = support::initiator<Spnego>();
  auto acceptor = support::acceptor<Spnego>();
  must(support::step_all(initiator, acceptor));
  return must(std::move(acceptor).accept());
}

/// What a browser sends back of a Set-Cookie header.
std::string sent_back(const std::string& set_cookie) { return set_cookie.substr(0, set_cookie.find(';')); }

std::string alice() { return support::realm().realm.principal("alice"); }

/// The error of a cookie that must not open.
Error refused(const HttpSessions& sessions, std::string_view cookie, const ChannelBindings& bindings = {}) {
  const auto opened = sessions.open(cookie, bindings);
  REQUIRE_FALSE(opened);
  return opened.error();
}

bool has_words(const Error& error, std::string_view words) {
  CAPTURE(error.text(), words);
  CHECK(error.text().find(words) != std::string_view::npos);
  return error.text().find(words) != std::string_view::npos;
}

}  // namespace

TEST_CASE("who has logged in has a session, of which the cookie tells the peer, the mechanism and the time") {
  const Site site;
  auto accepted = login();
  const auto flags = must(accepted.context.inquire()).flags;
  const auto set_cookie = must(site.sessions.issue(accepted));
  const auto session = must(site.sessions.open(sent_back(set_cookie)));
  CHECK(session.peer == alice());
  CHECK(session.mechanism == mech::Krb5::oid);
  CHECK(session.flags == flags);
  CHECK(session.authenticated_at == static_cast<std::uint64_t>(stands_at));
  CHECK(session.ends_at == session.authenticated_at + 8 * hour);
  CHECK(set_cookie.starts_with("__Host-gsskey-session="));
  CHECK(set_cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=28800; Secure"));
  CHECK(set_cookie.find("alice") == std::string::npos);
}

TEST_CASE("a session ends with its ticket, if that ends first, and one that is over is none") {
  const Site site;
  const auto sessions = must(HttpSessions::from_ring(*site, "short.example.com", {.max_age = Seconds{30 * 24 * 3600}}));
  const auto accepted = login();
  const auto ticket = must(accepted.context.lifetime());
  const auto cookie = sent_back(must(sessions.issue(accepted)));
  const auto session = must(sessions.open(cookie));
  const auto skew = known_faults.acceptors_outlive_tickets ? 300u : 0u;
  const auto length = session.ends_at - session.authenticated_at;
  CHECK(length + skew <= ticket.count());
  CHECK(length + skew + 60 > ticket.count());
  was_set = static_cast<long>(length) + 1;
  CHECK(seal_fault(refused(sessions, cookie)) == SealFault::expired);
  if (!known_faults.acceptors_outlive_tickets) return;
  // The context lasts, and its ticket has ended.
  const auto late = must(HttpSessions::from_ring(*site, "late.example.com", {.acceptor_skew = ticket}));
  const auto none = late.issue(accepted);
  REQUIRE_FALSE(none);
  CHECK(routine_error(none.error()) == RoutineError::context_expired);
}

TEST_CASE("no byte of a cookie can be changed, cut off or added") {
  const Site site;
  const auto cookie = sent_back(must(site.sessions.issue(login())));
  const auto begin = cookie.find('=') + 1;
  const auto bytes = must(base64_decode(std::string_view{cookie}.substr(begin)));
  const auto with = [&](std::string_view changed) { return cookie.substr(0, begin) + base64_encode(changed); };
  std::string changed{ByteView{bytes}.text()};
  CHECK(site.sessions.open(with(changed)));
  for (std::size_t at = 0; at < changed.size(); ++at) {
    for (const unsigned bit : {0x01u, 0x80u}) {
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ bit);
      CHECK_FALSE(site.sessions.open(with(changed)));
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ bit);
    }
    CHECK_FALSE(site.sessions.open(with(std::string_view{changed}.substr(0, at))));
  }
  CHECK_FALSE(site.sessions.open(with(changed + '\0')));
  for (std::size_t size = begin; size < cookie.size(); ++size) CHECK_FALSE(site.sessions.open(cookie.substr(0, size)));
  changed[changed.size() - 1] = static_cast<char>(~changed[changed.size() - 1]);
  CHECK(seal_fault(refused(site.sessions, with(changed))) == SealFault::altered);
  CHECK(refused(site.sessions, cookie + "A").domain() == Domain::transport);
  CHECK(refused(site.sessions, cookie.substr(0, begin) + std::string(5000, 'A')).domain() == Domain::transport);
}

TEST_CASE("the cookie is found among others, once") {
  const Site site;
  const auto cookie = sent_back(must(site.sessions.issue(login())));
  for (const auto& header : {"a=b; " + cookie, cookie + "; a=b", " " + cookie + " ;a=b", "a;" + cookie, "=; " + cookie,
                             "x__Host-gsskey-session=1; " + cookie, "__Host-gsskey-session2=1; " + cookie}) {
    CAPTURE(header);
    CHECK(must(site.sessions.open(header)).peer == alice());
  }
  CHECK(has_words(refused(site.sessions, cookie + "; " + cookie), "twice"));
  CHECK(has_words(refused(site.sessions, "__Host-gsskey-session=; " + cookie), "twice"));
  for (const auto* header :
       {"", "a=b", "__Host-gsskey-session", "__Host-gsskey-session=", "; ;", "gsskey-session=AAAA"}) {
    CAPTURE(header);
    CHECK(refused(site.sessions, header).domain() == Domain::policy);
  }
}

TEST_CASE("sessions of another site, another ring and another GSS-API name open nowhere else") {
  const Site site;
  const auto other = must(HttpSessions::from_ring(*site, "other.example.com"));
  const auto ring = must(site->create(key_type::Keyring{"another ring"}));
  const auto elsewhere = must(HttpSessions::from_ring(ring, "www.example.com"));
  const auto cookie = sent_back(must(site.sessions.issue(login())));
  CHECK(has_words(refused(other, cookie), "gone"));
  CHECK(has_words(refused(elsewhere, cookie), "gone"));
  static_cast<void>(must(other.issue(login())));
  static_cast<void>(must(elsewhere.issue(login())));
  CHECK(seal_fault(refused(other, cookie)) == SealFault::foreign_key);
  CHECK(seal_fault(refused(elsewhere, cookie)) == SealFault::foreign_key);
  // The same site again is the same.
  CHECK(must(must(HttpSessions::from_ring(*site, "www.example.com")).open(cookie)).peer == alice());
}

TEST_CASE("a session that is bound opens over its connection alone, and an unbound one over none that is bound") {
  const Site site;
  const ChannelBindings bound{"tls-server-end-point", "0123456789abcdef"};
  const ChannelBindings other{"tls-server-end-point", "0123456789abcdeF"};
  const auto cookie = sent_back(must(site.sessions.issue(login(), bound)));
  CHECK(must(site.sessions.open(cookie, bound)).peer == alice());
  const auto error = refused(site.sessions, cookie, other);
  CHECK(error.domain() == Domain::policy);
  CHECK(error.minor_status() == static_cast<std::uint32_t>(ContextFlag::channel_bound));
  CHECK(has_words(refused(site.sessions, cookie), "another TLS connection"));
  const auto unbound = sent_back(must(site.sessions.issue(login())));
  CHECK(has_words(refused(site.sessions, unbound, bound), "another TLS connection"));
  const ChannelBindings invalid{"tls-server-end-point", ""};
  CHECK(refused(site.sessions, unbound, invalid).domain() == Domain::policy);
  CHECK(site.sessions.issue(login(), invalid).error().domain() == Domain::usage);
}

TEST_CASE("bindings of a session have at most 255 bytes: their size is not cut to a byte") {
  const Site site;
  const auto longest = std::string(255, 'b');
  const auto cookie = sent_back(must(site.sessions.issue(login(), ChannelBindings::from_application_data(longest))));
  CHECK(must(site.sessions.open(cookie, ChannelBindings::from_application_data(longest))).peer == alice());
  for (const std::size_t size : {256u, 261u, 512u}) {
    const std::string bytes(size, 'b');
    CHECK(site.sessions.issue(login(), ChannelBindings::from_application_data(bytes)).error().domain() ==
          Domain::usage);
  }
}

TEST_CASE("keys change without a lost session") {
  const Site site;
  const auto keys = [&] {
    std::set<key_serial_t> found;
    for (const auto key : must(must(site->search<key_type::Keyring>("gsskey:http:www.example.com")).members())) {
      found.insert(key.serial());
    }
    return found;
  };
  const long begin = 8 * hour - stands_at % (8 * hour);  // of the next period
  was_set = begin + hour;
  const auto first = sent_back(must(site.sessions.issue(login())));
  CHECK(sent_back(must(site.sessions.issue(login()))) != first);
  was_set = begin + 7 * hour;
  const auto second = sent_back(must(site.sessions.issue(login())));
  CHECK(keys().size() == 1);
  was_set = begin + 8 * hour + 60;
  const auto third = sent_back(must(site.sessions.issue(login())));
  CHECK(keys().size() == 2);
  for (const auto& cookie : {first, second, third}) CHECK(must(site.sessions.open(cookie)).peer == alice());
  was_set = begin + 9 * hour + 60;
  CHECK(seal_fault(refused(site.sessions, first)) == SealFault::expired);
  for (const auto& cookie : {second, third}) CHECK(must(site.sessions.open(cookie)).peer == alice());
}

TEST_CASE("a key stays until the last session that it may have sealed has ended") {
  const Site site;
  was_set = 8 * hour - stands_at % (8 * hour) + hour / 2;  // in a period of 8 hours, half an hour after its beginning
  static_cast<void>(must(site.sessions.issue(login())));
  const auto keys = must(must(site->search<key_type::Keyring>("gsskey:http:www.example.com")).members());
  REQUIRE(keys.size() == 1);
  CHECK(must(must(ProcKeys::acquire()).find(keys[0])).timeout == "15h");
}

TEST_CASE("where the clock was set back a session begins in the future") {
  const Site site;
  was_set = 301;
  const auto cookie = sent_back(must(site.sessions.issue(login())));
  was_set = 2;
  CHECK(must(site.sessions.open(cookie)).peer == alice());
  was_set = -10;
  CHECK(has_words(refused(site.sessions, cookie), "in the future"));
}

TEST_CASE("revoked, all sessions are over at once, everywhere, and new ones begin") {
  const Site site;
  const auto cookie = sent_back(must(site.sessions.issue(login())));
  const auto worker = must(HttpSessions::from_ring(*site, "www.example.com"));
  CHECK(must(worker.open(cookie)).peer == alice());
  must(site.sessions.revoke_all());
  CHECK(has_words(refused(site.sessions, cookie), "revoked"));
  CHECK(has_words(refused(worker, cookie), "revoked"));
  const auto again = sent_back(must(worker.issue(login())));
  CHECK(must(site.sessions.open(again)).peer == alice());
  CHECK(seal_fault(refused(site.sessions, cookie)) == SealFault::foreign_key);
}

TEST_CASE("workers share the sessions, whoever makes the key") {
  const Site site;
  const auto accepted = login();
  const auto cookie = sent_back(must(site.sessions.issue(accepted)));
  CHECK(support::in_child(60, [&] { return must(site.sessions.open(cookie)).peer == alice() ? 0 : 1; }) == 0);
  must(site.sessions.revoke_all());
  // Eight at once make it, and each opens what the others have issued: the key is one.
  const auto ring = must(site->search<key_type::Keyring>("gsskey:http:www.example.com"));
  CHECK(support::all_at_once(8, [&](int) {
          const auto issued = site.sessions.issue(accepted);
          return issued && site.sessions.open(sent_back(*issued)) ? 1 : 0;
        }) == 8);
  CHECK(must(ring.members()).size() == 1);
}

TEST_CASE("where the user's quota is used up nobody gets a session, and everybody does when there is room again") {
  const Site site;
  const auto accepted = login();
  support::let_others_read_configuration();
  const auto answers = support::as_user(support::nobody, [&](support::Answers& found) {
    const auto own = must(Keyring::session());
    const auto fill = must(own.create(key_type::Keyring{"fill"}));
    support::use_up_quota(fill);
    found.push_back(support::outcome(HttpSessions::from_ring(own, "www.example.com")));
    must(fill.clear());
    const auto sessions =
        must(wait_for_quota(Seconds{10}, [&] { return HttpSessions::from_ring(own, "www.example.com"); }));
    support::use_up_quota(fill);
    found.push_back(support::outcome(sessions.issue(accepted)));
    must(fill.clear());
    const auto issued = must(wait_for_quota(Seconds{10}, [&] { return sessions.issue(accepted); }));
    found.push_back(must(sessions.open(sent_back(issued))).peer == alice());
  });
  CHECK(answers == support::Answers{EDQUOT, EDQUOT, 1});
}

TEST_CASE("a principal with a slash in a component is not taken for one of two components") {
  const Site site;
  Accepted<Spnego> accepted = login();
  accepted.peer = must(Name::principal("bob\\/admin@GSSKEY.TEST"));
  CHECK(must(site.sessions.open(sent_back(must(site.sessions.issue(accepted))))).peer == "bob\\/admin@GSSKEY.TEST");
}

TEST_CASE("what gets no session") {
  const Site site;
  Accepted<Spnego> nobody = login();
  nobody.peer = Name{};
  CHECK(site.sessions.issue(nobody).error().domain() == Domain::policy);
  nobody.peer = must(Name::principal("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS"));
  CHECK(has_words(site.sessions.issue(nobody).error(), "anonymous"));
  nobody = login();
  nobody.context = {};
  CHECK(site.sessions.issue(nobody).error().domain() == Domain::usage);
  nobody = login();
  nobody.peer = must(Name::user(std::string(4000, 'a')));
  CHECK(has_words(site.sessions.issue(nobody).error(), "too long"));
}

TEST_CASE("sites and rings that are refused") {
  const Site site;
  for (const auto& name : {""s, std::string(256, 'a'), "a\0b"s}) {
    CHECK(HttpSessions::from_ring(*site, name).error().domain() == Domain::usage);
  }
  CHECK(HttpSessions::from_ring(*site, "a", {.max_age = Seconds{}}).error().domain() == Domain::usage);
  CHECK(HttpSessions::from_ring(*site, "a", {.max_age = Seconds::indefinite()}).error().domain() == Domain::usage);
  CHECK(HttpSessions::from_ring(KeyringRef{}, "a").error().domain() == Domain::usage);
  if (::geteuid() != 0) return support::skip("root alone becomes another user");
  const auto answers = support::as_user(
      support::nobody,
      [&](support::Answers& found) { found.push_back(support::outcome(HttpSessions::from_ring(*site, "a"))); },
      support::ChildSession::inherited);
  CHECK(answers.back() == -1);
}
