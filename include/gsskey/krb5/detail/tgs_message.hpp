// gsskey/krb5/detail/tgs_message: a request for a ticket, and what came back, in DER. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/config.hpp>
#include <gsskey/core/detail/der.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// Writes DER from its end to its beginning, so that lengths are known when they are due.
class BackwardDer {
 public:
  BackwardDer(unsigned char* data, std::size_t size) noexcept : data_{data}, size_{size}, at_{size} {}

  /// Where what is written next ends.
  [[nodiscard]] std::size_t end() const noexcept { return at_; }
  /// What was written; nothing if there was no room.
  [[nodiscard]] ByteView written() const noexcept { return is_full_ ? ByteView{} : ByteView{data_ + at_, size_ - at_}; }

  void put(ByteView bytes) noexcept {
    if (bytes.size() > at_) is_full_ = true;
    if (is_full_ || bytes.empty()) return;
    at_ -= bytes.size();
    std::memcpy(data_ + at_, bytes.data(), bytes.size());
  }
  /// Makes an element of what was written since end().
  void wrap(unsigned char tag, std::size_t end) noexcept {
    const std::size_t length = end - at_;
    if (length < 0x80) {
      put_byte(length);
    } else {
      std::size_t octets = 0;
      for (std::size_t rest = length; rest != 0; rest >>= 8, ++octets) put_byte(rest);
      put_byte(0x80 | octets);
    }
    put_byte(tag);
  }
  /// An element, in another one.
  void put(unsigned char outer, unsigned char tag, ByteView content) noexcept {
    const std::size_t from = end();
    put(content);
    wrap(tag, from);
    wrap(outer, from);
  }
  void put_integer(unsigned char outer, std::int64_t value) noexcept {
    const std::size_t from = end();
    do {
      put_byte(static_cast<std::size_t>(value & 0xff));
      value >>= 8;
    } while ((value != 0 && value != -1) || (is_full_ ? false : (data_[at_] & 0x80) != (value < 0 ? 0x80 : 0)));
    wrap(0x02, from);
    if (outer != 0) wrap(outer, from);
  }
  /// 32 bits of a bit string.
  void put_flags(unsigned char outer, std::uint32_t flags) noexcept {
    const std::size_t from = end();
    for (int shift = 0; shift < 32; shift += 8) put_byte(flags >> shift & 0xff);
    put_byte(0);
    wrap(0x03, from);
    wrap(outer, from);
  }

 private:
  void put_byte(std::size_t value) noexcept {
    if (at_ == 0) is_full_ = true;
    if (is_full_) return;
    data_[--at_] = static_cast<unsigned char>(value);
  }

  unsigned char* data_;
  std::size_t size_;
  std::size_t at_;
  bool is_full_ = false;
};

/// What an element that another one has for itself says: an INTEGER, of 32 bits with their sign or without.
[[nodiscard]] inline bool take_integer(DerReader& in, unsigned char outer, std::int64_t& value) noexcept {
  ByteView element;
  ByteView bytes;
  if (!in.take(outer, element) || !DerReader{element}.take_last(0x02, bytes)) return false;
  if (bytes.empty() || bytes.size() > 5) return false;
  value = bytes[0] >= 0x80 ? -1 : 0;
  for (const unsigned char byte : bytes) value = value * 256 + byte;
  return value >= INT32_MIN && value <= std::int64_t{UINT32_MAX};
}
[[nodiscard]] inline bool take_string(DerReader& in, unsigned char outer, unsigned char tag, ByteView& value) noexcept {
  ByteView element;
  return in.take(outer, element) && DerReader{element}.take_last(tag, value);
}
/// What follows the type in a PrincipalName: its parts.
[[nodiscard]] inline bool take_name(DerReader& in, unsigned char outer, ByteView& parts) noexcept {
  ByteView name;
  std::int64_t type = 0;
  if (!take_string(in, outer, 0x30, name)) return false;
  DerReader name_in{name};
  if (!take_integer(name_in, 0xa0, type)) return false;
  parts = name_in.rest();
  return true;
}
/// "20261231235959Z" (RFC 4120 section 5.2.3).
[[nodiscard]] inline bool take_time(DerReader& in, unsigned char outer, std::time_t& value) noexcept {
  ByteView text;
  if (!take_string(in, outer, 0x18, text) || text.size() != 15 || text[14] != 'Z') return false;
  int fields[6] = {};
  std::size_t at = 0;
  for (int field = 0; field < 6; ++field) {
    for (int digits = field == 0 ? 4 : 2; digits > 0; --digits, ++at) {
      if (text[at] < '0' || text[at] > '9') return false;
      fields[field] = fields[field] * 10 + (text[at] - '0');
    }
  }
  std::tm parts{};
  parts.tm_year = fields[0] - 1900;
  parts.tm_mon = fields[1] - 1;
  parts.tm_mday = fields[2];
  parts.tm_hour = fields[3];
  parts.tm_min = fields[4];
  parts.tm_sec = fields[5];
  value = ::timegm(&parts);
  return true;
}

