// The core part on GNU GSS: a handshake through Shishi and the realm's KDC, and what its per-message calls cannot do.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gsskey/testing/test_realm.hpp>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

/// Shishi takes no port: the KDC is on port 88 of a loopback address of its own.
struct ShishiRealm {
  TestRealm realm = must(TestRealm::start({.users = {{"alice", "secret"}},
                                           .services = {"host/localhost"},
                                           .kdc_address = "127.0.88.1",
                                           .kdc_port = 88,
                                           .permitted_enctypes = "aes256-cts-hmac-sha1-96"}));

  ShishiRealm() {
    const std::string folder = realm.folder();
    std::ofstream{folder + "/shishi.conf"} << "default-realm=" << realm.realm() << "\nrealm-kdc=" << realm.realm()
                                           << ",127.0.88.1\nclient-kdc-etypes=aes256-cts-hmac-sha1-96\n";
    ::setenv("SHISHI_CONFIG", (folder + "/shishi.conf").c_str(), 1);
    ::setenv("SHISHI_KEYS", (folder + "/shishi.keys").c_str(), 1);
    ::setenv("SHISHI_USER", "alice", 1);
    ::setenv("HOME", folder.c_str(), 1);
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
    must(test_detail::run("keytab2shishi", {"/usr/sbin/keytab2shishi", realm.keytab(), folder + "/shishi.keys"},
                          variables, ""));
    must(test_detail::run("shishi", {"/usr/bin/shishi", "--client-name=alice"}, variables, "secret\n"));
  }
};

ShishiRealm& shishi() {
  static ShishiRealm realm;
  return realm;
}

struct Ends {
  Credential<mech::Krb5, Accept> key;  // GNU GSS uses it as long as the context lives
  SecurityContext<mech::Krb5> initiator;
  SecurityContext<mech::Krb5> acceptor;
};

Name target() { return must(Name::host_service("host", "localhost")); }

Ends establish() {
  shishi();
  auto key = must(Credential<mech::Krb5, Accept>::acquire(target()));
  // An initiator of GNU GSS is granted what it asks for, an acceptor mutual authentication only.
  Initiator<mech::Krb5> initiator{target(), InitiatorOptions{.demand = {ContextFlag::mutual}}};
  Acceptor<mech::Krb5> acceptor{key, {.demand = {ContextFlag::mutual}}};
  auto token = must(initiator.step());
  auto answer = must(acceptor.step(token.token));
  CHECK(answer.complete);
  CHECK(must(acceptor.peer_name().display()).text() == "alice");
  CHECK(must(initiator.step(answer.token)).complete);
  return {std::move(key), must(std::move(initiator).establish()), must(std::move(acceptor).establish())};
}

}  // namespace

TEST_CASE("two ends authenticate each other through Shishi") {
  auto ends = establish();
  CHECK(ends.initiator);
  CHECK(ends.acceptor);
}

TEST_CASE("messages under AES keys are a clear error") {
  static_assert(!capabilities.aes_messages);
  auto ends = establish();
  const auto sealed = ends.initiator.wrap("x");
  REQUIRE_FALSE(sealed);
  CAPTURE(sealed.error().text());
  CHECK(sealed.error().text().find("GNU GSS protects messages with DES3 and RC4 keys only") != std::string_view::npos);
  const auto mic = ends.initiator.get_mic("x");
  REQUIRE_FALSE(mic);
  CHECK(routine_error(mic.error()) == RoutineError::unavailable);
}

TEST_CASE("a context that cannot be asked says so") {
  static_assert(!capabilities.context_inquiry);
  auto ends = establish();
  CHECK(ends.acceptor.inquire().error().domain() == Domain::unavailable);
}

TEST_CASE("a context that cannot be exported is not lost") {
  static_assert(!capabilities.context_export);
  auto ends = establish();
  const auto token = export_context(std::move(ends.initiator));
  REQUIRE_FALSE(token);
  CHECK(routine_error(token.error()) == RoutineError::unavailable);
  CHECK(ends.initiator);
}

TEST_CASE("a demanded service that GNU GSS does not grant is refused") {
  shishi();
  const auto key = must(Credential<mech::Krb5, Accept>::acquire(target()));
  Initiator<mech::Krb5> initiator{target()};
  Acceptor<mech::Krb5> acceptor{key};
  auto answer = must(acceptor.step(must(initiator.step()).token));
  CHECK(answer.complete);
  const auto context = std::move(acceptor).establish();
  REQUIRE_FALSE(context);
  CHECK(context.error().domain() == Domain::policy);
}

TEST_CASE("what GNU GSS has no call for says so") {
  shishi();
  using Client = Credential<mech::Krb5, Initiate>;
  const auto alice = must(Name::user("alice"));
  for (const Error& error : {Client::acquire(alice).error(), Client::acquire_default().error(),
                             Client::acquire_with_password(alice, "secret").error(),
                             Client::acquire_from({.ccache = "FILE:/nonexistent"}).error()}) {
    CHECK(error.domain() == Domain::unavailable);
    CHECK(error.text().find("GNU GSS") != std::string_view::npos);
  }
}

TEST_CASE("names, and the one that gss_acquire_cred frees behind our back") {
  shishi();
  const auto shown = must(must(Name::user("alice")).display());
  CHECK(shown.text() == "alice");
  CHECK(shown.type == name_type::user);
  const auto canonical = must(target().canonicalize<mech::Krb5>());
  CHECK(must(canonical.display()).text() == "host/localhost");

  const auto anywhere = must(Name::service("host"));
  for (int i = 0; i < 3; ++i) {
    const auto refused = Credential<mech::Krb5, Accept>::acquire(anywhere);
    REQUIRE_FALSE(refused);
    CHECK(routine_error(refused.error()) == RoutineError::bad_name);
  }
  CHECK(must(anywhere.display()).text() == "host");
}

TEST_CASE("garbage is refused by either end") {
  shishi();
  const auto key = must(Credential<mech::Krb5, Accept>::acquire(target()));
  Acceptor<mech::Krb5> acceptor{key, {.demand = {}}};
  const auto refused = acceptor.step("not a token");
  REQUIRE_FALSE(refused);
  CHECK_FALSE(refused.error().error.text().empty());
  Initiator<mech::Krb5> initiator{target(), InitiatorOptions{.demand = {ContextFlag::mutual}}};
  must(initiator.step());
  CHECK_FALSE(initiator.step("not a token"));
}
