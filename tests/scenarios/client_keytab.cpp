// Tickets that the library gets itself, with a keytab of users, and the cache of several that it takes: that of a name,
// of the target's realm, of .k5identity. The numbers are those of the same cases in MIT's test suite.
#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/gss/handshake.hpp>
#include <gsskey/krb5/credential.hpp>
#include <gsskey/krb5/status.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::must;

namespace {

const std::string alice = "alice@GSSKEY.TEST";
const std::string bob = "bob@GSSKEY.TEST";

Name user(const char* name) { return must(Name::user(name)); }

/// Who the acceptor sees.
Result<std::string> peer_of(const Client& credential) {
  const auto ends =
      support::establish(Initiator<mech::Krb5>{support::target(), credential}, support::acceptor<mech::Krb5>());
  if (!ends) return unexpected(ends.error());
  return std::string{must(must(ends->acceptor.inquire()).initiator.display()).text()};
}
std::string peer_of(Result<Client> credential) { return must(peer_of(must(std::move(credential)))); }

/// A keytab with alice's keys, then bob's.
std::string keytab_of_users() {
  static const std::string path = [] {
    auto& realm = support::realm().realm;
    std::string file = realm.folder() + "/users.keytab";
    must(realm.kadmin("ktadd -norandkey -k " + file + " alice\nktadd -norandkey -k " + file + " bob"));
    return file;
  }();
  return path;
}

/// How many tickets the KDC has given to `principal` for its key, since this was made.
class Logins {
 public:
  explicit Logins(std::string principal) : principal_{std::move(principal)}, before_{all()} {}
  [[nodiscard]] int count() const { return all() - before_; }

 private:
  [[nodiscard]] int all() const {
    const std::string log = test_detail::read_file(support::realm().realm.kdc_log());
    int found = 0;
    for (std::size_t at = 0; (at = log.find("AS_REQ", at)) != std::string::npos; ++at) {
      const std::string line = log.substr(at, log.find('\n', at) - at);
      found +=
          line.find(" ISSUE: ") != std::string::npos && line.find(", " + principal_ + " for ") != std::string::npos;
    }
    return found;
  }

  std::string principal_;
  int before_;
};

/// What each case starts with: a folder of its own, which is the home too; a client keytab; a cache that is not there,
/// "FILE:" or "DIR:" and its name in the folder.
class Scene {
 public:
  explicit Scene(const std::string& type = "FILE:", const std::string& client_keytab = keytab_of_users())
      : keytab_{"KRB5_CLIENT_KTNAME", "FILE:" + client_keytab}, cache_{"KRB5CCNAME", type + folder + "/cc"} {
    support::acceptor_credential<mech::Krb5>();
  }

  const std::string folder = next();

 private:
  [[nodiscard]] static std::string next() {
    static int number = 0;
    std::string path = support::realm().realm.folder() + "/scene-" + std::to_string(++number);
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    return path;
  }

  Environment home_{"HOME", folder};
  Environment keytab_;
  Environment cache_;
};

}  // namespace

#if defined(GSSKEY_GSS_MIT)

namespace {

struct Krb5 {
  krb5_context context = nullptr;

  Krb5() { REQUIRE(krb5_init_context(&context) == 0); }
  Krb5(const Krb5&) = delete;
  Krb5& operator=(const Krb5&) = delete;
  ~Krb5() { krb5_free_context(context); }
};

/// A credential cache, as libkrb5 sees it; the default one without a name.
class Cache : Krb5 {
 public:
  Cache() { REQUIRE(krb5_cc_default(context, &cache_) == 0); }
  explicit Cache(const std::string& name) { REQUIRE(krb5_cc_resolve(context, name.c_str(), &cache_) == 0); }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache() { krb5_cc_close(context, cache_); }

  [[nodiscard]] krb5_ccache get() const { return cache_; }

