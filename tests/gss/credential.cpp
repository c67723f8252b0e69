// Credentials: where they come from, what they refuse, what they say about themselves.
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/handshake.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::Environment;
using support::must;
using support::peer_of;
using support::Server;
using support::shown;

namespace {
constexpr uid_t nobody = 65534;

}  // namespace

TEMPLATE_TEST_CASE("the default credential is that of the default cache", "", mech::Krb5, mech::Spnego,
                   mech::Negotiate<mech::Krb5>) {
  auto& realm = support::realm().realm;
  const auto credential = must(Credential<TestType, Initiate>::acquire_default());
  const auto info = must(credential.inquire());
  CHECK(shown(info.name) == realm.principal("alice"));
  CHECK(info.lifetime > Seconds{0});
  CHECK(info.lifetime <= Seconds{24 * 3600});
  CHECK(must(credential.lifetime()) <= info.lifetime);
  CHECK(peer_of<TestType>(credential) == realm.principal("alice"));
}

TEMPLATE_TEST_CASE("the default credential is whose it was when it was acquired, whatever becomes of the environment",
                   "", mech::Krb5, mech::Spnego, mech::Negotiate<mech::Krb5>) {
  auto& realm = support::realm().realm;
  static const std::string bob = must(realm.login("bob"));
  support::acceptor_credential<TestType>();
  auto credential = [] {
    const Environment cache{"KRB5CCNAME", bob};
    return must(Credential<TestType, Initiate>::acquire_default());
  }();
  CHECK(peer_of<TestType>(credential) == realm.principal("bob"));
#if defined(GSSKEY_GSS_MIT)  // Heimdal wants a ticket and a key of one name
  const auto both = [] {
    const Environment cache{"KRB5CCNAME", bob};
    return must(Credential<TestType, Both>::acquire_default());
  }();
  auto ends = must(support::establish(Initiator<TestType>{support::target(), both}, support::acceptor<TestType>()));
  CHECK(shown(must(ends.acceptor.inquire()).initiator) == realm.principal("bob"));
#endif
}

TEST_CASE("the default keytab is the one that was the default then") {
  support::realm();
  const auto key = must(Server::acquire_default());
  const Environment keytab{"KRB5_KTNAME", "FILE:" + support::realm().realm.folder() + "/no-such-keytab"};
  CHECK(support::establish(support::initiator<mech::Krb5>(), Acceptor<mech::Krb5>{key}));
}

TEST_CASE("a credential by name is that one's or none") {
  auto& realm = support::realm().realm;
  CHECK(shown(must(must(Client::acquire(must(Name::user("alice")))).inquire()).name) == realm.principal("alice"));
  const auto other = Client::acquire(must(Name::user("bob")));
  REQUIRE_FALSE(other);
  CHECK(std::string{other.error().operation()} == "gss_acquire_cred");
  CHECK_FALSE(other.error().text().empty());
}

TEMPLATE_TEST_CASE("no cache, no default credential", "", mech::Krb5, mech::Spnego, mech::Negotiate<mech::Krb5>) {
  support::realm();
  const Environment none{"KRB5CCNAME", "FILE:" + support::realm().realm.folder() + "/no-such-cache"};
  const auto credential = Credential<TestType, Initiate>::acquire_default();
  if (credential) {
    // an implementation may look at the cache only when a handshake starts
    Initiator<TestType> initiator{support::target(), *credential};
    CHECK_FALSE(initiator.step());
  } else {
    CHECK(credential.error().domain() == Domain::gss);
    CHECK(std::string{credential.error().operation()} == "gss_acquire_cred");
    CHECK(std::string{credential.error().mechanism()} == TestType::name);
  }
}

TEST_CASE("a missing and an unreadable keytab are named in the error") {
  auto& realm = support::realm().realm;
  const std::string path = realm.folder() + "/no-such-keytab";
  const auto token = must(support::initiator<mech::Krb5>().step()).token;
  const auto check = [&] {
    const Environment keytab{"KRB5_KTNAME", "FILE:" + path};
    const auto server = Server::acquire_default();
    Error error = Error::usage("", "");
    if (server) {
      Acceptor<mech::Krb5> acceptor{*server};
      auto failed = acceptor.step(token);
      REQUIRE_FALSE(failed);
      error = failed.error().error;
    } else {
      error = server.error();
    }
    CAPTURE(error.text());
    CHECK(error.domain() == Domain::gss);
#if defined(GSSKEY_GSS_MIT)
    CHECK(error.text().find("no-such-keytab") != std::string_view::npos);
#else  // the library drops the reason; at least where to look is said
    CHECK(error.text().find("keytab") != std::string_view::npos);
#endif
  };
  SECTION("missing") { check(); }
  SECTION("a directory") {
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    check();
    REQUIRE(::rmdir(path.c_str()) == 0);
  }
  SECTION("of another user") {
    REQUIRE(::link(realm.keytab().c_str(), path.c_str()) == 0);
    REQUIRE(::chmod(path.c_str(), 0) == 0);
    REQUIRE(::chmod(realm.folder().c_str(), 0711) == 0);
    REQUIRE(::chmod(realm.krb5_conf().c_str(), 0644) == 0);
    const bool is_root = ::geteuid() == 0;  // who reads everything
    if (is_root) REQUIRE(::setresuid(nobody, nobody, 0) == 0);
    check();
    if (is_root) REQUIRE(::setresuid(0, 0, 0) == 0);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);  // the service's own keytab: one file, two names
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(::chmod(realm.folder().c_str(), 0700) == 0);
  }
}

