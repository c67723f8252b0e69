// gsskey/openssl/rfc4121: the per-message tokens of Kerberos (RFC 4121 section 4.2) as bytes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gsskey/core/bytes.hpp>
#include <gsskey/openssl/sealing.hpp>

namespace gsskey::inline GSSKEY_ABI::rfc4121 {

inline constexpr std::size_t header_size = 16;

/// Section 2: what keys are derived for. A sender's own, in both directions.
enum class KeyUsage : std::uint32_t {
  acceptor_seal = 22,
  acceptor_sign = 23,
  initiator_seal = 24,
  initiator_sign = 25
};

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
      to[4] = static_cast<unsigned char>(extra_count >> 8);
      to[5] = static_cast<unsigned char>(extra_count);
      to[6] = static_cast<unsigned char>(rotation >> 8);
      to[7] = static_cast<unsigned char>(rotation);
    }
    for (unsigned at = 0; at < 8; ++at) to[8 + at] = static_cast<unsigned char>(sequence >> (56 - 8 * at));
  }

  /// False if `token` does not begin with a header of this kind, filler included. Flags without a name are kept and
  /// mean nothing.
  [[nodiscard]] bool read(ByteView token, bool wrap) noexcept {
    if (token.size() < header_size || token[0] != (wrap ? 5 : 4) || token[1] != 4 || token[3] != 0xff) return false;
    is_wrap = wrap;
    flags = token[2];
    if (wrap) {
      extra_count = static_cast<std::uint16_t>(token[4] << 8 | token[5]);
      rotation = static_cast<std::uint16_t>(token[6] << 8 | token[7]);
    } else if (token.subview(4, 4) != ByteView{"\xff\xff\xff\xff"}) {
      return false;
    }
    sequence = 0;
    for (unsigned at = 8; at < header_size; ++at) sequence = sequence << 8 | token[at];
    return true;
  }
};

/// A wrap token taken apart, before anything of it is believed.
struct WrapToken {
  Header header;
  rfc3961::RotatedView rest{{}, 0};  ///< what follows the header
  std::size_t body_size = 0;         ///< message and filler
  std::size_t message_size = 0;

  [[nodiscard]] bool is_sealed() const noexcept { return (header.flags & sealed) != 0; }

  /// False if the lengths do not fit together.
  [[nodiscard]] bool read(ByteView token, std::size_t mac_size) noexcept {
    if (!header.read(token, true)) return false;
    const ByteView after = token.subview(header_size);
    rest = {after, header.rotation};
    const std::size_t around = is_sealed() ? rfc3961::block_size + header_size + mac_size : mac_size;
    if (after.size() < around) return false;
    body_size = after.size() - around;
    if (!is_sealed()) {  // the extra count is the size of the checksum
      message_size = body_size;
      return header.extra_count == mac_size;
    }
    if (header.extra_count > body_size) return false;
    message_size = body_size - header.extra_count;
    return true;
  }
};

}  // namespace gsskey::inline GSSKEY_ABI::rfc4121
