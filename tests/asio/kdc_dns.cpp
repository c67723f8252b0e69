// KDCs in DNS: a real server's records, and answers that are none, forged, cut, huge, or never come.
#include <gsskey/asio/kdc_dns.hpp>

#include <gsskey/asio/prefetch.hpp>
#include <gsskey/asio/renewing.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/acquiring.hpp"
#include "support/asio.hpp"
#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"
#include "support/wait_until.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using asio::ip::udp;
using support::Acquiring;
using support::at;
using support::contains;
using support::must;
using support::Port;

namespace {

TestRealm& realm() { return support::realm_of_two_requests(); }

/// krb5.conf that names no KDC, and says so in [libdefaults].
std::string configuration(const std::string& defaults = "dns_lookup_kdc = true") {
  std::string text = test_detail::read_file(support::configuration({}));
  const std::string section = "[libdefaults]\n";
  const auto found = text.find(section);
  REQUIRE(found != std::string::npos);
  while (true) {
    const auto old = text.find("dns_lookup_kdc");
    if (old == std::string::npos) break;
    text.erase(old, text.find('\n', old) - old);
  }
  text.insert(found + section.size(), " " + defaults + "\n");
  const std::string path = realm().folder() + "/dns.conf";
  must(test_detail::write_file(path, text));
  return path;
}

/// dnsmasq with these options: it knows GSSKEY.TEST, and nobody else.
class Server {
 public:
  explicit Server(const std::vector<std::string>& options) {
    std::vector<std::string> command{"/usr/sbin/dnsmasq",
                                     "--keep-in-foreground",
                                     "--conf-file=/dev/null",
                                     "--no-hosts",
                                     "--no-resolv",
                                     "--no-poll",
                                     "--pid-file=",
                                     "--user=",
                                     "--bind-interfaces",
                                     "--listen-address=127.0.0.1",
                                     "--port=" + std::to_string(port_.number),
                                     "--local=/gsskey.test/",
                                     "--address=/kdc.gsskey.test/127.0.0.1"};
    command.insert(command.end(), options.begin(), options.end());
    daemon_ = must(test_detail::Daemon::start(command, {}, realm().folder() + "/dns.log", realm().folder()));
    support::wait_until([&] { return test_detail::accepts_connections("127.0.0.1", port_.number); });
  }
  [[nodiscard]] DnsKdcs kdcs() const { return {at(port_.number)}; }

 private:
  test_detail::ReservedPort port_ = must(test_detail::ReservedPort::reserve("127.0.0.1", 0));
  test_detail::Daemon daemon_;
};
bool has_server() { return std::filesystem::exists("/usr/sbin/dnsmasq"); }

std::string srv(const std::string& protocol, std::uint16_t port, int priority = 0,
                const std::string& host = "kdc.gsskey.test") {
  return "--srv-host=_kerberos._" + protocol + ".GSSKEY.TEST," + host + "," + std::to_string(port) + "," +
         std::to_string(priority);
}
std::string uri(const std::string& text, int priority = 0) {
  std::string data;
  for (const char byte : std::string{'\0', static_cast<char>(priority), '\0', '\1'} + text) {
    data += "0123456789abcdef"[byte >> 4 & 0xf];
    data += "0123456789abcdef"[byte & 0xf];
  }
  return "--dns-rr=_kerberos.GSSKEY.TEST,256," + data;
}

Result<void> acquire(const DnsKdcs& kdcs, KdcPatience patience = support::endless) {
  const auto cache = must(TicketCache::in_memory());
  return support::acquire(support::login(cache), patience, kdcs);
}

}  // namespace

