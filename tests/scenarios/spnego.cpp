// SPNEGO, token by token: what acceptors make of initiators of other makes, and what initiators believe.
#include <gsskey/gss.hpp>

#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// One DER element. Tags are those of RFC 4178 section 4.2.
std::string der(unsigned char tag, std::string_view content) {
  std::string out(1, static_cast<char>(tag));
  const std::size_t size = content.size();
  if (size > 255) {
    out += {'\x82', static_cast<char>(size >> 8)};
  } else if (size > 127) {
    out += '\x81';
  }
  out += static_cast<char>(size);
  return out.append(content);
}
std::string oid(const Oid& mechanism) { return der(0x06, ByteView{mechanism}.text()); }
template <class... Mechanisms>
std::string mech_types(const Mechanisms&... mechanisms) {
  return der(0x30, (oid(mechanisms) + ...));
}
std::string init_token(const std::string& mechanisms, std::string_view mech_token) {
  const std::string body = der(0xa0, mechanisms) + der(0xa2, der(0x04, mech_token));
  return der(0x60, oid(mech::Spnego::oid) + der(0xa0, der(0x30, body)));
}
/// Empty parts are left out.
std::string response_token(std::string_view state, std::string_view mechanism, std::string_view token,
                           std::string_view mic) {
  std::string body;
  if (!state.empty()) body += der(0xa0, der(0x0a, state));
  if (!mechanism.empty()) body += der(0xa1, mechanism);
  if (!token.empty()) body += der(0xa2, der(0x04, token));
  if (!mic.empty()) body += der(0xa3, der(0x04, mic));
  return der(0xa1, der(0x30, body));
}

/// The element with this tag, anywhere on the way down the first element that has it; empty if there is none.
std::string_view find(std::string_view bytes, unsigned char tag) {
  while (bytes.size() >= 2) {
    std::size_t header = 2;
    std::size_t size = static_cast<unsigned char>(bytes[1]);
    if (size > 0x80) {
      header += size - 0x80;
      size = 0;
      for (std::size_t at = 2; at < header; ++at) size = size << 8 | static_cast<unsigned char>(bytes[at]);
    }
    const auto content = bytes.substr(header, size);
    if (static_cast<unsigned char>(bytes[0]) == tag) return content;
    bytes.remove_prefix(header + size);
  }
  return {};
}
/// A field of a NegTokenResp, without its wrapping.
std::string_view field(std::string_view response, unsigned char tag) {
  const auto element = find(find(find(response, 0xa1), 0x30), tag);
  return element.empty() ? element : find(element, static_cast<unsigned char>(element[0]));
}

/// Microsoft's misprint of the OID of Kerberos (MS-SPNG section 3.1.5.2), which Windows offers first.
constexpr Oid misprint{"1.2.840.48018.1.2.2"};
constexpr Oid unknown{"1.2.3.4"};

/// Kerberos without an answer: established with the first token.
constexpr InitiatorOptions one_leg{.demand =
                                       ContextFlag::confidentiality | ContextFlag::integrity | ContextFlag::replay};

}  // namespace

TEST_CASE("an empty first token asks for hints; then the handshake goes on as ever") {
  auto acceptor = support::acceptor<mech::Spnego>();
  const auto hints = must(acceptor.step({}));
  CHECK_FALSE(hints.complete);
  const std::string_view text = ByteView{hints.token}.text();
  CHECK(find(text, 0x60).starts_with(oid(mech::Spnego::oid)));
  CHECK(text.find(oid(mech::Krb5::oid)) != std::string_view::npos);
  CHECK(text.find("not_defined_in_RFC4178@please_ignore") != std::string_view::npos);

  auto ends = must(support::establish(support::initiator<mech::Spnego>(), std::move(acceptor)));
  CHECK(must(ends.acceptor.inquire()).mechanism == mech::Krb5::oid);
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("x")))).text() == "x");
}

