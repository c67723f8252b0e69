// gsskey/testing/test_realm: a Kerberos realm with a KDC of its own (MIT's or Heimdal's) that lives as long as the
// object, for tests of programs that use Kerberos.
// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/daemon.hpp>
#include <gsskey/testing/detail/heimdal_kdc.hpp>
#include <gsskey/testing/detail/mit_kdc.hpp>
#include <gsskey/testing/detail/port.hpp>
#include <gsskey/testing/detail/realm_environment.hpp>
#include <gsskey/testing/realm_options.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Runs a realm: configuration, database, keytab and KDC in one folder of mode 0700, on loopback only. Clients of any
/// implementation may use it: krb5.conf serves Heimdal too. It needs kinit of MIT Kerberos, the programs of its KDC
/// (krb5kdc, kdb5_util, kadmin.local from $PATH or the sbin folders; Kdc::heimdal says where Heimdal's are), and
/// SIGCHLD not ignored.
/// Errors: system, for a program that fails: ENOENT with the Debian package's name if it is not installed, EIO with the
///   program's own words if it refused; system, with errno; usage, for a realm that was moved from. Throws
///   std::bad_alloc, and nothing is left of the call.
/// Blocks: until the programs that a call runs have ended.
/// Threads: they may share the const members.
/// Fork: in a child the object can be used, and its destructor does nothing; after exec the realm lasts as long as the
///   new program.
/// Owner: of the KDC and the folder: the destructor ends the one and removes the other. Should this process die without
///   it, by SIGKILL say, a watcher does both.
class TestRealm {
 public:
  /// Makes a realm, and starts its KDC, which answers when this returns.
  /// Errors: those of the class; usage, for an address that is not loopback, a line feed in a name or password, and
  ///   S4U2Proxy of Kdc::mit.
  /// Blocks: some 0.1 s, with Heimdal's KDC some 0.5 s.
  [[nodiscard]] static Result<TestRealm> start(TestRealmOptions options = {}) {
    const auto address = test_detail::loopback(options.kdc_address, 0).sin_addr.s_addr;
    if ((ntohl(address) >> 24) != 127) {
      return unexpected(Error::usage("TestRealm::start", "kdc_address must be an IPv4 loopback address, 127.x.y.z"));
    }
    auto programs = test_detail::with_kdc(options.kdc,
                                          [](auto kdc) { return decltype(kdc)::find(test_detail::program_folders()); });
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

  [[nodiscard]] const std::string& realm() const noexcept GSSKEY_LIFETIMEBOUND { return options_.realm; }
  /// Returns the KDC's port, for TCP and UDP.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Returns where everything is; empty after a move.
  [[nodiscard]] const std::string& folder() const noexcept GSSKEY_LIFETIMEBOUND { return folder_.path(); }
  /// Returns the path of the clients' configuration.
  [[nodiscard]] std::string krb5_conf() const { return folder() + "/krb5.conf"; }
  /// Returns the path of the keys of all services of the options. There is no such file without a service.
  [[nodiscard]] std::string keytab() const { return folder() + "/keytab"; }
  /// Returns the path of what the KDC has to say.
  [[nodiscard]] std::string kdc_log() const { return folder() + "/kdc.log"; }
  /// Returns "alice@REALM" for "alice".
  [[nodiscard]] std::string principal(std::string_view name) const { return std::string{name} + "@" + realm(); }

  /// Gets a ticket with kinit, and returns the name, "FILE:/…", of a new credential cache that has it.
  /// Errors: those of the class; usage, for a user without a password here and in the options of start();
  ///   system (kinit, EPROTO), if the login was not protected by `armor`.
  [[nodiscard]] Result<std::string> login(std::string_view user, const LoginOptions& options = {}) const {
    if (!valid()) return unexpected(moved_from("TestRealm::login"));
    std::string password = options.password;
    for (const auto& known : options_.users) {
      if (password.empty() && known.name == user) password = known.password;
    }
    if (password.empty()) {
      return unexpected(Error::usage("TestRealm::login", "no password for a user that start() was not given"));
    }
    std::vector<std::string> arguments;
    if (options.lifetime.count() != 0) {
      arguments.insert(arguments.end(), {"-l", std::to_string(options.lifetime.count()) + "s"});
    }
    arguments.push_back(principal(user));
    return kinit(std::move(arguments), password + "\n", options.armor);
  }

  /// Gets a ticket that names nobody, with kinit -n, and returns the name of its new credential cache. It needs
  /// krb5-pkinit, a KDC that has a certificate and is told to allow it (`kdc_settings`), clients that trust the
  /// certificate (`libdefaults`) and, of MIT's KDC, the principal WELLKNOWN/ANONYMOUS.
  /// See: RFC 8062.
  [[nodiscard]] Result<std::string> login_anonymously() const {
    if (!valid()) return unexpected(moved_from("TestRealm::login_anonymously"));
    auto done = kinit({"-n", "@" + realm()}, {}, {});
    // One time in 256 kinit and Heimdal's KDC disagree about the key: where its Diffie-Hellman secret begins with a
    // zero.
    for (int more = 3; !done && options_.kdc == Kdc::heimdal && more > 0; --more) {
      done = kinit({"-n", "@" + realm()}, {}, {});
    }
    return done;
  }

  /// Returns the path of a new keytab with the present keys of one principal, which may be a user (for a client
  /// keytab).
  [[nodiscard]] Result<std::string> export_keytab(std::string_view principal) const {
    if (!valid()) return unexpected(moved_from("TestRealm::export_keytab"));
    auto place = test_detail::TempFolder::create_in(folder(), "export-");
    if (!place) return unexpected(place.error());
    std::string path = place->path() + "/keytab";
    auto done = kadmin(
        test_detail::with_kdc(options_.kdc, [&](auto kdc) { return decltype(kdc)::export_keys(principal, path); }));
    if (!done) return unexpected(done.error());
    static_cast<void>(place->release());
    return path;
  }

  /// Runs commands of kadmin.local, one per line: "cpw -pw new alice", "modprinc -maxlife 8s alice"; with Kdc::heimdal
  /// for Heimdal's kadmin -l: "passwd --password=new alice", "modify --max-ticket-life=8s alice". All of them are run,
  /// and whatever is written to stderr, but for the notice about a missing policy, is a failure.
  [[nodiscard]] Result<void> kadmin(std::string_view commands) const {
    if (!valid()) return unexpected(moved_from("TestRealm::kadmin"));
    std::string input{commands};
    if (!input.ends_with('\n')) input += '\n';  // Heimdal's takes no empty line
    return test_detail::with_kdc(options_.kdc, [&](auto kdc) -> Result<void> {
      const auto command = kdc.kadmin_command(programs_, kdc_conf());
      auto done = test_detail::run(kdc.administration, command, tool_environment(), input);
      if (!done) return unexpected(done.error());
      std::string_view rest = done->errors;
      std::string complaints;  // the exit status is at best that of the last command
      while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
        if (!line.empty() && !kdc.is_notice(line)) complaints.append(line).append("\n");
      }
      if (!complaints.empty()) return unexpected(test_detail::program_error(kdc.administration, "refused", complaints));
      return {};
    });
  }

