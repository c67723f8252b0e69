// Situations that users of Kerberos get into, each produced for real: through krb5, SPNEGO and Negotiate, with an MIT
// and a Heimdal KDC. What each Error says of it is looked at (failure_of, krb5_status, the text, the advice), and
// printed as a table. A situation is one row of situations(), at the end.
#include <gsskey/gss.hpp>
#include <gsskey/gss/credential/impersonation.hpp>
#include <gsskey/krb5/advice.hpp>
#include <gsskey/text/line.hpp>

#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/heimdal_root.hpp"
#include "support/hostile_kdc.hpp"
#include "support/implementation.hpp"
#include "support/pkinit_realm.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"

using namespace gsskey;
using support::Environment;
using support::is_heimdal;
using support::KdcAnswer;
using support::KdcRequest;
using support::must;

// The clock of this program's libraries is off by so many seconds. The program exports its symbols.
static std::atomic<long> clock_offset = 0;
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += clock_offset;
  return result;
}
extern "C" int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}
extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

enum class Operation {
  acquire_default,
  acquire,
  password,
  store,
  acceptor,
  initiate,
  initiate_default,
  accept,
  error_token,
  repeat,
  establish,
  impersonate
};
constexpr const char* names_of_operations[] = {"acquire the default",
                                               "acquire by name",
                                               "acquire with a password",
                                               "acquire from a store",
                                               "acquire an acceptor",
                                               "initiate",
                                               "initiate by default",
                                               "accept",
                                               "initiate, from the acceptor's error token",
                                               "accept once more",
                                               "establish",
                                               "initiate for another user"};
using enum Operation;

/// In all strings "{}" stands for the realm's folder.
struct Expected {
  Failure failure = Failure::other;
  std::uint32_t status = 0;  ///< krb5_status
  std::string object = {};   ///< what the text names
};
constexpr std::uint32_t code(unsigned number) { return 0x96c73a00 + number; }

struct CardRealm;
enum class Where { both, mit_only, heimdal_only };  ///< KDCs

/// How a situation differs from one where alice has a ticket, and the acceptor the keys.
struct Setting {
  std::vector<std::pair<const char*, std::string>> environment = {};
  const char* user = "alice";
  const char* password = "secret";
  const char* target = "host@localhost";
  const char* ccache = nullptr;                              ///< of the store
  const char* client_keytab = nullptr;                       ///< of the store
  std::string token = {};                                    ///< what the acceptor gets; empty: alice's, for `target`
  InitiatorOptions asked = {};                               ///< of establish
  ContextFlags demanded = {};                                ///< by the acceptor, of establish
  long clock = 0;                                            ///< seconds that it is off
  int krb_error = 0;                                         ///< the KDC's answer to everything
  const std::string CardRealm::* kdc_certificate = nullptr;  ///< that the KDC of CARDS.TEST shows
  bool kdc_is_down = false;
  bool kdc_is_silent = false;
  bool as_nobody = false;     ///< files are opened as uid 65534
  bool disk_is_full = false;  ///< that of {}/full
  bool needs_pkinit = false;
  Where where = Where::both;
  bool mit_library_only = false;  ///< Heimdal cannot be brought into it, or not so that it can be told
};

struct Situation {
  std::string what;
  std::vector<Operation> operations;
  std::optional<Expected> mit;      ///< of MIT krb5, through all three mechanisms; nothing: it works
  std::optional<Expected> heimdal;  ///< of Heimdal, through krb5
  Setting setting = {};
};

/// Mounts a disk without room, for this thread alone and as long as it runs.
bool mount_full_disk(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("full", folder.c_str(), "tmpfs", 0, "size=4k") != 0) {
    return false;
  }
  return test_detail::write_file(folder + "/all", std::string(4096, 'x')).has_value();
}
bool can_mount(const std::string& folder) {
  bool can = false;
  std::thread{[&] { can = mount_full_disk(folder); }}.join();
  return can;
}

/// Realms that GSSKEY.TEST's users go to, all with MIT's KDC. Their keys for krbtgt are the trust: GSSKEY.TEST has them
/// with MIDDLE.TEST, and that with FAR.TEST and STRICT.TEST; with ODD.TEST and ROLLED.TEST not the same ones.
struct Neighbours {
  Neighbours() {
    must(rolled.kadmin("cpw -pw again krbtgt/ROLLED.TEST@GSSKEY.TEST"));
    must(strict.kadmin("modprinc +requires_preauth fay"));
  }

  using Users = std::vector<TestUser>;
  static TestRealm start(const char* realm, Users users, std::vector<std::string> settings = {},
                         std::vector<std::string> libdefaults = {}) {
    return must(TestRealm::start({.realm = realm,
                                  .users = std::move(users),
                                  .services = {"www/there"},
                                  .libdefaults = std::move(libdefaults),
                                  .kdc_settings = std::move(settings)}));
  }
  /// What the users and the KDC of GSSKEY.TEST know of them: sections of krb5.conf. Of LOST.TEST, that MIDDLE.TEST is
  /// on the way to it, which does not know it; of DOWN.TEST, where its KDC was.
  [[nodiscard]] std::string sections() const {
    std::string text = "[realms]\n DOWN.TEST = {\n  kdc = 127.0.0.1:1\n }\n";
    for (const TestRealm* realm : {&middle, &far, &strict, &odd, &rolled}) {
      text += " " + realm->realm() + " = {\n  kdc = 127.0.0.1:" + std::to_string(realm->port()) + "\n }\n";
    }
    return text;
  }
  static constexpr const char* paths =
      "[capaths]\n GSSKEY.TEST = {\n  FAR.TEST = MIDDLE.TEST\n  STRICT.TEST = MIDDLE.TEST\n  LOST.TEST = MIDDLE.TEST\n "
      "}\n";

  TestRealm middle =
      start("MIDDLE.TEST",
            {{"krbtgt/MIDDLE.TEST@GSSKEY.TEST", "near"}, {"krbtgt/FAR.TEST", "far"}, {"krbtgt/STRICT.TEST", "strict"}});
  TestRealm far =
      start("FAR.TEST", {{"krbtgt/FAR.TEST@MIDDLE.TEST", "far"}, {"uma", "secret"}}, {"reject_bad_transit = false"});
  TestRealm strict = start("STRICT.TEST", {{"krbtgt/STRICT.TEST@MIDDLE.TEST", "strict"}, {"fay", "secret"}}, {},
                           {"\n[plugins]\n kdcpreauth = {\n  disable = encrypted_timestamp\n  disable = spake\n }\n"});
  TestRealm odd = start("ODD.TEST", {{"krbtgt/ODD.TEST@GSSKEY.TEST", "another"}});
  TestRealm rolled = start("ROLLED.TEST", {{"krbtgt/ROLLED.TEST@GSSKEY.TEST", "rolled"}});
};

/// CARDS.TEST, whose users have certificates and no passwords, and krb5.conf for each of these.
struct CardRealm {
  CardRealm() {
    must(realm.kadmin("purgekeys -all carla\nmodprinc +requires_preauth carla\naddprinc -randkey WELLKNOWN/ANONYMOUS"));
  }

  [[nodiscard]] std::string conf(const std::string& anchors, const std::string& identity) const {
    std::string text = test_detail::read_file(realm.krb5_conf());
    const std::string own = "pkinit_anchors = " + authority.anchor() + "\n";
    text.replace(text.find(own), own.size(),
                 "pkinit_anchors = " + anchors + "\n" +
                     (identity.empty() ? "" : " pkinit_identities = FILE:" + identity + "\n"));
    return text;
  }
  /// Has the KDC show this certificate from here on.
  void show(const std::string& certificate) {
    if (shows == certificate) return;
    must(test_detail::write_file(shown, test_detail::read_file(certificate)));
    must(realm.restart_kdc());
    shows = certificate;
  }

