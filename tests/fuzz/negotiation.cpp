// Context tokens: framing of mechanisms, and SPNEGO's in strict DER. What is taken for one of SPNEGO is written in one
// way, views lie within it, and no token is two mechanisms' first.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/detail/negotiation.hpp>

#include "input.hpp"

using namespace gsskey;
using namespace gsskey::gss_detail;
using fuzz::expect;

namespace {

void append(fuzz::Bytes& to, unsigned char tag, ByteView content) {
  to.push_back(tag);
  if (content.size() >= 0x80) {
    unsigned char octets = 1;
    while (content.size() >> (8 * octets) != 0) ++octets;
    to.push_back(static_cast<unsigned char>(0x80 | octets));
    while (octets-- > 0) to.push_back(static_cast<unsigned char>(content.size() >> (8 * octets)));
  } else {
    to.push_back(static_cast<unsigned char>(content.size()));
  }
  to.insert(to.end(), content.begin(), content.end());
}
void append_field(fuzz::Bytes& to, unsigned char tag, unsigned char type, ByteView content) {
  fuzz::Bytes inner;
  append(inner, type, content);
  append(to, tag, inner);
}
/// A NegTokenResp with what was found, RFC 4178 section 4.2.2.
fuzz::Bytes written(const NegotiationToken& token) {
  fuzz::Bytes fields;
  if (token.state != NegotiationToken::no_state) append_field(fields, 0xa0, 0x0a, {&token.state, 1});
  if (!token.mechanism.empty()) append_field(fields, 0xa1, 0x06, token.mechanism);
  if (token.has_token) append_field(fields, 0xa2, 0x04, token.token);
  if (token.has_mic) append_field(fields, 0xa3, 0x04, token.mic);
  fuzz::Bytes bytes;
  append_field(bytes, 0xa1, 0x30, fields);
  return bytes;
}

void read(ByteView bytes) {
  NegotiationToken token;
  if (read_negotiation_token(bytes, token) != nullptr) return;
  for (const ByteView part : {token.mechanism, token.token, token.mic}) {
    expect(fuzz::is_within(part, bytes), "views lie within the token");
  }
  if (token.is_init) {
    expect(!token.mechanism.empty(), "an offer offers something");
    expect(is_initial_token_of(bytes, mech::Spnego::oid), "an offer is framed as one of SPNEGO");
  } else {
    expect(bytes == ByteView{written(token)}, "an answer is written in one way");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    const ByteView token = input.rest();
    const int mechanisms = is_initial_token_of(token, mech::Krb5::oid) + is_initial_token_of(token, mech::Iakerb::oid) +
                           is_initial_token_of(token, mech::Spnego::oid) +
                           is_initial_token_of(token, mech::Ntlmssp::oid);
    expect(mechanisms <= 1, "a token is one mechanism's");
    expect(!is_reply_of_krb5(token) || is_initial_token_of(token, mech::Krb5::oid), "a reply of Kerberos is framed so");
    expect(!is_iakerb_request(token) || is_initial_token_of(token, mech::Iakerb::oid), "so is a request of IAKERB");
    read(token);
    return 0;
  }
  Negotiation negotiation;
  while (!input.at_end()) {
    const unsigned char from = input.byte();
    const ByteView token = input.bytes(input.byte());
    read(token);
    if (from % 2 == 0) {
      const bool has_begun = negotiation.has_begun();
      NegotiationToken found;
      const bool is_answer = read_negotiation_token(token, found) == nullptr && !found.is_init;
      if (negotiation.receive(token) == nullptr) {
        expect(is_answer == has_begun, "an offer comes first, and once");
        expect(!negotiation.peer_signs() || !found.mic.empty() || found.has_mic, "who signs has a signature");
      }
    } else {
      negotiation.send(token);
    }
    static_cast<void>(negotiation.has_reply(token, false));
  }
  return 0;
}