  /// From here on it is that principal's, and has no ticket.
  void belong_to(const std::string& principal) {
    krb5_principal parsed = nullptr;
    REQUIRE(krb5_parse_name(context, principal.c_str(), &parsed) == 0);
    REQUIRE(krb5_cc_initialize(context, cache_, parsed) == 0);
    krb5_free_principal(context, parsed);
  }
  /// Empty, if there is no such cache.
  [[nodiscard]] std::string owner() const {
    krb5_principal principal = nullptr;
    if (krb5_cc_get_principal(context, cache_, &principal) != 0) return {};
    char* text = nullptr;
    REQUIRE(krb5_unparse_name(context, principal, &text) == 0);
    std::string owner{text};
    krb5_free_unparsed_name(context, text);
    krb5_free_principal(context, principal);
    return owner;
  }
  /// When the library is to get a new ticket, which it notes in the cache; 0: it noted nothing.
  [[nodiscard]] long refresh_time() const {
    krb5_data value{};
    if (krb5_cc_get_config(context, cache_, nullptr, "refresh_time", &value) != 0) return 0;
    const long time = std::stol(std::string{value.data, value.length});
    krb5_free_data_contents(context, &value);
    return time;
  }
  /// Now, that is.
  void be_due() {
    char one[] = "1";
    krb5_data value{0, 1, one};
    krb5_cc_set_config(context, cache_, nullptr, "refresh_time", nullptr);  // the first one counts
    REQUIRE(krb5_cc_set_config(context, cache_, nullptr, "refresh_time", &value) == 0);
    REQUIRE(refresh_time() == 1);
  }
  /// Its tickets ended ten seconds ago.
  void expire() {
    krb5_principal principal = nullptr;
    REQUIRE(krb5_cc_get_principal(context, cache_, &principal) == 0);
    std::vector<krb5_creds> tickets;
    krb5_cc_cursor cursor = nullptr;
    REQUIRE(krb5_cc_start_seq_get(context, cache_, &cursor) == 0);
    for (krb5_creds ticket{}; krb5_cc_next_cred(context, cache_, &cursor, &ticket) == 0;) tickets.push_back(ticket);
    krb5_cc_end_seq_get(context, cache_, &cursor);
    REQUIRE(krb5_cc_initialize(context, cache_, principal) == 0);
    krb5_free_principal(context, principal);
    for (auto& ticket : tickets) {
      const auto past = static_cast<krb5_timestamp>(std::time(nullptr) - 10);
      if (!krb5_is_config_principal(context, ticket.server)) ticket.times.endtime = past;
      CHECK(krb5_cc_store_cred(context, cache_, &ticket) == 0);
      krb5_free_cred_contents(context, &ticket);
    }
  }

 private:
  krb5_ccache cache_ = nullptr;
};

/// A ticket of `principal` is in the cache, and it was got with a keytab: when to get the next is noted.
void was_filled_for(const Cache& cache, const std::string& principal) {
  CHECK(cache.owner() == principal);
  CHECK(cache.refresh_time() > std::time(nullptr) + 1000);  // tickets live for ten hours
}

/// The ways to say which cache a credential is to be of.
enum class Way { import, store };

/// A credential of the cache that KRB5CCNAME names, which is said by the program.
Result<Client> of_cache(Way way) {
  if (way == Way::import) return import_cache(Cache{}.get());
  return Client::acquire_from({.ccache = std::getenv("KRB5CCNAME")});
}

}  // namespace

TEST_CASE("1: without name or cache the client keytab's first principal is it") {
  const Scene scene;
  const Logins logins{alice};
  CHECK(peer_of(Client::acquire_default()) == alice);
  CHECK(logins.count() == 1);
  was_filled_for(Cache{}, alice);
  CHECK(peer_of(Client::acquire_default()) == alice);
  CHECK(logins.count() == 1);  // the cache has it
}

