// What a hook is told of credentials that are acquired: whose, for what, how long, and why not.
#include <gsskey/gss/credential/report.hpp>

#include <gsskey/gss/credential/renewing.hpp>
#include <gsskey/krb5/advice.hpp>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::must;
using support::Server;
using support::shown;

namespace {

/// What one report said.
struct Told {
  std::string mechanism;
  gss_cred_usage_t usage;
  std::string wanted;
  std::string name;
  Seconds lifetime;
  bool failed;
  Error error;
  bool took_time;
};
std::vector<Told> told;

/// Hears as long as it lives.
struct Hook {
  Hook() {
    support::realm();
    told.clear();
    set_credential_hook([](const CredentialReport& report) noexcept {
      told.push_back({report.mechanism, report.usage, std::string{report.wanted},
                      report.info.name ? shown(report.info.name) : "", report.info.lifetime, report.error != nullptr,
                      report.error != nullptr ? *report.error : Error::usage("", ""), report.nanoseconds != 0});
    });
  }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { set_credential_hook(nullptr); }
};

/// The one report that there is.
const Told& only() {
  REQUIRE(told.size() == 1);
  return told.front();
}

Name alice() { return must(Name::user("alice")); }

}  // namespace

TEMPLATE_TEST_CASE("an initiator's credential: whose it is and how long", "", mech::Krb5, mech::Spnego, mech::Any) {
  const Hook hook;
  const auto credential = must(reported([] { return Credential<TestType, Initiate>::acquire_default(); }));
  CHECK(only().mechanism == TestType::name);
  CHECK(only().usage == GSS_C_INITIATE);
  CHECK(only().name == support::realm().realm.principal("alice"));
  CHECK_FALSE(only().failed);
  CHECK(only().lifetime > Seconds{0});
  CHECK(only().lifetime >= must(credential.lifetime()));
  CHECK(only().took_time);
}

TEST_CASE("an acceptor's") {
  const Hook hook;
  static_cast<void>(must(reported([] { return Server::acquire_default(); })));
  CHECK(only().usage == GSS_C_ACCEPT);
  CHECK_FALSE(only().failed);
  CHECK(only().lifetime.is_indefinite());
}

TEST_CASE("one that is refused: the error that the caller gets, and what to do about it") {
  const Hook hook;
  const auto credential =
      reported([] { return Client::acquire_with_password(alice(), "wrong"); }, "alice, by password");
  // Heimdal asks the KDC at once, MIT krb5 when it is asked whose the credential is.
  REQUIRE(only().failed);
  CHECK(only().usage == GSS_C_INITIATE);
  CHECK(only().wanted == "alice, by password");
  CHECK(only().name.empty());
  CHECK(failure_of(only().error) == Failure::wrong_password);
  if (!credential) CHECK(only().error.text() == credential.error().text());
}

TEST_CASE("a keytab that is not there") {
  const Hook hook;
  const support::Environment keytab{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
  const auto credential = reported([] { return Server::acquire_default(); });
  REQUIRE_FALSE(credential);
  CHECK(only().usage == GSS_C_ACCEPT);
  CHECK(only().error.text() == credential.error().text());
}

TEST_CASE("each renewal is told once, and an attempt that failed too") {
  const Hook hook;
  bool there = true;
  RenewingCredential client{[&]() -> Result<Client> {
                              if (there) return Client::acquire_default();
                              return unexpected(Error::system("acquire", EIO));
                            },
                            Seconds{300}, "the daemon's"};
  static_cast<void>(must(client.lease()));
  static_cast<void>(must(client.lease()));
  CHECK(only().name == support::realm().realm.principal("alice"));
  there = false;
  CHECK_FALSE(client.renew());
  REQUIRE(told.size() == 2);
  CHECK(told[1].failed);
  CHECK(told[1].wanted == "the daemon's");
  CHECK(told[1].error.minor_status() == EIO);
}

TEST_CASE("without a hook nobody is told, and the credential is as acquired; an exception passes through") {
  {
    const Hook hook;
    const auto throws = []() -> Result<Client> { throw std::runtime_error{"no"}; };
    CHECK_THROWS_AS(static_cast<void>(reported(throws)), std::runtime_error);
    CHECK(told.empty());
  }
  CHECK(must(reported([] { return Client::acquire_default(); })));
  CHECK(told.empty());
}
