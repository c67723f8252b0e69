// gsskey/gss/token_framing: what the first bytes of a context token say about its mechanism. Internal to handshakes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/bytes.hpp>
#include <gsskey/gss/mechanism.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI::gss_detail {

/// The content of a DER element with this tag that fills `token` exactly; a view of size 0 at nullptr if it is not one.
[[nodiscard]] inline ByteView der_content(ByteView token, unsigned char tag) noexcept {
  if (token.size() < 2 || token[0] != tag) return {};
  std::size_t header = 2;
  std::size_t length = token[1];
  if (length >= 0x80) {
    const std::size_t octets = length & 0x7f;
    if (octets == 0 || octets > 4 || token.size() < 2 + octets) return {};
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = length << 8 | token[2 + i];
    header += octets;
  }
  if (token.size() - header != length) return {};
  return token.subview(header);
}

/// RFC 2743 section 3.1: 0x60, length, OID, and then what the mechanism likes. NTLM has its own signature instead.
[[nodiscard]] inline bool is_initial_token_of(ByteView token, const Oid& mechanism) noexcept {
  if (mechanism == mech::Ntlmssp::oid) return token.subview(0, 8) == ByteView{"NTLMSSP\0"};
  const ByteView content = der_content(token, 0x60);
  return content.size() > 2 + mechanism.size() && content[0] == 0x06 && content[1] == mechanism.size() &&
         content.subview(2, mechanism.size()) == ByteView{mechanism};
}

/// Whether it is one that an acceptor of IAKERB is to pass on to a KDC, and not yet an AP-REQ.
[[nodiscard]] inline bool is_iakerb_request(ByteView token) noexcept {
  return is_initial_token_of(token, mech::Iakerb::oid) &&
         der_content(token, 0x60).subview(2 + mech::Iakerb::oid.size(), 2) == ByteView{"\5\1"};
}

/// Whether it is one of Kerberos: an AP-REP or a KRB-ERROR (RFC 4121 section 4.1) in the shortest encoding. Of anything
/// else Heimdal 7.8 goes on with memory that it never set.
[[nodiscard]] inline bool is_reply_of_krb5(ByteView token) noexcept {
  if (!is_initial_token_of(token, mech::Krb5::oid)) return false;
  const bool is_long = token[1] >= 0x80;
  if (is_long && (token[2] == 0 || (token[1] == 0x81 && token[2] < 0x80))) return false;
  const ByteView content = der_content(token, 0x60).subview(2 + mech::Krb5::oid.size());
  return content.size() > 2 && (content[0] == 2 || content[0] == 3) && content[1] == 0;
}

/// Whether a token of SPNEGO has a mechListMIC (RFC 4178 section 4.2.2), which only those after the first have: a
/// message of the mechanism that was negotiated, numbered like all of its messages.
[[nodiscard]] inline bool has_negotiation_mic(ByteView token) noexcept {
  ByteView rest = der_content(der_content(token, 0xa1), 0x30);
  while (rest.size() >= 2) {
    if (rest[0] == 0xa3) return true;
    std::size_t header = 2;
    std::size_t length = rest[1];
    if (length >= 0x80) {
      const std::size_t octets = length & 0x7f;
      if (octets > 4 || rest.size() < 2 + octets) return false;
      length = 0;
      for (std::size_t i = 0; i < octets; ++i) length = length << 8 | rest[2 + i];
      header += octets;
    }
    rest = rest.subview(header + length);
  }
  return false;
}

/// Whether an acceptor's token can be one of M. In DCE style (MS-KILE) those of Kerberos have no framing.
template <Mechanism M>
[[nodiscard]] bool is_reply_of(ByteView token, bool dce_style) noexcept {
  if constexpr (M::negotiates) {
    return !der_content(token, 0xa1).empty();  // NegTokenResp, RFC 4178 section 4.2
  } else if (dce_style) {
    return !der_content(token, 0x6f).empty();  // AP-REP
  } else if constexpr (M::oid.empty()) {
    return !der_content(token, 0xa1).empty() || is_initial_token_of(token, mech::Ntlmssp::oid) ||
           is_reply_of_krb5(token);
  } else if constexpr (M::oid == mech::Krb5::oid) {
    return is_reply_of_krb5(token);
  } else {
    return is_initial_token_of(token, M::oid);
  }
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI::gss_detail
