// gsskey/gss/detail/negotiation: what SPNEGO's tokens say (RFC 4178), and who has to sign one. Internal to handshakes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/detail/token_framing.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// A NegTokenInit or a NegTokenResp. Views are of the token.
struct NegotiationToken {
  bool is_init = false;
  unsigned char state = no_state;
  ByteView mechanism;  ///< NegTokenInit: the first of its mechTypes; NegTokenResp: supportedMech, if it is there
  bool has_token = false;
  ByteView token;
  bool has_mic = false;
  ByteView mic;

  static constexpr unsigned char no_state = 0xff;
  static constexpr unsigned char request_mic = 3;
};

/// The content of an optional field that is one element of this type; false if the field is there and is not that.
[[nodiscard]] inline bool take_field(detail::DerReader& fields, unsigned char tag, unsigned char type, bool& is_there,
                                     ByteView& content) noexcept {
  ByteView field;
  is_there = fields.take(tag, field);
  return !is_there || detail::DerReader{field}.take_last(type, content);
}

/// nullptr, or what is wrong. It is the strictest reader of the handshake: libraries take lengths that are indefinite
/// or longer than needed, fields that are there twice or behind the last, and MIT krb5 overlooks a mechListMIC that is
/// a copy of the token (Windows 2000). What they read differently than this is not to reach them, or what they have
/// verified would not be what is believed here.
[[nodiscard]] inline const char* read_negotiation_token(ByteView bytes, NegotiationToken& found) noexcept {
  constexpr const char* unframed = "the token is invalid; it is not framed as one of SPNEGO";
  constexpr const char* malformed = "the token is invalid; it is not one of SPNEGO in DER";
  NegotiationToken token;
  ByteView content;
  bool is_there = false;
  detail::DerReader outer{bytes};
  if (outer.take_last(0x60, content)) {
    token.is_init = true;
    detail::DerReader framed{content};
    if (!framed.take(0x06, content) || content != ByteView{mech::Spnego::oid}) return unframed;
    if (!framed.take_last(0xa0, content)) return malformed;
  } else if (!outer.take_last(0xa1, content)) {
    return unframed;
  }
  if (!detail::DerReader{content}.take_last(0x30, content)) return malformed;
  detail::DerReader fields{content};
  if (token.is_init) {
    if (!take_field(fields, 0xa0, 0x30, is_there, content) || !is_there) return malformed;
    detail::DerReader mechanisms{content};
    if (!mechanisms.take(0x06, token.mechanism) || token.mechanism.empty()) return malformed;
    while (!mechanisms.at_end()) {
      if (!mechanisms.take(0x06, content) || content.empty()) return malformed;
    }
    if (!take_field(fields, 0xa1, 0x03, is_there, content)) return malformed;  // reqFlags: nobody looks at them
  } else {
    if (!take_field(fields, 0xa0, 0x0a, is_there, content)) return malformed;
    if (is_there) {
      if (content.size() != 1 || content[0] > NegotiationToken::request_mic) return malformed;
      token.state = content[0];
    }
    if (!take_field(fields, 0xa1, 0x06, is_there, token.mechanism)) return malformed;
    if (is_there && token.mechanism.empty()) return malformed;
  }
  if (!take_field(fields, 0xa2, 0x04, token.has_token, token.token) ||
      !take_field(fields, 0xa3, 0x04, token.has_mic, token.mic) || !fields.at_end()) {
    return malformed;
  }
  if (token.has_token && token.has_mic && token.token == token.mic) {
    return "the token is invalid; the signature of the negotiation is a copy of the mechanism's token";
  }
  found = token;
  return nullptr;
}

/// What a token is that is none of the expected mechanism, for an error's text.
struct ForeignToken {
  const char* kind = nullptr;  ///< nullptr: not known
  std::string_view command;    ///< of text, the first word
};
/// `expected`: the mechanism, empty for any.
[[nodiscard]] inline ForeignToken foreign_token(ByteView token, const Oid& expected) noexcept {
  const auto is_of_another = [&](const Oid& mechanism) {
    return !expected.empty() && expected != mechanism && is_initial_token_of(token, mechanism);
  };
  if (is_of_another(mech::Ntlmssp::oid)) return {"it is one of NTLM", {}};
  if (is_of_another(mech::Krb5::oid)) return {"it is one of Kerberos, without SPNEGO", {}};
  NegotiationToken negotiation;
  if (expected != mech::Ntlmssp::oid && read_negotiation_token(token, negotiation) == nullptr && negotiation.is_init &&
      Oid::from_der(negotiation.mechanism) == mech::Ntlmssp::oid) {
    return {"it is one of SPNEGO that offers NTLM first", {}};
  }
  if (is_of_another(mech::Spnego::oid)) return {"it is one of SPNEGO", {}};
  // A record of TLS: its type, and the version that it has in whatever version of TLS (RFC 8446 section 5.1).
  detail::Reader in{token};
  unsigned char type = 0;
  if (in.take_byte(type) && type >= 0x14 && type <= 0x18 && in.skip_only("\3") && in.rest().size() >= 3) {
    return {"it is a record of TLS", {}};
  }
  constexpr std::size_t looked_at = 40;
  std::size_t size = 0;
  std::size_t command = 0;  // GET, EHLO, SSH. What follows may be a path with a password, and errors go to logs
  in = detail::Reader{token};
  for (unsigned char letter = 0; size < looked_at && in.take_byte(letter); ++size) {
    if (letter == '\r' || letter == '\n') break;
    if (letter < 0x20 || letter >= 0x7f) return {};
    if (command == size && command < 8 && letter >= 'A' && letter <= 'Z') ++command;
  }
  if (size < 4) return {};
  return command == 0 ? ForeignToken{"it is text", {}} : ForeignToken{"it is text: ", token.subview(0, command).text()};
}

