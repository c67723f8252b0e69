// gsskey/testing/detail/heimdal_kdc: a realm with Heimdal's KDC, which MIT's clients use like MIT's own.
// SPDX-License-Identifier: MIT
#include <gsskey/testing/test_realm.hpp>

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/heimdal_root.hpp"
#include "support/must.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using namespace std::string_literals;
using support::must;
namespace fs = std::filesystem;

namespace {

TestRealm started(TestRealmOptions options = {.users = {{"alice", "secret"}, {"bob", "hunter2"}},
                                              .services = {"host/localhost", "other/localhost"}}) {
  options.kdc = Kdc::heimdal;
  return must(TestRealm::start(std::move(options)));
}

std::string text_of(const Error& error) { return std::string{error.text()}; }

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// A tool of krb5-user inside the realm, and what it printed.
Result<std::string> tool(const TestRealm& realm, const char* name, std::vector<std::string> arguments,
                         std::string_view cache = {}) {
  arguments.insert(arguments.begin(), must(test_detail::find_program(name, "krb5-user", "/usr/bin")));
  auto done = test_detail::run(name, arguments, realm.environment(cache));
  if (!done) return unexpected(done.error());
  return done->output;
}

/// What of Heimdal's KDC runs for this realm.
std::vector<pid_t> processes_of(const TestRealm& realm) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (read(entry.path() / "comm") == "kdc\n" &&
        read(entry.path() / "cmdline").find(realm.folder()) != std::string::npos) {
      found.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return found;
}

}  // namespace

TEST_CASE("a realm of Heimdal's KDC has users and services") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const TestRealm realm = started();
  const auto cache = must(realm.login("alice"));
  const auto tickets = must(tool(realm, "klist", {"-f"}, cache));
  CHECK(tickets.find("alice@GSSKEY.TEST") != std::string::npos);
  CHECK(tickets.find("Flags: F") != std::string::npos);  // forwardable
  CHECK(must(tool(realm, "kvno", {"-k", realm.keytab(), "host/localhost", "other/localhost"}, cache))
            .find("other/localhost@GSSKEY.TEST: kvno = 1, keytab entry valid") != std::string::npos);
  CHECK(read(realm.kdc_log()).find("TGS-REQ alice@GSSKEY.TEST") != std::string::npos);

  const auto wrong = realm.login("alice", {.password = "wrong"});
  REQUIRE_FALSE(wrong);
  CHECK(text_of(wrong.error()).find("Password incorrect") != std::string::npos);
}

TEST_CASE("options reach Heimdal's KDC") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const TestRealm realm = started({.realm = "OTHER.EXAMPLE",
                                   .users = {{"alice", R"(a "quoted" \secret; $HOME '#)"}},
                                   .services = {"imap/mail.example.com"},
                                   .ticket_lifetime = Seconds{3600},
                                   .kdc_address = "127.9.8.5",
                                   .permitted_enctypes = "aes128-cts-hmac-sha1-96",
                                   .libdefaults = {"ticket_lifetime = 7200"},
                                   .kdc_settings = {"require-preauth = no"}});
  const auto cache = must(realm.login("alice"));
  CHECK(
      must(tool(realm, "klist", {"-k", "-e"})).find("imap/mail.example.com@OTHER.EXAMPLE (aes128-cts-hmac-sha1-96)") !=
      std::string::npos);
  CHECK(must(tool(realm, "klist", {"-k", "-e"})).find("aes256") == std::string::npos);
  CHECK(must(tool(realm, "klist", {"-f"}, cache)).find("A\n") == std::string::npos);  // not preauthenticated
  CHECK(test_detail::accepts_connections("127.9.8.5", realm.port()));
  CHECK_FALSE(test_detail::accepts_connections("127.0.0.1", realm.port()));
  CHECK(read(realm.krb5_conf()).find("ticket_lifetime = 7200\n") != std::string::npos);
}

TEST_CASE("kadmin speaks Heimdal's language, and notices when a command fails") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const TestRealm realm = started();
  must(realm.kadmin("passwd --password=changed alice"));
  CHECK_FALSE(realm.login("alice"));
  CHECK(realm.login("alice", {.password = "changed"}));
  const std::pair<const char*, const char*> refused[] = {
      {"frobnicate", "not a known command"},
      {"frobnicate\nget alice", "not a known command"},
      {"get nobody", "Principal does not exist"},
      {"add --use-defaults --password=x alice", "already exists"},
  };
  for (const auto& [command, reason] : refused) {
    CAPTURE(command);
    const auto failed = realm.kadmin(command);
    REQUIRE_FALSE(failed);
    CHECK(std::string{failed.error().operation()} == "kadmin.heimdal");
    CHECK(text_of(failed.error()).find(reason) != std::string::npos);
  }
  const auto twice = TestRealm::start({.users = {{"alice", "a"}, {"alice", "b"}}, .kdc = Kdc::heimdal});
  REQUIRE_FALSE(twice);
  CHECK(text_of(twice.error()).find("already exists") != std::string::npos);
}