  support::PkinitAuthority authority{"CARDS.TEST"};
  support::PkinitAuthority of_staff{"CARDS.TEST", "staff"};  ///< the KDC trusts it, too
  support::PkinitAuthority unknown{"CARDS.TEST", "unknown"};
  const std::string shown = authority.certify({"krbtgt", "CARDS.TEST"}, support::PkinitAuthority::for_kdc);
  const std::string of_kdc = authority.certify({"krbtgt", "CARDS.TEST"}, support::PkinitAuthority::for_kdc);
  const std::string of_kdc_for_web = authority.certify({"krbtgt", "CARDS.TEST"}, support::PkinitAuthority::for_web);
  const std::string of_host_for_web = authority.certify({}, support::PkinitAuthority::for_web, 30, "localhost");
  const std::string of_other_kdc = authority.certify({"krbtgt", "OTHER.TEST"}, support::PkinitAuthority::for_kdc);
  const std::string of_kdc_expired = authority.certify({"krbtgt", "CARDS.TEST"}, support::PkinitAuthority::for_kdc, -1);
  const std::string revoked = authority.certify({"carla"});
  std::string shows = of_kdc;
  TestRealm realm = must(TestRealm::start(
      {.realm = "CARDS.TEST",
       .users = {{"carla", "secret"}, {"anton", "secret"}},
       .services = {"www/there"},
       .libdefaults = {"pkinit_anchors = " + authority.anchor()},
       .kdc_settings = {"pkinit_identity = " + authority.identity(shown), "pkinit_anchors = " + authority.anchor(),
                        "pkinit_anchors = " + of_staff.anchor(), "pkinit_revoke = " + authority.revoke(revoked),
                        "restrict_anonymous_to_tgt = true"}}));
};

Neighbours& shared_neighbours() {
  static Neighbours neighbours;
  return neighbours;
}

/// A realm with everything that is wrong in some situation.
struct Stage {
  explicit Stage(Kdc kdc)
      : realm{must(
            TestRealm::start({.users = {{"krbtgt/MIDDLE.TEST", "near"},
                                        {"krbtgt/ODD.TEST", "odd"},
                                        {"krbtgt/ROLLED.TEST", "rolled"},
                                        {"krbtgt/DOWN.TEST", "down"},
                                        {"krbtgt/UNNAMED.TEST", "unnamed"},
                                        {"alice", "secret"},
                                        {"bob", "hunter2"},
                                        {"dora", "secret"},
                                        {"edgar", "secret"},
                                        {"fred", "secret"},
                                        {"gina", "secret"},
                                        {"hugo", "secret"},
                                        {"ivan", "secret"},
                                        {"lara", "secret"}},
                              .services = {"host/localhost", "other/localhost", "closed/localhost", "users/localhost",
                                           "ended/localhost", "rotated/localhost", "proof/localhost"},
                              .kdc = kdc,
                              // sections end with the line, and [realms] follows
                              .libdefaults = {"\n" + neighbours.sections() + Neighbours::paths}}))} {
    must(realm.kadmin(kdc == Kdc::mit ? "modprinc -allow_forwardable bob\n"
                                        "modprinc -allow_tix dora\n"
                                        "modprinc -expire \"2 days ago\" edgar\n"
                                        "modprinc -pwexpire \"2 days ago\" fred\n"
                                        "modprinc +needchange gina\n"
                                        "modprinc +requires_preauth hugo\n"
                                        "modprinc +requires_hwauth ivan\n"
                                        "modprinc -allow_tix closed/localhost\n"
                                        "modprinc -allow_svr users/localhost\n"
                                        "modprinc -expire \"2 days ago\" ended/localhost\n"
                                        "setstr proof/localhost require_auth otp\n"
                                      : "modify --attributes=+disallow-all-tix dora\n"
                                        "modify --expiration-time=2020-01-01 edgar\n"
                                        "modify --pw-expiration-time=2020-01-01 fred\n"
                                        "modify --attributes=+requires-pw-change gina\n"
                                        "modify --attributes=+requires-pre-auth hugo\n"
                                        "modify --attributes=+disallow-all-tix closed/localhost\n"
                                        "modify --attributes=+disallow-svr users/localhost\n"
                                        "modify --expiration-time=2020-01-01 ended/localhost\n"));
    const auto put = [this](const char* name, std::string_view bytes, ::mode_t mode = 0600) {
      const std::string path = realm.folder() + "/" + name;
      must(test_detail::write_file(path, bytes));
      REQUIRE(::chmod(path.c_str(), mode) == 0);
    };
    const auto keys_of = [this](const char* principal) {
      return test_detail::read_file(must(realm.export_keytab(principal)));
    };
    alice = test_detail::read_file(must(realm.login("alice")).substr(5));
    bob = test_detail::read_file(must(realm.login("bob")).substr(5));
    put("other.keytab", keys_of("other/localhost"));
    put("alice.keytab", keys_of("alice"));
    put("old.keytab", keys_of("rotated/localhost"));
    must(realm.kadmin(kdc == Kdc::mit ? "cpw -randkey rotated/localhost" : "passwd --random-key rotated/localhost"));
    const auto of_another_realm = must(TestRealm::start({.services = {"host/localhost"}}));
    put("wrong.keytab", test_detail::read_file(of_another_realm.keytab()));
    must(of_another_realm.kadmin("ank -randkey -e aes128-cts:normal other/localhost"));
    put("aes128.keytab", test_detail::read_file(must(of_another_realm.export_keytab("other/localhost"))));
    put("far.cache", test_detail::read_file(must(neighbours.far.login("uma")).substr(5)));
    const std::string keytab = test_detail::read_file(realm.keytab());
    put("cut.keytab", keytab.substr(0, 40));
    put("unreadable.keytab", keytab, 0);
    put("unreadable.cache", alice, 0);
    put("text", "This is neither a keytab nor a cache.\n");
    put("empty", "");
    const std::string configuration = test_detail::read_file(realm.krb5_conf());
    put("unreadable.conf", configuration, 0);
    put("broken.conf", "[libdefaults\n default_realm\n" + configuration);
    put("other_realm.conf", "[libdefaults]\n default_realm = OTHER.TEST\n dns_lookup_kdc = false\n");
    std::string aes128 = configuration;
    aes128.insert(aes128.find('\n') + 1, " permitted_enctypes = aes128-cts-hmac-sha1-96\n");
    put("aes128.conf", aes128);
    std::string camellia = configuration;
    camellia.insert(camellia.find('\n') + 1, " permitted_enctypes = camellia256-cts-cmac\n");
    put("camellia.conf", camellia);
    std::string unresolved = configuration;
    const std::string address = "127.0.0.1:" + std::to_string(realm.port());
    unresolved.replace(unresolved.find(address), address.size(), "kdc.invalid:88");
    put("unresolved.conf", unresolved);
    put("fast.conf", configuration + "[realms]\n GSSKEY.TEST = {\n  disable_encrypted_timestamp = true\n }\n");
    std::string pathless = configuration;
    const std::string_view paths = Neighbours::paths;
    pathless.erase(pathless.find(paths), paths.size());
    put("pathless.conf", pathless);
    put("far.keytab", test_detail::read_file(neighbours.far.keytab()));
    if (support::missing_for_pkinit(Kdc::mit) == nullptr) make_cards(put);
    put("somebodys.rcache", "", 0600);
    if (kdc == Kdc::mit) {
      must(realm.kadmin("addpol -maxfailure 1 strict\nmodprinc -policy strict +requires_preauth lara"));
      REQUIRE_FALSE(realm.login("lara", {.password = "wrong"}));
    }
    REQUIRE(::mkdir((realm.folder() + "/locked").c_str(), 0700) == 0);
    REQUIRE(::mkdir((realm.folder() + "/full").c_str(), 0700) == 0);
    has_full_disk = can_mount(realm.folder() + "/full");
    REQUIRE(::chmod(realm.folder().c_str(), 0711) == 0);
    REQUIRE(::chmod(realm.krb5_conf().c_str(), 0644) == 0);
    REQUIRE(::chmod(realm.keytab().c_str(), 0644) == 0);
    krb5_config = std::make_unique<Environment>("KRB5_CONFIG", realm.krb5_conf());
  }