TEMPLATE_TEST_CASE("Microsoft's OID of Kerberos is Kerberos, and is answered in kind", "", mech::Spnego,
                   mech::Negotiate<mech::Krb5>) {
  auto initiator = support::initiator<mech::Krb5>(one_leg);
  const auto token = must(initiator.step());
  auto acceptor = support::acceptor<TestType>();
  const auto step = must(acceptor.step(init_token(mech_types(misprint), ByteView{token.token}.text())));
  REQUIRE(step.complete);
  const auto answer = ByteView{step.token}.text();
  CHECK(field(answer, 0xa0) == std::string_view{"\0", 1});  // accept-completed
  CHECK(field(answer, 0xa1) == ByteView{misprint}.text());

  auto theirs = must(std::move(acceptor).establish());
  auto ours = must(std::move(initiator).establish());
  CHECK(must(theirs.inquire()).mechanism == mech::Krb5::oid);
  CHECK(must(theirs.unwrap(must(ours.wrap("from Windows")))).text() == "from Windows");
}

TEST_CASE("an acceptor that lacks the first choice takes the second, if the list was not changed on the way") {
  const bool changed = GENERATE(false, true);
  CAPTURE(changed);
  const std::string offered = mech_types(unknown, mech::Krb5::oid);
  auto acceptor = support::acceptor<mech::Spnego>();
  const auto reselection = must(acceptor.step(init_token(offered, "a token of the unknown mechanism")));
  CHECK_FALSE(reselection.complete);
  const auto answer = ByteView{reselection.token}.text();
  CHECK(field(answer, 0xa1) == ByteView{mech::Krb5::oid}.text());

  auto initiator = support::initiator<mech::Krb5>(one_leg);
  const auto token = must(initiator.step());
  auto ours = must(std::move(initiator).establish());
  // The MIC over the list that the initiator sent, RFC 4178 section 5.
  const auto mic = must(ours.get_mic(changed ? mech_types(misprint, mech::Krb5::oid) : offered));
  const auto last = acceptor.step(response_token({}, {}, ByteView{token.token}.text(), ByteView{mic}.text()));
  if (changed) {
    REQUIRE_FALSE(last);
    CHECK_FALSE(acceptor.is_complete());
    return;
  }
  REQUIRE(last);
  CHECK(last->complete);
  must(ours.verify_mic(offered, field(ByteView{last->token}.text(), 0xa3)));
  auto theirs = must(std::move(acceptor).establish());
  CHECK(must(theirs.inquire()).mechanism == mech::Krb5::oid);
}

TEST_CASE("an initiator that asks for no proof does not take an acceptor's wish for a signature for a yes") {
  for (const std::string& answer :
       {response_token("\3", oid(mech::Krb5::oid), {}, {}), response_token("\3", {}, {}, {})}) {
    auto initiator = support::initiator<mech::Spnego>(one_leg);
    must(initiator.step());
    const auto step = initiator.step(answer);
    CHECK_FALSE(initiator.is_complete());
    CHECK_FALSE(step);
  }
}

TEST_CASE("a later token with nothing of the mechanism completes no negotiation whose mechanism is not complete") {
  const std::string answer = GENERATE(response_token({"\0", 1}, {}, {}, {}), response_token("\1", {}, {}, {}),
                                      response_token({}, {}, {}, "no signature"));
  auto initiator = support::initiator<mech::Spnego>({.request = ContextFlag::dce_style});
  auto acceptor = support::acceptor<mech::Spnego>({.demand = {}, .allow_anonymous = true});
  must(acceptor.step(must(initiator.step()).token));
  REQUIRE_FALSE(acceptor.is_complete());
  const auto last = acceptor.step(answer);  // MIT krb5 may wait for more
  if (last) CHECK_FALSE(last->complete);
  CHECK_FALSE(acceptor.is_complete());
  CHECK_FALSE(std::move(acceptor).establish());
}

TEST_CASE("nothing in common is an error") {
  auto acceptor = support::acceptor<mech::Spnego>();
  const auto refused = acceptor.step(init_token(mech_types(unknown), "?"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.domain() == Domain::gss);
}

TEST_CASE("an acceptor that says yes and proves nothing is not believed") {
  auto initiator = support::initiator<mech::Spnego>();
  must(initiator.step());
  const std::string yes = response_token({"\0", 1}, oid(mech::Krb5::oid), {}, {});
  const auto believed = initiator.step(yes);
  CHECK_FALSE(initiator.is_complete());
  if (believed) CHECK_FALSE(believed->complete);
}

TEST_CASE("an acceptor's no, and its choice of what was not offered, are errors") {
  const auto answer = GENERATE(response_token("\2", {}, {}, {}), response_token("\1", oid(unknown), "?", {}));
  auto initiator = support::initiator<mech::Spnego>();
  must(initiator.step());
  CHECK_FALSE(initiator.step(answer));
}
