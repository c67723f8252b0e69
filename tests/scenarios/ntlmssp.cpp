// A second mechanism in the same process: gss-ntlmssp from Debian, raw and inside SPNEGO. MIT krb5 loads it as a
// plugin.
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>
#include <gsskey/gss/handshake_report.hpp>
#include <gsskey/gss/mechanism_inquiry.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/text/handshake.hpp>
#include <gsskey/text/string.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/exported_names.hpp"
#include "support/ntlm.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"
#include "support/spnego_token.hpp"

using namespace gsskey;
using support::must;

namespace {

bool has_ntlm() {
  if (!support::has_ntlm()) support::skip("gss-ntlmssp is not installed");
  return support::has_ntlm();
}

template <Mechanism M>
Credential<M, Initiate> carol() {
  return must(Credential<M, Initiate>::acquire_with_password(must(Name::user("GSSKEY\\carol")), "secret"));
}

/// A raw first token of NTLM.
Buffer ntlm_token(Initiator<mech::Ntlmssp>& initiator) { return std::move(must(initiator.step()).token); }

constexpr ContextFlags protection = ContextFlag::confidentiality | ContextFlag::integrity;

using Corporate = mech::Negotiate<mech::Krb5, mech::Ntlmssp>;

}  // namespace

TEST_CASE("the plugin is there") {
  if (!has_ntlm()) return;
  CHECK(must(indicate_mechanisms()).contains(mech::Ntlmssp::oid));
}

TEST_CASE("two ends over NTLM; the acceptor reports integrity and confidentiality, that is all") {
  if (!has_ntlm()) return;
  const auto client = carol<mech::Ntlmssp>();
  const auto server = must(Credential<mech::Ntlmssp, Accept>::acquire_default());
  auto ends = must(support::establish(Initiator<mech::Ntlmssp>{support::target(), client, {.demand = protection}},
                                      Acceptor<mech::Ntlmssp>{server}));
  CHECK(must(ends.acceptor.inquire()).mechanism == mech::Ntlmssp::oid);
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("over NTLM")))).text() == "over NTLM");
}

TEST_CASE("over NTLM: who it is, MICs, and the context in another place") {
  if (!has_ntlm()) return;
  const auto client = must(Credential<mech::Ntlmssp, Initiate>::acquire_default());  // the user of NTLM_USER_FILE
  const auto server = must(Credential<mech::Ntlmssp, Accept>::acquire_default());
  auto ends = must(support::establish(Initiator<mech::Ntlmssp>{support::target(), client, {.demand = protection}},
                                      Acceptor<mech::Ntlmssp>{server}));
  const auto info = must(ends.acceptor.inquire());
  CHECK(must(info.initiator.display()).text() == "GSSKEY\\carol");
  const auto peer = must(ends.acceptor.peer());
  CHECK(must(peer.display()).text() == "GSSKEY\\carol");
  CHECK(peer.is_anonymous().no());
  CHECK(peer.principal().error().domain() == Domain::policy);
  CHECK(must(ends.initiator.peer()).mechanism() == mech::Ntlmssp::oid);
  must(ends.initiator.verify_mic("signed", must(ends.acceptor.get_mic("signed"))));
  CHECK(must(ends.initiator.unwrap(must(ends.acceptor.wrap("back")))).text() == "back");

  auto moved = must(import_context<mech::Ntlmssp>(must(export_context(std::move(ends.acceptor)))));
  CHECK(must(moved.unwrap(must(ends.initiator.wrap("later")))).text() == "later");
  const auto forged = moved.verify_mic("another", must(ends.initiator.get_mic("signed")));
  REQUIRE_FALSE(forged);
  CHECK(routine_error(forged.error()) == RoutineError::bad_mic);
}

