// gsskey/core/detail/text: views of text, and text put together. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

// The constructors of std::string_view are dear to compile for every argument type that is not exactly this.
[[nodiscard]] constexpr std::string_view view_of(const char* chars, std::size_t size) noexcept { return {chars, size}; }
[[nodiscard]] inline std::string_view view_of(const char* text) noexcept { return {text, std::strlen(text)}; }
[[nodiscard]] inline std::string_view view_of(std::string_view text) noexcept { return text; }

/// Copies `part` to `out`; returns its end there. memcpy alone may not be given the nullptr of an empty view.
[[nodiscard]] inline char* append(char* out, std::string_view part) noexcept {
  if (!part.empty()) std::memcpy(out, part.data(), part.size());
  return out + part.size();
}

/// A number in decimal.
class Decimal {
 public:
  explicit Decimal(std::uint64_t number) noexcept {
    do {
      text_[--begin_] = static_cast<char>('0' + number % 10);
    } while ((number /= 10) != 0);
  }
  [[nodiscard]] std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND {
    return view_of(text_ + begin_, sizeof text_ - begin_);
  }

 private:
  char text_[20];
  std::size_t begin_ = sizeof text_;
};
[[nodiscard]] inline std::string_view view_of(const Decimal& number GSSKEY_LIFETIMEBOUND) noexcept {
  return number.view();
}

/// Writes two digits for each byte, small letters.
template <std::size_t N>
inline void to_hex(const unsigned char (&bytes)[N], char* out) noexcept {
  for (const unsigned char byte : bytes) {
    *out++ = "0123456789abcdef"[byte >> 4];
    *out++ = "0123456789abcdef"[byte & 15];
  }
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
