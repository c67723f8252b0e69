// gsskey/core/detail/rfc4121_header: how every message of Kerberos begins (RFC 4121 section 4.2). Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/reader.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc4121 {

inline constexpr std::size_t header_size = 16;

/// Section 4.2.2.
inline constexpr unsigned sent_by_acceptor = 1;
inline constexpr unsigned sealed = 2;
inline constexpr unsigned acceptor_subkey = 4;

/// Section 4.2.6: the 16 octets before a message or its MIC.
struct Header {
  bool is_wrap = false;  ///< else a MIC
  unsigned flags = 0;
  std::uint16_t extra_count = 0;
  std::uint16_t rotation = 0;
  std::uint64_t sequence = 0;

  void write(unsigned char* to) const noexcept {
    to[0] = is_wrap ? 5 : 4;
    to[1] = 4;
    to[2] = static_cast<unsigned char>(flags);
    std::memset(to + 3, 0xff, 5);
    if (is_wrap) {
      detail::to_big_endian(extra_count, to + 4, 2);
      detail::to_big_endian(rotation, to + 6, 2);
    }
    detail::to_big_endian(sequence, to + 8, 8);
  }

  /// False if `token` does not begin with a header of this kind, filler included. Flags without a name are kept and
  /// mean nothing.
  [[nodiscard]] bool read(ByteView token, bool wrap) noexcept {
    detail::Reader in{token};
    unsigned char named = 0;
    is_wrap = wrap;
    if (!in.skip_only(wrap ? ByteView{"\5\4"} : ByteView{"\4\4"}) || !in.take_byte(named) || !in.skip_only("\xff")) {
      return false;
    }
    flags = named;
    if (wrap ? !in.take_big_endian(extra_count) || !in.take_big_endian(rotation) : !in.skip_only("\xff\xff\xff\xff")) {
      return false;
    }
    return in.take_big_endian(sequence);
  }
};

}  // namespace rfc4121
GSSKEY_END_ABI
}  // namespace gsskey
