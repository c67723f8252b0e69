// gsskey/testing/test_realm: what a realm does, and what it leaves behind (nothing), seen from outside.
// SPDX-License-Identifier: MIT
#include <gsskey/testing/test_realm.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/must.hpp"
#include "support/realm_tools.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::eventually;
using support::read;
using support::started;
using support::tool;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

static_assert(!std::is_copy_constructible_v<TestRealm> && !std::is_copy_assignable_v<TestRealm>);
static_assert(std::is_nothrow_move_constructible_v<TestRealm> && std::is_nothrow_move_assignable_v<TestRealm>);
static_assert(!std::is_copy_constructible_v<RealmEnvironment> &&
              std::is_nothrow_move_constructible_v<RealmEnvironment>);

std::string text_of(const Error& error) { return std::string{error.text()}; }

bool port_open(const TestRealm& realm) { return test_detail::accepts_connections("127.0.0.1", realm.port()); }

bool is_krb5kdc(const fs::path& process) { return read(process / "comm") == "krb5kdc\n"; }

// Processes whose environment names `folder`: the KDC and every other child that a realm started.
std::vector<pid_t> processes_of(const std::string& folder) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (read(entry.path() / "environ").find("KRB5_CONFIG=" + folder) != std::string::npos) {
      found.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return found;
}

pid_t kdc_of(const TestRealm& realm) {
  const auto found = processes_of(realm.folder());
  REQUIRE(found.size() == 1);
  REQUIRE(is_krb5kdc("/proc/" + std::to_string(found[0])));
  return found[0];
}

pid_t parent_of(pid_t process) {
  const std::string stat = read("/proc/" + std::to_string(process) + "/stat");
  std::istringstream rest{stat.substr(stat.rfind(')') + 1)};
  char state = 0;
  pid_t parent = 0;
  rest >> state >> parent;
  return parent;
}

bool gone(pid_t process) { return ::kill(process, 0) != 0 && errno == ESRCH; }

// Where nobody waits for orphans (a container's init), what has ended stays as a zombie.
bool ended(pid_t process) {
  const std::string stat = read("/proc/" + std::to_string(process) + "/stat");
  return stat.empty() || stat.substr(stat.rfind(')') + 2, 1) == "Z";
}

std::vector<std::string> descriptors(const fs::path& process) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{process / "fd"}) found.push_back(fs::read_symlink(entry, ignored));
  return found;
}

struct Left {  // what must be gone when a realm is
  std::string folder;
  pid_t kdc;
  pid_t watcher;
  std::uint16_t port;

  explicit Left(const TestRealm& realm)
      : folder{realm.folder()}, kdc{kdc_of(realm)}, watcher{parent_of(kdc)}, port{realm.port()} {
    CHECK(watcher != ::getpid());
    CHECK(fs::exists(folder));
    CHECK(port_open(realm));
  }
  void check_gone() const {
    CHECK_FALSE(fs::exists(folder));
    CHECK(gone(kdc));
    CHECK(gone(watcher));
    CHECK_FALSE(test_detail::accepts_connections("127.0.0.1", port));
    CHECK(processes_of(folder).empty());
  }
};

}  // namespace

TEST_CASE("a realm has a KDC that knows its users and services") {
  const TestRealm realm = started();
  CHECK(realm.realm() == "GSSKEY.TEST");
  CHECK(realm.principal("alice") == "alice@GSSKEY.TEST");
  CHECK(realm.port() != 0);
  CHECK(realm.krb5_conf() == realm.folder() + "/krb5.conf");

  struct stat folder{};
  REQUIRE(::stat(realm.folder().c_str(), &folder) == 0);
  CHECK((folder.st_mode & 07777) == 0700);

  const auto cache = realm.login("alice");
  REQUIRE(cache);
  CHECK(cache->starts_with("FILE:" + realm.folder() + "/"));
  const std::string tickets = tool(realm, "klist", {"-f"}, *cache);
  CHECK(tickets.find("alice@GSSKEY.TEST") != std::string::npos);
  CHECK(tickets.find("krbtgt/GSSKEY.TEST@GSSKEY.TEST") != std::string::npos);
  CHECK(tickets.find("Flags: F") != std::string::npos);  // forwardable

  CHECK(tool(realm, "klist", {"-k"}).find("host/localhost@GSSKEY.TEST") != std::string::npos);
  CHECK(tool(realm, "kvno", {"-k", realm.keytab(), "host/localhost"}, *cache).find("keytab entry valid") !=
        std::string::npos);
}

