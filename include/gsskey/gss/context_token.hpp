// gsskey/gss/context_token: what a peer sends of an established context that is no message: that it is over.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// For a token that came after the last one of the handshake and is no message. The only one that Kerberos knows says
/// that the peer deleted its end (RFC 1964 section 1.2.3); RFC 4121 has none, and no current implementation sends any.
/// On success the context is over, and `context` is empty. On failure it goes on (RFC 2743 section 2.2.4).
/// gss_process_context_token.
///
/// Errors: usage, if the context or the token is empty or the token exceeds limits.token; gss for any token that is not
/// that one, in SPNEGO contexts of MIT krb5 for that one, too, and for every token on Heimdal, which mistakes it for
/// the message that a token is to prove.
template <Mechanism M>
[[nodiscard]] Result<void> process_context_token(SecurityContext<M>&& context, ByteView token) noexcept {
  constexpr const char* operation = "gss_process_context_token";
  if (!context) return unexpected(Error::usage(operation, "the context is empty: moved from or exported"));
  if (token.empty()) return unexpected(Error::usage(operation, "the token is empty"));
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long(operation, limits.token));
  OM_uint32 minor = 0;
  gss_buffer_desc in = gss_detail::borrow(token);
  const OM_uint32 major = gss_process_context_token(&minor, context.get(), &in);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  const auto over = std::move(context);
  return {};
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
