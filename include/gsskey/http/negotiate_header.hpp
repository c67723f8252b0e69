// gsskey/http/negotiate_header: what the headers of HTTP's Negotiate scheme say (RFC 4559), read and written.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <gsskey/core/base64.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/oversized.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Says what a header has of the Negotiate scheme.
struct NegotiateHeader {
  /// Whether the header names the scheme.
  bool is_present = false;
  /// What came with the scheme's name; empty: nothing.
  SecretBytes token;
};

/// Limits a token, unless asked otherwise. Tickets of Active Directory reach 64 KiB.
/// Units: bytes.
inline constexpr std::size_t max_http_token_size = 65536;
/// Limits how many tokens are taken from the peer for one handshake, unless asked otherwise. Real ones need one to
/// three.
inline constexpr unsigned max_http_rounds = 16;

namespace detail {

/// A header value from left to right (RFC 9110 sections 5.6 and 11.2). Each take_* moves behind what it returns.
class HttpText : public TextReader {
 public:
  using TextReader::TextReader;

  /// The end of an element of a list.
  [[nodiscard]] bool at_stop() const noexcept { return at_end() || at(','); }
  [[nodiscard]] bool at_space() const noexcept { return at(' ') || at('\t'); }

  void skip_space() noexcept { skip_all_of(" \t"); }
  [[nodiscard]] std::string_view take_token() noexcept {
    return take_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~");
  }
  [[nodiscard]] std::string_view take_token68() noexcept {
    const std::string_view all = rest();
    if (!take_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/").empty()) skip_all_of("=");
    return all.substr(0, all.size() - rest().size());
  }
  /// Behind `= value` of a parameter, a token or `"…"`; false if it is neither.
  [[nodiscard]] bool skip_value() noexcept {
    if (!skip_only('=')) return false;
    skip_space();
    std::string_view quoted;
    return at('"') ? take_quoted(quoted) : !take_token().empty();
  }
};

inline constexpr const char* too_many_rounds = "the handshake takes more rounds than are allowed";

[[nodiscard]] inline unexpected<Error> bad_header(const char* operation, const char* why) noexcept {
  return unexpected(Error::transport(operation, EPROTO, why));
}

[[nodiscard]] inline bool is_negotiate(std::string_view scheme) noexcept {
  constexpr std::string_view name = "negotiate";
  if (scheme.size() != name.size()) return false;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if ((scheme[at] | 0x20) != name[at]) return false;
  }
  return true;
}

[[nodiscard]] inline Result<SecretBytes> decode_token(const char* operation, std::string_view text,
                                                      std::size_t max_size) noexcept {
  const auto too_long = [=](std::size_t size) { return unexpected(oversized(operation, size, max_size)); };
  if (text.size() > base64_size(max_size)) return too_long(text.size() / 4 * 3);  // as text, before it is decoded
  auto token = base64_decode(text);
  if (token && token->size() > max_size) return too_long(token->size());
  return token;
}

}  // namespace detail

/// Makes the value of a WWW-Authenticate, Authorization, Proxy-Authenticate or Proxy-Authorization header: with
/// `token`, or without if it is empty.
/// Errors: throws std::bad_alloc.
/// See: RFC 4559 section 4.
[[nodiscard]] inline std::string negotiate_header(ByteView token) {
  return token.empty() ? std::string{"Negotiate"} : "Negotiate " + base64_encode(token);
}

/// Finds the Negotiate challenge of a response among those of other schemes, whose text is skipped by the grammar and
/// not searched. `values` are those of all WWW-Authenticate (or Proxy-Authenticate) headers of the response; each may
/// hold several challenges.
/// Errors: transport, EPROTO, for what the grammar does not allow and for two Negotiate challenges that differ;
///   transport, EMSGSIZE, for a token of more than `max_token_size` bytes; system (ENOMEM).
/// See: RFC 9110 section 11.6.1, RFC 4559 section 4.1.
[[nodiscard]] inline Result<NegotiateHeader> parse_www_authenticate(
    std::span<const std::string_view> values, std::size_t max_token_size = max_http_token_size) noexcept {
  constexpr const char* operation = "WWW-Authenticate";
  bool is_present = false;
  std::string_view negotiate;
  for (const std::string_view value : values) {
    detail::HttpText text{value};
    bool has_scheme = false;
    bool is_ours = false;  // the scheme that the parameters belong to
    while (text.skip_all_of(", \t"), !text.at_end()) {
      const std::string_view name = text.take_token();
      const bool has_space = text.at_space();
      text.skip_space();
      if (text.at('=')) {
        if (!has_scheme || is_ours) return detail::bad_header(operation, "a parameter of no scheme that takes one");
        if (name.empty() || !text.skip_value()) return detail::bad_header(operation, "a parameter without a value");
      } else {
        if (name.empty()) return detail::bad_header(operation, "neither a scheme nor a parameter");
        has_scheme = true;
        is_ours = detail::is_negotiate(name);
        std::string_view token68;
        if (has_space && !text.at_stop()) {
          const detail::HttpText parameter = text;
          token68 = text.take_token68();
          text.skip_space();
          if (!text.at_stop()) {
            token68 = {};
            text = parameter;
            const bool is_named = !text.take_token().empty();
            text.skip_space();
            if (is_ours || !is_named || !text.skip_value())
              return detail::bad_header(operation, "neither a token nor parameters");
          }
        }
        if (is_ours) {
          if (is_present && token68 != negotiate) return detail::bad_header(operation, "Negotiate twice");
          is_present = true;
          negotiate = token68;
        }
      }
      text.skip_space();
      if (!text.at_stop()) return detail::bad_header(operation, "no comma between two challenges or parameters");
    }
  }
  auto token = detail::decode_token(operation, negotiate, max_token_size);
  if (!token) return unexpected(token.error());
  return NegotiateHeader{is_present, *std::move(token)};
}
/// Finds the Negotiate challenge in one header, or in all of them joined by commas.
[[nodiscard]] inline Result<NegotiateHeader> parse_www_authenticate(
    std::string_view value, std::size_t max_token_size = max_http_token_size) noexcept {
  return parse_www_authenticate(std::span{&value, 1}, max_token_size);
}

/// Finds the Negotiate credentials of a request in `value`, that of its Authorization (or Proxy-Authorization) header.
/// Credentials of another scheme are as good as none.
/// Errors: transport, EPROTO, for anything but one token behind the scheme; transport, EMSGSIZE, for a token of more
///   than `max_token_size` bytes; system (ENOMEM).
/// See: RFC 9110 section 11.6.2, RFC 4559 section 4.2.
[[nodiscard]] inline Result<NegotiateHeader> parse_authorization(
    std::string_view value, std::size_t max_token_size = max_http_token_size) noexcept {
  constexpr const char* operation = "Authorization";
  detail::HttpText text{value};
  text.skip_space();
  if (!detail::is_negotiate(text.take_token())) return NegotiateHeader{};
  const bool has_space = text.at(' ');
  text.skip_all_of(" ");
  const std::string_view token68 = text.take_token68();
  text.skip_space();
  if (!has_space || token68.empty() || !text.at_end()) return detail::bad_header(operation, "not one token");
  auto token = detail::decode_token(operation, token68, max_token_size);
  if (!token) return unexpected(token.error());
  return NegotiateHeader{true, *std::move(token)};
}

GSSKEY_END_ABI
}  // namespace gsskey