TEST_CASE("no exported name of NTLM, whatever was done to it, ends the process") {
  if (!has_ntlm()) return;
  const auto canonical = must(must(Name::user("GSSKEY\\carol")).canonicalize<mech::Ntlmssp>());
  const std::string exported{must(canonical.export_name()).text()};
  CHECK(MechName<mech::Ntlmssp>::import_exported(exported));
  CHECK(support::survives(exported, [](const std::string& bytes) {
          static_cast<void>(Name::import_name<name_type::exported>(bytes));
          static_cast<void>(MechName<mech::Ntlmssp>::import_exported(bytes));
        }) == 0);
}

TEST_CASE("a wrong password is an error of NTLM's acceptor, raw and negotiated") {
  if (!has_ntlm()) return;
  const auto refused = [](auto mechanism) {
    using M = decltype(mechanism);
    const auto client =
        must(Credential<M, Initiate>::acquire_with_password(must(Name::user("GSSKEY\\carol")), "wrong"));
    const auto server = must(Credential<M, Accept>::acquire_default());
    const auto ends = support::establish(Initiator<M>{support::target(), client, {.demand = protection}},
                                         Acceptor<M>{server, {.demand = protection}});
    REQUIRE_FALSE(ends);
    CHECK(std::string_view{ends.error().operation()} == "gss_accept_sec_context");
    CHECK(routine_error(ends.error()) == RoutineError::failure);
    UNSCOPED_INFO(ends.error().minor_status() << ' ' << ends.error().text());
    CHECK(ends.error().text().find("KRB5") == std::string_view::npos);  // no file of Kerberos has to do with it
  };
  refused(mech::Ntlmssp{});
  refused(mech::Negotiate<mech::Ntlmssp>{});
}

TEST_CASE("a log has a line for handshakes over NTLM") {
  if (!has_ntlm()) return;
  static std::vector<std::string> lines;
  lines.clear();
  set_handshake_hook([](const HandshakeReport& report) noexcept { lines.push_back(to_string(report)); });
  const auto client = carol<mech::Ntlmssp>();
  const auto server = must(Credential<mech::Ntlmssp, Accept>::acquire_default());
  static_cast<void>(must(support::establish(Initiator<mech::Ntlmssp>{support::target(), client, {.demand = protection}},
                                            Acceptor<mech::Ntlmssp>{server})));
  set_handshake_hook(nullptr);
  REQUIRE(lines.size() == 2);
  for (const auto& line : lines) {
    CAPTURE(line);
    CHECK(line.find(": ntlmssp, 1.3.6.1.4.1.311.2.2.10, ") != std::string::npos);
    CHECK(line.find("enctype") == std::string::npos);
  }
}

TEST_CASE("the initiator starts with Kerberos, the acceptor wants NTLM, and that is what it becomes") {
  if (!has_ntlm()) return;
  const auto client = must(Credential<Corporate, Initiate>::acquire_default());
  const auto server = must(Credential<mech::Negotiate<mech::Ntlmssp>, Accept>::acquire_default());
  Initiator<Corporate> initiator{support::target(), client, {.demand = protection}};
  Acceptor<mech::Negotiate<mech::Ntlmssp>> acceptor{server, {.demand = protection}};
  int sent = 0;
  Buffer token;
  while (!initiator.is_complete() || !acceptor.is_complete()) {
    if (!initiator.is_complete()) {
      token = std::move(must(initiator.step(token)).token);
      sent += token.size() != 0;
    }
    if (!acceptor.is_complete()) token = std::move(must(acceptor.step(token)).token);
  }
  CHECK(sent == 3);  // of Kerberos; NTLM's first; NTLM's second with the MIC over the offer
  auto ours = must(std::move(initiator).establish());
  auto theirs = must(std::move(acceptor).establish());
  CHECK(must(ours.inquire()).mechanism == mech::Ntlmssp::oid);
  CHECK(must(theirs.unwrap(must(ours.wrap("to the server")))).text() == "to the server");
  CHECK(must(ours.unwrap(must(theirs.wrap("to the client")))).text() == "to the client");
}

