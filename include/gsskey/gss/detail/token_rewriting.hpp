// gsskey/gss/detail/token_rewriting: tokens that gss_unwrap changes where they are. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/rfc4121_header.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// Whether gss_unwrap writes into the token: it turns one with a rotation count back (RFC 4121 section 4.2.6.2), and
/// MIT krb5 moves the header of one that is not encrypted behind its message, and clears counts in it.
[[nodiscard]] inline bool is_rewritten(ByteView token) noexcept {
  rfc4121::Header header;
  if (!known_faults.unwrap_rewrites_input || !header.read(token, true)) return false;
  return header.rotation != 0 || (header.flags & rfc4121::sealed) == 0;
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