TEST_CASE("a realm without users and services runs") {
  const TestRealm realm = started({});
  CHECK(port_open(realm));
  CHECK_FALSE(fs::exists(realm.keytab()));
}

TEST_CASE("a KDC runs on the address and port that it was given") {
  const auto free = test_detail::ReservedPort::reserve("127.9.8.7", 0);
  REQUIRE(free);
  const TestRealm realm =
      started({.users = {{"alice", "secret"}}, .kdc_address = "127.9.8.7", .kdc_port = free->number});
  CHECK(realm.port() == free->number);
  CHECK(realm.login("alice"));
  CHECK_FALSE(port_open(realm));  // on 127.0.0.1

  const auto second = TestRealm::start({.kdc_address = "127.9.8.7", .kdc_port = free->number});
  REQUIRE_FALSE(second);
  CHECK(second.error().domain() == Domain::system);
  CHECK(second.error().minor_status() == EADDRINUSE);
}

TEST_CASE("a KDC that cannot have its UDP port is an error with its words") {
  const auto free = test_detail::ReservedPort::reserve("127.9.8.6", 0);
  REQUIRE(free);
  const auto udp = test_detail::Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = test_detail::loopback("127.9.8.6", free->number);
  REQUIRE(::bind(udp.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);

  const auto realm = TestRealm::start({.kdc_address = "127.9.8.6", .kdc_port = free->number});
  REQUIRE_FALSE(realm);
  CHECK(std::string{realm.error().operation()} == "krb5kdc");
  CHECK(text_of(realm.error()).find("Failed setting up a UDP socket") != std::string::npos);
}

TEST_CASE("a program is missing where no folder has it, and not where one could not be searched") {
  const auto folder = test_detail::TempFolder::create("gsskey-test-");
  REQUIRE(folder);
  const std::string loop = folder->path() + "/loop";
  REQUIRE(::symlink(loop.c_str(), loop.c_str()) == 0);
  const std::string missing = folder->path() + ":/nowhere:" + folder->path() + "/file";
  std::ofstream{folder->path() + "/file"} << "no folder";
  const auto absent = test_detail::find_program("krb5kdc", "krb5-kdc", missing);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().minor_status() == ENOENT);
  CHECK(text_of(absent.error()).find("is not installed") != std::string::npos);
  const auto unknown = test_detail::find_program("krb5kdc", "krb5-kdc", missing + ":" + loop);
  REQUIRE_FALSE(unknown);
  CHECK(std::string{unknown.error().operation()} == "access");
  CHECK(unknown.error().minor_status() == ELOOP);
}

TEST_CASE("a KDC that loses the race for its port gets another one") {
  // A krb5kdc that is too late twice, found before the real one.
  const auto folder = test_detail::TempFolder::create("gsskey-test-");
  REQUIRE(folder);
  const auto real = test_detail::find_program("krb5kdc", "krb5-kdc", test_detail::program_folders());
  REQUIRE(real);
  const std::string fake = folder->path() + "/krb5kdc";
  std::ofstream{fake} << "#!/bin/sh\necho x >> " << folder->path() << "/runs\n[ $(wc -l < " << folder->path()
                      << "/runs) -gt 2 ] || { echo 'krb5kdc: Address already in use' >&2; exit 1; }\nexec " << *real
                      << " \"$@\"\n";
  REQUIRE(::chmod(fake.c_str(), 0700) == 0);
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (folder->path() + ":" + path).c_str(), 1);
  const auto realm = TestRealm::start({.users = {{"alice", "secret"}}});
  ::setenv("PATH", path.c_str(), 1);
  if (!realm) FAIL(realm.error().text());
  CHECK(read(folder->path() + "/runs") == "x\nx\nx\n");
  CHECK(realm->login("alice"));
}

TEST_CASE("login refuses with kinit's words") {
  const TestRealm realm = started();
  const auto before = descriptors("/proc/self").size();
  const auto wrong = realm.login("alice", {.password = "wrong"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().domain() == Domain::system);
  CHECK(std::string{wrong.error().operation()} == "kinit");
  CHECK(text_of(wrong.error()).find("Password incorrect") != std::string::npos);

  const auto nobody = realm.login("nobody", {.password = "x"});
  REQUIRE_FALSE(nobody);
  CHECK(text_of(nobody.error()).find("not found in Kerberos database") != std::string::npos);

  const auto anonymous = realm.login_anonymously();  // a KDC that does not allow it
  REQUIRE_FALSE(anonymous);
  CHECK(text_of(anonymous.error()).find("WELLKNOWN/ANONYMOUS") != std::string::npos);

  const auto unknown = realm.login("nobody");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().domain() == Domain::usage);
  CHECK(descriptors("/proc/self").size() == before);
}

