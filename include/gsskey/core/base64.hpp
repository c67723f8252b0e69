// gsskey/core/base64: RFC 4648 section 4, strictly: padded, nothing ignored, one text per token.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Returns `bytes` as text, padded, without line breaks.
/// Errors: throws std::bad_alloc.
/// See: RFC 4648 section 4.
GSSKEY_HIDDEN [[nodiscard]] inline std::string base64_encode(ByteView bytes) {
  static constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = bytes.size() - at < 3 ? bytes.size() - at : 3;
    std::uint32_t group = std::uint32_t{bytes[at]} << 16;
    if (count > 1) group |= std::uint32_t{bytes[at + 1]} << 8;
    if (count > 2) group |= bytes[at + 2];
    text += letters[group >> 18];
    text += letters[group >> 12 & 63];
    text += count > 1 ? letters[group >> 6 & 63] : '=';
    text += count > 2 ? letters[group & 63] : '=';
  }
  return text;
}

/// Returns how long the text of that many bytes is.
/// Units: bytes in, characters out.
[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) noexcept { return (bytes + 2) / 3 * 4; }

/// Returns the bytes that `text` stands for. Only what base64_encode() writes is taken: there is one text for each
/// sequence of bytes.
/// Errors: transport, EPROTO, for other letters, white space, missing padding, and bits behind the last byte; system
///   (ENOMEM).
/// See: RFC 4648 sections 3.3, 3.5 and 4.
[[nodiscard]] inline Result<SecretBytes> base64_decode(std::string_view text) noexcept {
  const auto malformed = [](const char* why) { return unexpected(Error::transport("base64_decode", EPROTO, why)); };
  const auto value_of = [](unsigned char letter) -> std::uint32_t {
    if (letter >= 'A' && letter <= 'Z') return letter - std::uint32_t{'A'};
    if (letter >= 'a' && letter <= 'z') return letter - std::uint32_t{'a'} + 26;
    if (letter >= '0' && letter <= '9') return letter - std::uint32_t{'0'} + 52;
    if (letter == '+') return 62;
    return letter == '/' ? 63 : 64;
  };
  if (text.size() % 4 != 0) return malformed("base64 whose length is no multiple of four");
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  auto bytes = SecretBytes::with_size(text.size() / 4 * 3 - padding);
  if (!bytes) return bytes;

  std::uint32_t bits = 0;
  unsigned left = 0;  // how many of them are no whole byte yet
  unsigned char letter = 0;
  unsigned char* out = bytes->data();
  for (detail::Reader in{text.substr(0, text.size() - padding)}; in.take_byte(letter);) {
    const std::uint32_t value = value_of(letter);
    if (value == 64) return malformed("a character that base64 has not");
    bits = bits << 6 | value;
    left += 6;
    if (left < 8) continue;
    left -= 8;
    *out++ = static_cast<unsigned char>(bits >> left);
  }
  if ((bits & ((1u << left) - 1)) != 0) return malformed("base64 with bits behind its last byte");
  return bytes;
}

GSSKEY_END_ABI
}  // namespace gsskey
