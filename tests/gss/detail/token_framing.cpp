// gsskey/gss/detail/token_framing, and the reader of gss/negotiation: what is said of the tokens of real handshakes, of
// every prefix of them, and of every alteration of one byte. SPDX-License-Identifier: MIT
#include <gsskey/gss/detail/token_framing.hpp>

#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/gss.hpp>
#include <gsskey/gss/detail/negotiation.hpp>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"
#include "support/skip.hpp"
#include "support/spnego_token.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

/// All that the header answers of one token.
struct Answers {
  bool first_of_krb5 = false, first_of_spnego = false, first_of_iakerb = false, first_of_ntlm = false;
  bool iakerb_request = false;
  bool reply_of_krb5 = false, reply_of_iakerb = false, reply_of_ntlm = false;
  bool reply_of_any = false, reply_in_dce_style = false;
  bool negotiation_init = false, negotiation_response = false, negotiation_mic = false;

  friend bool operator==(const Answers&, const Answers&) = default;
};

std::ostream& operator<<(std::ostream& out, const Answers& answers) {
  const auto name = [&out](bool is, const char* text) {
    if (is) out << text << ' ';
  };
  name(answers.first_of_krb5, "first_of_krb5");
  name(answers.first_of_spnego, "first_of_spnego");
  name(answers.first_of_iakerb, "first_of_iakerb");
  name(answers.first_of_ntlm, "first_of_ntlm");
  name(answers.iakerb_request, "iakerb_request");
  name(answers.reply_of_krb5, "reply_of_krb5");
  name(answers.reply_of_iakerb, "reply_of_iakerb");
  name(answers.reply_of_ntlm, "reply_of_ntlm");
  name(answers.reply_of_any, "reply_of_any");
  name(answers.reply_in_dce_style, "reply_in_dce_style");
  name(answers.negotiation_init, "negotiation_init");
  name(answers.negotiation_response, "negotiation_response");
  name(answers.negotiation_mic, "negotiation_mic");
  return out;
}

Answers answers_of(ByteView token) {
  using namespace gss_detail;
  NegotiationToken negotiation;
  const bool negotiates = read_negotiation_token(token, negotiation) == nullptr;
  return {.first_of_krb5 = is_initial_token_of(token, mech::Krb5::oid),
          .first_of_spnego = is_initial_token_of(token, mech::Spnego::oid),
          .first_of_iakerb = is_initial_token_of(token, mech::Iakerb::oid),
          .first_of_ntlm = is_initial_token_of(token, mech::Ntlmssp::oid),
          .iakerb_request = is_iakerb_request(token),
          .reply_of_krb5 = is_reply_of<mech::Krb5>(token, false),
          .reply_of_iakerb = is_reply_of<mech::Iakerb>(token, false),
          .reply_of_ntlm = is_reply_of<mech::Ntlmssp>(token, false),
          .reply_of_any = is_reply_of<mech::Any>(token, false),
          .reply_in_dce_style = is_reply_of<mech::Krb5>(token, true),
          .negotiation_init = negotiates && negotiation.is_init,
          .negotiation_response = negotiates && !negotiation.is_init,
          .negotiation_mic = negotiates && negotiation.has_mic};
}

