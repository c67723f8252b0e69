// Requests through a proxy of HTTPS: Debian's kdcproxy takes them from curl, and asks MIT's KDC.
#include <gsskey/krb5/kdc_proxy.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/kdc_client.hpp"
#include "support/no_network.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::carry_out;
using support::must;

namespace {

constexpr std::string_view server = R"(
import sys
from wsgiref import simple_server
import kdcproxy
served = simple_server.make_server("127.0.0.1", 0, kdcproxy.Application())
with open(sys.argv[1], "w") as port:
    print(served.server_port, file=port)
served.serve_forever()
)";

struct Proxy {
  test_detail::TempFolder home;
  std::string folder = home.path();
  test_detail::Daemon daemon{};

  static Proxy start(TestRealm& realm) {
    Proxy made{must(test_detail::TempFolder::create("gsskey-proxy-"))};
    must(test_detail::write_file(made.folder + "/kdcproxy.conf", "[GSSKEY.TEST]\nkerberos = kerberos+tcp://127.0.0.1:" +
                                                                     std::to_string(realm.port()) + "\n"));
    const std::string port = made.folder + "/port";
    made.daemon =
        must(test_detail::Daemon::start({"/usr/bin/python3", "-c", std::string{server}, port},
                                        {"KDCPROXY_CONFIG=" + made.folder + "/kdcproxy.conf", "PYTHONUNBUFFERED=1"},
                                        made.folder + "/log", made.folder));
    REQUIRE(support::eventually([&] { return !made.daemon.running() || !made.port().empty(); }));
    if (made.port().empty()) FAIL("no kdcproxy: " << test_detail::read_file(made.folder + "/log"));
    return made;
  }
  [[nodiscard]] std::string port() const {
    std::string text = test_detail::read_file(folder + "/port");
    return text.ends_with('\n') ? text.substr(0, text.size() - 1) : std::string{};
  }
  /// What it answers to a POST.
  [[nodiscard]] std::string post(ByteView body) const {
    must(test_detail::write_file(folder + "/request", std::string{body.text()}));
    must(test_detail::run(
        "curl",
        {"/usr/bin/curl", "--silent", "--show-error", "--header", "Content-Type: application/kerberos", "--data-binary",
         "@" + folder + "/request", "--output", folder + "/answer", "http://127.0.0.1:" + port() + "/KdcProxy"},
        {}));
    return test_detail::read_file(folder + "/answer");
  }
};

bool is_refused(std::string_view body) {
  const auto reply = kdc_proxy_reply(body);
  return !reply && reply.error().domain() == Domain::transport && reply.error().minor_status() == EBADMSG;
}

}  // namespace

TEST_CASE("a login and a ticket come through a proxy, and a handshake finds them") {
  auto& realm = support::realm_of_two_requests();
  const auto proxy = Proxy::start(realm);
  int requests = 0;
  const auto carry = [&](const KdcStep& step) {
    ++requests;
    const std::string answered = proxy.post(must(kdc_proxy_message(step)));
    return std::string{must(kdc_proxy_reply(answered)).text()};
  };
  const auto cache = must(TicketCache::in_memory());
  auto login = must(InitialTicket::with_password(cache, must(Name::user("bob")), "hunter2"));
  must(carry_out(login, carry));
  CHECK(requests == 2);
  auto ticket = must(ServiceTicket::for_target(cache, support::target()));
  must(carry_out(ticket, carry));
  CHECK(requests == 3);
  const auto credential = must(cache.credential());
  Initiator<mech::Krb5> initiator{support::target(), credential};
  CHECK(support::without_network([&] { return initiator.step().has_value(); }));
}

TEST_CASE("a proxy that does not know the realm, or answers to something else") {
  auto& realm = support::realm_of_two_requests();
  const auto proxy = Proxy::start(realm);
  CHECK(is_refused(proxy.post("no request")));
  CHECK(is_refused(proxy.post(must(kdc_proxy_message({.request = "x", .realm = "NOWHERE.TEST"})))));
}

TEST_CASE("messages of any size, byte by byte as MS-KKDCP has them") {
  const auto small = must(kdc_proxy_message({.request = "ab", .realm = "R"}));
  CHECK(ByteView{small}.text() == std::string_view{"\x30\x0f\xa0\x08\x04\x06\0\0\0\x02"
                                                   "ab\xa1\x03\x1b\x01R",
                                                   17});
  for (const std::size_t size : {1u, 100u, 121u, 122u, 123u, 250u, 256u, 65535u, 65536u, 1u << 20}) {
    CAPTURE(size);
    const std::string request(size, 'x');
    const auto message = must(kdc_proxy_message({.request = request, .realm = std::string(size % 200, 'r')}));
    CHECK(must(kdc_proxy_reply(message)).text() == request);
  }
  CHECK(kdc_proxy_message({}).error().domain() == Domain::usage);
  const std::string longer((1u << 20) + 1, 'x');
  CHECK(kdc_proxy_message({.request = longer, .realm = "R"}).error().minor_status() == EMSGSIZE);
}

TEST_CASE("answers that are none") {
  const auto message = must(kdc_proxy_message({.request = "a reply", .realm = "R"}));
  const std::string good{ByteView{message}.text()};
  REQUIRE(must(kdc_proxy_reply(good)).text() == "a reply");
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(is_refused(good.substr(0, size)));
  }
  CHECK(is_refused(good + "x"));
  for (std::size_t at = 0; at < 10; ++at) {  // all but the reply, and what follows it
    for (int bit = 0; bit < 8; ++bit) {
      CAPTURE(at, bit);
      std::string altered = good;
      altered[at] = static_cast<char>(altered[at] ^ (1 << bit));
      CHECK(is_refused(altered));
    }
  }
  CHECK(is_refused("<html>502</html>"));
  CHECK(is_refused({"\x30\x08\xa0\x06\x04\x04\0\0\0\0", 10}));  // of no bytes
}
