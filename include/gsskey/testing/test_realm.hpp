// gsskey/testing/test_realm: a Kerberos realm with a KDC of its own (MIT krb5kdc) that lives as long as the object, for
// tests of programs that use Kerberos.
// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/testing/process.hpp>

namespace gsskey::inline GSSKEY_ABI {

struct TestUser {
  std::string name;
  std::string password;
};

struct TestRealmOptions {
  std::string realm = "GSSKEY.TEST";
  std::vector<TestUser> users = {};
  std::vector<std::string> services = {};  ///< principals with random keys, "host/localhost"; all are in keytab()
  Seconds ticket_lifetime = Seconds{10 * 3600};
  std::string kdc_address = "127.0.0.1";  ///< 127.x.y.z
  /// 0: a free one. Any other must be this realm's alone: krb5kdc would share it with a second one started meanwhile.
  std::uint16_t kdc_port = 0;
  bool canonicalize_hostnames = false;  ///< false: no DNS at all
  std::string permitted_enctypes =
      {};  ///< "aes256-cts-hmac-sha1-96", for clients, services and KDC; empty: the default
};

struct LoginOptions {
  std::string password = {};  ///< empty: the one that start() was given
  Seconds lifetime = {};      ///< 0: the realm's ticket_lifetime, which is also the most
};

namespace test_detail {

struct RealmPrograms {
  std::string krb5kdc;
  std::string kdb5_util;
  std::string kadmin_local;
  std::string kinit;

  [[nodiscard]] static Result<RealmPrograms> find(std::string_view folders) {
    auto krb5kdc = find_program("krb5kdc", "krb5-kdc", folders);
    if (!krb5kdc) return unexpected(krb5kdc.error());
    auto kdb5_util = find_program("kdb5_util", "krb5-kdc", folders);
    if (!kdb5_util) return unexpected(kdb5_util.error());
    auto kadmin_local = find_program("kadmin.local", "krb5-admin-server", folders);
    if (!kadmin_local) return unexpected(kadmin_local.error());
    auto kinit = find_program("kinit", "krb5-user", folders);
    if (!kinit) return unexpected(kinit.error());
    return RealmPrograms{*krb5kdc, *kdb5_util, *kadmin_local, *kinit};
  }
};

[[nodiscard]] inline sockaddr_in loopback(const std::string& address, std::uint16_t port) noexcept {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) name.sin_addr.s_addr = INADDR_ANY;
  return name;
}

/// A TCP port that is bound but does not listen: krb5kdc, which sets SO_REUSEADDR, can still have it, while bind() and
/// connect() of everybody else choose other ports (a connect() to a free port of the ephemeral range may even reach
/// itself).
struct ReservedPort {
  Fd socket;
  std::uint16_t number;

  [[nodiscard]] static Result<ReservedPort> reserve(const std::string& address, std::uint16_t port) {
    Fd socket = adopt_above_stderr(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return unexpected(Error::system("socket", errno));
    const int on = 1;
    sockaddr_in name = loopback(address, port);
    socklen_t size = sizeof name;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), size) != 0 ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
      return unexpected(errno_error("bind", address + ":" + std::to_string(port)));
    }
    return ReservedPort{std::move(socket), ntohs(name.sin_port)};
  }
};

[[nodiscard]] inline bool accepts_connections(const std::string& address, std::uint16_t port) noexcept {
  const Fd socket = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = loopback(address, port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

/// One argument of a kadmin command.
[[nodiscard]] inline std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char letter : text) result.append(letter == '"' ? 2 : 1, letter);
  return result += '"';
}

}  // namespace test_detail

/// While it lives, this process's environment points into a realm; the end brings the old values back. setenv(): for
/// the whole process, and not while other threads use the environment. Several nest like scopes.
class RealmEnvironment {
 public:
  RealmEnvironment(RealmEnvironment&& other) noexcept : saved_{std::exchange(other.saved_, {})} {}
  RealmEnvironment& operator=(RealmEnvironment&& other) noexcept {
    if (this != &other) {
      restore();
      saved_ = std::exchange(other.saved_, {});
    }
    return *this;
  }
  ~RealmEnvironment() { restore(); }

 private:
  friend class TestRealm;
  struct Saved {
    std::string name;
    std::optional<std::string> value;
  };