TEST_CASE("KDCs of SRV records, of URI records before them, in the order of priorities, over what they say") {
  if (!has_server()) return support::skip("there is no dnsmasq");
  const auto dead = must(test_detail::ReservedPort::reserve("127.0.0.1", 0));
  const auto own = realm().port();
  std::string defaults = "dns_lookup_kdc = true";
  std::vector<std::string> records;
  std::string told;
  SECTION("SRV over UDP") { records = {srv("udp", own)}; }
  SECTION("SRV over TCP alone") { records = {srv("tcp", own)}; }
  SECTION("the lowest priority first") {
    records = {srv("udp", 1, 9, "no-such.gsskey.test"), srv("udp", own, 2), srv("udp", dead.number, 1)};
  }
  SECTION("more than a datagram holds") {
    for (int index = 1; index < 60; ++index) {
      records.push_back(srv("udp", 1, 9, "no-such-" + std::to_string(index) + ".a-name-that-is-long.gsskey.test"));
    }
    records.push_back(srv("udp", own, 0));
  }
  SECTION("URI, by an address") {
    records = {uri("krb5srv:m:udp:127.0.0.1:" + std::to_string(own)), srv("udp", dead.number)};
  }
  SECTION("URI, by a name, over TCP; what is of another kind is passed over") {
    records = {uri("krb5srv::kkdcp:https://proxy.test/KdcProxy"), uri("http://elsewhere"), uri("x"),
               uri("krb5srv::tcp:kdc.gsskey.test:" + std::to_string(own), 3)};
  }
  SECTION("no URI where krb5.conf says so") {
    defaults = "dns_uri_lookup = false";
    records = {uri("krb5srv::tcp:127.0.0.1:" + std::to_string(dead.number)), srv("udp", own)};
  }
  const support::Environment environment{"KRB5_CONFIG", configuration(defaults)};
  const Server server{records};
  must(acquire(server.kdcs()));
}

TEST_CASE("a login that is renewed, and the ticket of a handshake, come from KDCs in DNS, too") {
  if (!has_server()) return support::skip("there is no dnsmasq");
  const Server server{{srv("udp", realm().port())}};
  const support::Environment environment{"KRB5_CONFIG", configuration()};
  asio::io_context io;
  const auto login = [](const TicketCache& into) {
    return InitialTicket::with_password(into, must(Name::user("bob")), "hunter2");
  };
  AsyncRenewingCredential bob{io.get_executor(), login, {}, server.kdcs()};
  bool is_done = false;
  const auto run = [&]() -> asio::awaitable<void> {
    const auto lease = must(co_await bob.async_lease(asio::use_awaitable));
    Initiator<mech::Krb5> initiator{support::target(), *lease};
    const auto refused = co_await prefetch(lease.cache(), support::endless).prepare(initiator);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().minor_status() == static_cast<std::uint32_t>(KRB5_REALM_UNKNOWN));
    must(co_await prefetch(lease.cache(), support::endless, server.kdcs()).prepare(initiator));
    must(support::without_network([&] { return initiator.step({}); }));
    is_done = true;
  };
  asio::co_spawn(io, run(), support::Rethrow{});
  support::run_while(io, [&] { return !is_done; });

  // With a handler, and without a ticket in the cache: no KDC is named but in DNS.
  const auto cache = must(TicketCache::in_memory());
  must(support::acquire(support::login(cache), support::endless, server.kdcs()));
  const auto credential = must(cache.credential());
  io.restart();  // nothing was left to do
  support::Sockets sockets{io};
  std::optional<Result<SecurityContext<mech::Krb5>>> initiated, accepted;
  async_handshake(Initiator<mech::Krb5>{support::target(), credential}, sockets.client,
                  prefetch(cache, support::endless, server.kdcs()), [&](auto ended) { initiated = std::move(ended); });
  async_handshake(support::acceptor<mech::Krb5>(), sockets.server, Inline{},
                  [&](auto ended) { accepted = std::move(ended); });
  support::run_while(io, [&] { return !initiated || (*initiated && !accepted); });
  auto sender = must(*std::move(initiated));
  CHECK(must(must(*std::move(accepted)).unwrap(must(sender.wrap("there")))).text() == "there");
}