/// The same by other means: elements found by writing every header that there could be and comparing.
namespace model {

std::string header(char tag, std::uint64_t size) {
  if (size < 0x80) return {tag, static_cast<char>(size)};
  std::string octets;
  for (; size != 0; size >>= 8) octets.insert(octets.begin(), static_cast<char>(size));
  return std::string{tag} + static_cast<char>(0x80 + octets.size()) + octets;
}
/// How many bytes at the front of `bytes` are an element, whatever its tag; 0 if none. `content`: within.
std::size_t element(std::string_view bytes, std::string_view& content) {
  for (std::size_t before = 2; before <= 6 && before <= bytes.size(); ++before) {
    std::uint64_t size = before == 2 ? static_cast<unsigned char>(bytes[1]) : 0;
    for (std::size_t at = 2; at < before; ++at) size = size * 256 + static_cast<unsigned char>(bytes[at]);
    if (size > bytes.size() - before || bytes.substr(0, before) != header(bytes[0], size)) continue;
    if ((bytes[0] & 0x1f) == 0x1f) return 0;
    content = bytes.substr(before, static_cast<std::size_t>(size));
    return before + content.size();
  }
  return 0;
}
bool fills(std::string_view bytes, char tag, std::string_view& content) {
  return !bytes.empty() && bytes[0] == tag && element(bytes, content) == bytes.size();
}
std::string_view whole(std::string_view bytes, char tag) {
  std::string_view content;
  return fills(bytes, tag, content) ? content : std::string_view{};
}
std::string_view body(std::string_view bytes, const Oid& mechanism) {
  const std::string_view framed = whole(bytes, '\x60');
  const std::string oid = header('\x06', mechanism.size()) + std::string{ByteView{mechanism}.text()};
  return framed.starts_with(oid) ? framed.substr(oid.size()) : std::string_view{};
}
bool are_oids(std::string_view list) {
  std::string_view content;
  bool are = !list.empty();
  while (are && !list.empty()) {
    const std::size_t size = element(list, content);
    are = size != 0 && list[0] == '\x06' && !content.empty();
    list.remove_prefix(size);
  }
  return are;
}
/// RFC 4178 section 4.2: fields in the order of their tags, each once and of its type.
bool negotiates(std::string_view bytes, bool& is_init, bool& has_mic) {
  std::string_view fields, field, content, token, mic;
  is_init = fills(body(bytes, mech::Spnego::oid), '\xa0', fields);
  if ((!is_init && !fills(bytes, '\xa1', fields)) || !fills(fields, '\x30', fields)) return false;
  std::string tags;
  while (!fields.empty()) {
    const std::size_t size = element(fields, field);
    if (size == 0 || (!tags.empty() && tags.back() >= fields[0])) return false;
    tags += fields[0];
    fields.remove_prefix(size);
    bool is_right = false;
    if (tags.back() == '\xa0' && is_init) is_right = fills(field, '\x30', content) && are_oids(content);
    if (tags.back() == '\xa0' && !is_init) {
      is_right = fills(field, '\x0a', content) && content.size() == 1 && static_cast<unsigned char>(content[0]) <= 3;
    }
    if (tags.back() == '\xa1') {
      is_right = fills(field, is_init ? '\x03' : '\x06', content) && (is_init || !content.empty());
    }
    if (tags.back() == '\xa2') is_right = fills(field, '\x04', token);
    if (tags.back() == '\xa3') is_right = fills(field, '\x04', mic);
    if (!is_right) return false;
  }
  has_mic = tags.ends_with('\xa3');
  return (!is_init || tags.starts_with('\xa0')) && !(tags.ends_with("\xa2\xa3") && token == mic);
}
Answers answers(std::string_view token) {
  using namespace std::literals;
  bool is_init = false;
  bool has_mic = false;
  const bool negotiating = negotiates(token, is_init, has_mic);
  const std::string_view krb5 = body(token, mech::Krb5::oid);
  const bool reply = krb5.size() > 2 && (krb5.starts_with("\x02\x00"sv) || krb5.starts_with("\x03\x00"sv));
  const bool is_ntlm = token.starts_with("NTLMSSP\0"sv);
  return {.first_of_krb5 = !krb5.empty(),
          .first_of_spnego = !body(token, mech::Spnego::oid).empty(),
          .first_of_iakerb = !body(token, mech::Iakerb::oid).empty(),
          .first_of_ntlm = is_ntlm,
          .iakerb_request = body(token, mech::Iakerb::oid).starts_with("\x05\x01"sv),
          .reply_of_krb5 = reply,
          .reply_of_iakerb = !body(token, mech::Iakerb::oid).empty(),
          .reply_of_ntlm = is_ntlm,
          .reply_of_any = is_ntlm || reply,
          .reply_in_dce_style = !whole(token, '\x6f').empty(),
          .negotiation_init = negotiating && is_init,
          .negotiation_response = negotiating && !is_init,
          .negotiation_mic = negotiating && has_mic};
}

}  // namespace model

/// Both answer alike, of a copy in a block of its own, so that AddressSanitizer sees a byte too many.
void agrees(ByteView bytes) {
  const Bytes copy{bytes.begin(), bytes.end()};
  const Answers answers = answers_of(copy);
  if (answers == model::answers(ByteView{copy}.text())) return;
  std::string hex;
  for (const unsigned char byte : copy) (hex += "0123456789abcdef"[byte >> 4]) += "0123456789abcdef"[byte & 15];
  CAPTURE(hex);
  CHECK(answers == model::answers(ByteView{copy}.text()));
}