  explicit RealmEnvironment(const std::vector<std::string>& variables) {
    for (const auto& variable : variables) {
      const auto equals = variable.find('=');
      std::string name = variable.substr(0, equals);
      const char* before = std::getenv(name.c_str());
      ::setenv(name.c_str(), variable.c_str() + equals + 1, 1);
      saved_.push_back({std::move(name), before != nullptr ? std::optional<std::string>{before} : std::nullopt});
    }
  }
  void restore() noexcept {
    for (const auto& [name, value] : saved_) {
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
      if (!value) ::unsetenv(name.c_str());
    }
    saved_.clear();
  }

  std::vector<Saved> saved_;
};

/// A realm: configuration, database, keytab and KDC in one folder of mode 0700, on loopback only. The destructor ends
/// the KDC and removes the folder; should this process die without it, by SIGKILL say, a watcher does both. In a forked
/// child the object can be used, and its destructor does nothing. Threads may share the const members. Needs krb5kdc,
/// kdb5_util, kadmin.local and kinit of MIT Kerberos, from $PATH or the sbin folders, and SIGCHLD not ignored; clients
/// of any implementation may use it (krb5.conf serves Heimdal too).
///
/// A failing program is an Error of Domain::system: ENOENT with the Debian package's name if it is not installed, EIO
/// with the program's own words if it refused. A moved-from realm may be destroyed or assigned to; calls that return a
/// Result give Error::usage.
class TestRealm {
 public:
  /// Takes some 0.1 s. The KDC answers when this returns.
  [[nodiscard]] static Result<TestRealm> start(TestRealmOptions options = {}) {
    const auto address = test_detail::loopback(options.kdc_address, 0).sin_addr.s_addr;
    if ((ntohl(address) >> 24) != 127) {
      return unexpected(Error::usage("TestRealm::start", "kdc_address must be an IPv4 loopback address, 127.x.y.z"));
    }
    auto programs = test_detail::RealmPrograms::find(test_detail::program_folders());
    if (!programs) return unexpected(programs.error());
    auto folder = test_detail::TempFolder::create("gsskey-realm-");
    if (!folder) return unexpected(folder.error());
    TestRealm realm{std::move(options), *std::move(programs), *std::move(folder)};
    if (auto done = realm.create_database(); !done) return unexpected(done.error());
    if (auto done = realm.launch(realm.options_.kdc_port); !done) return unexpected(done.error());
    return realm;
  }

  TestRealm(TestRealm&&) noexcept = default;
  TestRealm& operator=(TestRealm&& other) noexcept {
    if (this != &other) {
      kdc_ = std::move(other.kdc_);  // the old one ends before its folder goes
      folder_ = std::move(other.folder_);
      options_ = std::move(other.options_);
      programs_ = std::move(other.programs_);
      port_ = other.port_;
    }
    return *this;
  }

  [[nodiscard]] const std::string& realm() const noexcept { return options_.realm; }
  /// The KDC's, TCP and UDP.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_.path(); }
  [[nodiscard]] std::string krb5_conf() const { return folder() + "/krb5.conf"; }
  /// The keys of all services of the options. There is no such file without a service.
  [[nodiscard]] std::string keytab() const { return folder() + "/keytab"; }
  /// What the KDC has to say.
  [[nodiscard]] std::string kdc_log() const { return folder() + "/kdc.log"; }
  /// "alice@REALM"
  [[nodiscard]] std::string principal(std::string_view name) const { return std::string{name} + "@" + realm(); }

  /// kinit. The name, "FILE:/…", of a new credential cache with the ticket.
  [[nodiscard]] Result<std::string> login(std::string_view user, const LoginOptions& options = {}) const {
    if (!valid()) return unexpected(moved_from("TestRealm::login"));
    std::string password = options.password;
    for (const auto& known : options_.users) {
      if (password.empty() && known.name == user) password = known.password;
    }
    if (password.empty()) {
      return unexpected(Error::usage("TestRealm::login", "no password for a user that start() was not given"));
    }
    auto place = test_detail::TempFolder::create_in(folder(), "login-");
    if (!place) return unexpected(place.error());
    std::string cache = "FILE:" + place->path() + "/ccache";
    std::vector<std::string> command{programs_.kinit, "-c", cache};
    if (options.lifetime.count() != 0) {
      command.insert(command.end(), {"-l", std::to_string(options.lifetime.count()) + "s"});
    }
    command.push_back(principal(user));
    auto done = test_detail::run("kinit", command, tool_environment(), password + "\n");
    if (!done) return unexpected(done.error());
    static_cast<void>(place->release());
    return cache;
  }