TEST_CASE("Heimdal's export_keytab keeps the keys") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const TestRealm realm = started();
  const auto keytab = must(realm.export_keytab("alice"));
  CHECK(realm.login("alice"));
  const std::string cache = "FILE:" + realm.folder() + "/by-keytab";
  must(tool(realm, "kinit", {"-k", "-t", keytab, "alice"}, cache));
  CHECK_FALSE(realm.export_keytab("nobody"));
}

TEST_CASE("delegations: for any user to oneself, for any user to the targets, and no further") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const TestRealm realm = started({.users = {{"bob", "hunter2"}},
                                   .services = {"host/localhost", "other/localhost", "third/localhost"},
                                   .delegations = {{"host/localhost", {"other/localhost"}}}});
  const auto reaches = [&](const char* service, const char* target) {
    const std::string cache = "FILE:" + realm.folder() + "/service";
    must(tool(realm, "kinit", {"-k", service}, cache));
    return tool(realm, "kvno", {"-k", realm.keytab(), "-U", "bob", "-P", target}, cache).has_value();
  };
  CHECK(reaches("host/localhost", "other/localhost"));
  CHECK_FALSE(reaches("host/localhost", "third/localhost"));
  CHECK_FALSE(reaches("other/localhost", "third/localhost"));
}

TEST_CASE("S4U2Proxy is not asked of MIT's KDC, S4U2Self is") {
  const auto proxy = TestRealm::start({.services = {"host/localhost"}, .delegations = {{"host/localhost", {"x/y"}}}});
  REQUIRE_FALSE(proxy);
  CHECK(proxy.error().domain() == Domain::usage);

  const auto realm = must(TestRealm::start(
      {.users = {{"bob", "hunter2"}}, .services = {"host/localhost"}, .delegations = {{"host/localhost"}}}));
  const std::string cache = "FILE:" + realm.folder() + "/service";
  must(tool(realm, "kinit", {"-k", "host/localhost"}, cache));
  must(tool(realm, "kvno", {"-k", realm.keytab(), "-U", "bob", "host/localhost"}, cache));
  CHECK(must(tool(realm, "klist", {"-f"}, cache)).find("for client bob@GSSKEY.TEST") != std::string::npos);
}

TEST_CASE("nothing of Heimdal's KDC is left") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  std::optional<TestRealm> realm = started();
  const auto running = processes_of(*realm);
  REQUIRE(running.size() == 1);  // no children that would go on
  const std::string folder = realm->folder();
  const auto port = realm->port();
  SECTION("when the realm goes") {}
  SECTION("when it was stopped and started again") {
    realm->stop_kdc();
    CHECK_FALSE(test_detail::accepts_connections("127.0.0.1", port));
    must(realm->restart_kdc());
    CHECK(realm->port() == port);
    CHECK(realm->login("alice"));
    REQUIRE(processes_of(*realm).size() == 1);
  }
  realm.reset();
  CHECK((::kill(running[0], 0) != 0 && errno == ESRCH));
  CHECK_FALSE(fs::exists(folder));
  CHECK_FALSE(test_detail::accepts_connections("127.0.0.1", port));
}

TEST_CASE("a UDP port that somebody has is an error: Heimdal's KDC would go on without it") {
  if (!support::has_heimdal_kdc()) return support::skip("heimdal-kdc is not unpacked");
  const auto free = must(test_detail::ReservedPort::reserve("127.9.8.4", 0));
  const auto udp = test_detail::Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = test_detail::loopback("127.9.8.4", free.number);
  REQUIRE(::bind(udp.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  const auto realm = TestRealm::start({.kdc_address = "127.9.8.4", .kdc_port = free.number, .kdc = Kdc::heimdal});
  REQUIRE_FALSE(realm);
  CHECK(std::string{realm.error().operation()} == "kdc");
  CHECK(text_of(realm.error()).find("Address already in use") != std::string::npos);
}

TEST_CASE("what is not unpacked is named, and its package") {
  const auto folder = must(test_detail::TempFolder::create("gsskey-test-"));
  const support::Environment root{"GSSKEY_HEIMDAL_ROOT", folder.path()};
  const auto missing = [] {
    const auto realm = TestRealm::start({.kdc = Kdc::heimdal});
    REQUIRE_FALSE(realm);
    CHECK(realm.error().domain() == Domain::system);
    CHECK(realm.error().minor_status() == ENOENT);
    return text_of(realm.error());
  };
  CHECK(missing().ends_with("package heimdal-kdc"));
  fs::create_directories(folder.path() + "/usr/lib/heimdal-servers");
  fs::create_symlink("/bin/true", folder.path() + "/usr/lib/heimdal-servers/kdc");
  CHECK(missing().ends_with("package heimdal-clients"));
}
