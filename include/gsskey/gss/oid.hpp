// gsskey/gss/oid: object identifiers as values, parsed at compile time, and constant and owned sets of them.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/element_iterator.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// The dotted text of an Oid, in storage of its own.
struct OidText {
  char chars[160];
  std::size_t size = 0;
  /// Returns the text.
  /// Owner: this object.
  [[nodiscard]] constexpr std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND {
    return detail::view_of(chars, size);
  }
};

/// An object identifier: the content octets of its DER form, compared as bytes. A value of 32 bytes, so nothing can
/// dangle when the set or the library that it came from goes. Empty by default, which is GSS_C_NO_OID.
/// See: X.690 section 8.19.
class Oid {
 public:
  /// The most octets. GSS mechanisms and name types need 16 at most; an OID made of a UUID needs 20.
  static constexpr std::size_t max_size = 31;

  constexpr Oid() noexcept = default;
  /// Takes dotted text, and checks it at compile time: Oid{"1.2.840.113554.1.2.2"}.
  template <std::size_t N>
  explicit consteval Oid(const char (&dotted)[N]) noexcept {
    if (encode(dotted, N - 1) != nullptr) not_an_object_identifier();
  }

  /// Takes dotted text at run time.
  /// Errors: usage, unless it is two arcs or more, decimal without leading zeros, each below 2^64, and of at most
  ///   max_size octets.
  template <std::convertible_to<std::string_view> Text>  // a template, so that only who calls it pays for a Result<Oid>
  [[nodiscard]] static detail::Dependent<Result<Oid>, Text> parse(const Text& text) noexcept {
    const std::string_view dotted = text;
    Oid oid;
    if (const char* why = oid.encode(dotted.data(), dotted.size())) return unexpected(Error::usage("Oid::parse", why));
    return oid;
  }
  /// Takes content octets, without tag and length. The result is empty if they are not those of an OID, or are more
  /// than max_size.
  [[nodiscard]] static Oid from_der(ByteView content) noexcept {
    if (content.empty() || content.size() > max_size) return {};
    Oid oid;
    bool first_of_arc = true;
    for (unsigned char octet : content) {
      if (first_of_arc && octet == 0x80) return {};  // an arc has no leading zeros
      first_of_arc = (octet & 0x80) == 0;
      oid.octets_[oid.size_++] = octet;
    }
    return first_of_arc ? oid : Oid{};  // or the last arc is cut off
  }
  /// Copies what a gss_* call returned; the copy is empty for GSS_C_NO_OID and for what is no OID.
  [[nodiscard]] static Oid copy_of(const gss_OID_desc* oid) noexcept {
    return oid == nullptr ? Oid{} : from_der({oid->elements, oid->length});
  }

  [[nodiscard]] constexpr const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND { return octets_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

  /// Returns "1.2.840.113554.1.2.2", whatever the implementation's gss_oid_to_str writes; nothing for the empty OID.
  [[nodiscard]] OidText to_text() const noexcept {
    OidText text;
    std::size_t start = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if ((octets_[i] & 0x80) != 0) continue;
      if (start != 0) {
        append(text, start, i + 1, 0);
      } else {  // the first two arcs share a number: 40 times the first plus the second, which is below 40 unless after
                // 2
        const unsigned char top = i != 0 || octets_[0] >= 80 ? 2 : octets_[0] / 40;
        text.chars[text.size++] = static_cast<char>('0' + top);
        append(text, 0, i + 1, static_cast<unsigned char>(top * 40));
      }
      start = i + 1;
    }
    return text;
  }

  [[nodiscard]] friend constexpr bool operator==(const Oid& a, const Oid& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (a.octets_[i] != b.octets_[i]) return false;
    }
    return true;
  }

 private:
  // Called where a constant expression must fail: it is not constexpr, so its name is in the diagnostic.
  static void not_an_object_identifier() noexcept {}

  /// nullptr, or what is wrong. Compilers run this for every constant and are slow at it: hence pointers, which they
  /// follow faster than a string_view, and locals, which they change faster than members.
  [[nodiscard]] constexpr const char* encode(const char* dotted, std::size_t dotted_size) noexcept {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    std::uint64_t top = 0;
    std::size_t arcs = 0;
    std::size_t size = 0;
    for (std::size_t at = 0; at <= dotted_size; ++at) {
      const std::size_t start = at;
      std::uint64_t arc = 0;
      for (; at < dotted_size; ++at) {
        const unsigned digit = static_cast<unsigned char>(dotted[at]) - unsigned{'0'};
        if (digit > 9) {
          if (dotted[at] == '.') break;
          return "digits and dots only";
        }
        if (arc >= most / 10 && (arc > most / 10 || digit > most % 10)) return "an arc needs more than 64 bits";
        arc = arc * 10 + digit;
      }
      if (at == start) return "an arc is empty";
      if (at - start > 1 && dotted[start] == '0') return "an arc starts with 0";
      if (++arcs == 1) {
        if (arc > 2) return "the first arc is 0, 1 or 2";
        top = arc;
        continue;
      }
      if (arcs == 2) {
        if (top < 2 && arc > 39) return "below 0 and 1 the second arc is at most 39";
        if (arc > most - 80) return "an arc needs more than 64 bits";
        arc += top * 40;
      }
      unsigned shift = 0;
      for (std::uint64_t rest = arc >> 7; rest != 0; rest >>= 7) shift += 7;
      if (size + shift / 7 >= max_size) return "more than 31 octets";
      for (; shift != 0; shift -= 7) octets_[size++] = static_cast<unsigned char>((arc >> shift & 0x7f) | 0x80);
      octets_[size++] = static_cast<unsigned char>(arc & 0x7f);
    }
    size_ = static_cast<unsigned char>(size);
    return arcs < 2 ? "at least two arcs" : nullptr;
  }

  /// '.' and the number in octets [start, end), seven bits each, less `minus`. An arc may have any size (2.25.UUID has
  /// 128 bits), so it is divided as written.
  void append(OidText& text, std::size_t start, std::size_t end, unsigned char minus) const noexcept {
    unsigned char septets[max_size];
    for (std::size_t i = start; i < end; ++i) septets[i] = octets_[i] & 0x7f;
    for (std::size_t i = end; i-- > start && minus != 0;) {  // borrow from the left where needed
      const bool borrows = septets[i] < minus;
      septets[i] = static_cast<unsigned char>(septets[i] + (borrows ? 128 : 0) - minus);
      minus = borrows ? 1 : 0;
    }
    char digits[max_size * 3];
    std::size_t count = 0;
    bool is_zero = false;
    while (!is_zero) {
      unsigned remainder = 0;
      is_zero = true;
      for (std::size_t i = start; i < end; ++i) {
        const unsigned value = remainder << 7 | septets[i];
        septets[i] = static_cast<unsigned char>(value / 10);
        remainder = value % 10;
        is_zero = is_zero && septets[i] == 0;
      }
      digits[count++] = static_cast<char>('0' + remainder);
    }
    text.chars[text.size++] = '.';
    while (count > 0) text.chars[text.size++] = digits[--count];
  }

  unsigned char octets_[max_size] = {};
  unsigned char size_ = 0;
};

