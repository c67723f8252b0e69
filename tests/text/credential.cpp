// How credentials that were acquired, or were not, read in one line.
#include <gsskey/text/credential.hpp>

#include <gsskey/text/string.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/line.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::Client;
using support::line_of;
using support::must;
using support::Server;

static_assert(HasLine<CredentialReport>);

namespace {

std::string line;

/// The line that `acquire` makes; what the clock said is left out.
template <class Acquire>
std::string told_of(Acquire acquire, std::string_view wanted = {}) {
  support::realm();
  set_credential_hook([](const CredentialReport& report) noexcept {
    line = to_string(
        CredentialReport{report.mechanism, report.usage, report.wanted, report.info, 3'214'999, report.error});
  });
  const auto credential = reported(acquire, wanted);
  set_credential_hook(nullptr);
  return line;
}

}  // namespace

TEMPLATE_TEST_CASE("one that was acquired", "", mech::Krb5, mech::Spnego) {
  support::realm();
  const auto credential = must(Credential<TestType, Initiate>::acquire_default());
  const auto info = must(credential.inquire());
  const auto alice = support::realm().realm.principal("alice");
  const std::string of = std::string{": "} + TestType::name + ", ";
  CHECK(line_of(CredentialReport{TestType::name, GSS_C_INITIATE, "", info, 1000, nullptr}) ==
        "acquired " + alice + " to initiate" + of + line_of(info.lifetime) + "; 1us");
  CHECK(line_of(CredentialReport{TestType::name, GSS_C_BOTH, "", info, 1000, nullptr}) ==
        "acquired " + alice + " to initiate and accept" + of + line_of(info.lifetime) + "; 1us");
  CHECK(told_of([] { return Credential<TestType, Initiate>::acquire_default(); }).starts_with("acquired " + alice));
  const auto acceptor = told_of([] { return Credential<TestType, Accept>::acquire_default(); });
  CHECK(acceptor.starts_with("acquired"));
  CHECK(acceptor.ends_with(" to accept" + of + "indefinite; 3214us"));
}

TEST_CASE("one that was not, with the error and what to do about it") {
  const support::Environment keytab{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
  const auto refused = Server::acquire_default();
  REQUIRE_FALSE(refused);
  CHECK(told_of([] { return Server::acquire_default(); }) ==
        "not acquired to accept: krb5; 3214us; " + line_of(advised(refused.error())));
  CHECK(line.find("/nonexistent/keytab") != std::string::npos);
}

TEST_CASE("what was asked for, in the program's words, whatever came of it") {
  CHECK(told_of([] { return Client::acquire_default(); }, "alice, from the default cache")
            .starts_with("acquired " + support::realm().realm.principal("alice") +
                         " (alice, from the default cache) to initiate: krb5, "));
  const support::Environment keytab{"KRB5_KTNAME", "FILE:/nonexistent/keytab"};
  CHECK(told_of([] { return Server::acquire_default(); }, "of\ntwo lines")
            .starts_with("not acquired (of?two lines) to accept: krb5; 3214us; "));
}

TEST_CASE("a password is in no line") {
  const auto text =
      told_of([] { return Client::acquire_with_password(must(Name::user("alice")), "not-her-password"); });
  CHECK(text.starts_with("not acquired to initiate: krb5; 3214us; "));
  CHECK(text.find("not-her-password") == std::string::npos);
}
