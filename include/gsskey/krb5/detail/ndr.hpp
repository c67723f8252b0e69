// gsskey/krb5/detail/ndr: what a PAC has in the network data representation of DCE RPC, on top of the checked reader.
// Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/krb5/sid.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// A text whose characters come later, and what was said of it before.
struct NdrText {
  std::uint16_t size = 0;  // in bytes
  bool is_there = false;
};

/// Reads one value of type serialization version 1, little-endian (C706 chapter 14, [MS-RPCE] section 2.2.6). As with
/// Reader, what is not wholly there says false. Where 4 bytes are due, those that align them are skipped.
class NdrReader {
 public:
  explicit NdrReader(ByteView bytes) noexcept : whole_{bytes}, in_{bytes} {}

  /// The two headers, and the pointer to the value.
  [[nodiscard]] bool take_headers() noexcept {
    constexpr unsigned char common[] = {1, 0x10, 8, 0};
    constexpr std::size_t filler = 4, size_and_filler = 8;
    bool is_there = false;
    return in_.skip_only(common) && in_.skip(filler) && in_.skip(size_and_filler) && take_pointer(is_there) && is_there;
  }
  [[nodiscard]] bool take(std::uint16_t& number) noexcept { return in_.take_little_endian(number); }
  [[nodiscard]] bool take(std::uint32_t& number) noexcept { return align() && in_.take_little_endian(number); }
  /// A FILETIME: of two numbers, so aligned as they are.
  [[nodiscard]] bool take(std::uint64_t& time) noexcept { return align() && in_.take_little_endian(time); }
  [[nodiscard]] bool skip(std::size_t count) noexcept { return align() && in_.skip(count); }
  /// Whether something comes later.
  [[nodiscard]] bool take_pointer(bool& is_there) noexcept {
    std::uint32_t referent = 0;
    if (!take(referent)) return false;
    is_there = referent != 0;
    return true;
  }
  /// RPC_UNICODE_STRING.
  [[nodiscard]] bool take(NdrText& text) noexcept {
    std::uint16_t room = 0;
    return align() && take(text.size) && take(room) && take_pointer(text.is_there) && text.size % 2 == 0 &&
           (text.is_there || text.size == 0);
  }

  /// The characters of a text, in UTF-16: conformant and varying. None of one that is not there.
  [[nodiscard]] bool take_characters(NdrText text, ByteView& characters) noexcept {
    std::uint32_t room = 0;
    std::uint32_t offset = 0;
    std::uint32_t count = 0;
    if (!text.is_there) return true;
    return take(room) && take(offset) && take(count) && offset == 0 && count <= room && count == text.size / 2u &&
           in_.take(text.size, characters);
  }
  /// A conformant array of two numbers each, whose count was said before. None of one that is not there.
  [[nodiscard]] bool take_pairs(bool is_there, std::uint32_t said, ByteView& pairs) noexcept {
    std::uint32_t count = 0;
    if (!is_there) return said == 0;
    return take(count) && count == said && count <= in_.rest().size() / 8 && in_.take(std::size_t{count} * 8, pairs);
  }
  [[nodiscard]] bool take_sid(Sid& sid) noexcept {
    std::uint32_t count = 0;
    ByteView bytes;
    if (!take(count) || count > Sid::max_count || !in_.take(8 + 4 * count, bytes)) return false;
    const auto found = Sid::from_bytes(bytes);
    if (!found) return false;
    sid = *found;
    return true;
  }

 private:
  [[nodiscard]] bool align() noexcept { return in_.skip((4 - (whole_.size() - in_.rest().size()) % 4) % 4); }

  ByteView whole_;
  Reader in_;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
