// Where KDCs are, as krb5.conf says.
#include <gsskey/krb5/kdc_list.hpp>

#include <gsskey/krb5/status.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("the KDCs of a realm, in the order of krb5.conf, and no proxies or sockets") {
  const std::string path = support::realm().realm.folder() + "/list.conf";
  must(test_detail::write_file(path,
                               "[realms]\n MANY.TEST = {\n  kdc = one.test\n  kdc = https://proxy.test/KdcProxy\n"
                               "  kdc = 127.0.0.1:1088\n  kdc = [::1]:2088\n  kdc = [fe80::1]\n  kdc = /run/kdc\n }\n"
                               " PROXY.TEST = {\n  kdc = https://proxy.test/KdcProxy\n }\n NONE.TEST = {\n }\n"));
  const support::Environment environment{"KRB5_CONFIG", path};
  const auto list = must(KdcList::of_realm("MANY.TEST"));
  std::string all;
  for (std::size_t at = 0; at < list.size(); ++at) {
    all += std::string{list[at].host} + ' ' + std::to_string(list[at].port) + '\n';
  }
  CHECK(all == "one.test 88\n127.0.0.1 1088\n::1 2088\nfe80::1 88\n");
  CHECK(list[4].host.empty());
  for (const char* const realm : {"PROXY.TEST", "NONE.TEST", "OTHER.TEST", ""}) {
    CAPTURE(realm);
    const auto none = KdcList::of_realm(realm);
    REQUIRE_FALSE(none);
    CHECK(krb5_status(none.error()) == Krb5Status::realm_unknown);
  }
  CHECK(KdcList::of_realm(std::string_view{"A\0B", 3}).error().domain() == Domain::usage);
  CHECK(KdcList::of_realm(std::string((std::size_t{1} << 20) + 1, 'A')).error().domain() == Domain::usage);
  CHECK(KdcList{}.size() == 0);
}

TEST_CASE("an entry is a host, and a port from 1 to 65535") {
  KdcAddress kdc;
  CHECK(gss_detail::parse_kdc("host:65535", kdc));
  CHECK((kdc.host == "host" && kdc.port == 65535));
  for (const char* const text : {"", ":88", "host:", "host:0", "host:65536", "host:-1", "host:88x", "host/x",
                                 "host:88/x", "[", "[::1", "[]", "[]:88", "[::1]x", "[::1]88", "::1", "a:b:1"}) {
    CAPTURE(text);
    CHECK_FALSE(gss_detail::parse_kdc(text, kdc));
    CHECK((kdc.host == "host" && kdc.port == 65535));
  }
}

TEST_CASE("a URI record is of Kerberos, and says over what its KDC is asked") {
  const auto parsed = [](std::string_view text, KdcTransport transport, std::string_view host, std::uint16_t port) {
    KdcAddress kdc;
    CAPTURE(text);
    REQUIRE(gss_detail::parse_kdc_uri(text, kdc));
    CHECK((kdc.transport == transport && kdc.host == host && kdc.port == port));
  };
  parsed("krb5srv:m:udp:kdc.test:1088", KdcTransport::udp, "kdc.test", 1088);
  parsed("krb5srv::tcp:kdc.test", KdcTransport::tcp, "kdc.test", 88);
  parsed("KRB5SRV:x:TCP:[::1]:2088", KdcTransport::tcp, "::1", 2088);
  for (const char* const text :
       {"", "krb5srv", "krb5srv:", "krb5srv::", "krb5srv::udp", "krb5srv::udp:", "krb5srv::udp::88", "krb5srv:udp:kdc",
        "krb5srv::kkdcp:https://proxy.test/KdcProxy", "krb5srv::sctp:kdc", "krb5srv::ud:kdc", "krb5srv::udpx:kdc",
        "krb5sr::udp:kdc", "http://kdc", "krb5srv::udp:kdc:0", "krb5srv::udp:kdc:65536", "krb5srv::udp:kdc/x"}) {
    CAPTURE(text);
    KdcAddress kdc{"host", 1};
    CHECK_FALSE(gss_detail::parse_kdc_uri(text, kdc));
    CHECK((kdc.host == "host" && kdc.port == 1 && kdc.transport == KdcTransport::any));
  }
}

TEST_CASE("whether DNS is asked is as krb5.conf says") {
  const std::string path = support::realm().realm.folder() + "/dns.conf";
  const support::Environment environment{"KRB5_CONFIG", path};
  const auto policy = [&](const std::string& lines) {
    must(test_detail::write_file(path, "[libdefaults]\n " + lines + "\n"));
    return KdcDnsPolicy::of_profile();
  };
  const auto says = [&](const std::string& lines, bool is_asked, bool has_uris) {
    CAPTURE(lines);
    const auto found = must(policy(lines));
    CHECK((found.is_asked == is_asked && found.has_uris == has_uris));
  };
  says("", true, true);
  says("dns_fallback = no", false, true);
  says("dns_fallback = no\n dns_lookup_kdc = yes", true, true);
  says("dns_lookup_kdc = false\n dns_uri_lookup = off", false, false);
  for (const char* const name : {"dns_fallback", "dns_lookup_kdc", "dns_uri_lookup"}) {
    const auto refused = policy(std::string{name} + " = perhaps");
    REQUIRE_FALSE(refused);
    CHECK(std::string{refused.error().operation()} == "profile_get_boolean");
  }
}