/// The same error of a handshake, with what the peer's `token` is, if it is none of the expected mechanism.
[[gnu::cold, gnu::noinline]] inline Error about_token(ByteView token, const Oid& expected, Error error) noexcept {
  const RoutineError routine = routine_error(error);
  if (routine != RoutineError::defective_token && routine != RoutineError::bad_mech &&
      routine != RoutineError::no_cred) {
    return error;
  }
  const ForeignToken foreign = foreign_token(token, expected);
  if (foreign.kind == nullptr) return error;
  const Error bare = error;
  return std::move(error).with_text(bare.text(), "; ", foreign.kind, foreign.command);
}

/// Whether two OIDs name the same mechanism: Kerberos has one more, a misprint of Microsoft's (MS-SPNG
/// section 3.1.5.2).
GSSKEY_HIDDEN [[nodiscard]] inline bool is_same_mechanism(const Oid& a, const Oid& b) noexcept {
  static constexpr Oid misprint{"1.2.840.48018.1.2.2"};
  return (a == misprint ? mech::Krb5::oid : a) == (b == misprint ? mech::Krb5::oid : b);
}

/// Mechanisms whose tokens can be those of SPNEGO.
template <Mechanism M>
inline constexpr bool may_negotiate = M::negotiates || M::oid.empty();

/// What both ends of one negotiation have said so far, as either of them sees it.
class Negotiation {
 public:
  /// Before a token of the peer's reaches the library: nullptr, or why it must not.
  [[nodiscard]] const char* receive(ByteView bytes) noexcept {
    NegotiationToken token;
    if (const char* fault = read_negotiation_token(bytes, token)) return fault;
    if (token.is_init != offered_.empty()) return "the token is invalid; it is not the next of the negotiation";
    // Heimdal's acceptor takes one with nothing of the mechanism for its end: KnownFaults::completes_before_mechanism.
    if (token.is_init) {
      is_acceptor_ = true;
    } else if (is_acceptor_ && !token.has_token && !(token.has_mic && has_signed_)) {
      return "the token is invalid; it has nothing of the mechanism";
    }
    peer_signs_ = token.has_mic;
    note(token);
    return nullptr;
  }
  /// A token of this end's library.
  void send(ByteView bytes) noexcept {
    NegotiationToken token;
    if (bytes.empty()) return;
    if (read_negotiation_token(bytes, token) == nullptr) {
      has_signed_ = token.has_mic;
      note(token);
    } else if (has_begun()) {
      is_reselected_ = true;  // nothing is known of it, so nothing is believed
    }
  }

  /// To an initiator: whether the mechanism's token in this one can be of the mechanism, as is_reply_of() has it.
  [[nodiscard]] bool has_reply(ByteView bytes, bool dce_style) const noexcept {
    NegotiationToken token;
    if (read_negotiation_token(bytes, token) != nullptr) return false;
    return token.token.empty() || !is_same_mechanism(answered_, mech::Krb5::oid) ||
           is_reply_of<mech::Krb5>(token.token, dce_style);
  }

  /// The initiator's first token was seen.
  [[nodiscard]] bool has_begun() const noexcept { return !offered_.empty(); }
  /// The last token that was received has a mechListMIC. The libraries pass over one that comes before its mechanism is
  /// complete; if they have verified it, then the negotiation is complete with that token.
  [[nodiscard]] bool peer_signs() const noexcept { return peer_signs_; }
  /// The acceptor has not taken what the initiator would rather have, or wants the negotiation signed.
  [[nodiscard]] bool is_reselected() const noexcept { return is_reselected_; }

 private:
  void note(const NegotiationToken& token) noexcept {
    const Oid mechanism = Oid::from_der(token.mechanism);
    if (token.is_init) {
      offered_ = answered_ = mechanism;
      is_reselected_ = mechanism.empty();
      return;
    }
    if (token.state == NegotiationToken::request_mic) is_reselected_ = true;
    if (token.mechanism.empty()) return;
    answered_ = mechanism;
    if (!is_same_mechanism(mechanism, offered_)) is_reselected_ = true;
  }

  Oid offered_;   // the first of the initiator's list
  Oid answered_;  // what it has become: the same, or the acceptor's choice
  bool is_acceptor_ = false;
  bool has_signed_ = false;  // this end, with its last token
  bool peer_signs_ = false;
  bool is_reselected_ = false;
};

/// Whether this end has to see the other's signature: to an acceptor, a list from which somebody struck the better
/// mechanisms looks like an honest one, and to an initiator a refusal of them. RFC 4178 section 5 has both ends sign
/// wherever the first choice of either is not what it becomes.
template <Mechanism M>
[[nodiscard]] inline bool needs_signature(const Negotiation& negotiation, const Oid& actual) noexcept {
  if constexpr (requires { M::prefers(actual); }) {
    if (!M::prefers(actual)) return true;
  }
  return negotiation.is_reselected();
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
