// gsskey/messages/detail/rfc4121: the per-message tokens of Kerberos (RFC 4121 section 4.2) as bytes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/rfc4121_header.hpp>
#include <gsskey/messages/detail/cts_cipher.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc4121 {

/// Section 2: what keys are derived for. A sender's own, in both directions.
enum class KeyUsage : std::uint32_t {
  acceptor_seal = 22,
  acceptor_sign = 23,
  initiator_seal = 24,
  initiator_sign = 25
};

/// A wrap token taken apart, before anything of it is believed.
struct WrapToken {
  Header header;
  rfc3961::RotatedView rest{{}, 0};  ///< what follows the header
  std::size_t body_size = 0;         ///< message and filler
  std::size_t message_size = 0;

  [[nodiscard]] bool is_sealed() const noexcept { return (header.flags & sealed) != 0; }

  /// Of a token whose header was read. False if the lengths do not fit together.
  [[nodiscard]] bool read_rest(ByteView token, std::size_t mac_size) noexcept {
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

}  // namespace rfc4121
GSSKEY_END_ABI
}  // namespace gsskey