/// A token of a real handshake: what it is, and what every prefix and every alteration of it is.
void is(ByteView token, Answers expected) {
  CHECK(answers_of(token) == expected);
  agrees(token);
  // Who sends a part sends none; NTLM's signature has nothing that could tell.
  const Answers of_prefix{.first_of_ntlm = expected.first_of_ntlm,
                          .reply_of_ntlm = expected.first_of_ntlm,
                          .reply_of_any = expected.first_of_ntlm};
  for (std::size_t size = 0; size < token.size(); ++size) {
    const ByteView prefix = token.subview(0, size);
    agrees(prefix);
    if (size >= 8 || !expected.first_of_ntlm) CHECK(answers_of(prefix) == of_prefix);
  }
  Bytes altered{token.begin(), token.end()};
  const bool all = std::getenv("GSSKEY_ALL_BYTES") != nullptr;
  for (std::size_t at = 0; at < altered.size(); ++at) {
    const unsigned char byte = altered[at];
    for (unsigned change = 1; change <= 0xff; ++change) {
      // All values where tags and lengths are, a few where only the mechanism looks.
      if (!all && at >= 64 && (change & (change - 1)) != 0) continue;
      altered[at] = static_cast<unsigned char>(byte ^ change);
      agrees(altered);
    }
    altered[at] = byte;
  }
  for (const unsigned char more : std::initializer_list<unsigned char>{0x00, 0x30, 0xa3}) {
    altered.push_back(more);
    agrees(altered);
    if (!expected.first_of_ntlm) CHECK(answers_of(altered) == Answers{});
    altered.pop_back();
  }
}

constexpr const char* ntlm_configuration = "/etc/gss/mech.d/mech.ntlmssp.conf";
bool has_ntlm() { return ::access(ntlm_configuration, R_OK) == 0; }

/// The realm; with gss-ntlmssp where it is installed, which MIT krb5 reads about at its first call.
void start() {
  if (has_ntlm()) ::setenv("GSS_MECH_CONFIG", ntlm_configuration, 1);
  support::realm();
}

/// The tokens of a handshake, the initiator's and the acceptor's in turn.
template <Mechanism M, Mechanism N>
std::vector<Bytes> tokens_of(Initiator<M> initiator, Acceptor<N> acceptor,
                             const char* initiators_configuration = nullptr) {
  std::vector<Bytes> tokens;
  Bytes token;
  while (true) {
    auto ours = [&] {
      if (initiators_configuration == nullptr) return must(initiator.step(token));
      const support::Environment elsewhere{"KRB5_CONFIG", initiators_configuration};
      return must(initiator.step(token));
    }();
    if (acceptor.is_complete()) return tokens;
    tokens.emplace_back(ours.token.begin(), ours.token.end());
    const auto theirs = must(acceptor.step(ours.token));
    token.assign(theirs.token.begin(), theirs.token.end());
    if (!token.empty()) tokens.push_back(token);
    if (initiator.is_complete()) return tokens;
  }
}

constexpr Answers first_of_krb5{.first_of_krb5 = true};
constexpr Answers reply_of_krb5{.first_of_krb5 = true, .reply_of_krb5 = true, .reply_of_any = true};
constexpr Answers first_of_spnego{.first_of_spnego = true, .negotiation_init = true};
constexpr Answers later_of_spnego{.negotiation_response = true};
constexpr Answers signed_of_spnego{.negotiation_response = true, .negotiation_mic = true};

}  // namespace

TEST_CASE("ten bytes whose inner length wraps with 32 bits are no token and no endless loop") {
  const unsigned char token[] = {0xa1, 0x08, 0x30, 0x06, 0xa2, 0x84, 0xff, 0xff, 0xff, 0xfa};
  start();
  const auto failed = support::acceptor<mech::Spnego>().step(token);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().error.major_status() == GSS_S_DEFECTIVE_TOKEN);
  auto initiator = support::initiator<mech::Spnego>();
  must(initiator.step());
  CHECK_FALSE(initiator.step(token));
}

TEST_CASE("Kerberos") {
  start();
  const auto tokens = tokens_of(support::initiator<mech::Krb5>(), support::acceptor<mech::Krb5>());
  REQUIRE(tokens.size() == 2);
  is(tokens[0], first_of_krb5);
  is(tokens[1], reply_of_krb5);
}

