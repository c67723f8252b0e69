// Who may come in: each clause refuses whom it should and says so, a policy that says nothing lets nobody in, and local
// users are what krb5_kuserok and krb5_aname_to_localname say.
#include <gsskey/gss/context/export.hpp>
#include <gsskey/krb5/authorize.hpp>

#include <dlfcn.h>
#include <krb5.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <time.h>

#include "support/catch.hpp"
#include "support/implementation.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::is_heimdal;
using support::must;

// What is added to the time of this program.
static long later_by = 0;
extern "C" time_t time(time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += later_by;
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}

namespace {

/// The realm, with its own mapping of names and folder of .k5login files. Heimdal reads its configuration once.
struct Mapped {
  std::string folder;

  Mapped() {
    auto& realm = support::realm().realm;
    folder = realm.folder() + "/k5login";
    REQUIRE(::mkdir(folder.c_str(), 0755) == 0);
    const std::string file = realm.folder() + "/authorize.conf";
    std::ofstream{file} << "[libdefaults]\n k5login_directory = " << folder  // of MIT krb5, and of Heimdal:
                        << "\n kuserok = SYSTEM-K5LOGIN:" << folder << " USER-K5LOGIN SIMPLE DENY\n[realms]\n "
                        << realm.realm() << " = {\n  auth_to_local_names = {\n   bob = nobody\n  }\n"
                        << "  auth_to_local = RULE:[2:$1;$2](^host;.*$)s/;.*//\n  auth_to_local = DEFAULT\n }\n";
    ::setenv("KRB5_CONFIG", (file + ":" + realm.krb5_conf()).c_str(), 1);
    for (const auto& [user, lines] : {std::pair{"daemon", "alice@GSSKEY.TEST\n"}, {"bin", ""}}) {
      std::ofstream{folder + "/" + user} << lines;
    }
  }
};
const Mapped& mapped() {
  static const Mapped mapped;
  return mapped;
}

const auto& alice() {
  mapped();
  static const auto ends = support::pair<mech::Krb5>();
  return ends.acceptor;
}

/// `policy` refuses alice, in these words.
void refuses(const Policy& policy, std::string_view words, Domain domain = Domain::policy) {
  INFO(words);
  const auto allowed = authorize(alice(), policy);
  REQUIRE_FALSE(allowed);
  CHECK(allowed.error().domain() == domain);
  CHECK(allowed.error().text() == words);
}
void lets_in(const Policy& policy) { must(authorize(alice(), policy)); }

/// What libkrb5 says itself.
bool kuserok(const char* principal, const char* user) {
  krb5_context context = nullptr;
  REQUIRE(krb5_init_context(&context) == 0);
  krb5_principal parsed = nullptr;
  REQUIRE(krb5_parse_name(context, principal, &parsed) == 0);
  const bool ok = krb5_kuserok(context, parsed, user) != 0;
  krb5_free_principal(context, parsed);
  krb5_free_context(context);
  return ok;
}
std::string localname(const char* principal) {
  krb5_context context = nullptr;
  REQUIRE(krb5_init_context(&context) == 0);
  krb5_principal parsed = nullptr;
  REQUIRE(krb5_parse_name(context, principal, &parsed) == 0);
  char user[256] = {};
  const auto code = krb5_aname_to_localname(context, parsed, sizeof user, user);
  krb5_free_principal(context, parsed);
  krb5_free_context(context);
  return code == 0 ? user : "";
}

}  // namespace

TEST_CASE("a policy that does not say who lets nobody in") {
  refuses({}, "the policy does not say who: any_principal, if all", Domain::usage);
  refuses({.services = {"host/*@*"}}, "the policy does not say who: any_principal, if all", Domain::usage);
  refuses({.any_principal = true, .realms = {"GSSKEY.TEST"}}, "the policy says who, and any_principal", Domain::usage);
  refuses({.principals = {"alice"}}, "a pattern has no realm", Domain::usage);
  refuses({.any_principal = true, .services = {"host\\"}}, "the text ends with a backslash", Domain::usage);
  for (const int weak : {0, 3, 23, 99}) {
    refuses({.any_principal = true, .least_enctype = Enctype{weak}},
            "least_enctype is RC4, older, or not known: it would refuse nobody", Domain::usage);
  }
  refuses({.act_as = std::string{"alice\0x", 7}}, "the local user's name contains a NUL byte", Domain::usage);
  CHECK(authorize(SecurityContext<mech::Krb5>{}, {.any_principal = true}).error().domain() == Domain::usage);
  lets_in({.any_principal = true});
}

