// Both ends of SASL's GSSAPI, GSS-SPNEGO and GS2 against a GSS library that answers as the input says, whose tokens are
// the messages themselves: no order of messages and answers makes a session that was not complete, with a layer that
// was not wanted, not offered or chosen, not granted, or for somebody whom nobody let in; and every handle goes back
// once. SPDX-License-Identifier: MIT
#include <gsskey/sasl/gs2.hpp>
#include <gsskey/sasl/gss_spnego.hpp>
#include <gsskey/sasl/gssapi.hpp>

#include <concepts>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "input.hpp"
#include "library.hpp"

using namespace gsskey;
using fuzz::expect;
using fuzz::give_back;
using fuzz::handle;
using fuzz::script;

namespace {

template <class Mech>
constexpr bool offers_layers = std::same_as<Mech, sasl::Gssapi>;

bool is_negotiated = false;
bool last_was_complete = false;
OM_uint32 flags_of_context = 0;
std::string last_bound;       // the application data of the channel bindings
std::string last_accepted;    // the first token of an initiator
bool others_refused = false;  // a token came with bindings that are not those of its header
fuzz::Bytes last_wrapped;
fuzz::Bytes last_unwrapped;

void copy_to(gss_buffer_t out, ByteView bytes) {
  out->length = bytes.size();
  out->value = std::malloc(bytes.size() + 1);
  if (!bytes.empty()) std::memcpy(out->value, bytes.data(), bytes.size());
}
/// A NegTokenInit that offers Kerberos, or a NegTokenResp with what may be its AP-REP; without SPNEGO's handshake, and
/// one time of four, anything.
fuzz::Bytes token(bool is_init) {
  using namespace std::string_view_literals;
  constexpr auto reply = "\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x00"sv;
  constexpr auto offer = "\x60\x2e\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x24\x30\x22\xa0\x0d\x30\x0b"sv;
  constexpr auto answer = "\xa1\x21\x30\x1f\xa0\x03\x0a\x01"sv;  // and the state
  const unsigned char what = script->byte();
  if (!is_negotiated || what % 4u == 0) return fuzz::bytes_of(script->bytes(what % 40u));
  std::string bytes{is_init ? offer : answer};
  if (is_init) {
    bytes += reply.substr(2, 11);
  } else {
    bytes += static_cast<char>(what / 4u % 4u);
  }
  bytes += "\xa2\x11\x04\x0f"sv;
  bytes += reply;
  return fuzz::bytes_of({bytes.data(), bytes.size()});
}
std::string text_of(gss_channel_bindings_t bindings) {
  if (bindings == GSS_C_NO_CHANNEL_BINDINGS) return {};
  return std::string{ByteView{bindings->application_data.value, bindings->application_data.length}.text()};
}
OM_uint32 leg(gss_ctx_id_t* context, gss_OID* actual, gss_buffer_t out, OM_uint32* flags, bool starts) {
  const unsigned char what = script->byte();
  const bool is_first = *context == nullptr;
  if (is_first) *context = handle<gss_ctx_id_t>();
  if ((what & 8) != 0) copy_to(out, token(starts && is_first));
  *actual = (what & 16) != 0 ? fuzz::mechanism() : gss_detail::raw_oid<mech::Krb5::oid>();
  flags_of_context = (what & 1) != 0 ? static_cast<OM_uint32>(script->number()) : 0x3e;
  *flags = flags_of_context;
  last_was_complete = (what & 2) == 0;
  if ((what & 4) != 0 && (what & 32) != 0) return GSS_S_FAILURE;
  return last_was_complete ? GSS_S_COMPLETE : GSS_S_CONTINUE_NEEDED;
}
std::uint32_t strength() {
  constexpr std::uint32_t strengths[] = {0, 1, 2, 56, 128, 256, 512, 256};
  return strengths[script->byte() % 8u];
}

template <class Options>
Options options_of() {
  Options options;
  options.min_ssf = strength();
  options.max_ssf = strength();
  options.external_ssf = strength();
  options.max_buffer = static_cast<std::uint32_t>(script->number());
  options.ignore_unused_buffer = options.max_buffer % 2 == 1;
  return options;
}
/// What is true of every session.
template <class Mech, class Options>
void judge(const sasl::Session<typename Mech::Gss>& session, const Options& options) {
  expect(static_cast<bool>(session.context), "an established context is there");
  expect(last_was_complete, "a session of a handshake that was not complete");
  const auto layer = session.layer.protection;
  expect(session.ssf + std::uint64_t{options.external_ssf} >= options.min_ssf, "a session as strong as it must be");
  expect(layer == Protection::none || session.ssf + std::uint64_t{options.external_ssf} <= options.max_ssf,
         "and no stronger than it may be");
  expect((layer == Protection::none) == (session.ssf == 0), "a layer has strength");
  expect((layer == Protection::encrypted) == (session.ssf > 1), "and encryption more than integrity");
  if constexpr (!offers_layers<Mech>) {
    const bool encrypts = (flags_of_context & GSS_C_CONF_FLAG) != 0;
    const bool has_layer = encrypts || (flags_of_context & GSS_C_INTEG_FLAG) != 0;
    expect(has_layer == (layer != Protection::none) && encrypts == (layer == Protection::encrypted),
           "the layer is what was granted");
  }
  if (layer == Protection::none) return;
  const OM_uint32 needed = GSS_C_SEQUENCE_FLAG | (offers_layers<Mech> ? GSS_C_INTEG_FLAG : 0);
  expect((flags_of_context & needed) == needed, "a layer has integrity and order");
  expect(layer == Protection::integrity || (flags_of_context & GSS_C_CONF_FLAG) != 0, "it can encrypt");
  expect(session.layer.max_sent > 4 && session.layer.max_sent <= 0xFFFFFF + 4, "a buffer of three octets");
  expect(session.layer.max_received == options.max_buffer + 4 + (offers_layers<Mech> ? 0u : 128u), "our buffer");
}

template <class Mech>
void client() {
  const auto credential = Credential<typename Mech::Gss, Initiate>::adopt(handle<gss_cred_id_t>());
  const auto options = options_of<sasl::ClientOptions>();
  sasl::Client<Mech> ours{Name::adopt(handle<gss_name_t>()), credential, options};
  auto response = ours.step();
  while (response && !ours.is_complete() && !script->at_end()) {
    response = ours.step(token(false));
    if (response) expect(response->has_value(), "a client owes a response");
  }
  const auto session = std::move(ours).establish();
  if (!session) return;
  expect(!ours.step(ByteView{}), "and nothing follows");
  judge<Mech>(*session, options);
  if constexpr (offers_layers<Mech>) {
    const auto layer = static_cast<unsigned>(session->layer.protection);
    expect(last_unwrapped.size() == 4, "an offer of four octets");
    expect((last_unwrapped[0] & layer) != 0, "a layer that was offered");
    expect(last_wrapped.size() == 4 && last_wrapped[0] == layer, "and chosen");
  }
}
template <class Mech>
void server() {
  const auto credential = Credential<typename Mech::Gss, Accept>::adopt(handle<gss_cred_id_t>());
  auto options = options_of<sasl::ServerOptions>();
  bool was_asked = false;
  options.authorize = [&](const Name&, std::string_view authzid) -> Result<void> {
    expect(!authzid.empty() && authzid.find('\0') == std::string_view::npos, "an authzid is text");
    was_asked = true;
    if (authzid.size() % 2 == 0) return {};
    return unexpected(Error::policy("authorize", 0, "no"));
  };
  sasl::Server<Mech> ours{credential, options};
  Result<sasl::Message> challenge = sasl::Message{};
  if (script->byte() % 4u == 0) challenge = ours.step(std::nullopt);
  for (bool is_first = true; challenge && !ours.is_complete() && !script->at_end(); is_first = false) {
    challenge = ours.step(token(is_first));
    if (!challenge) break;
    expect(challenge->has_value() || ours.is_complete(), "a challenge, or the end");
    if (offers_layers<Mech>) expect(!challenge->has_value() || !ours.is_complete(), "and not both");
  }
  const auto session = std::move(ours).establish();
  if (!session) return;
  expect(!ours.step(ByteView{}), "and nothing follows");
  judge<Mech>(*session, options);
  expect(!session->authzid.empty(), "who has logged in has a name");
  if constexpr (offers_layers<Mech>) {
    const auto layer = static_cast<unsigned>(session->layer.protection);
    expect(last_wrapped.size() == 4 && (last_wrapped[0] & layer) != 0, "a layer that was offered");
    expect(last_unwrapped.size() >= 4 && (last_unwrapped[0] & layer) != 0, "and chosen");
    expect(was_asked == (last_unwrapped.size() > 4), "who acts as another was asked about");
    expect(!was_asked || session->authzid.size() % 2 == 0, "and was let in");
  }
}

/// Bindings of a channel, or none.
ChannelBindings bindings() {
  return script->byte() % 2u == 0 ? ChannelBindings{} : ChannelBindings{"tls-unique", script->bytes(12)};
}
/// The data of bindings, without "tls-unique:".
std::string_view data_of(const ChannelBindings& bindings) {
  return bindings.empty() ? std::string_view{} : bindings.application_data().text().substr(11);
}
/// A header and a token; one time of four, anything.
std::string first_of_gs2(std::string_view& header) {
  constexpr std::string_view headers[] = {
      "n,,",        "y,,",        "p=tls-unique,,",        "p=tls-exporter,,",    "F,n,,",
      "F,y,a=bob,", "n,a=a=2Cb,", "F,p=tls-unique,a=bob,", "p=tls-unique,a=bob,", "y,a==3D,"};
  const unsigned char what = script->byte();
  header = what % 4u == 0 ? std::string_view{} : headers[what / 4u % std::size(headers)];
  return std::string{header}.append(script->bytes(script->byte() % 40u).text());
}
/// What an acceptor was asked about, of a client whose first message this is.
void judge_first_of_gs2(std::string_view message, std::string_view data) {
  const bool is_framed = !message.starts_with("F,");
  if (!is_framed) message.remove_prefix(2);
  const std::size_t size = message.find(',', message.find(',') + 1) + 1;
  expect(last_bound == std::string{message.substr(0, size)}.append(data),
         "bindings are the header and the channel's data");
  expect(last_accepted.ends_with(message.substr(size)), "the token is the client's");
  expect(is_framed ? last_accepted.starts_with('\x60') : last_accepted == message.substr(size),
         "its framing is put back");
}
template <class Mech, class Options>
void judge_gs2(const sasl::Session<mech::Krb5>& session, const Options& options) {
  expect(static_cast<bool>(session.context) && last_was_complete, "a context that is established");
  expect(session.ssf == 0 && session.layer.protection == Protection::none, "GS2 has no layer");
  expect(options.external_ssf >= options.min_ssf, "what is below is as strong as it must be");
  expect((flags_of_context & GSS_C_MUTUAL_FLAG) != 0, "authentication is mutual");
}
template <class Mech>
void gs2_client() {
  constexpr bool is_plus = std::same_as<Mech, sasl::Gs2Krb5Plus>;
  constexpr std::string_view identities[][2] = {{"", ""}, {"bob", "a=bob"}, {"a,b=", "a=a=2Cb=3D"}};
  const auto credential = Credential<mech::Krb5, Initiate>::adopt(handle<gss_cred_id_t>());
  auto options = options_of<sasl::ClientOptions>();
  options.bindings = bindings();
  const auto& [authzid, escaped] = identities[script->byte() % std::size(identities)];
  options.authzid = authzid;
  sasl::Client<Mech> ours{Name::adopt(handle<gss_name_t>()), credential, options};
  auto response = ours.step();
  if (response) {
    std::string header = is_plus ? "p=tls-unique" : options.bindings.empty() ? "n" : "y";
    header.append(",").append(escaped).append(",");
    std::string_view message = ByteView{**response}.text();
    if (message.starts_with("F,")) message.remove_prefix(2);
    expect(message.starts_with(header), "the header says whom and how");
    expect(last_bound == header.append(is_plus ? data_of(options.bindings) : ""), "and Kerberos protects it");
  }
  while (response && !ours.is_complete() && !script->at_end()) response = ours.step(token(false));
  const auto session = std::move(ours).establish();
  if (!session) return;
  expect(!ours.step(ByteView{}), "and nothing follows");
  judge_gs2<Mech>(*session, options);
  expect(session->authzid == authzid, "whom the client asked to be");
}
template <class Mech>
void gs2_server() {
  constexpr bool is_plus = std::same_as<Mech, sasl::Gs2Krb5Plus>;
  const auto credential = Credential<mech::Krb5, Accept>::adopt(handle<gss_cred_id_t>());
  auto options = options_of<sasl::ServerOptions>();
  options.bindings = bindings();
  std::string asked;
  bool was_let_in = true;
  options.authorize = [&](const Name&, std::string_view authzid) -> Result<void> {
    asked = authzid;
    was_let_in = script->byte() % 4u != 0;
    if (was_let_in) return {};
    return unexpected(Error::policy("authorize", 0, "no"));
  };
  sasl::Server<Mech> ours{credential, options};
  if (script->byte() % 4u == 0) expect(ours.step(std::nullopt).has_value(), "the client goes first");
  std::string_view header;
  const std::string message = first_of_gs2(header);
  auto challenge = ours.step(ByteView{message});
  if (challenge) judge_first_of_gs2(message, is_plus ? data_of(options.bindings) : "");
  while (challenge && !ours.is_complete() && !script->at_end()) challenge = ours.step(token(false));
  const auto session = std::move(ours).establish();
  if (!session) return;
  expect(!ours.step(ByteView{}), "and nothing follows");
  judge_gs2<Mech>(*session, options);
  expect(was_let_in, "somebody whom nobody let in");
  const auto principal = Principal::parse(session->authzid);
  expect(!asked.empty() ? session->authzid == asked : principal && principal->text() == session->authzid,
         "and who it is");
  if (capabilities.channel_bound_flag) {
    expect((flags_of_context & static_cast<OM_uint32>(ContextFlag::channel_bound)) != 0,
           "a header that Kerberos protects");
  } else {
    expect(others_refused, "a header that Kerberos protects");
  }
  if (header.empty()) return;
  expect((header.find("p=tls-unique,") != std::string_view::npos) == is_plus, "-PLUS is bound by what the server has");
  expect(header.find("y,") == std::string_view::npos || options.bindings.empty(), "nobody struck -PLUS from the list");
  expect(header.find("a=bob") == std::string_view::npos || asked == "bob", "who acts as another was asked about");
  expect(header.find("a=2C") == std::string_view::npos || asked == "a,b", "without escapes");
}

}  // namespace