  /// Certificates, and what is wrong with them.
  void make_cards(const auto& put) {
    static CardRealm shared;
    cards = &shared;
    anonymous = test_detail::read_file(must(cards->realm.login_anonymously()).substr(5));
    using support::PkinitAuthority;
    auto& ours = cards->authority;
    auto& staff = cards->of_staff;
    auto& unknown = cards->unknown;
    const auto of = [](const PkinitAuthority& authority, const std::string& certificate) {
      return certificate + "," + authority.key();
    };
    const std::string all =
        ours.anchor() + "\n pkinit_anchors = " + staff.anchor() + "\n pkinit_anchors = " + unknown.anchor();
    const std::string carla = ours.certify({"carla"});
    const auto card = [&](const char* name, const std::string& anchors, const std::string& identity) {
      put(name, cards->conf(anchors, identity));
    };
    card("card.conf", all, of(ours, carla));
    card("unknown_card.conf", all, of(unknown, unknown.certify({"carla"})));
    card("expired_card.conf", all, of(ours, ours.certify({"carla"}, PkinitAuthority::for_client, -1)));
    card("antons_card.conf", all, of(ours, ours.certify({"anton"})));
    card("nameless_card.conf", all, of(ours, ours.certify({})));
    card("host_card.conf", all + "\n pkinit_kdc_hostname = localhost", of(ours, carla));
    card("revoked_card.conf", all, of(ours, cards->revoked));
    card("web_card.conf", all, of(ours, ours.certify({"carla"}, PkinitAuthority::for_web)));
    card("stolen_card.conf", all, carla + "," + staff.key());
    card("distrustful_card.conf", staff.anchor(), of(staff, staff.certify({"carla"})));
    card("no_card.conf", all, "");
    card("lost_card.conf", all, realm.folder() + "/none.pem," + ours.key());
    card("keyless_card.conf", all, carla + "," + realm.folder() + "/none.key");
    card("anchorless_card.conf", "FILE:" + realm.folder() + "/none.pem", of(ours, carla));
  }

  /// A cache that no other situation has put tickets into.
  [[nodiscard]] std::string fresh_cache(const std::string& content) const {
    const std::string path = realm.folder() + "/fresh";
    must(test_detail::write_file(path, content));
    ::chmod(path.c_str(), 0600);
    return "FILE:" + path;
  }
  [[nodiscard]] std::string filled(std::string text) const {
    for (std::size_t at = 0; (at = text.find("{}")) != std::string::npos;) text.replace(at, 2, realm.folder());
    return text;
  }

  Neighbours& neighbours = shared_neighbours();
  CardRealm* cards = nullptr;  ///< nothing where PKINIT is not there
  TestRealm realm;
  support::HostileKdc hostile{realm};
  bool has_full_disk = false;
  std::string alice;                         ///< the content of her cache
  std::string bob;                           ///< and of his, whose tickets of MIT's KDC are not forwardable
  std::string anonymous;                     ///< and of a ticket of CARDS.TEST that names nobody
  std::unique_ptr<Environment> krb5_config;  ///< which HostileKdc replaces for a while
};

/// A host-based name has an '@', a principal a realm or none.
Name name_of(std::string_view text) {
  const std::string_view host = "@localhost";
  if (!text.ends_with(host)) return must(Name::principal(text));
  return must(Name::host_service(text.substr(0, text.size() - host.size()), "localhost"));
}

using Surroundings = std::list<Environment>;

/// What a browser sends that has no ticket, on a machine of a domain: SPNEGO with NTLM alone (RFC 4178 section 4.2.1).
std::string negotiation_of_ntlm() {
  const auto oid = [](const Oid& mechanism) { return support::der(0x06, ByteView{mechanism}.text()); };
  const std::string offer = support::der(0xa0, support::der(0x30, oid(mech::Ntlmssp::oid)));
  const std::string token =
      support::der(0xa2, support::der(0x04, "NTLMSSP\0\1\0\0\0\7\x82\b\xa2"s + std::string(20, '\0')));
  return support::der(0x60, oid(mech::Spnego::oid) + support::der(0xa0, support::der(0x30, offer + token)));
}

