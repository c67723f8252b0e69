// gsskey/core/detail/big_endian: numbers with their most significant byte first, as protocols have them. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// Of `count` bytes that are there, 8 at most. What is to be read of somebody else's bytes is Reader's.
[[nodiscard]] constexpr std::uint64_t from_big_endian(const unsigned char* bytes, std::size_t count) noexcept {
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < count; ++at) number = number << 8 | bytes[at];
  return number;
}
/// The lower `count` bytes of `number`, 8 at most.
constexpr void to_big_endian(std::uint64_t number, unsigned char* out, std::size_t count) noexcept {
  for (; count > 0; number >>= 8) out[--count] = static_cast<unsigned char>(number);
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