extern "C" {
using support::ConstContext;
using support::ConstCredential;
using support::ConstName;

OM_uint32 gss_init_sec_context(OM_uint32* minor, ConstCredential, gss_ctx_id_t* context, ConstName, gss_OID, OM_uint32,
                               OM_uint32, gss_channel_bindings_t bindings, gss_buffer_t, gss_OID* actual,
                               gss_buffer_t out, OM_uint32* flags, OM_uint32*) {
  *minor = 0;
  last_bound = text_of(bindings);
  return leg(context, actual, out, flags, true);
}
OM_uint32 gss_accept_sec_context(OM_uint32* minor, gss_ctx_id_t* context, ConstCredential, gss_buffer_t in,
                                 gss_channel_bindings_t bindings, gss_name_t* peer, gss_OID* actual, gss_buffer_t out,
                                 OM_uint32* flags, OM_uint32*, gss_cred_id_t*) {
  *minor = 0;
  last_bound = text_of(bindings);
  if (last_bound == "other") {
    others_refused = script->byte() % 2u == 0;
    if (others_refused) return GSS_S_BAD_BINDINGS;
  }
  if (*context == nullptr) last_accepted = ByteView{in->value, in->length}.text();
  *peer = handle<gss_name_t>();
  return leg(context, actual, out, flags, false);
}
OM_uint32 gss_display_name(OM_uint32* minor, ConstName, gss_buffer_t text, gss_OID* type) {
  *minor = 0;
  copy_to(text, "alice");
  if (type != nullptr) *type = fuzz::mechanism();
  return fuzz::answer();
}
// And with library.hpp's gss_export_name the text of any principal, or of none.
OM_uint32 gss_canonicalize_name(OM_uint32* minor, ConstName, gss_OID, gss_name_t* name) {
  *minor = 0;
  *name = handle<gss_name_t>();
  return GSS_S_COMPLETE;
}
OM_uint32 gss_inquire_context(OM_uint32* minor, ConstContext, gss_name_t* initiator, gss_name_t* acceptor, OM_uint32*,
                              gss_OID* actual, OM_uint32* flags, int*, int*) {
  *minor = 0;
  if (initiator != nullptr) *initiator = handle<gss_name_t>();
  if (acceptor != nullptr) *acceptor = handle<gss_name_t>();
  if (actual != nullptr) *actual = gss_detail::raw_oid<mech::Krb5::oid>();
  if (flags != nullptr) *flags = flags_of_context;
  return fuzz::answer();
}
OM_uint32 gss_wrap(OM_uint32* minor, ConstContext, int, gss_qop_t, gss_buffer_t message, int* encrypted,
                   gss_buffer_t token) {
  *minor = 0;
  *encrypted = 0;
  last_wrapped = fuzz::bytes_of({message->value, message->length});
  copy_to(token, last_wrapped);
  return fuzz::answer();
}
OM_uint32 gss_unwrap(OM_uint32* minor, ConstContext, gss_buffer_t token, gss_buffer_t message, int* encrypted,
                     gss_qop_t*) {
  *minor = 0;
  *encrypted = script->byte() % 2u;
  last_unwrapped = fuzz::bytes_of({token->value, token->length});
  copy_to(message, last_unwrapped);
  return fuzz::answer();
}
OM_uint32 gss_wrap_size_limit(OM_uint32* minor, ConstContext, int, gss_qop_t, OM_uint32 wanted, OM_uint32* size) {
  *minor = 0;
  *size = wanted > 60 ? wanted - 60 : 0;
  return fuzz::answer();
}
/// The strength, and of Heimdal a key of that strength.
OM_uint32 gss_inquire_sec_context_by_oid(OM_uint32* minor, ConstContext, const gss_OID, gss_buffer_set_t* set) {
  *minor = 0;
  const std::uint32_t bits = strength();
  fuzz::Bytes answer(capabilities.sasl_ssf ? 4 : bits / 8);
  if (capabilities.sasl_ssf) answer = {0, 0, static_cast<unsigned char>(bits >> 8), static_cast<unsigned char>(bits)};
  *set = static_cast<gss_buffer_set_t>(std::malloc(sizeof **set));
  (*set)->count = 1;
  (*set)->elements = static_cast<gss_buffer_t>(std::malloc(sizeof(gss_buffer_desc)));
  copy_to((*set)->elements, answer);
  return fuzz::answer();
}
OM_uint32 gss_release_buffer_set(OM_uint32* minor, gss_buffer_set_t* set) {
  *minor = 0;
  if (*set == nullptr) return GSS_S_COMPLETE;
  std::free((*set)->elements->value);
  std::free((*set)->elements);
  std::free(std::exchange(*set, nullptr));
  return GSS_S_COMPLETE;
}
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  script = &input;
  last_was_complete = false;
  others_refused = false;
  last_wrapped.clear();
  last_unwrapped.clear();
  const unsigned char first = input.byte();
  is_negotiated = first < 0xe0 && (first & 2) != 0;
  if (first >= 0xf0) {
    (first & 1) == 0 ? gs2_client<sasl::Gs2Krb5Plus>() : gs2_server<sasl::Gs2Krb5Plus>();
  } else if (first >= 0xe0) {
    (first & 1) == 0 ? gs2_client<sasl::Gs2Krb5>() : gs2_server<sasl::Gs2Krb5>();
  } else if ((first & 1) == 0) {
    is_negotiated ? client<sasl::GssSpnego>() : client<sasl::Gssapi>();
  } else {
    is_negotiated ? server<sasl::GssSpnego>() : server<sasl::Gssapi>();
  }
  expect(fuzz::handles_out == 0, "a handle was not given back");
  return 0;
}