TEST_CASE("a login with an armor that is of no use fails, whether the KDC asks for one or not") {
  const TestRealm realm = support::must(TestRealm::start({.users = {{"alice", "secret"}, {"hugo", "secret"}}}));
  REQUIRE(realm.kadmin("modprinc +requires_preauth hugo"));
  const auto elsewhere = support::must(TestRealm::start({.realm = "OTHER.TEST", .users = {{"alice", "secret"}}}));
  const std::string armor = support::must(realm.login("alice"));
  // The ticket of a cache begins when its owner logged in: twice the same time. The third is its end.
  std::string ended = read(armor.substr(5));
  const auto now = static_cast<std::uint32_t>(::time(nullptr));
  int changed = 0;
  for (std::size_t at = 0; at + 12 <= ended.size(); ++at) {
    std::uint32_t times[2];
    std::memcpy(times, ended.data() + at, sizeof times);
    if (times[0] != times[1] || now - ntohl(times[0]) > 60) continue;
    const std::uint32_t before = htonl(now - 3600);
    for (int i = 0; i < 3; ++i) std::memcpy(ended.data() + at + 4 * i, &before, sizeof before);
    ++changed;
  }
  REQUIRE(changed == 1);
  std::ofstream{realm.folder() + "/ended"} << ended;

  for (const char* user : {"alice", "hugo"}) {
    CAPTURE(user);
    CHECK(realm.login(user, {.armor = armor}));
    for (const auto& useless : {"FILE:" + realm.folder() + "/none", "FILE:" + realm.krb5_conf(),
                                "FILE:" + realm.folder() + "/ended", support::must(elsewhere.login("alice"))}) {
      CAPTURE(useless);
      const auto refused = realm.login(user, {.armor = useless});
      REQUIRE_FALSE(refused);
      CAPTURE(text_of(refused.error()));
      CHECK(std::string{refused.error().operation()} == "kinit");
      CHECK(text_of(refused.error()).find("armor") != std::string::npos);
      CHECK(text_of(refused.error()).find(useless.substr(5)) != std::string::npos);
    }
  }
}

TEST_CASE("every login has a cache of its own, with the lifetime that was asked for") {
  const TestRealm realm = started();
  std::vector<std::future<Result<std::string>>> logins;
  for (int i = 0; i < 8; ++i) logins.push_back(std::async(std::launch::async, [&] { return realm.login("alice"); }));
  std::set<std::string> caches;
  for (auto& login : logins) {
    const auto cache = login.get();
    REQUIRE(cache);
    caches.insert(*cache);
    CHECK(fs::exists(cache->substr(5)));
  }
  CHECK(caches.size() == 8);

  const auto brief = realm.login("alice", {.lifetime = 1s});
  REQUIRE(brief);
  auto path = test_detail::find_program("klist", "krb5-user", test_detail::program_folders());
  REQUIRE(path);
  CHECK(eventually([&] { return !test_detail::run("klist", {*path, "-s"}, realm.environment(*brief)); }));  // expired
  CHECK(test_detail::run("klist", {*path, "-s"}, realm.environment(*caches.begin())));
}

TEST_CASE("kadmin runs commands, and notices when one fails") {
  const TestRealm realm = started();
  REQUIRE(realm.kadmin("cpw -pw changed alice"));
  CHECK_FALSE(realm.login("alice"));
  CHECK(realm.login("alice", {.password = "changed"}));
  REQUIRE(realm.kadmin("addprinc -pw b bob"));  // the notice about the policy is no failure
  CHECK(realm.login("bob", {.password = "b"}));
  REQUIRE(realm.kadmin("modprinc -maxlife 8s bob\nmodprinc -allow_forwardable bob"));

  for (const char* command : {"addprinc -pw b bob", "frobnicate", "getprinc nobody", "cpw alice",
                              "addprinc -pw x \"unbalanced", "frobnicate\ngetprinc alice"}) {
    const auto failed = realm.kadmin(command);
    CAPTURE(command);
    REQUIRE_FALSE(failed);
    CHECK(text_of(failed.error()).find("kadmin.local refused: ") == 0);
  }
  CHECK(text_of(realm.kadmin("addprinc -pw b bob").error()).find("already exists") != std::string::npos);

  const auto twice = TestRealm::start({.users = {{"alice", "a"}, {"alice", "b"}}});
  REQUIRE_FALSE(twice);
  CHECK(text_of(twice.error()).find("already exists") != std::string::npos);
  const auto lines = TestRealm::start({.users = {{"alice", "a\ncpw -pw x alice"}}});
  REQUIRE_FALSE(lines);
  CHECK(lines.error().domain() == Domain::usage);
}