  /// Returns variables, "NAME=value", for the children of a test: KRB5_CONFIG, KRB5_KTNAME (keytab()),
  /// KRB5_CLIENT_KTNAME (a file that does not exist), KRB5RCACHENAME (a replay cache of the realm's own) and KRB5CCNAME
  /// (`cache`, which login() returned, or an empty one).
  [[nodiscard]] std::vector<std::string> environment(std::string_view cache = {}) const {
    return {"KRB5_CONFIG=" + krb5_conf(), "KRB5_KTNAME=FILE:" + keytab(),
            "KRB5_CLIENT_KTNAME=FILE:" + folder() + "/client.keytab", "KRB5RCACHENAME=file2:" + folder() + "/rcache",
            "KRB5CCNAME=" + (cache.empty() ? "FILE:" + folder() + "/ccache" : std::string{cache})};
  }
  /// Sets the variables of environment() in this process, as long as what it returns lives.
  /// Calls: setenv(3).
  /// Threads: not while others use the environment.
  [[nodiscard]] Result<RealmEnvironment> enter(std::string_view cache = {}) const {
    if (!valid()) return unexpected(moved_from("TestRealm::enter"));
    return RealmEnvironment::of(environment(cache));
  }

  /// Ends the KDC; tickets and keytabs stay.
  void stop_kdc() noexcept { kdc_.stop(); }
  /// Starts the KDC again, on the same port.
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

  [[nodiscard]] std::string kdc_conf() const { return folder() + "/kdc.conf"; }

  /// A new credential cache. Where an armor is of no use, and the KDC does not ask for one, kinit goes on without: what
  /// it did is in its trace only.
  [[nodiscard]] Result<std::string> kinit(std::vector<std::string> arguments, const std::string& input,
                                          const std::string& armor) const {
    auto place = test_detail::TempFolder::create_in(folder(), "login-");
    if (!place) return unexpected(place.error());
    std::string cache = "FILE:" + place->path() + "/ccache";
    const std::string trace = place->path() + "/trace";
    auto variables = tool_environment();
    if (!armor.empty()) {
      arguments.insert(arguments.begin(), {"-T", armor});
      variables.push_back("KRB5_TRACE=" + trace);
    }
    arguments.insert(arguments.begin(), {programs_.kinit, "-c", cache});
    auto done = test_detail::run("kinit", arguments, variables, input);
    if (!done) {
      const Error& why = done.error();
      return unexpected(armor.empty() ? why : Error{why}.with_text(why.text(), "; with the armor ", armor));
    }
    if (!armor.empty() && test_detail::read_file(trace).find("Decoding FAST response") == std::string::npos) {
      return unexpected(Error::system("kinit", EPROTO).with_text("the login was not protected by the armor ", armor));
    }
    static_cast<void>(place->release());
    return cache;
  }