TEMPLATE_TEST_CASE("a password gives a credential, a wrong one does not and changes nothing", "", mech::Krb5,
                   mech::Spnego, mech::Negotiate<mech::Krb5>) {
  auto& realm = support::realm().realm;
  using Initiating = Credential<TestType, Initiate>;
  const auto bob = must(Name::user("bob"));
  auto attempt = Initiating::acquire_with_password(bob, "hunter2");
  if (known_faults.spnego_refuses_derived_credentials && TestType::negotiates) {
    CHECK(attempt.error().domain() == Domain::unavailable);
    return;
  }
  const auto good = must(std::move(attempt));
  CHECK(peer_of<TestType>(good) == realm.principal("bob"));

  const auto bad = Initiating::acquire_with_password(bob, "wrong");
  if (bad) {  // allowed to show at the first use
    const auto failed = support::establish(Initiator<TestType>{support::target(), *bad}, support::acceptor<TestType>());
    REQUIRE_FALSE(failed);
    CHECK_FALSE(failed.error().text().empty());
  } else {
    CHECK(std::string{bad.error().operation()} == "gss_acquire_cred_with_password");
    CHECK_FALSE(bad.error().text().empty());
  }
  // neither the good nor the bad password touched the default cache
  CHECK(shown(must(must(Client::acquire_default()).inquire()).name) == realm.principal("alice"));
}

TEST_CASE("a credential for both sides serves either") {
  support::realm();
  // One principal with a ticket and keys: the service itself.
  auto& realm = support::realm().realm;
  const auto keytab = must(realm.export_keytab("bob"));
  const Environment keys{"KRB5_KTNAME", keytab};
  const Environment cache{"KRB5CCNAME", must(realm.login("bob"))};
  const auto both = must(Credential<mech::Krb5, Both>::acquire(must(Name::user("bob"))));
  auto ends = must(support::establish(Initiator<mech::Krb5>{must(Name::principal(realm.principal("bob"))), both},
                                      Acceptor<mech::Krb5>{both}));
  CHECK(shown(must(ends.acceptor.inquire()).initiator) == realm.principal("bob"));
}

TEST_CASE("an empty credential is refused where one is needed, and never becomes the default") {
  auto credential = must(Client::acquire_default());
  const auto moved = std::move(credential);
  CHECK(credential.inquire().error().domain() == Domain::usage);
  CHECK(credential.lifetime().error().domain() == Domain::usage);
  Initiator<mech::Krb5> initiator{support::target(), credential};
  auto failed = initiator.step();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().error.domain() == Domain::usage);

  const Server none;
  Acceptor<mech::Krb5> acceptor{none};
  auto other = support::initiator<mech::Krb5>();
  auto refused = acceptor.step(must(other.step()).token);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.domain() == Domain::usage);
}

TEST_CASE("one credential serves many handshakes") {
  auto& credential = support::initiator_credential<mech::Krb5>();
  const gss_cred_id_t before = credential.get();
  for (int i = 0; i < 20; ++i)
    must(support::establish(support::initiator<mech::Krb5>(), support::acceptor<mech::Krb5>()));
  CHECK(credential.get() == before);
}

TEST_CASE("the name of an acceptor can be shown or is empty") {
  support::realm();
  const auto info = must(support::acceptor_credential<mech::Krb5>().inquire());
  CHECK(shown(info.name).empty() == known_faults.acceptor_names_crash);  // MIT krb5 names one of the keytab
  CHECK(info.mechanisms.contains(mech::Krb5::oid));
  const auto named = must(must(Server::acquire(must(Name::host_service("host", "localhost")))).inquire());
  CHECK(shown(named.name).empty() == known_faults.acceptor_names_crash);
}

TEST_CASE("an expired credential says so") {
  auto& realm = support::realm().realm;
  const auto cache = realm.login("alice", {.lifetime = Seconds{1}});
  REQUIRE(cache);
  const Environment environment{"KRB5CCNAME", *cache};
  const auto credential = Client::acquire_default();
  if (!credential) {
    CHECK_FALSE(credential.error().text().empty());
    return;
  }
  // waits for the condition itself: the ticket's end
  while (true) {
    const auto left = credential->lifetime();
    if (!left || *left == Seconds{0}) break;
  }
  if (const auto late = Client::acquire_default()) {
    CHECK(must(late->lifetime()) == Seconds{0});
  }
}
