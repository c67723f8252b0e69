// IAKERB: Kerberos for initiators that reach no KDC. The acceptor passes on what they have to say to it.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using mech::Iakerb;
using support::must;

namespace {

/// A krb5.conf that knows the realm's name and nothing of its KDC.
std::string without_kdc() {
  std::string path = support::realm().realm.folder() + "/without-kdc.conf";
  const std::string realm = support::realm().realm.realm();
  std::ofstream{path} << "[libdefaults]\n default_realm = " << realm << "\n dns_lookup_kdc = false\n"
                      << " dns_canonicalize_hostname = false\n[domain_realm]\n localhost = " << realm << "\n";
  return path;
}

template <Mechanism M = Iakerb>
Credential<M, Initiate> alice(std::string_view password = "secret") {
  support::realm();
  return must(Credential<M, Initiate>::acquire_with_password(must(Name::user("alice")), password));
}

/// Both in one process, the initiator under another configuration. Counts its tokens.
struct Run {
  Initiator<Iakerb> initiator;
  Acceptor<Iakerb> acceptor = support::acceptor<Iakerb>();
  int sent = 0;

  Result<void> operator()() {
    const std::string configuration = without_kdc();
    Buffer token;
    while (true) {
      auto ours = [&] {
        const support::Environment elsewhere{"KRB5_CONFIG", configuration};
        return initiator.step(token);
      }();
      if (!ours) return unexpected(ours.error().error);
      if (acceptor.is_complete()) return {};
      ++sent;
      auto theirs = acceptor.step(ours->token);
      if (!theirs) return unexpected(theirs.error().error);
      token = std::move(theirs->token);
    }
  }
};

}  // namespace

TEST_CASE("a password and an acceptor, and no way to the KDC") {
  const auto credential = alice();
  {  // What Kerberos alone makes of it.
    const support::Environment elsewhere{"KRB5_CONFIG", without_kdc()};
    const auto refused = Credential<mech::Krb5, Initiate>::acquire_with_password(must(Name::user("alice")), "secret");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text().find("Cannot find KDC") != std::string_view::npos);
  }
  Run run{Initiator<Iakerb>{support::target(), credential}};
  must(run());
  CHECK(run.sent >= 3);  // to the KDC for a ticket, for one to the service; to the acceptor
  CHECK(must(run.acceptor.peer_name().display()).text() == support::realm().realm.principal("alice"));

  auto initiator = must(std::move(run.initiator).establish());
  auto acceptor = must(std::move(run.acceptor).establish());
  const auto info = must(acceptor.inquire());
  CHECK(info.mechanism == Iakerb::oid);
  CHECK(info.flags.contains(InitiatorOptions{}.demand));
  CHECK(must(acceptor.unwrap(must(initiator.wrap("to the server")))).text() == "to the server");
  CHECK(must(initiator.unwrap(must(acceptor.wrap("to the client")))).text() == "to the client");
  must(initiator.verify_mic("signed", must(acceptor.get_mic("signed"))));

  auto moved = must(import_context<Iakerb>(must(export_context(std::move(acceptor)))));
  CHECK(must(moved.unwrap(must(initiator.wrap("later")))).text() == "later");
}

TEST_CASE("SPNEGO of MIT krb5 does not offer IAKERB, whatever the credential: an error, and no other mechanism") {
  using Negotiated = mech::Negotiate<Iakerb>;
  const auto credential = alice<Negotiated>();
  Initiator<Negotiated> initiator{support::target(), credential};
  const auto refused = initiator.step();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.text().find("SPNEGO cannot find mechanisms") != std::string_view::npos);
}

TEST_CASE("with default credentials: a ticket for the realm saves the first question") {
  support::realm();
  const std::string cache = must(support::realm().realm.login("alice"));
  const support::Environment fresh{"KRB5CCNAME", cache};
  const auto credential = must(Credential<Iakerb, Initiate>::acquire_default());
  Run run{Initiator<Iakerb>{support::target(), credential}, Acceptor<Iakerb>{}};
  must(run());
  CHECK(run.sent == 2);
  CHECK(must(run.acceptor.peer_name().display()).text() == support::realm().realm.principal("alice"));
}

