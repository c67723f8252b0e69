// gsskey/krb5/detail/pac_reader: the bytes of a PAC, taken apart into what krb5/pac_info has. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/krb5/detail/ndr.hpp>
#include <gsskey/krb5/pac_info.hpp>
#include <gsskey/krb5/sid.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// All that was read of a PAC, and its memory.
struct PacContents {
  std::optional<PacLogonInfo> logon;
  std::optional<PacClient> client;
  std::optional<PacUpn> upn;
  std::optional<std::uint32_t> attributes;
  Sid requestor;
  PacChecksum checksums[4] = {};
  std::size_t checksum_count = 0;

  std::unique_ptr<PacGroup[]> groups[3];
  std::unique_ptr<char[]> text;
};

/// Reads a PAC. What is wrong is in `why`.
class PacReader {
 public:
  /// Windows refuses a tenth of it.
  static constexpr std::size_t max_size = std::size_t{1} << 19;

  PacReader(ByteView pac, PacContents& out) noexcept : pac_{pac}, out_{out} {}

  [[nodiscard]] Result<void> read() noexcept {
    if (pac_.size() > max_size) return failed("the PAC is larger than any");
    room_ = 3 * pac_.size();  // of two bytes three; those of PacUpn may overlap
    out_.text.reset(new (std::nothrow) char[room_ + 1]);
    if (!out_.text) return unexpected(Error::system("malloc", ENOMEM));
    Reader in{pac_};
    std::uint32_t count = 0;
    std::uint32_t version = 1;
    if (!in.take_little_endian(count) || !in.take_little_endian(version) || version != 0) {
      return failed("this is no PAC");
    }
    if (count > in.rest().size() / 16) return failed("the PAC is cut off");
    std::uint32_t seen = 0;
    const std::size_t first = 8 + 16 * std::size_t{count};
    for (; count > 0; --count) {
      std::uint32_t type = 0;
      std::uint32_t size = 0;
      std::uint64_t offset = 0;
      if (!in.take_little_endian(type) || !in.take_little_endian(size) || !in.take_little_endian(offset) ||
          offset < first || offset > pac_.size() || size > pac_.size() - static_cast<std::size_t>(offset)) {
        return failed("a part of the PAC is not within it");
      }
      if (type > 31) continue;
      if ((seen >> type & 1) != 0) return failed("the PAC has a part twice");
      seen |= 1u << type;
      if (!read_part(type, pac_.subview(static_cast<std::size_t>(offset), size))) {
        if (out_of_memory_) return unexpected(Error::system("malloc", ENOMEM));
        return failed("a part of the PAC is malformed");
      }
    }
    return {};
  }

 private:
  [[nodiscard]] static unexpected<Error> failed(const char* why) noexcept {
    return unexpected(Error::policy("Pac::from", 0, why));
  }

  [[nodiscard]] bool read_part(std::uint32_t type, ByteView bytes) noexcept {
    switch (type) {
      case 1:
        return read_logon(NdrReader{bytes});
      case 6:
      case 7:
      case 16:
      case 19:
        return read_checksum(static_cast<PacChecksumType>(type), Reader{bytes});
      case 10:
        return read_client(Reader{bytes});
      case 12:
        return read_upn(bytes);
      case 17: {
        Reader in{bytes};
        std::uint32_t bits = 0;
        return in.take_little_endian(bits) && bits <= 32 && in.take_little_endian(out_.attributes.emplace());
      }
      case 18: {
        const auto sid = Sid::from_bytes(bytes);
        if (sid) out_.requestor = *sid;
        return sid.has_value();
      }
      default:  // 2 has the keys of a password, under another key; of the others nothing is told here
        return true;
    }
  }

  [[nodiscard]] bool read_checksum(PacChecksumType type, Reader in) noexcept {
    std::uint32_t algorithm = 0;
    if (!in.take_little_endian(algorithm)) return false;
    out_.checksums[out_.checksum_count++] = {type, static_cast<std::int32_t>(algorithm),
                                             type == PacChecksumType::server};
    return true;
  }

  [[nodiscard]] bool read_client(Reader in) noexcept {
    PacClient& client = out_.client.emplace();
    std::uint64_t time = 0;
    std::uint16_t size = 0;
    ByteView name;
    if (!in.take_little_endian(time) || !in.take_little_endian(size) || !in.take(size, name)) return false;
    client.authenticated = time_of(time);
    return to_utf8(name, client.name);
  }