TEST_CASE("krb5.conf comes first; it can forbid DNS; who is in neither is told") {
  if (!has_server()) return support::skip("there is no dnsmasq");
  const auto dead = must(test_detail::ReservedPort::reserve("127.0.0.1", 0));
  const auto dns = [&](const std::vector<std::string>& records) { return Server{records}; };
  const auto server = dns({srv("tcp", dead.number), "--address=/other.test/127.0.0.1"});
  SECTION("named there, by a host that DNS knows") {
    const support::Environment environment{
        "KRB5_CONFIG", support::configuration({"kdc.gsskey.test:" + std::to_string(realm().port())})};
    must(acquire(server.kdcs()));
  }
  SECTION("forbidden") {
    for (const char* const no : {"dns_lookup_kdc = false", "dns_fallback = no"}) {
      const support::Environment environment{"KRB5_CONFIG", configuration(no)};
      const auto refused = acquire(server.kdcs());
      REQUIRE_FALSE(refused);
      CHECK(refused.error().minor_status() == static_cast<std::uint32_t>(KRB5_REALM_UNKNOWN));
    }
  }
  SECTION("a KDC that is not there") {
    const support::Environment environment{"KRB5_CONFIG", configuration()};
    const auto refused = acquire(server.kdcs());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().minor_status() == ECONNREFUSED);
    CHECK(contains(refused.error().text(), at(dead.number) + " over TCP, a KDC of GSSKEY.TEST"));
  }
  SECTION("no records, no host") {
    const support::Environment environment{"KRB5_CONFIG", configuration()};
    for (const auto& records : std::vector<std::vector<std::string>>{
             {}, {srv("udp", 88, 0, "no-such.gsskey.test")}, {"--srv-host=_kerberos._udp.GSSKEY.TEST"}}) {
      const auto empty = dns(records);
      const auto refused = acquire(empty.kdcs());
      REQUIRE_FALSE(refused);
      CAPTURE(refused.error().text());
      CHECK(refused.error().minor_status() == EADDRNOTAVAIL);
      CHECK(contains(refused.error().text(), "GSSKEY.TEST"));
    }
  }
}

TEST_CASE("DNS that says nothing, or what is none, is told, and nothing of a forger is believed") {
  const support::Environment environment{"KRB5_CONFIG", configuration()};
  asio::io_context io;
  std::vector<std::string> names;
  int asked = 0;
  const auto meet = [&](const std::function<void(Port&, const std::string&, const udp::endpoint&)>& manner,
                        KdcPatience patience = {20ms, 1s}) {
    asked = 0;
    names.clear();
    Port dns{io, [&](Port& port, const std::string& question, const udp::endpoint& from) {
               ++asked;
               names.push_back(question.substr(12));
               manner(port, question, from);
             }};
    const auto cache = must(TicketCache::in_memory());
    Acquiring acquiring{io};
    acquiring.begin(support::login(cache), patience, DnsKdcs{at(dns.number())});
    support::run_while(io, [&] { return !acquiring.result; });
    io.poll();
    dns.close();
    const auto ended = *std::move(acquiring.result);
    REQUIRE_FALSE(ended);
    CAPTURE(ended.error().text());
    CHECK(ended.error().domain() == Domain::transport);
    CHECK(contains(ended.error().text(), "GSSKEY.TEST"));
    return ended.error().minor_status();
  };
  CHECK(meet([](Port&, const std::string&, const udp::endpoint&) {}) == ETIMEDOUT);
  CHECK(asked == 6);  // each of three names twice
  for (const auto& name : names) CHECK(contains(name, std::string("\6GSSKEY\4TEST\0", 13)));
  const auto answered = [](const std::string& question, char code, const std::string& records, int count) {
    std::string reply = question.substr(0, 12) + question.substr(12, question.find('\0', 12) + 5 - 12) + records;
    reply[2] = static_cast<char>(0x80);
    reply[3] = code;
    reply[7] = static_cast<char>(count);
    reply[11] = 0;
    return reply;
  };
  const auto nothing = [&](char code) {
    return [&answered, code](Port& port, const std::string& question, const udp::endpoint& from) {
      port.send(answered(question, code, "", 0), from);
    };
  };
  CHECK(meet(nothing(3), support::endless) == EADDRNOTAVAIL);
  CHECK(asked == 3);
  const auto refused = [](std::uint32_t code) { return code == EBADMSG || code == ETIMEDOUT || code == ECONNREFUSED; };
  for (const char code : {'\1', '\2', '\4', '\5'}) {
    CAPTURE(static_cast<int>(code));
    CHECK(refused(meet(nothing(code), support::endless)));
  }
  // One record that leads to a listener which must not be asked: by another's port, number, question; cut; endless.
  int believed = 0;
  Port trap{io, [&](Port&, const std::string&, const udp::endpoint&) { ++believed; }};
  const auto record = [&](const std::string& target) {
    const auto port = trap.number();
    const std::string data =
        std::string("\0\0\0\0", 4) + static_cast<char>(port >> 8) + static_cast<char>(port & 0xff) + target;
    return std::string("\xc0\x0c\0\x21\0\1\0\0\0\1\0", 11) + static_cast<char>(data.size()) + data;
  };
  const std::string name{
      "\x09"
      "127-0-0-1\4test\0",
      16};
  Port other{io, [](Port&, const std::string&, const udp::endpoint&) {}};
  CHECK(meet([&](Port&, const std::string& question, const udp::endpoint& from) {
          other.send(answered(question, 0, record(name), 1), from);
        }) == ETIMEDOUT);
  CHECK(meet([&](Port& port, const std::string& question, const udp::endpoint& from) {
          auto reply = answered(question, 0, record(name), 1);
          reply[0] = static_cast<char>(reply[0] + 1);
          port.send(reply, from);
        }) == ETIMEDOUT);
  CHECK(meet([&](Port& port, const std::string& question, const udp::endpoint& from) {
          auto reply = answered(question, 0, record(name), 1);
          reply[reply.find("GSSKEY")] = 'X';
          port.send(reply, from);
        }) == ETIMEDOUT);
  for (const std::string& records :
       {record(name).substr(0, 20), record("\xc0\x0c"), record("\xc0\xff"), std::string(400, '\xc0'),
        std::string{"\xc0\x0c\0\x21\0\1\0\0\0\1\xff\xff", 12}, std::string(60000, '\0')}) {
    const auto code = meet([&](Port& port, const std::string& question, const udp::endpoint& from) {
      port.send(answered(question, 0, records, 1), from);
      port.send("", from);
      port.send("x", from);
    });
    CAPTURE(code, records.size());
    CHECK((refused(code) || code == EADDRNOTAVAIL));
  }
  io.poll();
  CHECK(believed == 0);
}

