// How handshakes that have ended, and encryption types, read in one line.
#include <gsskey/text/handshake.hpp>

#include <gsskey/gss.hpp>
#include <gsskey/text/string.hpp>

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/line.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::line_of;
using support::must;
using support::shown;

static_assert(HasLine<HandshakeReport> && HasLine<Enctype>);

namespace {

std::vector<std::string> lines;

/// As text/string.hpp has them, while it lives; what the clock said is left out.
struct Hook {
  Hook() {
    support::realm();
    lines.clear();
    set_handshake_hook([](const HandshakeReport& report) noexcept {
      auto still = report;
      still.nanoseconds = 3'214'999;
      lines.push_back(to_string(still));
    });
  }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  ~Hook() { set_handshake_hook(nullptr); }
};

}  // namespace

TEST_CASE("encryption types") {
  CHECK(line_of(Enctype::aes128_cts_hmac_sha1_96) == "aes128-cts-hmac-sha1-96");
  CHECK(line_of(Enctype::aes256_cts_hmac_sha1_96) == "aes256-cts-hmac-sha1-96");
  CHECK(line_of(Enctype::aes128_cts_hmac_sha256_128) == "aes128-cts-hmac-sha256-128");
  CHECK(line_of(Enctype::aes256_cts_hmac_sha384_192) == "aes256-cts-hmac-sha384-192");
  CHECK(line_of(static_cast<Enctype>(23)) == "enctype 23");
}

TEMPLATE_TEST_CASE("both ends of an established one", "", mech::Krb5, mech::Spnego) {
  const Hook hook;
  support::pair<TestType>();
  const auto& realm = support::realm().realm;
  const auto alice = realm.principal("alice");
  const std::string made = ": " + std::string{TestType::name} +
                           ", 1.2.840.113554.1.2.2, aes256-cts-hmac-sha1-96, mutual|replay|sequence|confidentiality|"
                           "integrity|";
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("authenticated to " + shown(support::target()) + " as " + alice + made));
  CHECK(lines[0].ends_with("; 2 steps, 3214us"));
  CHECK(lines[1].starts_with("accepted " + alice + " as " + realm.principal("host/localhost") + made));
  CHECK(lines[1].ends_with("; 1 step, 3214us"));
}

TEST_CASE("one that failed, with the error and what to do about it") {
  const Hook hook;
  const auto name = must(Name::host_service("nobody", "localhost"));
  const auto step = Initiator<mech::Krb5>{must(name.duplicate()), support::initiator_credential<mech::Krb5>()}.step();
  REQUIRE_FALSE(step);
  CHECK_FALSE(support::acceptor<mech::Krb5>().step("no token"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] ==
        "not authenticated to " + shown(name) + ": krb5; 1 step, 3214us; " + line_of(advised(step.error().error)));
  CHECK(lines[0].find("or add the service to the KDC") != std::string::npos);
  CHECK(lines[1].starts_with("refused somebody: krb5; 1 step, 3214us; gss_accept_sec_context (krb5): "));
}

TEST_CASE("a context that cannot be asked for Kerberos' key: what is known") {
  const Name alice = must(Name::user("alice"));
  const SecurityContext<mech::Any> none;
  const HandshakeReport report{false, "ntlmssp", mech::Ntlmssp::oid, alice, {}, 3, 1000, none, nullptr};
  CHECK(line_of(report) == "accepted " + shown(alice) + ": ntlmssp, 1.3.6.1.4.1.311.2.2.10; 3 steps, 1us");
}
