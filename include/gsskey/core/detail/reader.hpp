// gsskey/core/detail/reader: bytes from elsewhere, read from front to back, each read checked. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// A cursor over bytes that it does not own. A read that is not wholly there says false, takes nothing, and leaves its
/// output as it was. That is a result which the compiler does not let anybody drop, and no state that is asked for
/// later: a reader that failed and went on would hand out zeros that look like data, and loops round them. Sizes are
/// compared with what is left, never added, so that no length of any width wraps, on 32-bit machines neither.
class Reader {
 public:
  explicit Reader(ByteView bytes) noexcept : rest_{bytes} {}

  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  /// What was not taken yet.
  [[nodiscard]] ByteView rest() const noexcept { return rest_; }

  [[nodiscard]] bool take(std::size_t count, ByteView& bytes) noexcept {
    if (count > rest_.size()) return false;
    bytes = {rest_.data(), count};
    rest_ = {rest_.data() + count, rest_.size() - count};
    return true;
  }
  [[nodiscard]] bool skip(std::size_t count) noexcept {
    ByteView skipped;
    return take(count, skipped);
  }
  /// Takes these bytes, if they are the next.
  [[nodiscard]] bool skip_only(ByteView bytes) noexcept { return starts_with(bytes) && skip(bytes.size()); }
  [[nodiscard]] bool starts_with(ByteView bytes) const noexcept {
    return bytes.size() <= rest_.size() && rest_.subview(0, bytes.size()) == bytes;
  }
  [[nodiscard]] bool take_byte(unsigned char& byte) noexcept {
    if (rest_.empty()) return false;
    byte = rest_[0];
    return skip(1);
  }

  /// A number of `Width` bytes, the most significant first.
  template <std::unsigned_integral Number, std::size_t Width = sizeof(Number)>
  [[nodiscard]] bool take_big_endian(Number& number) noexcept {
    static_assert(Width <= sizeof(Number));
    ByteView bytes;
    if (!take(Width, bytes)) return false;
    number = static_cast<Number>(from_big_endian(bytes.data(), Width));
    return true;
  }
  /// A number of `Width` bytes, the least significant first.
  template <std::unsigned_integral Number, std::size_t Width = sizeof(Number)>
  [[nodiscard]] bool take_little_endian(Number& number) noexcept {
    static_assert(Width <= sizeof(Number));
    ByteView bytes;
    if (!take(Width, bytes)) return false;
    std::uint64_t value = 0;
    for (std::size_t at = Width; at-- > 0;) value = value << 8 | bytes[at];
    number = static_cast<Number>(value);
    return true;
  }
  /// The bytes behind a big-endian length of `Width` bytes.
  template <std::size_t Width>
  [[nodiscard]] bool take_prefixed(ByteView& content) noexcept {
    Reader in = *this;
    std::uint64_t size = 0;
    if (!in.take_big_endian<std::uint64_t, Width>(size) || size > in.rest_.size()) return false;
    if (!in.take(static_cast<std::size_t>(size), content)) return false;
    *this = in;
    return true;
  }

 private:
  ByteView rest_;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
