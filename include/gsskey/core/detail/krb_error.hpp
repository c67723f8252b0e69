// gsskey/core/detail/krb_error: which error a KDC tells. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// Whether a KDC's reply is a KRB-ERROR with this code, below 128. See: RFC 4120 section 5.9.1.
[[nodiscard]] inline bool is_krb_error(ByteView reply, unsigned char code) noexcept {
  ByteView content;
  if (!DerReader{reply}.take_last(0x7e, content) || !DerReader{content}.take_last(0x30, content)) return false;
  DerReader fields{content};
  DerElement field;
  while (fields.take(field) == DerFault::none) {
    if (field.tag != 0xa6) continue;  // error-code [6] Int32
    return DerReader{field.content}.take_last(0x02, content) && content.size() == 1 && content[0] == code;
  }
  return false;
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
