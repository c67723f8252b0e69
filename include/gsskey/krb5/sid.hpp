// gsskey/krb5/sid: Sid, who somebody is to Active Directory: a user, a group, a domain; as text and as bytes.
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// The text of a Sid, "S-1-5-21-1-2-3-500", in storage of its own.
struct SidText {
  char chars[184];
  std::size_t size = 0;
  /// Returns the text.
  /// Owner: this object.
  [[nodiscard]] constexpr std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND {
    return detail::view_of(chars, size);
  }
};

/// The bytes of a Sid, in storage of its own.
class SidBytes : public detail::ByteAccess<SidBytes> {
  friend class Sid;

 public:
  SidBytes() noexcept = default;
  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND { return octets_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  unsigned char octets_[68] = {};
  std::size_t size_ = 0;
};

/// A security identifier: an authority of 48 bits, and 1 to 15 sub-authorities, the last of which is the relative
/// identifier (RID) within what the others name. A value; empty by default, which is nobody's, and is_member_of()
/// nothing. They are ordered by authority, then by sub-authorities as a dictionary has it.
/// See: [MS-DTYP] section 2.4.2.
class Sid {
 public:
  /// The most sub-authorities.
  static constexpr std::size_t max_count = 15;

  constexpr Sid() noexcept = default;
  /// Takes text, and checks it at compile time: Sid{"S-1-5-32-544"}.
  template <std::size_t N>
  explicit consteval Sid(const char (&text)[N]) noexcept {
    if (read(detail::TextReader{{text, N - 1}}) != nullptr) not_a_security_identifier();
  }

  /// Takes text at run time. There is one for each Sid, but for the case of letters.
  /// Errors: usage, unless it is "S-1-", the authority, and 1 to 15 sub-authorities below 2^32, decimal without leading
  ///   zeros; an authority from 2^32 on has "0x" and 12 hexadecimal digits.
  /// See: [MS-DTYP] section 2.4.2.1.
  [[nodiscard]] static Result<Sid> parse(std::string_view text) noexcept {
    Sid sid;
    if (const char* why = sid.read(detail::TextReader{text})) return unexpected(Error::usage("Sid::parse", why));
    return sid;
  }
  /// Takes the bytes of one, as LDAP's objectSid and tokenGroups have them.
  /// Errors: usage, unless they are revision 1 and as many bytes as the number of sub-authorities, 1 to 15, says.
  /// See: [MS-DTYP] section 2.4.2.2.
  [[nodiscard]] static Result<Sid> from_bytes(ByteView bytes) noexcept {
    constexpr const char* operation = "Sid::from_bytes";
    detail::Reader in{bytes};
    Sid sid;
    unsigned char revision = 0;
    unsigned char count = 0;
    if (!in.take_byte(revision) || !in.take_byte(count) || !in.take_big_endian<std::uint64_t, 6>(sid.authority_)) {
      return unexpected(Error::usage(operation, "fewer bytes than a SID has"));
    }
    if (revision != 1) return unexpected(Error::usage(operation, "not a SID of revision 1"));
    if (count == 0 || count > max_count) return unexpected(Error::usage(operation, "1 to 15 sub-authorities"));
    for (; sid.count_ < count; ++sid.count_) {
      if (!in.take_little_endian(sid.sub_authorities_[sid.count_])) {
        return unexpected(Error::usage(operation, "fewer sub-authorities than the SID says"));
      }
    }
    if (!in.at_end()) return unexpected(Error::usage(operation, "bytes behind the SID"));
    return sid;
  }

  /// Returns the Sid of `rid` within this one, which names a domain.
  /// Errors: usage, if this one is empty, or has max_count sub-authorities.
  [[nodiscard]] Result<Sid> with_rid(std::uint32_t rid) const noexcept {
    constexpr const char* operation = "Sid::with_rid";
    if (empty()) return unexpected(Error::usage(operation, "the SID is empty"));
    if (count_ == max_count) return unexpected(Error::usage(operation, "1 to 15 sub-authorities"));
    Sid sid = *this;
    sid.sub_authorities_[sid.count_++] = rid;
    return sid;
  }

  [[nodiscard]] constexpr bool empty() const noexcept { return count_ == 0; }
  /// Returns the authority; 5 is that of Windows NT and Active Directory.
  [[nodiscard]] constexpr std::uint64_t authority() const noexcept { return authority_; }
  /// Returns the number of sub-authorities.
  [[nodiscard]] constexpr std::size_t count() const noexcept { return count_; }
  /// Returns the sub-authority at `index`; 0 past the end.
  [[nodiscard]] constexpr std::uint32_t operator[](std::size_t index) const noexcept {
    return index < count_ ? sub_authorities_[index] : 0;
  }