TEST_CASE("an initiator has chosen its peer: there is nothing to authorize") {
  mapped();
  const auto ends = support::pair<mech::Krb5>();
  CHECK(authorize(ends.initiator, {.any_principal = true}).error().domain() == Domain::usage);
}

TEST_CASE("realms") {
  lets_in({.realms = {"OTHER.TEST", "GSSKEY.TEST"}});
  refuses({.realms = {"OTHER.TEST", "gsskey.test", "GSSKEY.TES", "*"}},
          "realms: none of them is that of alice@GSSKEY.TEST");
}

TEST_CASE("principals, and patterns of them") {
  for (const char* pattern :
       {"alice@GSSKEY.TEST", "*@GSSKEY.TEST", "al*e@*", "a*l*i*c*e@*.TEST", "al\\ice@GSSKEY.TEST"}) {
    INFO(pattern);
    lets_in({.principals = {"bob@GSSKEY.TEST", pattern}});
  }
  for (const char* pattern : {"alice@OTHER.TEST", "alice/*@GSSKEY.TEST", "*/*@*", "*@TEST", "al\\*e@*", "?lice@*",
                              "Alice@GSSKEY.TEST", "*\\@GSSKEY.TEST@*", "@GSSKEY.TEST", "**b**@*"}) {
    INFO(pattern);
    refuses({.principals = {pattern}}, "principals: none of them is alice@GSSKEY.TEST");
  }
  refuses({.realms = {"OTHER.TEST"}, .principals = {"alice@*"}}, "realms: none of them is that of alice@GSSKEY.TEST");
}

TEST_CASE("the service that was asked for") {
  lets_in({.any_principal = true, .services = {"HTTP/*@*", "host/localhost@GSSKEY.TEST"}});
  refuses({.any_principal = true, .services = {"other/localhost@GSSKEY.TEST", "host/*.localhost@*"}},
          "services: none of them is host/localhost@GSSKEY.TEST");
  const auto ends = must(support::establish(Initiator<mech::Krb5>{must(Name::host_service("other", "localhost")),
                                                                  support::initiator_credential<mech::Krb5>()},
                                            support::acceptor<mech::Krb5>()));
  must(authorize(ends.acceptor, {.any_principal = true, .services = {"other/*@GSSKEY.TEST"}}));
  CHECK_FALSE(authorize(ends.acceptor, {.any_principal = true, .services = {"host/*@GSSKEY.TEST"}}));
}

TEST_CASE("the encryption type, the age of the login, the channel, indicators") {
  lets_in({.any_principal = true, .least_enctype = Enctype::aes256_cts_hmac_sha1_96});
  lets_in({.any_principal = true, .least_enctype = Enctype::aes128_cts_hmac_sha256_128});
  refuses({.any_principal = true, .least_enctype = Enctype::aes256_cts_hmac_sha384_192},
          "least_enctype: the context's is weaker");
  lets_in({.any_principal = true, .authenticated_within = Seconds{3600}});
  lets_in({.any_principal = true, .authenticated_within = Seconds::indefinite()});
  later_by = 7200;
  refuses({.any_principal = true, .authenticated_within = Seconds{3600}},
          "authenticated_within: the peer has authenticated before that");
  lets_in({.any_principal = true, .authenticated_within = Seconds{9000}});
  lets_in({.any_principal = true, .authenticated_within = Seconds::indefinite()});
  later_by = 0;
  const auto unbound = authorize(alice(), {.any_principal = true, .channel_bound = true});
  REQUIRE_FALSE(unbound);
  CHECK(unbound.error().domain() == (is_heimdal ? Domain::unavailable : Domain::policy));
  refuses({.any_principal = true, .indicators = {"otp"}}, "indicators: the ticket has none");
#if defined(GSSKEY_GSS_MIT)
  const ChannelBindings channel{"tls-exporter", "the channel"};
  const auto bound = support::pair<mech::Krb5>({.bindings = channel}, {.bindings = channel});
  must(authorize(bound.acceptor, {.any_principal = true, .channel_bound = true}));
#endif
}

#if defined(GSSKEY_GSS_MIT)
// In the place of the library's, which says of each attribute whether a KDC vouches for it.
static bool nobody_vouches = false;
extern "C" OM_uint32 gss_get_name_attribute(OM_uint32* minor, gss_name_t name, gss_buffer_t attribute,
                                            int* authenticated, int* complete, gss_buffer_t value,
                                            gss_buffer_t display_value, int* more) {
  static auto* const usual =
      reinterpret_cast<decltype(&gss_get_name_attribute)>(::dlsym(RTLD_NEXT, "gss_get_name_attribute"));
  const OM_uint32 major = usual(minor, name, attribute, authenticated, complete, value, display_value, more);
  if (nobody_vouches) *authenticated = 0;
  return major;
}

