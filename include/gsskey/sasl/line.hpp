// gsskey/sasl/line: messages of SASL as the text lines of IMAP, SMTP, POP3 and XMPP.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include <gsskey/core/base64.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// A message of a SASL exchange. An empty one is a message; none is std::nullopt.
using Message = std::optional<SecretBytes>;

/// Returns what stands behind the name of the mechanism: nothing where there is no initial response, "=" for an empty
/// one. XMPP has the same for the data of its <success/>.
/// Errors: throws std::bad_alloc.
/// See: RFC 4954 section 4, RFC 4959 section 3, RFC 5034 section 4, RFC 6120 section 6.4.2.
GSSKEY_HIDDEN [[nodiscard]] inline std::string to_initial_response(std::optional<ByteView> message) {
  if (!message) return {};
  return message->empty() ? std::string{"="} : base64_encode(*message);
}
/// Returns the initial response that `text`, what stands behind the name of the mechanism, is; none if it is empty.
/// Errors: those of base64_decode().
[[nodiscard]] inline Result<Message> from_initial_response(std::string_view text) noexcept {
  if (text.empty()) return Message{};
  auto bytes = base64_decode(text == "=" ? std::string_view{} : text);
  if (!bytes) return unexpected(bytes.error());
  return Message{*std::move(bytes)};
}

/// Returns the line, without what the protocol puts before and behind it, of a challenge, or of a response that is not
/// the initial one: empty for an empty message.
/// Errors: throws std::bad_alloc.
GSSKEY_HIDDEN [[nodiscard]] inline std::string to_line(ByteView message) { return base64_encode(message); }
/// Returns the message of such a line.
/// Errors: those of base64_decode(); transport, ECANCELED, for "*": the client has given up.
[[nodiscard]] inline Result<SecretBytes> from_line(std::string_view text) noexcept {
  if (text == "*") return unexpected(Error::transport("sasl::from_line", ECANCELED, "the client cancels the login"));
  return base64_decode(text);
}

}  // namespace sasl
GSSKEY_END_GSS_ABI
}  // namespace gsskey