  [[nodiscard]] Result<void> write_configuration() const {
    const std::string& enctypes = options_.permitted_enctypes;
    const std::string ccache = "FILE:" + folder() + "/ccache";
    std::string client = "[libdefaults]\n default_realm = " + realm() +
                         "\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false" +
                         "\n dns_canonicalize_hostname = " + (options_.canonicalize_hostnames ? "true" : "false") +
                         "\n udp_preference_limit = 1\n forwardable = true\n ticket_lifetime = " +
                         std::to_string(options_.ticket_lifetime.count()) + "s\n default_ccache_name = " + ccache +
                         "\n default_cc_name = " + ccache +  // MIT, Heimdal
                         "\n default_keytab_name = FILE:" + keytab() + "\n";
    if (!enctypes.empty()) {
      client += " permitted_enctypes = " + enctypes + "\n default_etypes = " + enctypes + "\n";  // MIT, Heimdal
    }
    for (const auto& line : options_.libdefaults) client += " " + line + "\n";
    client += "[realms]\n " + realm() + " = {\n  kdc = " + options_.kdc_address + ":" + std::to_string(port_) +
              "\n }\n[domain_realm]\n localhost = " + realm() + "\n";
    for (const auto& service : options_.services) {  // Heimdal would guess a realm from the domain
      const std::size_t slash = service.find('/');
      if (slash == std::string::npos) continue;
      const std::string host = service.substr(slash + 1, service.find('@') - slash - 1);
      client += " " + host + " = " + realm() + "\n";
    }
    if (auto done = test_detail::write_file(krb5_conf(), client); !done) return done;
    return test_detail::write_file(kdc_conf(), test_detail::with_kdc(options_.kdc, [this](auto kdc) {
                                     return kdc.configuration(options_, folder(), port_);
                                   }));
  }

  // This process's, with the realm's variables in place of all others of Kerberos, and messages in English.
  [[nodiscard]] std::vector<std::string> tool_environment() const {
    std::vector<std::string> variables = environment();
    variables.push_back("KRB5_KDC_PROFILE=" + kdc_conf());
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
    if (auto done = write_configuration(); !done) return done;
    if (auto done = test_detail::write_file(folder() + "/acl", ""); !done) return done;
    return test_detail::with_kdc(options_.kdc, [this](auto kdc) -> Result<void> {
      if (auto done = kdc.create_database(programs_, tool_environment()); !done) return done;
      std::string commands = kdc.first_commands(options_);
      for (const auto& user : options_.users) {
        if ((user.name + user.password).find('\n') != std::string::npos) {
          return unexpected(Error::usage("TestRealm::start", "kadmin takes no line feed in a name or password"));
        }
        commands += kdc.add(user);
      }
      for (const auto& service : options_.services) {
        commands += kdc.add_with_random_key(service) + kdc.export_keys(service, keytab());
      }
      for (const auto& delegation : options_.delegations) {
        auto command = kdc.allow(delegation);
        if (!command) return unexpected(command.error());
        commands += *command;
      }
      if (commands.empty()) return {};
      return kadmin(commands);
    });
  }

  // 0: ports are tried until the KDC gets one, for TCP and for UDP.
  [[nodiscard]] Result<void> launch(std::uint16_t wanted) {
    for (int attempts = wanted == 0 ? 20 : 1;; --attempts) {
      auto reserved = test_detail::ReservedPort::reserve(options_.kdc_address, wanted);
      if (!reserved) return unexpected(reserved.error());
      port_ = reserved->number;
      if (auto done = write_configuration(); !done) return done;
      const std::size_t old_log = test_detail::read_file(kdc_log()).size();
      const auto command = test_detail::with_kdc(
          options_.kdc, [this](auto tools) { return tools.daemon_command(programs_, kdc_conf()); });
      auto kdc = test_detail::Daemon::start(command, tool_environment(), kdc_log(), folder());
      if (!kdc) return unexpected(kdc.error());
      const auto log = [&] {
        const std::string all = test_detail::read_file(kdc_log());  // empty if it cannot be read
        return all.substr(std::min(old_log, all.size()));
      };
      const auto is_late = [&] { return log().find("Address already in use") != std::string::npos; };
      for (int wait = 0; wait < 10'000 && kdc->running(); ++wait) {  // milliseconds
        if (test_detail::accepts_connections(options_.kdc_address, port_)) {
          if (is_late()) break;  // Heimdal's goes on without the port
          kdc_ = *std::move(kdc);
          return {};
        }
        ::poll(nullptr, 0, 1);
      }
      const char* how = kdc->running() ? "does not serve its port" : "ended";
      kdc->stop();
      if (attempts <= 1 || !is_late()) {
        return unexpected(test_detail::program_error(
            test_detail::with_kdc(options_.kdc, [](auto tools) { return tools.daemon; }), how, log()));
      }
    }
  }

  TestRealmOptions options_;
  test_detail::RealmPrograms programs_;
  test_detail::TempFolder folder_;
  std::uint16_t port_ = 0;
  test_detail::Daemon kdc_;  // last: it ends before its folder goes
};

GSSKEY_END_ABI
}  // namespace gsskey