  [[nodiscard]] bool read_upn(ByteView bytes) noexcept {
    constexpr std::uint32_t constructed = 1, extended = 2;
    PacUpn& upn = out_.upn.emplace();
    Reader in{bytes};
    ByteView text, domain, name, sid;
    std::uint32_t flags = 0;
    if (!take_place(in, bytes, text) || !take_place(in, bytes, domain) || !in.take_little_endian(flags)) return false;
    upn.is_constructed = (flags & constructed) != 0;
    if (!to_utf8(text, upn.upn) || !to_utf8(domain, upn.dns_domain)) return false;
    if ((flags & extended) == 0) return true;
    if (!take_place(in, bytes, name) || !take_place(in, bytes, sid) || !to_utf8(name, upn.name)) return false;
    const auto found = Sid::from_bytes(sid);
    if (found) upn.sid = *found;
    return found.has_value();
  }
  /// A length, an offset, and what is there.
  [[nodiscard]] static bool take_place(Reader& in, ByteView whole, ByteView& there) noexcept {
    std::uint16_t size = 0;
    std::uint16_t offset = 0;
    if (!in.take_little_endian(size) || !in.take_little_endian(offset)) return false;
    Reader at{whole};
    return at.skip(offset) && at.take(size, there);
  }

  [[nodiscard]] bool read_logon(NdrReader in) noexcept {
    constexpr std::uint32_t has_extra = 0x20, has_resource_groups = 0x200;
    constexpr std::size_t counts = 4, session_key = 16, reserved = 8, sub_authentication = 28;
    PacLogonInfo& logon = out_.logon.emplace();
    PacTime* const times[] = {&logon.logon,
                              &logon.logoff,
                              &logon.kickoff,
                              &logon.password_set,
                              &logon.password_can_change,
                              &logon.password_must_change};
    NdrText texts[8];  // two names, four that nobody asks for, server and domain
    std::uint32_t user = 0, primary = 0, group_count = 0, flags = 0, extra_count = 0, resource_count = 0;
    bool has_groups = false, has_domain = false, has_sids = false, has_resource_domain = false, has_resources = false;
    if (!in.take_headers()) return false;
    for (PacTime* const time : times) {
      std::uint64_t raw = 0;
      if (!in.take(raw)) return false;
      *time = time_of(raw);
    }
    for (std::size_t at = 0; at < 6; ++at) {
      if (!in.take(texts[at])) return false;
    }
    if (!in.skip(counts) || !in.take(user) || !in.take(primary) || !in.take(group_count) ||
        !in.take_pointer(has_groups) || !in.take(flags) || !in.skip(session_key) || !in.take(texts[6]) ||
        !in.take(texts[7]) || !in.take_pointer(has_domain) || !in.skip(reserved) || !in.take(logon.account_control) ||
        !in.skip(sub_authentication) || !in.take(extra_count) || !in.take_pointer(has_sids) ||
        !in.take_pointer(has_resource_domain) || !in.take(resource_count) || !in.take_pointer(has_resources)) {
      return false;
    }

    // What they point to, in that order.
    ByteView characters[8], groups, extra, resources;
    Sid resource_domain;
    for (std::size_t at = 0; at < 6; ++at) {
      if (!in.take_characters(texts[at], characters[at])) return false;
    }
    if (!in.take_pairs(has_groups, group_count, groups) || !in.take_characters(texts[6], characters[6]) ||
        !in.take_characters(texts[7], characters[7]) || !has_domain || !in.take_sid(logon.domain) ||
        !in.take_pairs(has_sids, extra_count, extra) || !read_sids(in, extra, logon.extra) ||
        (has_resource_domain && !in.take_sid(resource_domain)) ||
        !in.take_pairs(has_resources, resource_count, resources)) {
      return false;
    }
    if (!read_rids(logon.domain, groups, 0, logon.groups) || !within(logon.domain, primary, logon.primary_group)) {
      return false;
    }
    if ((flags & has_extra) == 0) logon.extra = {};
    if ((flags & has_resource_groups) != 0 && !read_rids(resource_domain, resources, 2, logon.resource_groups)) {
      return false;
    }
    if (user != 0) {
      if (!within(logon.domain, user, logon.user)) return false;
    } else {  // of no domain: the first of the extra ones
      if (logon.extra.empty()) return false;
      logon.user = logon.extra[0].sid;
      logon.extra = logon.extra.subspan(1);
    }
    return to_utf8(characters[0], logon.name) && to_utf8(characters[1], logon.full_name) &&
           to_utf8(characters[6], logon.server) && to_utf8(characters[7], logon.domain_name);
  }