TEST_CASE("a cancellation ends a look-up at once, and nothing is left of it; so does the end of its context") {
  const support::Environment environment{"KRB5_CONFIG", configuration()};
  const std::size_t before = support::open_files();
  {
    asio::io_context io;
    bool has_come = false;
    Port silent{io, [&](Port& port, const std::string&, const udp::endpoint&) {
                  has_come = true;
                  port.close();
                }};
    const auto cache = must(TicketCache::in_memory());
    Acquiring acquiring{io};
    acquiring.begin(support::login(cache), support::endless, DnsKdcs{at(silent.number())});
    support::run_while(io, [&] { return !has_come; });
    acquiring.signal.emit(asio::cancellation_type::terminal);
    const auto result = acquiring.end();
    REQUIRE_FALSE(result);
    CHECK(result.error().minor_status() == ECANCELED);

    asio::io_context dropped;
    has_come = false;
    Port silent_too{dropped, [&](Port&, const std::string&, const udp::endpoint&) { has_come = true; }};
    Acquiring lost{dropped};
    lost.begin(support::login(cache), support::endless, DnsKdcs{at(silent_too.number())});
    support::run_while(dropped, [&] { return !has_come; });
  }
  CHECK(support::open_files() == before);
}

TEST_CASE("the lowest priority comes first, and the share of each weight is in proportion to it") {
  std::mt19937 random{1};
  std::map<std::string, int> first;
  for (int draw = 0; draw < 4000; ++draw) {
    std::vector<asio_detail::DnsKdc> kdcs{
        {7, 65535, {"last"}}, {1, 30, {"thrice"}}, {1, 0, {"never"}}, {1, 10, {"once"}}};
    asio_detail::put_in_order(kdcs, random);
    REQUIRE(kdcs.back().place.host == "last");
    ++first[kdcs.front().place.host];
  }
  CHECK(first["never"] < 10);
  CHECK((first["once"] > 900 && first["once"] < 1100));
  CHECK((first["thrice"] > 2900 && first["thrice"] < 3100));
}

TEST_CASE("servers that cannot be read are an error of the call") {
  const support::Environment environment{"KRB5_CONFIG", configuration()};
  const auto refused = acquire({"no address"});
  REQUIRE_FALSE(refused);
  CHECK(std::string{refused.error().operation()} == "ares_set_servers_ports_csv");
}
