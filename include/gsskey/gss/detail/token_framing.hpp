// gsskey/gss/detail/token_framing: what the first bytes of a context token say about its mechanism. Internal to
// handshakes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/status.hpp>

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

/// What a token is that is none of the expected mechanism, for an error's text.
struct ForeignToken {
  const char* kind = nullptr;  ///< nullptr: not known
  std::string_view line;       ///< of text, the first
};
/// `expected`: the mechanism, empty for any.
[[nodiscard]] inline ForeignToken foreign_token(ByteView token, const Oid& expected) noexcept {
  const auto is_of_another = [&](const Oid& mechanism) {
    return !expected.empty() && expected != mechanism && is_initial_token_of(token, mechanism);
  };
  if (is_of_another(mech::Ntlmssp::oid)) return {"it is one of NTLM", {}};
  if (is_of_another(mech::Krb5::oid)) return {"it is one of Kerberos, without SPNEGO", {}};
  if (is_of_another(mech::Spnego::oid)) return {"it is one of SPNEGO", {}};
  // A record of TLS: its type, and the version that it has in whatever version of TLS (RFC 8446 section 5.1).
  detail::Reader in{token};
  unsigned char type = 0;
  if (in.take_byte(type) && type >= 0x14 && type <= 0x18 && in.skip_only("\3") && in.rest().size() >= 3) {
    return {"it is a record of TLS", {}};
  }
  constexpr std::size_t shown = 40;
  std::size_t size = 0;
  in = detail::Reader{token};
  for (unsigned char letter = 0; size < shown && in.take_byte(letter); ++size) {
    if (letter == '\r' || letter == '\n') break;
    if (letter < 0x20 || letter >= 0x7f) return {};
  }
  return size >= 4 ? ForeignToken{"it is text: ", token.subview(0, size).text()} : ForeignToken{};
}

/// The same error of a handshake, with what the peer's `token` is, if it is none of the expected mechanism.
[[gnu::cold, gnu::noinline]] inline Error about_token(ByteView token, const Oid& expected, Error error) noexcept {
  const RoutineError routine = routine_error(error);
  if (routine != RoutineError::defective_token && routine != RoutineError::bad_mech) return error;
  const ForeignToken foreign = foreign_token(token, expected);
  if (foreign.kind == nullptr) return error;
  const Error bare = error;
  return std::move(error).with_text(bare.text(), "; ", foreign.kind, foreign.line);
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