#if defined(GSSKEY_GSS_MIT)  // Heimdal sends one for few reasons, and for none that a test can bring about
TEST_CASE("an error of Kerberos for the initiator") {
  start();
  auto initiator = support::initiator<mech::Krb5>();
  const Buffer request = must(initiator.step()).token;
  Bytes altered{request.begin(), request.end()};
  altered.back() ^= 1;  // within the authenticator
  const auto refused = support::acceptor<mech::Krb5>().step(altered);
  REQUIRE_FALSE(refused);
  is(refused.error().token, reply_of_krb5);
}
#endif

TEST_CASE("DCE style") {
  start();
  InitiatorOptions options;
  options.demand = options.demand | ContextFlag::dce_style;
  const auto tokens = tokens_of(support::initiator<mech::Krb5>(options), support::acceptor<mech::Krb5>());
  REQUIRE(tokens.size() == 3);
  is(tokens[0], {});  // AP-REQ without framing
  is(tokens[1], {.reply_in_dce_style = true});
  is(tokens[2], {.reply_in_dce_style = true});
}

TEST_CASE("SPNEGO") {
  start();
  using Negotiated = mech::Negotiate<mech::Krb5>;
  const auto tokens = tokens_of(support::initiator<Negotiated>(), support::acceptor<Negotiated>());
  REQUIRE(tokens.size() == 2);
  is(tokens[0], first_of_spnego);
  is(tokens[1], later_of_spnego);
}

TEST_CASE("a signature is a field of its own, wherever the bytes of one may be") {
  const auto der = [](char tag, const std::string& content) { return model::header(tag, content.size()) + content; };
  const auto response = [&der](const std::string& fields) { return der('\xa1', der('\x30', fields)); };
  const std::string mic = der('\xa3', der('\x04', std::string(28, '\4')));
  const std::string state = der('\xa0', der('\x0a', "\1"));
  const std::string mechanism = der('\xa1', der('\x06', std::string{ByteView{mech::Krb5::oid}.text()}));
  for (const std::string& token : {mic, std::string(200, 't'), mic + std::string(100, '\xa3')}) {
    const std::string fields = state + mechanism + der('\xa2', der('\x04', token));
    is(response(fields), later_of_spnego);
    is(response(fields + mic), signed_of_spnego);
  }
  is(response({}), later_of_spnego);
  is(response(mic), signed_of_spnego);
  is(response(der('\xa2', der('\x04', std::string(28, '\4'))) + mic), {});  // a copy of the token
  is(response(mic + mic), {});
  is(response(mic + state), {});
  is(response(der('\xa2', mic)), {});
  CHECK(answers_of(response(mic) + mic) == Answers{});
  is(der('\xa1', mic), {});
  is(der('\xa0', der('\x30', mic)), {});
  agrees(response(der('\xa2', der('\x04', std::string(70000, 't'))) + mic));
}

TEST_CASE("of bytes at random that begin like a token, too, both answer alike") {
  std::mt19937 random{13};
  const std::string krb5{ByteView{mech::Krb5::oid}.text()};
  for (int round = 0; round < 30000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) {
      constexpr char likely[] = {'\xa1', '\x30', '\xa3', '\x80', '\x81', '\x82',
                                 '\x84', '\x7f', '\x04', '\0',   '\1',   '\2'};
      byte = random() % 8 == 0 ? static_cast<char>(random()) : likely[random() % sizeof likely];
    }
    if (random() % 2 == 0) bytes = model::header('\x30', bytes.size()) + bytes;
    if (random() % 2 == 0) bytes = model::header('\xa1', bytes.size()) + bytes;
    if (random() % 4 == 0) bytes = model::header('\x06', krb5.size()) + krb5 + bytes;
    if (random() % 4 == 0) bytes = model::header('\x60', bytes.size()) + bytes;
    agrees(bytes);
  }
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("what a token is that is none of the mechanism") {
  using namespace std::string_literals;
  const auto kind = [](const std::string& token, const Oid& expected) {
    const auto foreign = gss_detail::foreign_token(token, expected);
    return std::string{foreign.kind != nullptr ? foreign.kind : ""} + std::string{foreign.command};
  };
  const auto& krb5 = mech::Krb5::oid;
  const auto& spnego = mech::Spnego::oid;
  CHECK(kind("NTLMSSP\0\1\0\0\0"s, krb5) == "it is one of NTLM");
  CHECK(kind("NTLMSSP\0\1\0\0\0"s, mech::Ntlmssp::oid).empty());
  CHECK(kind("\x16\3\1\0\xa5"s, krb5) == "it is a record of TLS");
  CHECK(kind("\x15\3\3\0\2"s, spnego) == "it is a record of TLS");
  CHECK(kind("\x16\3\1\0"s, krb5).empty());
  CHECK(kind("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", krb5) == "it is text: GET");
  CHECK(kind("SSH-2.0", spnego) == "it is text: SSH");
  CHECK(kind(std::string(100, 'x'), spnego) == "it is text");
  CHECK(kind("GET /?password=secret", krb5).find("secret") == std::string::npos);
  CHECK(kind(std::string(100, 'X'), spnego) == "it is text: XXXXXXXX");
  for (const std::string& nothing :
       {""s, "abc"s, "\r\n\r\nabcd"s, "abcd\0"s, "\x60\x03\x06\x01\x00"s, "\xff\xff\xff\xff\xff"s}) {
    CAPTURE(nothing);
    CHECK(kind(nothing, krb5).empty());
    CHECK(kind(nothing, spnego).empty());
  }
  const auto framed = [](const Oid& mechanism) {
    return support::der(0x60, support::der(0x06, ByteView{mechanism}.text()) + "\1\0body"s);
  };
  CHECK(kind(framed(krb5), krb5).empty());
  CHECK(kind(framed(krb5), Oid{}).empty());
  CHECK(kind(framed(krb5), spnego) == "it is one of Kerberos, without SPNEGO");
  CHECK(kind(framed(spnego), krb5) == "it is one of SPNEGO");
}

