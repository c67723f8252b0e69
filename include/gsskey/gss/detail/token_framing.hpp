// gsskey/gss/detail/token_framing: what the first bytes of a context token say about its mechanism. Internal to
// handshakes.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/gss/mechanism.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// The content of a DER element with this tag that fills `token` exactly; a view of size 0 if it is not one.
[[nodiscard]] inline ByteView der_content(ByteView token, unsigned char tag) noexcept {
  ByteView content;
  return detail::DerReader{token}.take_last(tag, content) ? content : ByteView{};
}

/// What the mechanism put behind the framing of RFC 2743 section 3.1: 0x60, length, OID. Of size 0 if it is another's.
[[nodiscard]] inline ByteView initial_token_body(ByteView token, const Oid& mechanism) noexcept {
  detail::DerReader framed{der_content(token, 0x60)};
  ByteView oid;
  return framed.take(0x06, oid) && oid == ByteView{mechanism} ? framed.rest() : ByteView{};
}

/// Whether an initiator of this mechanism can have sent it first. NTLM has its own signature instead of the framing.
[[nodiscard]] inline bool is_initial_token_of(ByteView token, const Oid& mechanism) noexcept {
  if (mechanism == mech::Ntlmssp::oid) return detail::Reader{token}.starts_with("NTLMSSP\0");
  return !initial_token_body(token, mechanism).empty();
}

/// Whether it is one that an acceptor of IAKERB is to pass on to a KDC, and not yet an AP-REQ.
[[nodiscard]] inline bool is_iakerb_request(ByteView token) noexcept {
  return detail::Reader{initial_token_body(token, mech::Iakerb::oid)}.starts_with("\5\1");
}

/// Whether it is one of Kerberos: an AP-REP or a KRB-ERROR (RFC 4121 section 4.1). Of anything else, and of lengths
/// that are not the shortest, Heimdal 7.8 goes on with memory that it never set.
[[nodiscard]] inline bool is_reply_of_krb5(ByteView token) noexcept {
  detail::Reader body{initial_token_body(token, mech::Krb5::oid)};
  return (body.skip_only("\2\0") || body.skip_only("\3\0")) && !body.at_end();
}

/// Whether an acceptor's token can be one of M, which does not negotiate. In DCE style (MS-KILE) those of Kerberos have
/// no framing.
template <Mechanism M>
[[nodiscard]] inline bool is_reply_of(ByteView token, bool dce_style) noexcept {
  if (dce_style) {
    return !der_content(token, 0x6f).empty();  // AP-REP
  } else if constexpr (M::oid.empty()) {
    return is_initial_token_of(token, mech::Ntlmssp::oid) || is_reply_of_krb5(token);
  } else if constexpr (M::oid == mech::Krb5::oid) {
    return is_reply_of_krb5(token);
  } else {
    return is_initial_token_of(token, M::oid);
  }
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