  [[nodiscard]] static bool within(const Sid& domain, std::uint32_t rid, Sid& sid) noexcept {
    const auto whole = domain.with_rid(rid);
    if (whole) sid = *whole;
    return whole.has_value();
  }
  /// Pairs of relative identifier and attributes.
  [[nodiscard]] bool read_rids(const Sid& domain, ByteView pairs, std::size_t which,
                               std::span<const PacGroup>& groups) noexcept {
    return read_groups(pairs, which, groups,
                       [&domain](std::uint32_t rid, Sid& sid) { return within(domain, rid, sid); });
  }
  /// Pairs of pointer and attributes; the identifiers follow.
  [[nodiscard]] bool read_sids(NdrReader& in, ByteView pairs, std::span<const PacGroup>& groups) noexcept {
    return read_groups(pairs, 1, groups,
                       [&in](std::uint32_t pointer, Sid& sid) { return pointer != 0 && in.take_sid(sid); });
  }
  template <class Read>
  [[nodiscard]] bool read_groups(ByteView pairs, std::size_t which, std::span<const PacGroup>& groups,
                                 Read read) noexcept {
    const std::size_t count = pairs.size() / 8;
    if (count == 0) return true;
    auto* const list = new (std::nothrow) PacGroup[count];
    out_.groups[which].reset(list);
    out_of_memory_ = list == nullptr;
    if (out_of_memory_) return false;
    Reader in{pairs};
    for (std::size_t at = 0; at < count; ++at) {
      std::uint32_t first = 0;
      std::uint32_t attributes = 0;
      if (!in.take_little_endian(first) || !in.take_little_endian(attributes) || !read(first, list[at].sid)) {
        return false;
      }
      list[at].attributes = GroupAttributes::from_bits(attributes);
    }
    groups = {list, count};
    return true;
  }

  [[nodiscard]] static PacTime time_of(std::uint64_t raw) noexcept {
    constexpr std::uint64_t never = 0x7fffffffffffffff;
    constexpr std::int64_t from_1601_to_1970 = 116'444'736'000'000'000;
    if (raw == 0 || raw >= never) return std::nullopt;
    return PacTime::value_type{PacTime::value_type::duration{static_cast<std::int64_t>(raw) - from_1601_to_1970}};
  }

  /// Into memory that is there. False for half a surrogate pair, and where the memory does not suffice.
  [[nodiscard]] bool to_utf8(ByteView utf16, std::string_view& text) noexcept {
    char* const begin = out_.text.get() + used_;
    Reader in{utf16};
    std::uint16_t unit = 0;
    while (in.take_little_endian(unit)) {
      std::uint32_t letter = unit;
      if (unit >= 0xd800 && unit < 0xe000) {
        std::uint16_t low = 0;
        if (unit >= 0xdc00 || !in.take_little_endian(low) || low < 0xdc00 || low >= 0xe000) return false;
        letter = 0x10000 + ((unit & 0x3ffu) << 10 | (low & 0x3ffu));
      }
      if (room_ - used_ < 4) return false;
      char* const out = out_.text.get() + used_;
      if (letter < 0x80) {
        out[0] = static_cast<char>(letter);
        used_ += 1;
        continue;
      }
      const unsigned more = letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
      constexpr unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
      out[0] = static_cast<char>(lead[more] | letter >> (6 * more));
      for (unsigned at = 1; at <= more; ++at) out[at] = static_cast<char>(0x80 | (letter >> (6 * (more - at)) & 0x3f));
      used_ += more + 1;
    }
    text = {begin, static_cast<std::size_t>(out_.text.get() + used_ - begin)};
    return in.at_end();
  }

  ByteView pac_;
  PacContents& out_;
  std::size_t room_ = 0;
  std::size_t used_ = 0;
  bool out_of_memory_ = false;
};

/// Of bytes that somebody vouches for.
[[nodiscard]] inline Result<std::unique_ptr<const PacContents>> read_pac(ByteView pac) noexcept {
  std::unique_ptr<PacContents> contents{new (std::nothrow) PacContents};
  if (!contents) return unexpected(Error::system("malloc", ENOMEM));
  if (auto read = PacReader{pac, *contents}.read(); !read) return unexpected(std::move(read).error());
  return contents;
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