TEST_CASE("what is not the first choice is signed, over HTTP too, unless somebody says that it need not be") {
  if (!has_ntlm()) return;
  using Client = mech::Negotiate<mech::Ntlmssp>;
  const auto client = carol<Client>();
  const auto server = must(Credential<Corporate, Accept>::acquire_default());
  const auto unsigned_one = [](ByteView bytes) {
    auto token = support::SpnegoToken::parse(bytes.text()).value();
    token.mic.reset();
    return token.write();
  };
  const auto log_in = [&](bool allows, bool strips) {
    HttpInitiator<Client> ours{Initiator<Client>{support::target(), client, {.demand = protection}}};
    HttpAcceptor<Corporate> theirs{server, {.handshake = {.demand = protection, .allow_unsigned_negotiation = allows}}};
    std::string authorization = must(ours.authorize());
    while (true) {
      const auto answer = theirs.step(authorization);
      if (answer) return std::string{};
      if (!answer.error().is_challenge) return std::string{answer.error().error.text()};
      authorization = must(ours.authorize(answer.error().www_authenticate));
      if (strips) authorization = negotiate_header(unsigned_one(must(parse_authorization(authorization)).token));
    }
  };
  CHECK(log_in(false, false).empty());
  CHECK(log_in(false, true).find("not signed") != std::string::npos);
  CHECK(log_in(true, true).empty());

  // The same of both ends without HTTP.
  const auto established = [&](bool allows) {
    Initiator<Client> ours{support::target(), client, {.demand = protection}};
    Acceptor<Corporate> theirs{server, {.demand = protection, .allow_unsigned_negotiation = allows}};
    const auto challenge = must(theirs.step(must(ours.step()).token));
    const auto last = theirs.step(unsigned_one(must(ours.step(challenge.token)).token));
    if (!last) CHECK(last.error().error.domain() == Domain::policy);
    CHECK_FALSE(theirs.peer_signed_negotiation());
    return last && std::move(theirs).establish();
  };
  CHECK_FALSE(established(false));
  CHECK(established(true));
}

TEST_CASE("an acceptor for Kerberos with no credential of its own does not take NTLM, though the library would") {
  if (!has_ntlm()) return;
  const auto client = carol<mech::Ntlmssp>();

  // The library, given GSS_C_NO_CREDENTIAL, establishes a context of NTLM.
  {
    Initiator<mech::Ntlmssp> initiator{support::target(), client, {.demand = protection}};
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_OID mechanism = GSS_C_NO_OID;
    OM_uint32 minor = 0;
    OM_uint32 major = GSS_S_CONTINUE_NEEDED;
    Buffer answer;
    while (major == GSS_S_CONTINUE_NEEDED) {
      const Buffer token = std::move(must(initiator.step(answer)).token);
      gss_buffer_desc in = gss_detail::borrow(token);
      major = gss_accept_sec_context(&minor, &context, GSS_C_NO_CREDENTIAL, &in, GSS_C_NO_CHANNEL_BINDINGS, nullptr,
                                     &mechanism, answer.put(), nullptr, nullptr, nullptr);
    }
    CHECK(major == GSS_S_COMPLETE);
    CHECK(Oid::copy_of(mechanism) == mech::Ntlmssp::oid);
    (void)gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
  }
  // We do not, in any of the three ways to say Kerberos.
  const auto refuses = [&](auto acceptor) {
    Initiator<mech::Ntlmssp> initiator{support::target(), client};
    const auto step = acceptor.step(ntlm_token(initiator));
    REQUIRE_FALSE(step);
    CHECK(step.error().error.domain() == Domain::gss);
    CHECK_FALSE(step.error().error.text().empty());
  };
  refuses(Acceptor<mech::Krb5>{});
  refuses(support::acceptor<mech::Krb5>());
  refuses(Acceptor<mech::Spnego>{});  // raw, so not negotiated
  const auto krb5_only = must(Credential<mech::Negotiate<mech::Krb5>, Accept>::acquire_default());
  refuses(Acceptor<mech::Negotiate<mech::Krb5>>{krb5_only});
}

