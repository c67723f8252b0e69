// What a realm is asked for, and what it makes of it.
#include <gsskey/testing/realm_options.hpp>
#include <gsskey/testing/test_realm.hpp>

#include <chrono>
#include <string>

#include "support/catch.hpp"
#include "support/realm_tools.hpp"

using namespace gsskey;
using support::read;
using support::started;
using support::tool;
using namespace std::chrono_literals;

TEST_CASE("a realm that nothing is said of") {
  const TestRealmOptions options;
  CHECK(options.realm == "GSSKEY.TEST");
  CHECK((options.users.empty() && options.services.empty() && options.delegations.empty()));
  CHECK(options.ticket_lifetime == Seconds{36000});
  CHECK(options.kdc == Kdc::mit);
  CHECK((options.kdc_address == "127.0.0.1" && options.kdc_port == 0));
  CHECK_FALSE(options.canonicalize_hostnames);
  CHECK(LoginOptions{}.lifetime == Seconds{});
}

TEST_CASE("options of a realm reach the KDC and the configuration") {
  const TestRealm realm = started({.realm = "OTHER.EXAMPLE",
                                   .users = {{"alice", R"(a "quoted" secret; $HOME '#)"}, {"bob", "b"}},
                                   .services = {"imap/mail.example.com", "HTTP/localhost"},
                                   .ticket_lifetime = 1h,
                                   .canonicalize_hostnames = true,
                                   .permitted_enctypes = "aes256-cts-hmac-sha1-96"});
  const auto cache = realm.login("alice");
  REQUIRE(cache);
  REQUIRE(realm.login("bob"));
  tool(realm, "kvno", {"imap/mail.example.com"}, *cache);
  const std::string tickets = tool(realm, "klist", {"-e"}, *cache);
  CHECK(tickets.find("imap/mail.example.com@OTHER.EXAMPLE") != std::string::npos);
  CHECK(tickets.find("aes256-cts-hmac-sha1-96") != std::string::npos);
  const std::string keys = tool(realm, "klist", {"-k", "-e"});
  CHECK(keys.find("HTTP/localhost@OTHER.EXAMPLE (aes256-cts-hmac-sha1-96)") != std::string::npos);
  CHECK(keys.find("aes128") == std::string::npos);
  CHECK(read(realm.krb5_conf()).find("dns_canonicalize_hostname = true") != std::string::npos);
  CHECK(read(realm.krb5_conf()).find("ticket_lifetime = 3600s") != std::string::npos);
}

TEST_CASE("a KDC address that is not loopback is a misuse") {
  for (const char* address : {"0.0.0.0", "192.0.2.1", "::1", "localhost", ""}) {
    const auto realm = TestRealm::start({.kdc_address = address});
    REQUIRE_FALSE(realm);
    CHECK(realm.error().domain() == Domain::usage);
  }
}