/// While it lives, this thread opens files as another user, and the clock is off; a full disk stays until it ends.
class Change {
 public:
  Change(const Setting& setting, const std::string& folder) : as_nobody_{setting.as_nobody} {
    clock_offset = setting.clock;
    if (setting.disk_is_full && !mount_full_disk(folder + "/full")) throw std::runtime_error{"no full disk"};
    if (!as_nobody_) return;
    ::setfsgid(65534);
    ::setfsuid(65534);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() {
    clock_offset = 0;
    if (!as_nobody_) return;
    ::setfsuid(0);
    ::setfsgid(0);
  }

 private:
  bool as_nobody_;
};

/// What the operation comes to; nothing where it works.
template <Mechanism M>
std::optional<Error> perform(Operation operation, const Setting& setting, const Stage& stage) {
  Surroundings surroundings;
  const auto& tickets = setting.user == "anonymous"sv                       ? stage.anonymous
                        : operation == establish && setting.user == "bob"sv ? stage.bob
                                                                            : stage.alice;
  for (const auto& variable : stage.realm.environment(stage.fresh_cache(tickets))) {
    const auto equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    if (name != "KRB5_CONFIG" && name != "KRB5_CLIENT_KTNAME")
      surroundings.emplace_back(name, variable.substr(equals + 1));
  }
  surroundings.emplace_back("KRB5RCACHENAME", "file2:" + stage.realm.folder() + "/rcache");

  std::optional<Initiator<M>> initiator;
  Credential<M, Initiate> alice;
  Buffer token;
  const bool accepts = operation == accept || operation == error_token || operation == repeat;
  if (accepts || operation == initiate || operation == establish) {
    alice = must(Credential<M, Initiate>::acquire_default());
    initiator.emplace(name_of(setting.target), alice, setting.asked);
    if (accepts && setting.token.empty()) token = must(initiator->step()).token;
  }
  for (const auto& [name, value] : setting.environment) surroundings.emplace_back(name, stage.filled(value));

  const auto error_of = [](const auto& result) { return result ? std::optional<Error>{} : result.error(); };
  const auto error_of_step = [](const auto& step) { return step ? std::optional<Error>{} : step.error().error; };
  std::optional<Change> change{std::in_place, setting, stage.realm.folder()};
  switch (operation) {
    case acquire_default:
      return error_of(Credential<M, Initiate>::acquire_default());
    case acquire:
      return error_of(Credential<M, Initiate>::acquire(name_of(setting.user)));
    case password:
      return error_of(
          Credential<M, Initiate>::acquire_with_password(name_of(setting.user), std::string_view{setting.password}));
    case store: {
      const std::string cache = stage.filled(setting.ccache != nullptr ? setting.ccache : "");
      const std::string keytab = stage.filled(setting.client_keytab != nullptr ? setting.client_keytab : "");
      const CredentialStore from{.ccache = setting.ccache != nullptr ? cache.c_str() : nullptr,
                                 .client_keytab = setting.client_keytab != nullptr ? keytab.c_str() : nullptr};
      return error_of(Credential<M, Initiate>::acquire_from(from, name_of(setting.user)));
    }
    case acceptor:
      return error_of(Credential<M, Accept>::acquire_default());
    case initiate:
      return error_of_step(initiator->step());
    case initiate_default:
      if constexpr (std::is_constructible_v<Initiator<M>, Name>) {
        return error_of_step(Initiator<M>{name_of(setting.target)}.step());
      } else {
        const auto credential = Credential<M, Initiate>::acquire_default();
        if (!credential) return credential.error();
        return error_of_step(Initiator<M>{name_of(setting.target), *credential}.step());
      }
    case establish: {
      const auto credential = must(Credential<M, Accept>::acquire_default());
      AcceptorOptions<M> options{.bindings = {"tls-exporter", "ours"}};
      options.demand = options.demand | setting.demanded;
      return error_of(support::establish(*std::move(initiator), Acceptor<M>{credential, options}));
    }
    case impersonate: {
      const std::string keys = stage.realm.keytab();
      const std::string keytab = "FILE:" + keys;
      const std::string cache = "MEMORY:" + keys;
      const auto service = must(Credential<M, Both>::acquire_from(
          {.ccache = cache.c_str(), .client_keytab = keys.c_str(), .keytab = keytab.c_str()},
          name_of("host@localhost")));
      const auto other = gsskey::impersonate(service, name_of(setting.user));
      if (!other) return other.error();
      return error_of_step(Initiator<M>{name_of(setting.target), *other}.step());
    }
    case repeat:
    case accept:
    case error_token: {
      Buffer answer;
      // In a thread of its own: Heimdal reads its configuration anew, and MIT krb5 keeps the words for a code per
      // thread, which an initiator elsewhere does not have.
      const auto work = [&]() -> std::optional<Error> {
        const auto credential = Credential<M, Accept>::acquire_default();
        if (!credential) return credential.error();
        if (operation == repeat) must(Acceptor<M>{*credential}.step(token));
        auto step = Acceptor<M>{*credential}.step(setting.token.empty() ? ByteView{token} : ByteView{setting.token});
        answer = step ? std::move(step->token) : std::move(step.error().token);
        return error_of_step(step);
      };
      const auto accepted = std::async(std::launch::async, work).get();
      if (operation != error_token) return accepted;
      change.reset();
      if (answer.empty()) return Error::usage("the acceptor", "sends no token");
      return error_of_step(initiator->step(answer));
    }
  }
  return {};
}

/// In a thread of its own: Heimdal reads its configuration once per thread.
template <Mechanism M>
std::optional<Error> produce(Operation operation, const Setting& setting, Stage& stage) {
  std::optional<Error> error;
  std::string thrown;
  const auto work = [&] {
    try {
      error = perform<M>(operation, setting, stage);
    } catch (const std::exception& exception) {
      thrown = exception.what();
    }
    return 0;
  };
  if (setting.needs_pkinit) {
    stage.cards->show(setting.kdc_certificate != nullptr ? stage.cards->*setting.kdc_certificate : stage.cards->of_kdc);
  }
  if (setting.kdc_is_down) stage.realm.stop_kdc();
  if (setting.kdc_is_silent) {
    stage.hostile.behave([](const KdcRequest&) { return KdcAnswer::silence(); });
    stage.hostile.ask(true, work);
  } else if (setting.krb_error != 0) {
    stage.hostile.behave([&](const KdcRequest& request) {  // a service is asked for with a ticket that there is
      return operation != password || request.is_login() ? KdcAnswer::message(support::krb_error(setting.krb_error))
                                                         : KdcAnswer::honest(request);
    });
    stage.hostile.ask(true, work);
  } else {
    std::thread{work}.join();
  }
  if (setting.kdc_is_down) must(stage.realm.restart_kdc());
  CHECK(thrown == "");
  return error;
}

/// Through SPNEGO Heimdal 7.8 says of a handshake that it has failed, and no code of Kerberos.
template <Mechanism M>
constexpr bool loses_reason(const Error& error) {
  const std::string_view call = error.operation();
  return is_heimdal && M::negotiates && (call == "gss_init_sec_context" || call == "gss_accept_sec_context") &&
         error.minor_status() == 0;
}

template <Mechanism M>
std::string check(const char* mechanism, const Situation& situation, Operation operation, Stage& stage) {
  const auto error = produce<M>(operation, situation.setting, stage);
  CAPTURE(situation.what, mechanism, names_of_operations[static_cast<int>(operation)]);
  const auto& expected = is_heimdal ? situation.heimdal : situation.mit;
  if (!error) {
    CHECK_FALSE(expected);
    return {};
  }
  std::string line;
  append_line(line, *error);
  CAPTURE(line, error->minor_status());
  REQUIRE(expected);
  if (loses_reason<M>(*error) && expected->status != 0) {
    CHECK(failure_of(*error) == Failure::other);
  } else {
    CHECK(failure_of(*error) == expected->failure);
    CHECK(static_cast<std::uint32_t>(krb5_status(*error)) == expected->status);
    CHECK(line.find(stage.filled(expected->object)) != std::string::npos);
    CHECK(advice(*error) == advice(expected->failure));
    CHECK(advice(*error).empty() == (expected->failure == Failure::other));
  }
  for (std::size_t at = 0; (at = line.find(stage.realm.folder())) != std::string::npos;) {
    line.replace(at, stage.realm.folder().size(), "…");
  }
  return line;
}

/// A line each: what it is, where it shows, what MIT krb5 says of it, and Heimdal.
std::vector<Situation> situations() {
  using enum Failure;
  const auto with = [](const char* variable, std::string value, bool as_nobody = false,
                       const char* target = "host@localhost") {
    return Setting{.environment = {{variable, std::move(value)}}, .target = target, .as_nobody = as_nobody};
  };
  const auto cache = [&](std::string name, bool as_nobody = false) {
    return with("KRB5CCNAME", std::move(name), as_nobody);
  };
  const auto keytab = [&](std::string name, bool as_nobody = false) {
    return with("KRB5_KTNAME", std::move(name), as_nobody);
  };
  const auto conf = [&](std::string name, bool as_nobody = false) {
    return with("KRB5_CONFIG", std::move(name), as_nobody);
  };
  const auto rcache = [&](std::string name, bool as_nobody = false) {
    return with("KRB5RCACHENAME", std::move(name), as_nobody);
  };
  const auto client_keytab = [&](const char* name, const char* to = "FILE:{}/none", bool as_nobody = false) {
    return Setting{.environment = {{"KRB5_CLIENT_KTNAME", name}, {"KRB5CCNAME", to}}, .as_nobody = as_nobody};
  };
  const auto same = [](Failure failure, std::uint32_t status, std::string object) {
    return std::optional<Expected>{{failure, status, std::move(object)}};
  };
  const auto lost = [](std::string object) { return std::optional<Expected>{{no_credential, 0, std::move(object)}}; };
  const auto lost_on_the_way = [&](std::string object) { return same(unknown_service, code(7), std::move(object)); };
  const auto of_mit = [](Setting setting) {
    setting.mit_library_only = true;
    return setting;
  };
  const auto card = [&](const char* name) {
    Setting setting = of_mit(conf("{}/" + std::string{name} + ".conf"));
    setting.user = "carla";
    setting.needs_pkinit = true;
    return setting;
  };
  const auto kdc_card = [&](const char* name, const std::string CardRealm::* certificate) {
    Setting setting = card(name);
    setting.kdc_certificate = certificate;
    return setting;
  };
  const auto for_both = [](Setting setting) {
    setting.mit_library_only = false;
    return setting;
  };
  const auto uses_no_certificate = same(wrong_password, code(0x18), "carla");  // its GSS-API knows passwords only
  const std::optional<Expected> works;
  const auto not_found = code(0x8d);
  const std::vector<Operation> caches{acquire_default, acquire};
  const std::vector<Operation> ends{acceptor, accept};
  const std::vector<Operation> both{accept, error_token};

  std::vector<Situation> all{
      {"no cache", caches, same(no_ticket, not_found, "{}/none"), lost("{}/none"), cache("FILE:{}/none")},
      {"the cache's folder is missing", caches, same(no_ticket, not_found, "{}/none/cache"), lost("{}/none/cache"),
       cache("FILE:{}/none/cache")},
      {"a cache that is text", caches, same(no_ticket, not_found, "{}/text"), lost("{}/text"), cache("FILE:{}/text")},
      {"a cache that is empty", caches, same(no_ticket, not_found, "{}/empty"), lost("{}/empty"),
       cache("FILE:{}/empty")},
      {"a cache that is a folder", caches, same(no_ticket, not_found, "{}/locked"), lost("{}/locked"),
       cache("FILE:{}/locked")},
      {"a cache of no known type", caches, same(no_ticket, not_found, "NOSUCH:x"), lost("NOSUCH:x"), cache("NOSUCH:x")},
      {"a cache that is not readable", caches, same(no_ticket, not_found, "{}/unreadable.cache"),
       lost("{}/unreadable.cache"), cache("FILE:{}/unreadable.cache", true)},
      {"a cache in a folder that is not", caches, same(no_ticket, not_found, "{}/locked/cache"),
       lost("{}/locked/cache"), cache("FILE:{}/locked/cache", true)},
      {"another user's cache", {acquire}, same(no_ticket, not_found, "bob"), lost("bob"), {.user = "bob"}},
      {"a cache of another realm's user",
       {acquire},
       same(no_ticket, not_found, "alice"),
       lost("alice"),
       cache("FILE:{}/far.cache")},
      {"a cache of another realm's user",
       {initiate_default},
       same(unknown_service, code(7), "host@localhost"),
       same(unknown_service, code(7), "host@localhost"),
       cache("FILE:{}/far.cache")},
      {"a ticket that has ended", {acquire_default, acquire}, works, lost("{}/fresh"), {.clock = 12 * 3600}},
      {"no cache", {initiate_default}, same(no_ticket, not_found, "{}/none"), lost("{}/none"), cache("FILE:{}/none")},
      {"a cache that is text",
       {initiate_default},
       same(no_ticket, not_found, "{}/text"),
       lost("{}/text"),
       cache("FILE:{}/text")},
      {"a cache that is not readable",
       {initiate_default},
       same(no_ticket, not_found, "{}/unreadable.cache"),
       lost("{}/unreadable.cache"),
       cache("FILE:{}/unreadable.cache", true)},
      {"a client keytab that is cut off",
       {initiate_default},
       same(no_ticket, not_found, "{}/cut.keytab"),
       lost("{}/cut.keytab"),
       client_keytab("{}/cut.keytab")},
      {"a krb5.conf that is malformed",
       {initiate_default},
       same(configuration, code(0x88), "{}/broken.conf"),
       same(unknown_realm, code(0xd9), "localhost"),
       conf("{}/broken.conf")},
      {"no KDC",
       {initiate_default},
       same(kdc_unreachable, code(0x9c), "host@localhost"),
       same(kdc_unreachable, code(0x9c), "host@localhost"),
       {.kdc_is_down = true}},
      {"a ticket that has ended",
       {initiate_default},
       same(ticket_expired, code(0x20), "host@localhost"),
       lost("{}/fresh"),
       {.clock = 12 * 3600}},
      {"a client keytab, and the cache's folder is missing",
       {acquire},
       same(no_ticket, code(0xc3), "{}/none/cache"),
       lost("{}/none/cache"),
       client_keytab("{}/alice.keytab", "FILE:{}/none/cache")},
      {"a client keytab, and the default cache's folder is missing",
       {acquire_default},
       lost("{}/none/cache"),
       lost("{}/none/cache"),
       client_keytab("{}/alice.keytab", "FILE:{}/none/cache")},
      {"a client keytab that is text", caches, same(no_ticket, not_found, "{}/text"), lost("{}/text"),
       client_keytab("{}/text")},
      {"a client keytab that is cut off", caches, same(no_ticket, not_found, "{}/cut.keytab"), lost("{}/cut.keytab"),
       client_keytab("{}/cut.keytab")},
      {"a client keytab that is not readable", caches, same(no_ticket, not_found, "{}/unreadable.keytab"),
       lost("{}/unreadable.keytab"), client_keytab("{}/unreadable.keytab", "FILE:{}/none", true)},

      {"another user's ticket in the store's cache",
       {store},
       same(no_ticket, code(0xc3), "{}/none"),
       {},
       {.user = "bob", .ccache = "FILE:{}/none"}},
      {"a store's cache that is text",
       {store},
       same(cache_unusable, code(0xd4), "{}/text"),
       {},
       {.ccache = "FILE:{}/text"}},
      {"a store's cache whose folder is missing",
       {store},
       same(no_ticket, code(0xc3), "{}/none/x"),
       {},
       {.ccache = "FILE:{}/none/x", .client_keytab = "{}/alice.keytab"}},
      {"a store's cache in a folder that is not writable",
       {store},
       same(cache_unusable, code(0xc2), "{}/locked/x"),
       {},
       {.ccache = "FILE:{}/locked/x", .client_keytab = "{}/alice.keytab", .as_nobody = true}},
      {"a store's cache on a disk that is full",
       {store},
       same(cache_unusable, code(0xc1), "{}/full/cache"),
       {},
       {.ccache = "FILE:{}/full/cache", .client_keytab = "{}/alice.keytab", .disk_is_full = true}},
      {"a replay cache on a disk that is full",
       {accept},
       same(replay_cache_unusable, ENOSPC, "{}/full/rcache"),
       works,
       {.environment = {{"KRB5RCACHENAME", "file2:{}/full/rcache"}}, .disk_is_full = true}},
      {"a store's client keytab is missing",
       {store},
       same(no_ticket, code(0xc3), "{}/none.keytab"),
       {},
       {.ccache = "FILE:{}/none", .client_keytab = "{}/none.keytab"}},
      {"a store's client keytab of somebody else",
       {store},
       same(no_ticket, code(0xc3), "{}/other.keytab"),
       {},
       {.ccache = "FILE:{}/none", .client_keytab = "{}/other.keytab"}},
      {"a store's client keytab, and no KDC",
       {store},
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       {},
       {.ccache = "FILE:{}/none", .client_keytab = "{}/alice.keytab", .kdc_is_down = true}},

      {"a wrong password",
       {password},
       same(wrong_password, code(0x1f), "alice"),
       same(wrong_password, code(0x1f), "alice"),
       {.password = "wrong", .where = Where::mit_only}},
      {"a wrong password",
       {password},
       same(wrong_password, code(0x18), "alice"),
       same(wrong_password, code(0x18), "alice"),
       {.password = "wrong", .where = Where::heimdal_only}},
      {"a wrong password, and the KDC wants preauthentication",
       {password},
       same(wrong_password, code(0x18), "hugo"),
       same(wrong_password, code(0x18), "hugo"),
       {.user = "hugo", .password = "wrong"}},
      {"an empty password",
       {password},
       same(other, 0, "the password is empty"),
       same(other, 0, "the password is empty"),
       {.password = ""}},
      {"an unknown user",
       {password},
       same(unknown_user, code(6), "mallory"),
       same(unknown_user, code(6), "mallory"),
       {.user = "mallory"}},
      {"a locked account",
       {password},
       same(account_locked, code(0x12), "dora"),
       same(account_locked, code(0x12), "dora"),
       {.user = "dora", .where = Where::mit_only}},
      {"an account that wrong passwords have locked",
       {password},
       same(account_locked, code(0x12), "lara"),
       same(account_locked, code(0x12), "lara"),
       {.user = "lara", .where = Where::mit_only}},
      {"an account without tickets",
       {password},
       same(refused_by_policy, code(0x0c), "dora"),
       same(refused_by_policy, code(0x0c), "dora"),
       {.user = "dora", .where = Where::heimdal_only}},
      {"an account that has expired",
       {password},
       same(account_expired, code(1), "edgar"),
       same(account_expired, code(1), "edgar"),
       {.user = "edgar"}},
      {"a password that has expired",
       {password},
       same(password_expired, code(0x17), "fred"),
       same(password_expired, code(0x17), "fred"),
       {.user = "fred"}},
      {"a password that must be changed",
       {password},
       same(password_expired, code(0x17), "gina"),
       same(password_expired, code(0x17), "gina"),
       {.user = "gina"}},
      {"a certificate", {password}, works, uses_no_certificate, for_both(card("card"))},
      {"a certificate of an unknown authority",
       {password},
       same(certificate, code(0x46), "carla"),
       {},
       card("unknown_card")},
      {"a certificate that has expired",
       {password},
       same(more_than_password, code(0xd2), "certificate has expired"),
       {},
       card("expired_card")},
      {"a certificate that was revoked", {password}, same(certificate, code(0x48), "carla"), {}, card("revoked_card")},
      {"another user's certificate", {password}, same(certificate, code(0x4b), "carla"), {}, card("antons_card")},
      {"a certificate of no user", {password}, same(certificate, code(0x4b), "carla"), {}, card("nameless_card")},
      {"a certificate for the web", {password}, same(certificate, code(0x4d), "carla"), {}, card("web_card")},
      {"a certificate, and another one's key",
       {password},
       same(certificate, code(0x40), "carla"),
       {},
       card("stolen_card")},
      {"a KDC's certificate of an unknown authority",
       {password},
       same(wrong_password, code(0x1f), "carla"),
       {},
       card("distrustful_card")},
      // Of MIT krb5 the name of a realm's KDC is enough, and only that of a host needs the right use as well.
      {"a KDC's certificate for the web", {password}, works, {}, kdc_card("card", &CardRealm::of_kdc_for_web)},
      {"a KDC's certificate of its host, and for the web",
       {password},
       same(wrong_password, code(0x1f), "carla"),
       {},
       kdc_card("host_card", &CardRealm::of_host_for_web)},
      {"another KDC's certificate",
       {password},
       same(wrong_password, code(0x1f), "carla"),
       {},
       kdc_card("card", &CardRealm::of_other_kdc)},
      {"a KDC's certificate that has expired",
       {password},
       same(wrong_password, code(0x18), "carla"),
       {},
       kdc_card("card", &CardRealm::of_kdc_expired)},
      {"no certificate",
       {password},
       same(more_than_password, code(0xd2), "carla"),
       uses_no_certificate,
       for_both(card("no_card"))},
      {"a certificate whose file is missing",
       {password},
       same(more_than_password, code(0xd2), "{}/none.pem"),
       {},
       card("lost_card")},
      {"a certificate whose key is missing",
       {password},
       same(more_than_password, code(0xd2), "{}/none.key"),
       {},
       card("keyless_card")},
      {"no file of the authorities",
       {password},
       same(more_than_password, code(0xd2), "{}/none.pem"),
       {},
       card("anchorless_card")},
      {"a KDC that takes passwords with FAST only",
       {password},
       same(more_than_password, code(0xd2), "fay@STRICT.TEST"),
       same(more_than_password, code(0xdf), "fay@STRICT.TEST"),
       {.user = "fay@STRICT.TEST"}},
      {"a krb5.conf that lets no password out without FAST",
       {password},
       same(more_than_password, code(0xd2), "hugo"),
       works,
       {.environment = {{"KRB5_CONFIG", "{}/fast.conf"}}, .user = "hugo"}},
      {"a user who needs a token",
       {password},
       same(more_than_password, code(0xd2), "ivan"),
       same(more_than_password, code(0xdf), "ivan"),
       {.user = "ivan", .where = Where::mit_only}},
      {"an unknown realm",
       {password},
       same(unknown_realm, code(0x9a), "NOWHERE.TEST"),
       same(kdc_unreachable, code(0x9c), "NOWHERE.TEST"),
       {.user = "alice@NOWHERE.TEST"}},
      {"no KDC",
       {password},
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       {.kdc_is_down = true}},
      {"a KDC that does not answer",
       {password},
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       {},
       of_mit({.kdc_is_silent = true})},
      {"a KDC that does not answer",
       {initiate},
       same(kdc_unreachable, code(0x9c), "other"),
       {},
       of_mit({.target = "other@localhost", .kdc_is_silent = true})},
      {"a KDC whose name is not known to DNS",
       {password},
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       same(kdc_unreachable, code(0x9c), "GSSKEY.TEST"),
       {.environment = {{"KRB5_CONFIG", "{}/unresolved.conf"}, {"RES_OPTIONS", "timeout:1 attempts:1"}}}},
      {"an encryption type that the KDC does not have",
       {password},
       same(no_common_enctype, code(0x0e), "alice"),
       {},
       of_mit(conf("{}/camellia.conf"))},
      {"another default realm",
       {password},
       same(unknown_realm, code(0x9a), "OTHER.TEST"),
       same(kdc_unreachable, code(0x9c), "OTHER.TEST"),
       conf("{}/other_realm.conf")},

      {"an unknown service",
       {initiate},
       same(unknown_service, code(7), "nobody"),
       same(unknown_service, code(7), "nobody"),
       {.target = "nobody@localhost"}},
      {"a service without tickets",
       {initiate},
       same(unknown_service, code(7), "closed"),
       same(unknown_service, code(7), "closed"),
       {.target = "closed@localhost", .where = Where::mit_only}},
      {"a service without tickets",
       {initiate},
       same(refused_by_policy, code(0x0c), "closed"),
       same(refused_by_policy, code(0x0c), "closed"),
       {.target = "closed@localhost", .where = Where::heimdal_only}},
      {"a service between users only",
       {initiate},
       same(service_disabled, code(0x1b), "users"),
       same(service_disabled, code(0x1b), "users"),
       {.target = "users@localhost", .where = Where::mit_only}},
      {"a service that has expired",
       {initiate},
       same(service_disabled, code(2), "ended"),
       same(service_disabled, code(2), "ended"),
       {.target = "ended@localhost"}},
      {"a service of a realm without a path to it",
       {initiate},
       same(unknown_service, code(7), "NOWHERE.TEST"),
       same(unknown_service, code(7), "NOWHERE.TEST"),
       {.target = "www/there@NOWHERE.TEST"}},
      {"a service that demands a second factor",
       {initiate},
       same(refused_by_policy, code(0x0c), "proof"),
       same(refused_by_policy, code(0x0c), "proof"),
       {.target = "proof@localhost", .where = Where::mit_only}},
      {"a service that wants to know who it is",
       {initiate},
       same(refused_by_policy, code(0x0c), "CARDS.TEST"),
       {},
       of_mit({.environment = {{"KRB5_CONFIG", "{}/card.conf"}},
               .user = "anonymous",
               .target = "www/there@CARDS.TEST",
               .needs_pkinit = true})},

      // Of host/…, and of no other service, Heimdal 7.8 asks the client's own realm, whatever realm is named.
      {"a host of another realm that has none of that name",
       {initiate},
       same(unknown_service, code(7), "host/localhost@MIDDLE.TEST"),
       works,
       {.target = "host/localhost@MIDDLE.TEST"}},
      {"a service of a realm next to this", {initiate}, works, works, {.target = "www/there@MIDDLE.TEST"}},
      {"a service of the realm behind that", {initiate}, works, works, {.target = "www/there@FAR.TEST"}},
      {"a service of a realm that the one on the way does not know",
       {initiate},
       same(unknown_service, code(7), "LOST.TEST"),
       same(unknown_service, code(7), "LOST.TEST"),
       {.target = "www/there@LOST.TEST"}},
      {"a service of a realm that refuses the way",
       {initiate},
       same(refused_by_policy, code(0x0c), "STRICT.TEST"),
       lost_on_the_way("STRICT.TEST"),
       {.target = "www/there@STRICT.TEST"}},
      {"a service of a realm with another key for this one",
       {initiate},
       same(wrong_key_version, code(0x1f), "ODD.TEST"),
       lost_on_the_way("ODD.TEST"),
       {.target = "www/there@ODD.TEST"}},
      {"a service of a realm with a newer key for this one",
       {initiate},
       same(told_in_log, code(0x3c), "ROLLED.TEST"),
       lost_on_the_way("ROLLED.TEST"),
       {.target = "www/there@ROLLED.TEST"}},
      {"a service of a realm whose KDC is down",
       {initiate},
       same(kdc_unreachable, code(0x9c), "DOWN.TEST"),
       lost_on_the_way("DOWN.TEST"),
       {.target = "www/there@DOWN.TEST"}},
      {"a service of a realm whose KDC krb5.conf does not name",
       {initiate},
       same(unknown_realm, code(0x9a), "UNNAMED.TEST"),
       lost_on_the_way("UNNAMED.TEST"),
       {.target = "www/there@UNNAMED.TEST"}},
      {"a ticket that came over the way in krb5.conf",
       {accept},
       works,
       works,
       {.environment = {{"KRB5_KTNAME", "FILE:{}/far.keytab"}}, .target = "www/there@FAR.TEST"}},
      {"a ticket that came over another way than that in krb5.conf",
       {accept},
       same(path_refused, code(0x2b), "{}/pathless.conf"),
       same(path_refused, code(0x2b), "{}/pathless.conf"),
       {.environment = {{"KRB5_KTNAME", "FILE:{}/far.keytab"}, {"KRB5_CONFIG", "{}/pathless.conf"}},
        .target = "www/there@FAR.TEST"}},
      {"a ticket that came over another way than that in the acceptor's krb5.conf",
       {error_token},
       same(path_refused, code(0x2b), "www/there@FAR.TEST"),
       {},
       of_mit({.environment = {{"KRB5_KTNAME", "FILE:{}/far.keytab"}, {"KRB5_CONFIG", "{}/pathless.conf"}},
               .target = "www/there@FAR.TEST"})},

      {"no KDC, and no ticket for the service",
       {initiate},
       same(kdc_unreachable, code(0x9c), "other"),
       same(kdc_unreachable, code(0x9c), "other"),
       {.target = "other@localhost", .kdc_is_down = true}},
      {"a clock that is fast",
       {initiate},
       same(clock_skew, code(0x25), "other"),
       same(clock_skew, code(0x25), "other"),
       {.target = "other@localhost", .clock = 1200}},
      {"a clock that is slow",
       {initiate},
       same(clock_skew, code(0x25), "other"),
       same(clock_skew, code(0x25), "other"),
       {.target = "other@localhost", .clock = -1200}},
      {"a ticket that has ended since",
       {initiate},
       same(ticket_expired, code(0x20), "other"),
       same(no_ticket, not_found, "other"),
       {.target = "other@localhost", .clock = 12 * 3600}},
      {"no permitted encryption type",
       {initiate},
       same(no_common_enctype, code(0xc8), "other"),
       works,
       with("KRB5_CONFIG", "{}/aes128.conf", false, "other@localhost")},
      {"a krb5.conf that is malformed",
       {initiate},
       same(configuration, code(0x88), "{}/broken.conf"),
       works,
       conf("{}/broken.conf")},

      {"a krb5.conf that is missing",
       {acquire, password},
       same(configuration, code(0xe0), "{}/none"),
       {},
       of_mit(conf("{}/none"))},
      {"a krb5.conf that is malformed",
       {acquire_default, acquire},
       same(configuration, code(0x88), "{}/broken.conf"),
       {},
       of_mit(conf("{}/broken.conf"))},
      {"a krb5.conf that is not readable",
       {acquire_default, acquire},
       same(configuration, EACCES, "{}/unreadable.conf"),
       {},
       of_mit(conf("{}/unreadable.conf", true))},
      {"a krb5.conf that is malformed", ends, same(configuration, code(0x88), "{}/broken.conf"), works,
       conf("{}/broken.conf")},

      {"no keytab", ends, same(no_key, code(0xb5), "{}/none.keytab"), lost("{}/none.keytab"),
       keytab("FILE:{}/none.keytab")},
      {"the keytab's folder is missing", ends, same(no_key, code(0xb5), "{}/none/keytab"), lost("{}/none/keytab"),
       keytab("FILE:{}/none/keytab")},
      {"a keytab that is text", ends, same(no_key, code(0xb5), "{}/text"), lost("{}/text"), keytab("FILE:{}/text")},
      {"a keytab that is empty", ends, same(no_key, code(0xb5), "{}/empty"), lost("{}/empty"), keytab("FILE:{}/empty")},
      {"a keytab that is a folder", ends, same(no_key, code(0xb5), "{}/locked"), lost("{}/locked"),
       keytab("FILE:{}/locked")},
      {"a keytab that is cut off", ends, same(no_key, code(0xb5), "{}/cut.keytab"), lost("{}/cut.keytab"),
       keytab("FILE:{}/cut.keytab")},
      {"a keytab of no known type", ends, same(no_key, code(0xb4), "NOSUCH:x"), lost("NOSUCH:x"), keytab("NOSUCH:x")},
      {"a keytab that is not readable", ends, same(no_key, code(0xb5), "{}/unreadable.keytab"),
       lost("{}/unreadable.keytab"), keytab("FILE:{}/unreadable.keytab", true)},
      {"another service's keytab",
       {accept},
       same(no_key, code(0x23), "host/localhost@GSSKEY.TEST not found in keytab (ticket kvno"),
       same(no_key, code(0xb6), "{}/other.keytab"),
       keytab("FILE:{}/other.keytab")},
      {"a keytab of an older version",
       {accept},
       same(wrong_key_version, code(0x2c), "rotated/localhost@GSSKEY.TEST kvno 2"),
       same(no_key, code(0xb6), "rotated/localhost@GSSKEY.TEST(kvno 2)"),
       with("KRB5_KTNAME", "FILE:{}/old.keytab", false, "rotated@localhost")},
      {"another key of that version",
       {accept},
       same(wrong_key_version, code(0x1f), "host/localhost@GSSKEY.TEST kvno 1 enctype aes256-cts"),
       same(wrong_key_version, code(0x1f), "aes256-cts-hmac-sha1-96"),
       keytab("FILE:{}/wrong.keytab")},
      {"a key of another encryption type than the ticket's",
       {accept},
       same(wrong_key_version, code(0x2c), "other/localhost@GSSKEY.TEST kvno 1"),
       same(no_key, code(0xb6), "other/localhost@GSSKEY.TEST"),
       with("KRB5_KTNAME", "FILE:{}/aes128.keytab", false, "other@localhost")},
      {"a key of an encryption type that the acceptor does not permit",
       {accept},
       same(wrong_key_version, code(0x1f), "enctype aes256-cts"),
       works,
       conf("{}/aes128.conf")},
      {"an acceptor whose clock is fast", both, same(clock_skew, code(0x25), ""), {}, of_mit({.clock = 1200})},
      {"an acceptor whose clock is slow", both, same(clock_skew, code(0x21), ""), {}, of_mit({.clock = -1200})},
      {"an acceptor for whom the ticket has ended",
       {accept},
       same(ticket_expired, code(0x20), ""),
       same(ticket_expired, code(0x20), ""),
       {.clock = 12 * 3600}},
      {"a replay cache whose folder is missing",
       {accept},
       same(replay_cache_unusable, ENOENT, "{}/none/rcache"),
       works,
       rcache("file2:{}/none/rcache")},
      {"a replay cache that is not writable",
       {accept},
       same(replay_cache_unusable, EACCES, "{}/locked/rcache"),
       works,
       rcache("file2:{}/locked/rcache", true)},
      {"another user's replay cache",
       {accept},
       same(replay_cache_unusable, EACCES, "{}/somebodys.rcache"),
       works,
       rcache("file2:{}/somebodys.rcache", true)},
      {"a replay cache of no known type",
       {accept},
       same(replay_cache_unusable, code(0xa1), "nosuch:x"),
       works,
       rcache("nosuch:x")},

      {"another service's keytab",
       {error_token},
       same(no_key, code(0x23), "host@localhost"),
       {},
       keytab("FILE:{}/other.keytab")},
      {"a keytab of an older version",
       {error_token},
       same(wrong_key_version, code(0x2c), "rotated@localhost"),
       {},
       with("KRB5_KTNAME", "FILE:{}/old.keytab", false, "rotated@localhost")},
      {"another key of that version",
       {error_token},
       same(wrong_key_version, code(0x1f), "host@localhost"),
       {},
       keytab("FILE:{}/wrong.keytab")},
      {"an acceptor for whom the ticket has ended",
       {error_token},
       same(ticket_expired, code(0x20), "host@localhost"),
       {},
       {.clock = 12 * 3600}},
      {"an acceptor that cannot write its replay cache",
       {error_token},
       same(told_in_log, code(0x3c), "host@localhost"),
       {},
       rcache("file2:{}/none/rcache")},

      {"a token that comes twice", {repeat}, same(replay, code(0x22), "Request is a replay"), works},
      {"no mutual authentication",
       {establish},
       same(not_mutual, 0, "mutual"),
       same(not_mutual, 0, "mutual"),
       {.asked = {.demand = InitiatorOptions{}.demand.without(ContextFlag::mutual | ContextFlag::sequence)},
        .demanded = ContextFlag::mutual}},
      {"not delegated",
       {establish},
       same(not_delegated, 0, "delegate"),
       same(not_delegated, 0, "delegate"),
       {.user = "bob",
        .asked = {.demand = InitiatorOptions{}.demand | ContextFlag::delegate},
        .where = Where::mit_only}},
      {"a service that acts for a user whom nobody knows",
       {impersonate},
       same(unknown_user, code(6), "mallory"),
       {},
       {.user = "mallory"}},
      {"a service that acts for a user, and may not before that one",
       {impersonate},
       same(refused_by_policy, code(0x0d), "other"),
       {},
       {.target = "other@localhost"}},
      {"other channel bindings",
       {establish},
       same(bad_binding, 0, "the channel bindings differ"),
       same(bad_binding, 0, "the channel bindings differ"),
       {.asked = {.bindings = {"tls-exporter", "theirs"}}}},
      {"no channel bindings, and they are demanded",
       {establish},
       same(bad_binding, 0, "channel_bound"),
       {},
       of_mit({.demanded = ContextFlag::channel_bound})},

      {"a token of NTLM",
       {accept},
       same(foreign_token, 0, "it is one of NTLM"),
       same(foreign_token, 0, "it is one of NTLM"),
       {.token = "NTLMSSP\0\1\0\0\0\7\x82\b\xa2"s + std::string(20, '\0')}},
      {"a negotiation of NTLM alone",
       {accept},
       same(foreign_token, 0, "offers NTLM first"),
       same(foreign_token, 0, "offers NTLM first"),
       {.token = negotiation_of_ntlm()}},
      {"a record of TLS",
       {accept},
       same(foreign_token, 0, "it is a record of TLS"),
       same(foreign_token, 0, "it is a record of TLS"),
       {.token = "\x16\3\1\0\xa5\1\0\0\xa1\3\3"s + std::string(20, '\7')}},
      {"a request of HTTP",
       {accept},
       same(foreign_token, 0, "it is text: GET"),
       same(foreign_token, 0, "it is text: GET"),
       {.token = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}},
      {"a line of SSH",
       {accept},
       same(foreign_token, 0, "it is text: SSH"),
       same(foreign_token, 0, "it is text: SSH"),
       {.token = "SSH-2.0-OpenSSH_9.2\r\n"}},
      {"bytes at random",
       {accept},
       same(foreign_token, 0, "the token is invalid"),
       same(foreign_token, 0, "the token is invalid"),
       {.token = "\xff\xfe\xfd\xfc\xfb\xfa"}},
  };

  // What a KDC can answer (RFC 4120 section 7.5.9, RFC 4556 section 3.1.3, RFC 6113), to who logs in and to who has a
  // ticket.
  constexpr std::pair<int, Failure> answers[] = {
      {1, account_expired},
      {2, service_disabled},
      {3, other},
      {6, unknown_user},
      {7, unknown_service},
      {8, other},
      {9, other},
      {10, refused_by_policy},
      {11, refused_by_policy},
      {12, refused_by_policy},
      {13, refused_by_policy},
      {14, no_common_enctype},
      {15, no_common_enctype},
      {16, more_than_password},
      {17, refused_by_policy},
      {18, account_locked},
      {19, service_disabled},
      {20, ticket_expired},
      {21, account_expired},
      {22, service_disabled},
      {23, password_expired},
      {24, wrong_password},
      {25, more_than_password},
      {27, service_disabled},
      {28, path_refused},
      {32, ticket_expired},
      {37, clock_skew},
      {43, path_refused},
      {44, wrong_key_version},
      {45, no_key},
      {50, other},
      {51, path_refused},
      {60, told_in_log},
      {61, other},
      {62, certificate},
      {63, certificate},
      {64, certificate},
      {65, certificate},
      {66, certificate},
      {68, unknown_realm},
      {70, certificate},
      {71, certificate},
      {72, certificate},
      {73, certificate},
      {74, certificate},
      {75, certificate},
      {76, certificate},
      {77, certificate},
      {78, certificate},
      {79, certificate},
      {80, certificate},
      {81, certificate},
      {91, more_than_password},
      {93, more_than_password},
      {100, no_common_enctype},
  };
  all.push_back({"the KDC's answer 90, again and again",
                 {password},
                 same(more_than_password, code(0xdf), "alice"),
                 same(more_than_password, code(0x5a), "alice"),
                 {.krb_error = 90, .where = Where::mit_only}});
  for (const auto& [number, failure] : answers) {
    const auto said = same(failure, code(static_cast<unsigned>(number)), "");
    all.push_back({"the KDC's answer " + std::to_string(number),
                   {password, initiate},
                   said,
                   said,
                   {.target = "other@localhost", .krb_error = number, .where = Where::mit_only}});
  }
  return all;
}

/// Whether this implementation and this process can get into it.
bool is_possible(const Situation& situation, Operation operation, Kdc kdc, const Stage& stage) {
  const Setting& setting = situation.setting;
  if (setting.disk_is_full && !stage.has_full_disk) return false;
  if (setting.needs_pkinit && stage.cards == nullptr) return false;
  if (setting.where == (kdc == Kdc::mit ? Where::heimdal_only : Where::mit_only)) return false;
  if (setting.as_nobody && ::geteuid() != 0) return false;
  if (operation == store && !capabilities.credential_store) return false;
  if (operation == impersonate && !capabilities.impersonation) return false;
  if (is_heimdal && (setting.mit_library_only || operation == error_token)) return false;  // it sends none
  return true;
}

/// The lines of the table of examples/guide/failures.md, which are among those of this test.
std::vector<std::string> lines_of_guide() {
  const std::string page = test_detail::read_file(GSSKEY_FAILURES_PAGE);
  std::string_view rest{page};
  const std::string_view head = "| failure | what the Error says | what to do |\n|---|---|---|\n";
  const auto start = rest.find(head);
  REQUIRE(start != std::string_view::npos);
  rest.remove_prefix(start + head.size());
  std::vector<std::string> lines;
  while (rest.starts_with('|')) {
    lines.emplace_back(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(lines.back().size() + 1);
  }
  return lines;
}

void run(Kdc kdc) {
  Stage stage{kdc};
  std::set<std::string> lines;
  ::unsetenv("KRB5_CLIENT_KTNAME");
  ::setenv("GSS_MECH_CONFIG", "/dev/null", 0);  // no plugins: an installed gss-ntlmssp would take part in SPNEGO
  int produced = 0;
  for (const auto& situation : situations()) {
    for (const Operation operation : situation.operations) {
      if (!is_possible(situation, operation, kdc, stage)) continue;
      const std::string line = check<mech::Krb5>("krb5", situation, operation, stage);
      if (!(known_faults.spnego_refuses_derived_credentials && operation == password)) {
        check<mech::Spnego>("SPNEGO", situation, operation, stage);
        check<mech::Negotiate<mech::Krb5>>("Negotiate", situation, operation, stage);
      }
      ++produced;
      if (line.empty()) continue;
      const auto& expected = is_heimdal ? situation.heimdal : situation.mit;
      const auto todo = advice(expected->failure);
      std::printf("| %s | %s | `%s` | %.*s |\n", situation.what.c_str(),
                  names_of_operations[static_cast<int>(operation)], line.c_str(), static_cast<int>(todo.size()),
                  todo.data());
      lines.insert("| " + situation.what + " | `" + line + "` | " + std::string{todo} + " |");
    }
  }
  if (!is_heimdal && kdc == Kdc::mit) {
    for (const auto& line : lines_of_guide()) {
      INFO(line);
      CHECK(lines.count(line) == 1);
    }
  }
  std::printf("%d situations\n", produced);
  CHECK(produced >= 60);
}

}  // namespace

TEST_CASE("every situation has its failure, its status, its object and its advice; KDC of MIT krb5") { run(Kdc::mit); }
TEST_CASE("and with Heimdal's KDC") {
  if (!support::has_heimdal_kdc()) return support::skip("Heimdal's KDC is not there");
  run(Kdc::heimdal);
}