  /// Returns "S-1-5-32-544"; nothing for the empty Sid.
  [[nodiscard]] constexpr SidText to_text() const noexcept {
    SidText text{};
    if (empty()) return text;
    for (const char letter : {'S', '-', '1', '-'}) text.chars[text.size++] = letter;
    if (authority_ >> 32 == 0) {
      append(text, authority_);
    } else {
      text.chars[text.size++] = '0';
      text.chars[text.size++] = 'x';
      for (unsigned shift = 48; shift != 0; shift -= 4) {
        text.chars[text.size++] = "0123456789abcdef"[authority_ >> (shift - 4) & 15];
      }
    }
    for (std::size_t at = 0; at < count_; ++at) {
      text.chars[text.size++] = '-';
      append(text, sub_authorities_[at]);
    }
    return text;
  }
  /// Returns the bytes, as from_bytes() takes them; none for the empty Sid.
  [[nodiscard]] SidBytes to_bytes() const noexcept {
    SidBytes bytes;
    if (empty()) return bytes;
    bytes.octets_[0] = 1;
    bytes.octets_[1] = count_;
    detail::to_big_endian(authority_, bytes.octets_ + 2, 6);
    bytes.size_ = 8;
    for (std::size_t at = 0; at < count_; ++at) {
      for (unsigned shift = 0; shift != 32; shift += 8) {
        bytes.octets_[bytes.size_++] = static_cast<unsigned char>(sub_authorities_[at] >> shift);
      }
    }
    return bytes;
  }

  [[nodiscard]] friend constexpr bool operator==(const Sid& a, const Sid& b) noexcept { return (a <=> b) == 0; }
  [[nodiscard]] friend constexpr std::strong_ordering operator<=>(const Sid& a, const Sid& b) noexcept {
    if (a.authority_ != b.authority_) return a.authority_ <=> b.authority_;
    for (std::size_t at = 0; at < a.count_ && at < b.count_; ++at) {
      if (a.sub_authorities_[at] != b.sub_authorities_[at]) return a.sub_authorities_[at] <=> b.sub_authorities_[at];
    }
    return a.count_ <=> b.count_;
  }

 private:
  // Called where a constant expression must fail: it is not constexpr, so its name is in the diagnostic.
  static void not_a_security_identifier() noexcept {}

  /// nullptr, or what is wrong.
  [[nodiscard]] constexpr const char* read(detail::TextReader in) noexcept {
    if ((!in.skip_only('S') && !in.skip_only('s')) || !in.skip_only('-') || !in.skip_only('1') || !in.skip_only('-')) {
      return "a SID starts with S-1-";
    }
    const std::string_view authority = in.take_until_any("-");
    if (!read_authority(authority)) return "an authority is decimal, or from 2^32 on 0x and 12 hexadecimal digits";
    std::uint8_t count = 0;
    while (in.skip_only('-')) {
      std::uint64_t number = 0;
      if (!read_decimal(in.take_until_any("-"), number)) return "a sub-authority is decimal and below 2^32";
      if (count == max_count) return "1 to 15 sub-authorities";
      sub_authorities_[count++] = static_cast<std::uint32_t>(number);
    }
    count_ = count;
    return count == 0 ? "1 to 15 sub-authorities" : nullptr;
  }
  [[nodiscard]] constexpr bool read_authority(std::string_view digits) noexcept {
    if (!digits.starts_with("0x") && !digits.starts_with("0X")) return read_decimal(digits, authority_);
    digits.remove_prefix(2);
    if (digits.size() != 12) return false;
    for (const char digit : digits) {
      std::uint64_t value = 0;
      if (digit >= '0' && digit <= '9') {
        value = static_cast<std::uint64_t>(digit - '0');
      } else if (const char small = static_cast<char>(digit | 0x20); small >= 'a' && small <= 'f') {
        value = static_cast<std::uint64_t>(small - 'a') + 10;
      } else {
        return false;
      }
      authority_ = authority_ << 4 | value;
    }
    return authority_ >> 32 != 0;
  }
  /// Below 2^32. std::from_chars is for run time only.
  [[nodiscard]] static constexpr bool read_decimal(std::string_view digits, std::uint64_t& number) noexcept {
    if (digits.empty() || digits.size() > 10 || (digits.size() > 1 && digits[0] == '0')) return false;
    std::uint64_t value = 0;
    for (const char digit : digits) {
      if (digit < '0' || digit > '9') return false;
      value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    number = value;
    return value >> 32 == 0;
  }
  static constexpr void append(SidText& text, std::uint64_t number) noexcept {
    char digits[20] = {};
    std::size_t count = 0;
    for (bool first = true; first || number != 0; number /= 10, first = false) {
      digits[count++] = static_cast<char>('0' + number % 10);
    }
    while (count > 0) text.chars[text.size++] = digits[--count];
  }

  std::uint64_t authority_ = 0;
  std::uint32_t sub_authorities_[max_count] = {};
  std::uint8_t count_ = 0;
};

GSSKEY_END_ABI
}  // namespace gsskey