/// EncryptedData (RFC 4120 section 5.2.9).
struct EncryptedData {
  std::int64_t enctype = 0;
  ByteView cipher{};

  [[nodiscard]] bool read(ByteView bytes) noexcept {
    DerReader whole{bytes};
    ByteView sequence;
    if (!whole.take_last(0x30, sequence)) return false;
    DerReader in{sequence};
    std::int64_t version = 0;
    if (!take_integer(in, 0xa0, enctype)) return false;
    if (in.at(0xa1) && !take_integer(in, 0xa1, version)) return false;
    return take_string(in, 0xa2, 0x04, cipher) && in.at_end();
  }
};

/// TGS-REP (section 5.4.2).
struct TgsReply {
  ByteView client_realm{};  ///< with its GeneralString
  ByteView client{};        ///< its parts
  ByteView ticket{};        ///< with its tag
  EncryptedData encrypted{};

  [[nodiscard]] bool read(ByteView bytes) noexcept {
    DerReader whole{bytes};
    ByteView message;
    ByteView sequence;
    if (!whole.take_last(0x6d, message) || !DerReader{message}.take_last(0x30, sequence)) return false;
    DerReader in{sequence};
    std::int64_t version = 0;
    std::int64_t type = 0;
    ByteView ignored;
    ByteView part;
    if (!take_integer(in, 0xa0, version) || version != 5 || !take_integer(in, 0xa1, type) || type != 13) return false;
    if (in.at(0xa2) && !in.take(0xa2, ignored)) return false;
    return in.take(0xa3, client_realm) && take_name(in, 0xa4, client) && in.take(0xa5, ticket) &&
           in.take_last(0xa6, part) && encrypted.read(part);
  }
};

/// EncTGSRepPart (section 5.4.2), of which some KDCs write the tag of EncASRepPart.
struct TgsReplyPart {
  std::int64_t enctype = 0;
  ByteView key{};
  std::int64_t nonce = 0;
  std::uint32_t flags = 0;
  std::time_t authenticated = 0, starts = 0, ends = 0, renewable_until = 0;
  ByteView realm{};   ///< with its GeneralString
  ByteView server{};  ///< its parts

  /// What follows is padding of the cipher, if anything.
  [[nodiscard]] bool read(ByteView bytes) noexcept {
    DerReader whole{bytes};
    ByteView message;
    ByteView sequence;
    if (!whole.take(whole.at(0x79) ? 0x79 : 0x7a, message) || !DerReader{message}.take_last(0x30, sequence))
      return false;
    DerReader in{sequence};
    ByteView part;
    ByteView ignored;
    if (!take_string(in, 0xa0, 0x30, part)) return false;
    DerReader key_in{part};
    if (!take_integer(key_in, 0xa0, enctype) || !take_string(key_in, 0xa1, 0x04, key) || !key_in.at_end()) return false;
    if (!in.take(0xa1, ignored) || !take_integer(in, 0xa2, nonce)) return false;
    if (in.at(0xa3) && !in.take(0xa3, ignored)) return false;
    if (!take_string(in, 0xa4, 0x03, part) || part.size() != 5 || part[0] != 0) return false;
    for (std::size_t at = 1; at < 5; ++at) flags = flags << 8 | part[at];
    if (!take_time(in, 0xa5, authenticated)) return false;
    starts = authenticated;
    if (in.at(0xa6) && !take_time(in, 0xa6, starts)) return false;
    if (!take_time(in, 0xa7, ends)) return false;
    if (in.at(0xa8) && !take_time(in, 0xa8, renewable_until)) return false;
    return in.take(0xa9, realm) && take_name(in, 0xaa, server);
  }
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