TEST_CASE("IAKERB, whose tokens between the first and those of Kerberos have no framing") {
  start();
  const std::string path = support::realm().realm.folder() + "/without-kdc.conf";
  std::ofstream{path} << "[libdefaults]\n default_realm = " << support::realm().realm.realm()
                      << "\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n";
  const auto alice =
      must(Credential<mech::Iakerb, Initiate>::acquire_with_password(must(Name::user("alice")), "secret"));
  const auto tokens =
      tokens_of(Initiator<mech::Iakerb>{support::target(), alice}, support::acceptor<mech::Iakerb>(), path.c_str());
  REQUIRE(tokens.size() == 6);
  is(tokens[0], {.first_of_iakerb = true, .iakerb_request = true, .reply_of_iakerb = true});
  is(tokens[1], {});
  is(tokens[2], {});
  is(tokens[3], {});
  is(tokens[4], {.first_of_iakerb = true, .reply_of_iakerb = true});
  is(tokens[5], {.first_of_iakerb = true, .reply_of_iakerb = true});
}

TEST_CASE("NTLM, raw, and negotiated with a signature of both ends") {
  if (std::endian::native == std::endian::big) return support::skip("gss-ntlmssp 1.2 cannot encode there");
  if (!has_ntlm()) return support::skip("gss-ntlmssp is not installed");
  start();
  const std::string users = support::realm().realm.folder() + "/ntlm-users";
  std::ofstream{users} << "GSSKEY:carol:secret\n";
  const support::Environment environment{"NTLM_USER_FILE", users};
  const InitiatorOptions options{.demand = {ContextFlag::confidentiality, ContextFlag::integrity}};
  const Name name = must(Name::user("GSSKEY\\carol"));
  {
    const auto carol = must(Credential<mech::Ntlmssp, Initiate>::acquire_with_password(name, "secret"));
    const auto tokens =
        tokens_of(Initiator<mech::Ntlmssp>{support::target(), carol, options}, Acceptor<mech::Ntlmssp>{});
    REQUIRE(tokens.size() == 3);
    for (const Bytes& token : tokens) {
      is(token, {.first_of_ntlm = true, .reply_of_ntlm = true, .reply_of_any = true});
    }
  }
  using Negotiated = mech::Negotiate<mech::Ntlmssp>;
  const auto carol = must(Credential<Negotiated, Initiate>::acquire_with_password(name, "secret"));
  const auto acceptor = must(Credential<Negotiated, Accept>::acquire_default());
  const auto tokens =
      tokens_of(Initiator<Negotiated>{support::target(), carol, options}, Acceptor<Negotiated>{acceptor});
  REQUIRE(tokens.size() == 4);
  is(tokens[0], first_of_spnego);
  is(tokens[1], later_of_spnego);
  is(tokens[2], signed_of_spnego);
  is(tokens[3], signed_of_spnego);
}
#endif
