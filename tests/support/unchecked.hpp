// tests/support/unchecked: a key type that checks nothing, so that the kernel has to.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <cstddef>

namespace support {

template <std::size_t Size>
struct Name {
  char text[Size];
  consteval Name(const char (&literal)[Size]) {
    for (std::size_t at = 0; at < Size; ++at) text[at] = literal[at];
  }
};

/// Unchecked<"user">: any description, any payload, everything that a call can be made for.
template <Name type>
struct Unchecked {
  static constexpr const char* name = type.text;
  static constexpr std::size_t max_payload = 4u << 20;
  static constexpr bool can_read = true, can_update = true;
  using Payload = gsskey::ByteView;
  gsskey::Description<gsskey::AnyText> description;
};

}  // namespace support