TEST_CASE("export_keytab keeps the keys: a user's keytab and password both work") {
  const TestRealm realm = started();
  const auto keytab = realm.export_keytab("alice");
  REQUIRE(keytab);
  CHECK(realm.login("alice"));
  const std::string cache = "FILE:" + realm.folder() + "/by-keytab";
  tool(realm, "kinit", {"-k", "-t", *keytab, "alice"}, cache);
  CHECK(tool(realm, "klist", {}, cache).find("alice@GSSKEY.TEST") != std::string::npos);

  const auto other = realm.export_keytab("host/localhost");
  REQUIRE(other);
  CHECK(*other != *keytab);
  CHECK(tool(realm, "klist", {"-k", *other}).find("host/localhost@GSSKEY.TEST") != std::string::npos);
  const auto nobody = realm.export_keytab("nobody");
  REQUIRE_FALSE(nobody);
  CHECK(text_of(nobody.error()).find("does not exist") != std::string::npos);
}

TEST_CASE("nothing is left when a realm goes") {
  const auto before = descriptors("/proc/self");
  std::optional<TestRealm> realm = started();
  const Left left{*realm};
  REQUIRE(realm->login("alice"));
  realm.reset();
  left.check_gone();
  CHECK(descriptors("/proc/self").size() == before.size());
  CHECK((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));  // everything was waited for
}

TEST_CASE("nothing is left when a test throws") {
  std::optional<Left> left;
  try {
    const TestRealm realm = started();
    left.emplace(realm);
    throw std::runtime_error{"a failed test"};
  } catch (const std::runtime_error&) {
  }
  left->check_gone();
}