TEST_CASE("Negotiate<Krb5, Ntlmssp> takes either, Negotiate<Krb5> only Kerberos") {
  if (!has_ntlm()) return;
  const auto server = must(Credential<Corporate, Accept>::acquire_default());
  const auto outcome = [&](const auto& client, const auto& credential, auto initiates, auto accepts) {
    using Initiating = decltype(initiates);
    using Accepting = decltype(accepts);
    Initiator<Initiating> initiator{support::target(), client, {.demand = protection}};
    Acceptor<Accepting> acceptor{credential, {.demand = protection}};
    Buffer token;
    while (true) {
      auto ours = initiator.step(token);
      if (!ours) return Oid{};
      if (acceptor.is_complete()) break;
      auto theirs = acceptor.step(ours->token);
      if (!theirs) return Oid{};
      token = std::move(theirs->token);
      if (initiator.is_complete()) break;
    }
    auto context = std::move(acceptor).establish();
    return context ? must(context->inquire()).mechanism : Oid{};
  };
  const auto kerberos_client = must(Credential<mech::Negotiate<mech::Krb5>, Initiate>::acquire_default());
  const auto ntlm_client = carol<mech::Negotiate<mech::Ntlmssp>>();
  const auto strict = must(Credential<mech::Negotiate<mech::Krb5>, Accept>::acquire_default());

  CHECK(outcome(kerberos_client, server, mech::Negotiate<mech::Krb5>{}, Corporate{}) == mech::Krb5::oid);
  CHECK(outcome(ntlm_client, server, mech::Negotiate<mech::Ntlmssp>{}, Corporate{}) == mech::Ntlmssp::oid);
  CHECK(outcome(ntlm_client, strict, mech::Negotiate<mech::Ntlmssp>{}, mech::Negotiate<mech::Krb5>{}).empty());
  CHECK(outcome(kerberos_client, strict, mech::Negotiate<mech::Krb5>{}, mech::Negotiate<mech::Krb5>{}) ==
        mech::Krb5::oid);
}

TEST_CASE("what was negotiated is checked against the list, whatever the credential allowed") {
  if (!has_ntlm()) return;
  // A credential whose offer was not limited, in the place of one that was.
  auto wide = must(Credential<mech::Spnego, Accept>::acquire_default());
  const auto pretender = Credential<mech::Negotiate<mech::Krb5>, Accept>::adopt(wide.release());
  const auto ntlm_client = carol<mech::Negotiate<mech::Ntlmssp>>();
  Initiator<mech::Negotiate<mech::Ntlmssp>> initiator{support::target(), ntlm_client, {.demand = protection}};
  Acceptor<mech::Negotiate<mech::Krb5>> acceptor{pretender, {.demand = protection}};
  Buffer token;
  while (!initiator.is_complete() || !acceptor.is_complete()) {
    if (!initiator.is_complete()) token = std::move(must(initiator.step(token)).token);
    if (!acceptor.is_complete()) token = std::move(must(acceptor.step(token)).token);
  }
  const auto refused = std::move(acceptor).establish();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::policy);
  CHECK(refused.error().text() == "the context is one of another mechanism");
}

TEST_CASE("a Kerberos acceptor demands replay or sequence detection, one that may end in NTLM cannot") {
  STATIC_REQUIRE(AcceptorOptions<mech::Krb5>{}.demand.one_of() == (ContextFlag::replay | ContextFlag::sequence));
  STATIC_REQUIRE(AcceptorOptions<mech::Ntlmssp>{}.demand.one_of().empty());
  STATIC_REQUIRE(AcceptorOptions<Corporate>{}.demand.one_of().empty());
  STATIC_REQUIRE(AcceptorOptions<Corporate>{}.demand.all() == protection);
}