  /// The path of a new keytab with the present keys of one principal, users too (for a client keytab).
  [[nodiscard]] Result<std::string> export_keytab(std::string_view principal) const {
    if (!valid()) return unexpected(moved_from("TestRealm::export_keytab"));
    auto place = test_detail::TempFolder::create_in(folder(), "export-");
    if (!place) return unexpected(place.error());
    std::string path = place->path() + "/keytab";
    auto done = kadmin("ktadd -norandkey -k " + test_detail::quoted(path) + " " + test_detail::quoted(principal));
    if (!done) return unexpected(done.error());
    static_cast<void>(place->release());
    return path;
  }

  /// Commands for kadmin.local, one per line: "cpw -pw new alice", "modprinc -maxlife 8s alice". They are all run, and
  /// whatever is written to stderr, but for the notice about a missing policy, is a failure.
  [[nodiscard]] Result<void> kadmin(std::string_view commands) const {
    if (!valid()) return unexpected(moved_from("TestRealm::kadmin"));
    const std::vector<std::string> command{programs_.kadmin_local, "-p", "test/admin"};
    auto done = test_detail::run("kadmin.local", command, tool_environment(), std::string{commands} + "\n");
    if (!done) return unexpected(done.error());
    std::string_view rest = done->errors;
    std::string complaints;  // the exit status is 0 whatever happened
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
      if (!line.empty() && line.find("defaulting to no policy") == std::string_view::npos) {
        complaints.append(line).append("\n");
      }
    }
    if (!complaints.empty()) return unexpected(test_detail::program_error("kadmin.local", "refused", complaints));
    return {};
  }

  /// "NAME=value", for the children of a test: KRB5_CONFIG, KRB5_KTNAME (keytab()), KRB5_CLIENT_KTNAME (a file that
  /// does not exist), KRB5RCACHENAME (a replay cache of the realm's own) and KRB5CCNAME (`cache`, which login()
  /// returned, or an empty one).
  [[nodiscard]] std::vector<std::string> environment(std::string_view cache = {}) const {
    return {"KRB5_CONFIG=" + krb5_conf(), "KRB5_KTNAME=FILE:" + keytab(),
            "KRB5_CLIENT_KTNAME=FILE:" + folder() + "/client.keytab", "KRB5RCACHENAME=file2:" + folder() + "/rcache",
            "KRB5CCNAME=" + (cache.empty() ? "FILE:" + folder() + "/ccache" : std::string{cache})};
  }
  /// The same for this process, as long as what it returns lives.
  [[nodiscard]] Result<RealmEnvironment> enter(std::string_view cache = {}) const {
    if (!valid()) return unexpected(moved_from("TestRealm::enter"));
    return RealmEnvironment{environment(cache)};
  }

  /// From here on the KDC cannot be reached; tickets and keytabs stay.
  void stop_kdc() noexcept { kdc_.stop(); }
  /// On the same port.
  [[nodiscard]] Result<void> restart_kdc() {
    if (!valid()) return unexpected(moved_from("TestRealm::restart_kdc"));
    kdc_.stop();
    return launch(port_);
  }

 private:
  TestRealm(TestRealmOptions options, test_detail::RealmPrograms programs, test_detail::TempFolder folder) noexcept
      : options_{std::move(options)}, programs_{std::move(programs)}, folder_{std::move(folder)} {}

  [[nodiscard]] bool valid() const noexcept { return !folder().empty(); }
  [[nodiscard]] static Error moved_from(const char* operation) noexcept {
    return Error::usage(operation, "the realm was moved from");
  }

  [[nodiscard]] Result<void> write_configuration() const {
    const std::string address = options_.kdc_address + ":" + std::to_string(port_);
    const std::string& enctypes = options_.permitted_enctypes;
    const std::string lifetime = std::to_string(options_.ticket_lifetime.count()) + "s";
    const std::string ccache = "FILE:" + folder() + "/ccache";
    std::string client = "[libdefaults]\n default_realm = " + realm() +
                         "\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false" +
                         "\n dns_canonicalize_hostname = " + (options_.canonicalize_hostnames ? "true" : "false") +
                         "\n udp_preference_limit = 1\n forwardable = true\n ticket_lifetime = " + lifetime +
                         "\n default_ccache_name = " + ccache + "\n default_cc_name = " + ccache +  // MIT, Heimdal
                         "\n default_keytab_name = FILE:" + keytab() + "\n";
    if (!enctypes.empty()) {
      client += " permitted_enctypes = " + enctypes + "\n default_etypes = " + enctypes + "\n";  // MIT, Heimdal
    }
    client +=
        "[realms]\n " + realm() + " = {\n  kdc = " + address + "\n }\n[domain_realm]\n localhost = " + realm() + "\n";
    for (const auto& service : options_.services) {  // Heimdal would guess a realm from the domain
      const std::size_t slash = service.find('/');
      if (slash == std::string::npos) continue;
      const std::string host = service.substr(slash + 1, service.find('@') - slash - 1);
      client += " " + host + " = " + realm() + "\n";
    }
    const std::string kdc = "[kdcdefaults]\n kdc_listen = " + address + "\n kdc_tcp_listen = " + address +
                            "\n[realms]\n " + realm() + " = {\n  database_name = " + folder() +
                            "/principal\n  key_stash_file = " + folder() + "/stash\n  acl_file = " + folder() +
                            "/acl\n  max_life = " + lifetime +
                            (enctypes.empty() ? "" : "\n  supported_enctypes = " + enctypes) +
                            "\n }\n[logging]\n kdc = FILE:" + kdc_log() + "\n";
    if (auto done = test_detail::write_file(krb5_conf(), client); !done) return done;
    return test_detail::write_file(folder() + "/kdc.conf", kdc);
  }

  // This process's, with the realm's variables in place of all others of Kerberos, and messages in English.
  [[nodiscard]] std::vector<std::string> tool_environment() const {
    std::vector<std::string> variables = environment();
    variables.push_back("KRB5_KDC_PROFILE=" + folder() + "/kdc.conf");
    variables.emplace_back("LC_ALL=C");
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view variable{*entry};
      if (!variable.starts_with("KRB5") && !variable.starts_with("LC_ALL=") && !variable.starts_with("LANGUAGE=")) {
        variables.emplace_back(variable);
      }
    }
    return variables;
  }

  [[nodiscard]] Result<void> create_database() {
    using test_detail::quoted;
    if (auto done = write_configuration(); !done) return done;
    if (auto done = test_detail::write_file(folder() + "/acl", ""); !done) return done;
    auto created =
        test_detail::run("kdb5_util", {programs_.kdb5_util, "create", "-s", "-P", "master"}, tool_environment());
    if (!created) return unexpected(created.error());
    std::string commands;
    for (const auto& user : options_.users) {
      if ((user.name + user.password).find('\n') != std::string::npos) {
        return unexpected(Error::usage("TestRealm::start", "kadmin takes no line feed in a name or password"));
      }
      commands += "addprinc -clearpolicy -pw " + test_detail::quoted(user.password) + " " +
                  test_detail::quoted(user.name) + "\n";
    }
    for (const auto& service : options_.services) {
      commands += "addprinc -clearpolicy -randkey " + test_detail::quoted(service) + "\nktadd -norandkey -k " +
                  test_detail::quoted(keytab()) + " " + test_detail::quoted(service) + "\n";
    }
    if (commands.empty()) return {};
    return kadmin(commands);
  }

  // 0: ports are tried until the KDC gets one, for TCP and for UDP.
  [[nodiscard]] Result<void> launch(std::uint16_t wanted) {
    for (int attempts = wanted == 0 ? 20 : 1;; --attempts) {
      auto reserved = test_detail::ReservedPort::reserve(options_.kdc_address, wanted);
      if (!reserved) return unexpected(reserved.error());
      port_ = reserved->number;
      if (auto done = write_configuration(); !done) return done;
      const std::size_t old_log = test_detail::read_file(kdc_log()).size();
      auto kdc = test_detail::Daemon::start({programs_.krb5kdc, "-n"}, tool_environment(), kdc_log(), folder());
      if (!kdc) return unexpected(kdc.error());
      for (int wait = 0; wait < 10'000 && kdc->running(); ++wait) {  // milliseconds
        if (test_detail::accepts_connections(options_.kdc_address, port_)) {
          kdc_ = *std::move(kdc);
          return {};
        }
        ::poll(nullptr, 0, 1);
      }
      const char* how = kdc->running() ? "does not accept connections" : "ended";
      kdc->stop();
      const std::string log = test_detail::read_file(kdc_log()).substr(old_log);
      if (attempts <= 1 || log.find("Address already in use") == std::string::npos) {
        return unexpected(test_detail::program_error("krb5kdc", how, log));
      }
    }
  }

  TestRealmOptions options_;
  test_detail::RealmPrograms programs_;
  test_detail::TempFolder folder_;
  std::uint16_t port_ = 0;
  test_detail::Daemon kdc_;  // last: it ends before its folder goes
};

}  // namespace gsskey::inline GSSKEY_ABI