TEST_CASE("nothing is left when the process is killed") {
  const bool from_thread = GENERATE(false, true);  // one that has ended, while others go on
  int wire[2];
  REQUIRE(::pipe2(wire, O_CLOEXEC) == 0);
  const pid_t test = ::fork();
  if (test == 0) {
    const auto realm =
        from_thread ? std::async(std::launch::async, [] { return TestRealm::start(); }).get() : TestRealm::start();
    std::vector<std::thread> others;
    for (int i = 0; from_thread && i < 4; ++i) others.emplace_back([] { ::pause(); });
    if (!realm) ::_exit(1);
    const std::string line = realm->folder() + "\n";
    if (::write(wire[1], line.data(), line.size()) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(wire[1]);
  std::string folder;
  for (char letter = 0; ::read(wire[0], &letter, 1) == 1 && letter != '\n';) folder += letter;
  ::close(wire[0]);
  REQUIRE(fs::exists(folder));
  const auto running = processes_of(folder);
  REQUIRE(running.size() == 1);
  const pid_t watcher = parent_of(running[0]);
  CHECK(parent_of(watcher) == test);

  ::kill(test, SIGKILL);
  REQUIRE(::waitpid(test, nullptr, 0) == test);
  CHECK(eventually([&] { return gone(running[0]) && ended(watcher) && !fs::exists(folder); }));
}

TEST_CASE("a KDC dies with its watcher") {
  const TestRealm realm = started();
  const pid_t kdc = kdc_of(realm);
  REQUIRE(::kill(parent_of(kdc), SIGKILL) == 0);
  CHECK(eventually([&] { return !port_open(realm); }));
}

TEST_CASE("a KDC that does not listen to SIGTERM is killed") {
  std::optional<TestRealm> realm = started();
  const Left left{*realm};
  REQUIRE(::kill(left.kdc, SIGSTOP) == 0);
  realm.reset();
  left.check_gone();
}

TEST_CASE("a realm outlives the thread that started it") {
  auto realm = std::async(std::launch::async, [] { return TestRealm::start({.users = {{"alice", "secret"}}}); }).get();
  REQUIRE(realm);
  for (int round = 0; round < 5; ++round) CHECK(realm->login("alice"));  // the end of a thread is told a little later
}

TEST_CASE("a forked child leaves the realm alone") {
  const TestRealm realm = started();
  const pid_t child = ::fork();
  if (child == 0) {
    const bool works = realm.login("alice").has_value();
    realm.~TestRealm();
    ::_exit(works ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(realm.login("alice"));
  const_cast<TestRealm&>(realm) = started({});  // its own destructor still works
  CHECK(port_open(realm));
}

TEST_CASE("a child that has the process id of its parent, in a name space of its own, leaves the realm alone too") {
  if (::geteuid() != 0) return support::skip("root alone makes name spaces of process ids");
  const auto clone_into_new = [] {
    return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | CLONE_NEWPID, nullptr, nullptr, nullptr, nullptr));
  };
  const auto status_of = [](pid_t child) {
    int status = -1;
    return ::waitpid(child, &status, 0) == child ? status : -1;
  };
  const pid_t owner = clone_into_new();
  if (owner == 0) {
    const TestRealm realm = started();
    const pid_t child = clone_into_new();
    if (child == 0) {
      realm.~TestRealm();
      ::_exit(::getpid() == 1 ? 0 : 1);
    }
    const bool holds = ::getpid() == 1 && status_of(child) == 0 && realm.login("alice").has_value();
    realm.~TestRealm();
    ::_exit(holds ? 0 : 1);
  }
  CHECK(status_of(owner) == 0);
}

TEST_CASE("realms do not meet") {
  std::vector<std::future<Result<TestRealm>>> starts;
  for (int i = 0; i < 6; ++i) {
    starts.push_back(std::async(std::launch::async, [i] {
      return TestRealm::start({.users = {{"alice", "secret" + std::to_string(i)}}, .services = {"host/localhost"}});
    }));
  }
  std::vector<TestRealm> realms;
  for (auto& start : starts) {
    auto realm = start.get();
    if (!realm) FAIL(realm.error().text());
    realms.push_back(*std::move(realm));
  }
  std::set<std::uint16_t> ports;
  std::set<std::string> folders;
  for (const auto& realm : realms) {
    ports.insert(realm.port());
    folders.insert(realm.folder());
    CHECK(realm.login("alice"));
    const auto other = (&realm == &realms[0] ? realms[1] : realms[0]).login("alice");
    REQUIRE(other);
  }
  CHECK(ports.size() == realms.size());
  CHECK(folders.size() == realms.size());
  CHECK_FALSE(realms[0].login("alice", {.password = "secret1"}));
}

TEST_CASE("a KDC listens on loopback only and inherits nothing") {
  const auto leaky = test_detail::Fd::adopt(::open("/dev/zero", O_RDONLY));  // not close-on-exec
  const TestRealm realm = started();
  const fs::path kdc = "/proc/" + std::to_string(kdc_of(realm));
  const fs::path watcher = "/proc/" + std::to_string(parent_of(kdc_of(realm)));
  std::set<std::string> sockets;
  const auto find_sockets = [&] {  // without the connection by which start() saw that the KDC listens
    sockets.clear();
    for (const std::string& target : descriptors(kdc)) {
      if (target.starts_with("socket:[")) sockets.insert(target.substr(8, target.size() - 9));
    }
    return sockets.size() == 2;
  };
  CHECK(eventually(find_sockets));
  const auto inherited = descriptors(kdc);
  CHECK(std::count(inherited.begin(), inherited.end(), "/dev/zero") == 0);
  CHECK(descriptors(watcher).size() == 3);

  std::size_t seen = 0;
  for (const char* table : {"tcp", "udp", "tcp6", "udp6"}) {
    std::istringstream lines{read(kdc / "net" / table)};
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words{line};
      const std::vector<std::string> fields{std::istream_iterator<std::string>{words}, {}};
      if (fields.size() < 10 || sockets.count(fields[9]) == 0) continue;  // the inode
      CAPTURE(table, line);
      CHECK((std::string{table} == "tcp" || std::string{table} == "udp"));
      CHECK(fields[1].starts_with("0100007F:"));
      ++seen;
    }
  }
  CHECK(seen == sockets.size());
}

TEST_CASE("a missing program is named, and its package") {
  const struct {
    const char* program;
    const char* package;
  } needed[] = {{"krb5kdc", "krb5-kdc"},
                {"kdb5_util", "krb5-kdc"},
                {"kadmin.local", "krb5-admin-server"},
                {"kinit", "krb5-user"}};
  const auto folder = test_detail::TempFolder::create("gsskey-test-");
  REQUIRE(folder);
  for (const auto& [program, package] : needed) {  // each is there when the next one is asked for
    const auto found = test_detail::MitKdc::find("/nonexistent::" + folder->path() + ":");
    REQUIRE_FALSE(found);
    CHECK(found.error().domain() == Domain::system);
    CHECK(found.error().minor_status() == ENOENT);
    CHECK(std::string{found.error().operation()} == program);
    CHECK(text_of(found.error()).find(program) == 0);
    CHECK(text_of(found.error()).ends_with(std::string{"package "} + package));
    const std::string path = folder->path() + "/" + program;
    std::ofstream{path} << "#!/bin/sh\n";
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
  }
  CHECK(test_detail::MitKdc::find(folder->path()));
  CHECK_FALSE(test_detail::MitKdc::find(""));
}

TEST_CASE("the KDC can be stopped and come back") {
  TestRealm realm = started();
  const auto cache = realm.login("alice");
  REQUIRE(cache);
  const std::uint16_t port = realm.port();
  realm.stop_kdc();
  CHECK_FALSE(port_open(realm));
  CHECK(processes_of(realm.folder()).empty());
  const auto refused = realm.login("alice");
  REQUIRE_FALSE(refused);
  CHECK(text_of(refused.error()).find("Cannot contact any KDC") != std::string::npos);
  CHECK(tool(realm, "klist", {}, *cache).find("alice@") != std::string::npos);
  realm.stop_kdc();  // twice is once
  REQUIRE(realm.restart_kdc());
  CHECK(realm.port() == port);
  CHECK(realm.login("alice"));
  REQUIRE(realm.restart_kdc());  // while it runs
  CHECK(realm.login("alice"));
}

TEST_CASE("enter() sets the environment and brings the old one back") {
  ::setenv("KRB5_CONFIG", "before", 1);
  ::unsetenv("KRB5CCNAME");
  const auto value = [](const char* name) {
    return std::string{std::getenv(name) != nullptr ? std::getenv(name) : "-"};
  };
  const TestRealm realm = started();
  const TestRealm second = started({});
  CHECK(value("KRB5_CONFIG") == "before");
  {
    const auto inside = realm.enter("FILE:/some/cache");
    REQUIRE(inside);
    CHECK(value("KRB5_CONFIG") == realm.krb5_conf());
    CHECK(value("KRB5_KTNAME") == "FILE:" + realm.keytab());
    CHECK(value("KRB5CCNAME") == "FILE:/some/cache");
    CHECK(value("KRB5RCACHENAME") == "file2:" + realm.folder() + "/rcache");
    {
      auto nested = second.enter();
      REQUIRE(nested);
      RealmEnvironment moved = *std::move(nested);
      CHECK(value("KRB5_CONFIG") == second.krb5_conf());
      CHECK(value("KRB5CCNAME") == "FILE:" + second.folder() + "/ccache");
    }
    CHECK(value("KRB5_CONFIG") == realm.krb5_conf());
    CHECK(value("KRB5CCNAME") == "FILE:/some/cache");
    CHECK(realm.login("alice"));
  }
  CHECK(value("KRB5_CONFIG") == "before");
  CHECK(value("KRB5CCNAME") == "-");
  CHECK(value("KRB5RCACHENAME") == "-");
  ::unsetenv("KRB5_CONFIG");
}

TEST_CASE("a moved-from realm is harmless") {
  TestRealm first = started();
  const Left left{first};
  TestRealm realm = std::move(first);
  CHECK(realm.folder() == left.folder);
  CHECK(first.folder().empty());
  for (const auto& error : {first.login("alice").error(), first.export_keytab("alice").error(),
                            first.kadmin("listprincs").error(), first.enter().error(), first.restart_kdc().error()}) {
    CHECK(error.domain() == Domain::usage);
  }
  first.stop_kdc();
  CHECK(realm.login("alice"));

  TestRealm& itself = realm;
  realm = std::move(itself);
  CHECK(realm.login("alice"));
  first = std::move(realm);
  CHECK(first.login("alice"));
  first = started({});  // the old one dies at once
  left.check_gone();
  CHECK(port_open(first));
}

TEST_CASE("signals that the test blocks or ignores do not reach the realm") {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  const auto old_term = ::signal(SIGTERM, SIG_IGN);
  const auto old_pipe = ::signal(SIGPIPE, SIG_IGN);
  {
    std::optional<TestRealm> realm = started();
    const Left left{*realm};
    CHECK(realm->login("alice"));
    realm->stop_kdc();
    CHECK(read(realm->kdc_log()).find("shutting down") != std::string::npos);  // SIGTERM sufficed
    realm.reset();
    left.check_gone();
  }
  ::signal(SIGPIPE, old_pipe);
  ::signal(SIGTERM, old_term);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}