TEST_CASE("a wrong password is an error of the initiator, in the middle of the handshake") {
  const auto credential = alice("wrong");
  Run run{Initiator<Iakerb>{support::target(), credential}};
  const auto refused = run();
  REQUIRE_FALSE(refused);
  CHECK(std::string_view{refused.error().operation()} == "gss_init_sec_context");
  CHECK(refused.error().text().find("Decrypt integrity check failed") != std::string_view::npos);
  CHECK(run.sent == 1);
  CHECK_FALSE(run.acceptor.is_complete());
}

TEST_CASE("a user whom the KDC does not know") {
  support::realm();
  const auto nobody = must(Credential<Iakerb, Initiate>::acquire_with_password(must(Name::user("nobody")), "secret"));
  Run run{Initiator<Iakerb>{support::target(), nobody}};
  const auto refused = run();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text().find("not found in Kerberos database") != std::string_view::npos);
}

TEST_CASE("a KDC that the acceptor does not reach either is an error of the acceptor") {
  const auto credential = alice();
  support::realm().realm.stop_kdc();
  Run run{Initiator<Iakerb>{support::target(), credential}};
  const auto refused = run();
  must(support::realm().realm.restart_kdc());
  REQUIRE_FALSE(refused);
  // MIT krb5 1.20 cannot encode the KRB-ERROR that would say why: no word of the KDC here, and no token.
  CHECK(std::string_view{refused.error().operation()} == "gss_accept_sec_context");
}

TEST_CASE("a ticket to the service comes first, and is refused: the library would lose the context") {
  const auto credential = alice();
  must(Run{Initiator<Iakerb>{support::target(), credential}}());
  Initiator<Iakerb> again{support::target(), credential};
  const auto step = must(again.step());
  {  // The library, given that token.
#ifdef __SANITIZE_ADDRESS__
    const __lsan::ScopedDisabler leaks;
#endif
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    OM_uint32 minor = 0;
    Buffer answer;
    gss_buffer_desc in = gss_detail::borrow(step.token);
    REQUIRE(gss_accept_sec_context(&minor, &context, support::acceptor_credential<Iakerb>().get(), &in,
                                   GSS_C_NO_CHANNEL_BINDINGS, nullptr, nullptr, answer.put(), nullptr, nullptr,
                                   nullptr) == GSS_S_COMPLETE);
    auto lost = SecurityContext<Iakerb>::adopt(context);
    CHECK(routine_error(lost.wrap("x").error()) == RoutineError::no_context);
  }
  auto acceptor = support::acceptor<Iakerb>();
  const auto refused = acceptor.step(step.token);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.domain() == Domain::unavailable);
  CHECK(refused.error().token.size() == 0);
}

TEST_CASE("who did not ask for IAKERB does not get it") {
  const auto credential = alice();
  Initiator<Iakerb> initiator{support::target(), credential};
  const auto step = must(initiator.step());
  const auto refuses = [&](auto acceptor) {
    const auto refused = acceptor.step(step.token);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.domain() == Domain::gss);
  };
  refuses(support::acceptor<mech::Krb5>());
  refuses(support::acceptor<mech::Spnego>());
  refuses(support::acceptor<mech::Any>());
}

TEST_CASE("garbage as the first token of an acceptor of IAKERB") {
  const auto token =
      GENERATE(as<std::string>{}, "", "x", "\x60", std::string{"\x60\x07\x06\x05\x2b\x06\x01\x05\x02\x05", 10},
               std::string{"\x60\x09\x06\x06\x2b\x06\x01\x05\x02\x05\x05\x01", 12});
  auto acceptor = support::acceptor<Iakerb>();
  CHECK_FALSE(acceptor.step(token));
}