TEST_CASE("indicators: how the peer got its ticket, as the KDC says") {
  support::realm();
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}},
                                            .services = {"host/localhost"},
                                            .kdc_settings = {"encrypted_challenge_indicator = hardened"}}));
  must(realm.kadmin("modprinc +requires_preauth alice"));
  const auto plain = must(realm.login("alice"));
  const auto armored = must(realm.login("alice", {.armor = plain}));
  const auto asked = [&](const std::string& cache, std::vector<std::string> indicators) {
    const auto environment = must(realm.enter(cache));
    const auto ends = must(support::establish(Initiator<mech::Krb5>{support::target()}, Acceptor<mech::Krb5>{}));
    return authorize(ends.acceptor, {.any_principal = true, .indicators = std::move(indicators)});
  };
  must(asked(armored, {"hardened"}));
  must(asked(armored, {"otp", "hardened"}));
  CHECK(asked(armored, {"otp"}).error().text() == "indicators: the ticket has others");
  CHECK(asked(plain, {"hardened"}).error().text() == "indicators: the ticket has none");
  nobody_vouches = true;
  CHECK(asked(armored, {"hardened"}).error().text() == "indicators: the ticket has others");
  nobody_vouches = false;
}
#endif

TEST_CASE("SIDs: a ticket whose PAC does not say them lets nobody in") {
  const auto allowed = authorize(alice(), {.sids = {Sid{"S-1-5-21-1-2-3-512"}}});
  REQUIRE_FALSE(allowed);
  CHECK(allowed.error().domain() != Domain::usage);
}

TEST_CASE("local users are those of krb5_kuserok, with .k5login and without") {
  mapped();
  refuses({.act_as = "nobody"}, "act_as: alice@GSSKEY.TEST may not act as the local user nobody");
  auto& realm = support::realm().realm;
  std::size_t allowed = 0;
  for (const std::string client : {"alice", "bob"}) {
    const std::string password = client == "alice" ? "secret" : "hunter2";
    const auto own =
        must(Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::user(client)), ByteView{password}));
    const auto ends =
        must(support::establish(Initiator<mech::Krb5>{support::target(), own}, support::acceptor<mech::Krb5>()));
    const std::string principal = realm.principal(client);
    CHECK(must(must(ends.acceptor.peer()).local_name()).text() == localname(principal.c_str()));
    for (const char* user : {"alice", "bob", "nobody", "daemon", "bin", "root", "games"}) {
      INFO(principal << " as " << user);
      const bool ok = authorize(ends.acceptor, {.act_as = user}).has_value();
      CHECK(ok == kuserok(principal.c_str(), user));
      allowed += ok ? 1u : 0u;
    }
  }
  CHECK(allowed >= 2);
  lets_in({.realms = {"GSSKEY.TEST"}, .act_as = "daemon"});
  refuses({.act_as = "bin"}, "act_as: alice@GSSKEY.TEST may not act as the local user bin");
}

TEST_CASE("local names by rules are those of krb5_aname_to_localname") {
  mapped();
  for (const char* name : {"alice@GSSKEY.TEST", "bob@GSSKEY.TEST", "host/localhost@GSSKEY.TEST", "host/a/b@GSSKEY.TEST",
                           "other/x@GSSKEY.TEST", "alice@OTHER.TEST", "al\\/ice@GSSKEY.TEST", "root@GSSKEY.TEST"}) {
    INFO(name);
    const auto canonical = must(must(Name::principal(name)).canonicalize<mech::Krb5>());
    const auto user = local_name<mech::Krb5>(canonical);
    CHECK((user ? std::string{user->text()} : "") == localname(name));
  }
}

TEST_CASE("a negotiated context, and one that was moved here, are asked alike") {
  mapped();
  auto ends = support::pair<mech::Spnego>();
  must(authorize(ends.acceptor, {.principals = {"alice@*"}}));
  const auto moved = must(import_context<mech::Spnego>(must(export_context(std::move(ends.acceptor)))));
  must(authorize(moved, {.principals = {"alice@*"}, .services = {"host/*@*"}}));
  CHECK_FALSE(authorize(moved, {.principals = {"bob@*"}}));
}