namespace gss_detail {
/// The C form of an Oid constant, in read-only memory. The C API takes non-const pointers and does not write to them.
template <const Oid& O>
GSSKEY_HIDDEN inline constexpr gss_OID_desc oid_desc{static_cast<OM_uint32>(O.size()),
                                                     const_cast<void*>(static_cast<const void*>(O.data()))};

template <const Oid& O>
[[nodiscard]] inline gss_OID raw_oid() noexcept {
  if constexpr (O.empty()) {
    return GSS_C_NO_OID;
  } else {
    return const_cast<gss_OID>(&oid_desc<O>);
  }
}

template <const Oid&... Os>
struct OidSetDesc {
  GSSKEY_HIDDEN static constexpr gss_OID_desc elements[] = {oid_desc<Os>...};
  GSSKEY_HIDDEN static constexpr gss_OID_set_desc set{sizeof...(Os), const_cast<gss_OID>(elements)};
};

struct OidSetTraits {
  using Handle = gss_OID_set;
  static constexpr Handle none = nullptr;
  static void close(Handle set) noexcept {
    OM_uint32 minor = 0;
    (void)gss_release_oid_set(&minor, &set);
  }
};
}  // namespace gss_detail

/// Returns a constant set for the C API: raw_oid_set<mech::Krb5::oid, mech::Spnego::oid>().
/// Owner: nobody; never pass it to gss_add_oid_set_member or gss_release_oid_set.
template <const Oid&... Os>
[[nodiscard]] inline gss_OID_set raw_oid_set() noexcept {
  return const_cast<gss_OID_set>(&gss_detail::OidSetDesc<Os...>::set);
}

/// Owns a set that a gss_* call allocated. A range of values: each Oid is a copy.
/// Calls: gss_release_oid_set, when it goes.
/// Threads: one at a time; any number may read.
/// Owner: of the gss_OID_set, until release().
class OidSet {
  [[nodiscard]] static Oid value(const gss_OID_desc& element) noexcept { return Oid::copy_of(&element); }

 public:
  using Iterator = detail::ElementIterator<gss_OID_desc, &value>;

  OidSet() noexcept = default;
  /// Takes a set over that a gss_* call allocated.
  [[nodiscard]] static OidSet adopt(gss_OID_set set) noexcept {
    OidSet owner;
    owner.set_ = decltype(set_)::adopt(set);
    return owner;
  }
  [[nodiscard]] gss_OID_set get() const noexcept GSSKEY_LIFETIMEBOUND { return set_.get(); }
  /// Gives the set up: the caller owns it.
  [[nodiscard]] gss_OID_set release() noexcept { return set_.release(); }
  /// Returns where a C call writes a new set; what was owned is released first.
  [[nodiscard]] gss_OID_set* put() noexcept GSSKEY_LIFETIMEBOUND { return set_.put(); }

  [[nodiscard]] std::size_t size() const noexcept { return set_ ? set_.get()->count : 0; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] Iterator begin() const noexcept GSSKEY_LIFETIMEBOUND {
    return Iterator{set_ ? set_.get()->elements : nullptr};
  }
  [[nodiscard]] Iterator end() const noexcept GSSKEY_LIFETIMEBOUND {
    return begin() + static_cast<std::ptrdiff_t>(size());
  }
  /// Returns the member at `index`; an empty Oid past the end.
  [[nodiscard]] Oid operator[](std::size_t index) const noexcept {
    return index < size() ? value(set_.get()->elements[index]) : Oid{};
  }
  /// Returns whether `oid` is a member.
  [[nodiscard]] bool contains(const Oid& oid) const noexcept {
    for (const Oid& member : *this) {
      if (member == oid) return true;
    }
    return false;
  }

 private:
  UniqueHandle<gss_detail::OidSetTraits> set_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