TEST_CASE("2: without name or cache .k5identity may name another") {
  const Scene scene;
  must(test_detail::write_file(scene.folder + "/.k5identity", bob + " service=host host=localhost\n"));
  // of who chooses by the target: a credential that was acquired before it knew any is the keytab's first
  const auto ends = must(support::establish(Initiator<mech::Krb5>{support::target()}, support::acceptor<mech::Krb5>()));
  CHECK(must(must(ends.acceptor.inquire()).initiator.display()).text() == bob);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("3: without name, of a default cache that has an owner and no ticket") {
  const Scene scene;
  Cache{}.belong_to(bob);
  const Logins logins{bob};
  CHECK(peer_of(Client::acquire_default()) == bob);
  CHECK(logins.count() == 1);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("4: a name that is not that of the default cache, which is alone") {
  const Scene scene;
  Cache{}.belong_to(bob);
  CHECK(peer_of(Client::acquire_default()) == bob);
  const Logins logins{alice};
  const auto other = Client::acquire(user("alice"));
  REQUIRE_FALSE(other);
  CHECK(krb5_status(other.error()) == Krb5Status::no_ticket_of_that_name);
  CHECK(other.error().text().find("alice") != std::string_view::npos);
  CHECK(logins.count() == 0);  // though the keytab has its key: the cache is bob's and stays so
  CHECK(Cache{}.owner() == bob);
}

TEST_CASE("5: a name, and a default cache that is not there") {
  const Scene scene;
  const Logins logins{bob};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(logins.count() == 1);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("6: a name, and the default cache is that one's and due") {
  const Scene scene;
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  Cache{}.be_due();
  const Logins logins{bob};
  SECTION("acquired anew") {
    CHECK(peer_of(Client::acquire(user("bob"))) == bob);
    CHECK(logins.count() == 1);
  }
  SECTION("by a credential that renews itself") {
    RenewingCredential renewing{[] { return Client::acquire(user("bob")); }};
    const auto lease = must(renewing.lease());
    CHECK(must(peer_of(*lease)) == bob);
    CHECK(must(renewing.lease())->get() == lease->get());
    CHECK(logins.count() == 1);
  }
  was_filled_for(Cache{}, bob);
}

TEST_CASE("7: a cache that is not there, said by the program") {
  const Way way = GENERATE(Way::import, Way::store);
  const Scene scene;
  CHECK(peer_of(of_cache(way)) == alice);  // the keytab's first
  was_filled_for(Cache{}, alice);
}

TEST_CASE("8: a cache with an owner who has no key, and no ticket") {
  const Way way = GENERATE(Way::import, Way::store);
  const Scene scene;
  Cache{}.belong_to("host/localhost@GSSKEY.TEST");
  const Logins logins{alice};
  auto credential = of_cache(way);
  const auto error = credential ? peer_of(*credential).error() : credential.error();
  CHECK(routine_error(error) == RoutineError::no_cred);
  CHECK(error.text().find("empty") != std::string_view::npos);
  CHECK(logins.count() == 0);
  CHECK(Cache{}.owner() == "host/localhost@GSSKEY.TEST");
}

TEST_CASE("9: a cache with an owner who has a key, and no ticket") {
  const Way way = GENERATE(Way::import, Way::store);
  const Scene scene;
  Cache{}.belong_to(bob);
  CHECK(peer_of(of_cache(way)) == bob);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("10: a cache with a ticket, and due") {
  const Way way = GENERATE(Way::import, Way::store);
  const Scene scene;
  Cache{}.belong_to(bob);
  CHECK(peer_of(of_cache(way)) == bob);
  Cache{}.be_due();
  const Logins logins{bob};
  CHECK(peer_of(of_cache(way)) == bob);
  CHECK(logins.count() == 1);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("11: a client keytab of the program's own, for the default cache") {
  const Scene scene{"FILE:", "/nonexistent"};
  const std::string keytab = keytab_of_users();
  CHECK(peer_of(Client::acquire_from({.client_keytab = keytab.c_str()}, user("alice"))) == alice);
  was_filled_for(Cache{}, alice);
  // Where that has no keys, the environment's is not asked.
  const Scene other{"FILE:", keytab};
  const auto none = Client::acquire_from({.client_keytab = "FILE:/nonexistent"}, user("alice"));
  CHECK_FALSE(none);
  CHECK(Cache{}.owner().empty());
}

TEST_CASE("12: a name, and of a collection the cache that is that one's has no ticket") {
  const Scene scene{"DIR:"};
  Cache mine{"DIR::" + scene.folder + "/cc/tktbob"};
  mine.belong_to(bob);
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  was_filled_for(mine, bob);
}

TEST_CASE("13: a name, and of a collection the cache that is that one's is due") {
  const Scene scene{"DIR:"};
  Cache mine{"DIR::" + scene.folder + "/cc/tktbob"};
  mine.belong_to(bob);
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  mine.be_due();
  const Logins logins{bob};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(logins.count() == 1);
  was_filled_for(mine, bob);
}

TEST_CASE("14: a name, and the collection's default cache is another's") {
  const Scene scene{"DIR:"};
  Cache{}.belong_to(alice);
  const Logins logins{alice};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(Cache{}.owner() == alice);  // still, and it is as it was
  CHECK(Cache{}.refresh_time() == 0);
  CHECK(logins.count() == 0);
}

TEST_CASE("15: a name, and the collection has no default cache") {
  const Scene scene{"DIR:"};
  const Logins logins{bob};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(Cache{}.owner().empty());  // bob's did not become it
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(logins.count() == 1);  // it is in the collection
}

TEST_CASE("16: no client keytab to be found does not matter to who has a ticket") {
  const Scene scene;
  auto& realm = support::realm().realm;
  const std::string settings = scene.folder + "/bad.conf";
  must(test_detail::write_file(settings, "[libdefaults]\n default_client_keytab_name = %{\n"));
  const Environment configuration{"KRB5_CONFIG", settings + ":" + realm.krb5_conf()};
  const Environment cache{"KRB5CCNAME", must(realm.login("alice"))};
  REQUIRE(::unsetenv("KRB5_CLIENT_KTNAME") == 0);  // which goes before; the scene brings it back
  const Krb5 krb5;
  krb5_keytab none = nullptr;
  REQUIRE(krb5_kt_client_default(krb5.context, &none) != 0);
  CHECK(peer_of(Client::acquire_default()) == alice);
}

TEST_CASE("17: a ticket got by hand that ends soon is replaced, if there is a key") {
  const Scene scene;
  const Environment cache{"KRB5CCNAME", must(support::realm().realm.login("bob", {.lifetime = Seconds{15}}))};
  CHECK(Cache{}.refresh_time() == 0);
  const Logins logins{bob};
  SECTION("acquired") {
    const auto credential = must(Client::acquire_default());
    CHECK(must(credential.lifetime()) > Seconds{1000});
    CHECK(must(peer_of(credential)) == bob);
  }
  SECTION("by a credential that renews itself") {
    RenewingCredential renewing{[] { return Client::acquire_default(); }};
    CHECK(must(must(renewing.lease())->lifetime()) > Seconds{1000});
  }
  CHECK(logins.count() == 1);
  was_filled_for(Cache{}, bob);
}

TEST_CASE("18: a ticket got by hand that has ended is not replaced, if there is no key") {
  const Scene scene;
  auto& realm = support::realm().realm;
  static const bool added = realm.kadmin("addprinc -pw pw carol").has_value();
  REQUIRE(added);
  const Environment cache{"KRB5CCNAME", must(realm.login("carol", {.password = "pw"}))};
  Cache{}.expire();
  const std::string trace = scene.folder + "/trace";
  const Environment traced{"KRB5_TRACE", trace};
  const auto credential = must(Client::acquire_default());
  const auto step = Initiator<mech::Krb5>{support::target(), credential}.step();
  REQUIRE_FALSE(step);
  CHECK(krb5_status(step.error().error) == Krb5Status::ticket_expired);
  CHECK(Cache{}.owner() == realm.principal("carol"));
  // It was tried, for nobody else.
  CHECK(test_detail::read_file(trace).find("Getting initial credentials for carol@") != std::string::npos);
  CHECK(test_detail::read_file(trace).find("Getting initial credentials for alice@") == std::string::npos);
}

TEST_CASE("19: a service that has a key in the client keytab, by service and host") {
  auto& realm = support::realm().realm;
  const Scene scene{"DIR:", realm.keytab()};
  const std::string service = realm.principal("other/localhost");
  const Logins logins{service};
  const auto name = must(Name::host_service("other", "localhost"));
  CHECK(peer_of(Client::acquire(name)) == service);
  CHECK(logins.count() == 1);
  CHECK(peer_of(Client::acquire(name)) == service);
  CHECK(logins.count() == 1);  // it is found again
}

namespace {

/// A second realm, without any way to the first, and one configuration for both. Of each there is a host that no line
/// of the configuration maps to a realm.
class TwoRealms {
 public:
  TwoRealms() {
    support::realm();
    const auto add = [this](const TestRealm& realm, const std::string& service) {
      must(realm.kadmin("addprinc -clearpolicy -randkey " + service + "\nktadd -k " + keytab + " " + service));
    };
    must(first().kadmin("ktadd -norandkey -k " + keytab + " host/localhost"));
    must(second.kadmin("ktadd -norandkey -k " + keytab + " host/localhost"));
    add(first(), "host/www.gsskey.test");
    add(first(), "host/www.far.gsskey.test");
    add(first(), "host/printer");
    add(second, "host/www.second.test");
    add(second, "host/printer");
  }

  [[nodiscard]] static const TestRealm& first() { return support::realm().realm; }
  /// KRB5_CONFIG; the first of the two has the default realm.
  [[nodiscard]] std::string first_then_second() const { return first().krb5_conf() + ":" + second.krb5_conf(); }
  [[nodiscard]] std::string second_then_first() const { return second.krb5_conf() + ":" + first().krb5_conf(); }

  TestRealm second = must(TestRealm::start({.realm = "SECOND.TEST",
                                            .users = {{"zoe", "z"}},
                                            .services = {"host/localhost"},
                                            .libdefaults = {"qualify_shortname = \"\""}}));  // "printer" stays that
  const std::string keytab = first().folder() + "/both.keytab";
};

const std::string zoe = "zoe@SECOND.TEST";

/// A collection of caches with tickets of these users, the first one's the primary. No client keytab.
class Collection {
 public:
  explicit Collection(const std::vector<std::string>& users) {
    REQUIRE(::mkdir((scene_.folder + "/cc").c_str(), 0700) == 0);
    for (const auto& name : users) {
      const std::string cache = must((name == "zoe" ? realms().second : realms().first()).login(name));
      must(test_detail::write_file(scene_.folder + "/cc/tkt" + name,
                                   test_detail::read_file(cache.substr(cache.find('/')))));
    }
    must(test_detail::write_file(scene_.folder + "/cc/primary", "tkt" + users.front() + "\n"));
  }

  void write_k5identity(const std::string& lines) const {
    must(test_detail::write_file(scene_.folder + "/.k5identity", lines));
  }
  /// Who the acceptor sees, when nothing is said but the target.
  [[nodiscard]] static Result<std::string> peer_at(Name target) {
    return peer_of(Initiator<mech::Krb5>{std::move(target)});
  }
  [[nodiscard]] static Result<std::string> peer_at(Name target, const Client& credential) {
    return peer_of(Initiator<mech::Krb5>{std::move(target), credential});
  }

  [[nodiscard]] static TwoRealms& realms() {
    static TwoRealms two;
    return two;
  }

 private:
  [[nodiscard]] static Result<std::string> peer_of(Initiator<mech::Krb5> initiator) {
    const auto ends = support::establish(std::move(initiator), Acceptor<mech::Krb5>{});
    if (!ends) return unexpected(ends.error());
    return std::string{must(must(ends->acceptor.inquire()).initiator.display()).text()};
  }

  Scene scene_{"DIR:", "/nonexistent"};
  Environment configuration_{"KRB5_CONFIG", realms().first_then_second()};
  Environment keytab_{"KRB5_KTNAME", "FILE:" + realms().keytab};
};

Name host(const char* name) { return must(Name::host_service("host", name)); }
Name principal(const char* name) { return must(Name::principal(name)); }

}  // namespace

TEST_CASE("of several caches it is that of the name") {
  const Collection collection{{"bob", "alice", "zoe"}};
  const auto first = principal("host/localhost@GSSKEY.TEST");
  CHECK(must(Collection::peer_at(must(first.duplicate()), must(Client::acquire(user("alice"))))) == alice);
  CHECK(must(Collection::peer_at(must(first.duplicate()), must(Client::acquire(user("bob"))))) == bob);
  CHECK(must(Collection::peer_at(principal("host/localhost@SECOND.TEST"),
                                 must(Client::acquire(principal("zoe@SECOND.TEST"))))) == zoe);
}

TEST_CASE("of several caches it is one of the target's realm") {
  const Collection collection{{"zoe", "alice"}};
  CHECK(must(Collection::peer_at(principal("host/localhost@GSSKEY.TEST"))) == alice);
  CHECK(must(Collection::peer_at(principal("host/localhost@SECOND.TEST"))) == zoe);
  CHECK(must(Collection::peer_at(host("localhost"))) == alice);  // [domain_realm]
}

TEST_CASE("of several caches of the target's realm it is the primary one") {
  const std::string primary = GENERATE("alice", "bob");
  const Collection collection{{primary, "alice", "bob", "zoe"}};
  CHECK(must(Collection::peer_at(principal("host/localhost@GSSKEY.TEST"))) == primary + "@GSSKEY.TEST");
  CHECK(must(Collection::peer_at(principal("host/localhost@SECOND.TEST"))) == zoe);
}

TEST_CASE("of several caches it is the primary one, if the target's realm is unknown") {
  const Collection collection{{"zoe", "alice"}};
  CHECK(must(Collection::peer_at(principal("host/localhost@"))) == zoe);
  const Collection other{{"alice", "zoe"}};
  CHECK(must(Collection::peer_at(principal("host/localhost@"))) == alice);
}

TEST_CASE("the realm of a host that is not mapped to any is guessed: its domain, then the default one") {
  const bool is_zoe_first = GENERATE(false, true);
  const Collection collection{{is_zoe_first ? "zoe" : "alice", "alice", "zoe"}};
  CHECK(must(Collection::peer_at(host("www.gsskey.test"))) == alice);
  CHECK(must(Collection::peer_at(host("www.second.test"))) == zoe);
  CHECK(must(Collection::peer_at(host("www.far.gsskey.test"))) == alice);  // nobody has a cache of FAR.GSSKEY.TEST
  CHECK(must(Collection::peer_at(host("printer"))) == alice);
  const Environment other{"KRB5_CONFIG", Collection::realms().second_then_first()};
  CHECK(must(Collection::peer_at(host("printer"))) == zoe);
}

TEST_CASE("of several caches it is the one that .k5identity says") {
  const Collection collection{{"bob", "alice", "zoe"}};
  collection.write_k5identity(
      "zoe@SECOND.TEST service=ho*t host=printer\n"
      "alice@GSSKEY.TEST realm=GSSKEY.TEST\n"
      "nobody service=imap\n");
  CHECK(must(Collection::peer_at(principal("host/localhost@GSSKEY.TEST"))) == alice);
  CHECK(must(Collection::peer_at(host("printer"))) == zoe);               // who would not be it without
  CHECK(must(Collection::peer_at(principal("host/localhost@"))) == bob);  // no line is about that: the primary
  const auto none = Collection::peer_at(must(Name::host_service("imap", "www.second.test")));
  REQUIRE_FALSE(none);  // and nobody else's is taken
  CHECK(none.error().text().find("nobody@GSSKEY.TEST") != std::string_view::npos);
}

TEST_CASE("a default credential is the primary cache's from the start, and not that of the first target") {
  const Collection collection{{"alice", "zoe"}};
  const auto credential = must(Client::acquire_default());
  CHECK_FALSE(Collection::peer_at(principal("host/localhost@SECOND.TEST"), credential));
  CHECK(must(Collection::peer_at(principal("host/localhost@GSSKEY.TEST"), credential)) == alice);
  CHECK(must(must(credential.inquire()).name.display()).text() == alice);
}

TEST_CASE("who has no key gets no ticket, and the error says who") {
  const Scene scene;
  const auto nobody = Client::acquire(user("dave"));
  REQUIRE_FALSE(nobody);
  CHECK(routine_error(nobody.error()) == RoutineError::no_cred);
  CHECK(nobody.error().text().find("dave") != std::string_view::npos);
  CHECK(Cache{}.owner().empty());
}

TEST_CASE("nothing is lost on the way") {
  const Scene scene;
  static_cast<void>(peer_of(Client::acquire(user("bob"))));
  const support::Handles handles;
  Cache{}.be_due();
  static_cast<void>(peer_of(Client::acquire(user("bob"))));
  static_cast<void>(Client::acquire(user("dave")));
  CHECK(handles.leaked() == 0);
}

#else  // Heimdal: no client keytab, no .k5identity; initiators by name have the keys of the acceptors' keytab

TEST_CASE("a client keytab is not looked at, said by environment or program") {
  const Scene scene;
  CHECK(routine_error(Client::acquire_default().error()) == RoutineError::no_cred);
  CHECK(routine_error(Client::acquire(user("bob")).error()) == RoutineError::no_cred);
  const std::string keytab = keytab_of_users();
  const auto stored = Client::acquire_from({.client_keytab = keytab.c_str()}, user("bob"));
  REQUIRE_FALSE(stored);
  CHECK(stored.error().domain() == Domain::unavailable);
  CHECK(stored.error().text().find("gss_acquire_cred_from") != std::string_view::npos);
}

TEST_CASE("who has a key in the default keytab gets a ticket by name, which no cache keeps") {
  const Scene scene;
  const Environment keytab{"KRB5_KTNAME", "FILE:" + keytab_of_users()};
  const Logins logins{bob};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(logins.count() == 1);
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(logins.count() == 2);
  CHECK(routine_error(Client::acquire_default().error()) == RoutineError::no_cred);  // there was no name
  const auto nobody = Client::acquire(user("dave"));
  CHECK(routine_error(nobody.error()) == RoutineError::no_cred);
  CHECK(nobody.error().text().find("dave") != std::string_view::npos);
}

TEST_CASE("the default cache stays another's") {
  const Scene scene;
  const Environment keytab{"KRB5_KTNAME", "FILE:" + keytab_of_users()};
  const Environment cache{"KRB5CCNAME", must(support::realm().realm.login("alice"))};
  const Logins of_alice{alice};
  const Logins of_bob{bob};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
  CHECK(of_bob.count() == 1);
  CHECK(peer_of(Client::acquire_default()) == alice);
  CHECK(peer_of(Client::acquire(user("alice"))) == alice);
  CHECK(of_alice.count() == 0);  // the cache has it
}

TEST_CASE("a credential that renews itself, of the default keytab") {
  const Scene scene;
  const Environment keytab{"KRB5_KTNAME", "FILE:" + keytab_of_users()};
  const Logins logins{bob};
  RenewingCredential renewing{[] { return Client::acquire(user("bob")); }};
  const auto lease = must(renewing.lease());
  CHECK(must(peer_of(*lease)) == bob);
  CHECK(must(renewing.lease())->get() == lease->get());
  CHECK(logins.count() == 1);
}

TEST_CASE("of several caches it is the primary one, whatever .k5identity says") {
  const Scene scene{"DIR:"};
  auto& realm = support::realm().realm;
  REQUIRE(::mkdir((scene.folder + "/cc").c_str(), 0700) == 0);
  for (const std::string name : {"alice", "bob"}) {
    const std::string cache = must(realm.login(name));
    must(test_detail::write_file(scene.folder + "/cc/tkt" + name,
                                 test_detail::read_file(cache.substr(cache.find('/')))));
  }
  must(test_detail::write_file(scene.folder + "/.k5identity", bob + " service=host\n"));
  const std::string primary = GENERATE("alice", "bob");
  must(test_detail::write_file(scene.folder + "/cc/primary", "tkt" + primary + "\n"));
  CHECK(peer_of(Client::acquire_default()) == realm.principal(primary));
  CHECK(Client::acquire(user("bob")).error().domain() == Domain::unavailable);  // the library would crash
  const Environment one{"KRB5CCNAME", "DIR::" + scene.folder + "/cc/tktbob"};
  CHECK(peer_of(Client::acquire_default()) == bob);
  CHECK(Client::acquire(user("bob")).error().domain() == Domain::unavailable);
  CHECK(Credential<mech::Spnego, Both>::acquire(user("bob")).error().domain() == Domain::unavailable);
  CHECK(Credential<mech::Krb5, Accept>::acquire(support::target()));
  CHECK(peer_of(Client::acquire_with_password(user("bob"), "hunter2")) == bob);  // no cache is looked for
  const Environment file{"KRB5CCNAME", "FILE:" + scene.folder + "/cc/tktbob"};
  CHECK(peer_of(Client::acquire(user("bob"))) == bob);
}

TEST_CASE("nothing is lost on the way") {
  const Scene scene;
  const Environment keytab{"KRB5_KTNAME", "FILE:" + keytab_of_users()};
  const support::Handles handles;
  static_cast<void>(peer_of(Client::acquire(user("bob"))));
  static_cast<void>(Client::acquire(user("dave")));
  CHECK(handles.leaked() == 0);
}

#endif
