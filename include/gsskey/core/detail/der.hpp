// gsskey/core/detail/der: elements of DER (X.690 section 10), on top of the checked reader. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/reader.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// Why the next bytes are no element. The first is of no ASN.1 encoding; the others are of BER, which laxer readers
/// take.
enum class DerFault : unsigned char {
  none,
  cut_off,      ///< fewer bytes than the length says, or not even a length
  indefinite,   ///< a length that an end mark is to tell
  not_minimal,  ///< a length in more octets than it needs
  long_tag,     ///< a tag of several octets, which nothing that is read here has
};

struct DerElement {
  unsigned char tag = 0;  ///< class, "constructed" and number in one octet
  ByteView content;       ///< of a constructed one: elements again
};

/// Takes one element after the other. What is refused is not taken, as Reader has it.
class DerReader {
 public:
  explicit DerReader(ByteView bytes) noexcept : in_{bytes} {}

  [[nodiscard]] bool at_end() const noexcept { return in_.at_end(); }
  [[nodiscard]] ByteView rest() const noexcept { return in_.rest(); }
  /// Whether the next byte is this tag, whatever follows.
  [[nodiscard]] bool at(unsigned char tag) const noexcept { return !in_.at_end() && in_.rest()[0] == tag; }

  /// The next element, whatever its tag.
  [[nodiscard]] DerFault take(DerElement& element) noexcept {
    Reader in = in_;
    unsigned char tag = 0;
    unsigned char first = 0;
    if (!in.take_byte(tag)) return DerFault::cut_off;
    if ((tag & 0x1f) == 0x1f) return DerFault::long_tag;
    if (!in.take_byte(first)) return DerFault::cut_off;
    if (first == 0x80) return DerFault::indefinite;
    std::uint64_t size = first;
    if (first > 0x80) {
      ByteView octets;
      if (!in.take(first & 0x7fu, octets)) return DerFault::cut_off;
      if (octets[0] == 0) return DerFault::not_minimal;
      if (octets.size() > sizeof size) return DerFault::cut_off;  // more than there can be
      size = from_big_endian(octets.data(), octets.size());
      if (size < 0x80) return DerFault::not_minimal;
    }
    if (size > in.rest().size()) return DerFault::cut_off;
    ByteView content;
    if (!in.take(static_cast<std::size_t>(size), content)) return DerFault::cut_off;
    element = {tag, content};
    in_ = in;
    return DerFault::none;
  }
  /// The next element, if it has this tag.
  [[nodiscard]] bool take(unsigned char tag, ByteView& content) noexcept {
    if (!at(tag)) return false;
    DerReader in = *this;
    DerElement element;
    if (in.take(element) != DerFault::none) return false;
    content = element.content;
    *this = in;
    return true;
  }
  /// The same, if nothing follows.
  [[nodiscard]] bool take_last(unsigned char tag, ByteView& content) noexcept {
    DerReader in = *this;
    ByteView last;
    if (!in.take(tag, last) || !in.at_end()) return false;
    content = last;
    *this = in;
    return true;
  }

 private:
  Reader in_;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
