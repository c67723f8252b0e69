// Keytab files before Heimdal reads them: one that is written whole is readable, one that ends within an entry is not,
// and in what is readable every length is within its entry. SPDX-License-Identifier: MIT
#include <gsskey/gss/platform/keytab_guard.hpp>

#include <cstdint>
#include <vector>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

namespace {

/// Numbers of version 1 are in the order of the machine's bytes.
class File {
 public:
  explicit File(bool is_first_version) : is_first_version_{is_first_version} {}

  [[nodiscard]] const fuzz::Bytes& bytes() const { return bytes_; }
  void put(std::uint32_t number, std::size_t octets) {
    constexpr bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    for (std::size_t at = 0; at < octets; ++at) {
      const std::size_t shift = is_first_version_ && is_little ? at : octets - 1 - at;
      bytes_.push_back(static_cast<unsigned char>(number >> (8 * shift)));
    }
  }
  void put(ByteView octets) { bytes_.insert(bytes_.end(), octets.begin(), octets.end()); }
  void put_counted(ByteView octets) {
    put(static_cast<std::uint32_t>(octets.size()), 2);
    put(octets);
  }

 private:
  fuzz::Bytes bytes_;
  bool is_first_version_;
};

fuzz::Bytes entry(fuzz::Input& input, bool is_first_version) {
  File file{is_first_version};
  const unsigned components = input.byte() % 5u;
  file.put(components + (is_first_version ? 1 : 0), 2);
  for (unsigned at = 0; at <= components; ++at) file.put_counted(input.bytes(input.byte() % 20u));  // the realm, too
  if (!is_first_version) file.put(1, 4);                                                            // type of name
  file.put(0x5f000000, 4);                                                                          // time
  file.put(input.byte(), 1);                                                                        // version of key
  file.put(18, 2);
  file.put_counted(input.bytes(input.byte() % 40u));
  if (input.byte() % 2u != 0) file.put(7, 4);  // a version that is longer
  return file.bytes();
}

void written(fuzz::Input& input) {
  const bool is_first_version = input.byte() % 2u == 0;
  const std::size_t where = input.number();
  File file{is_first_version};
  file.put("\5");
  file.put(is_first_version ? 1 : 2, 1);
  std::vector<bool> is_within_entry(2, false);  // whether a file of so many bytes ends there
  while (!input.at_end() && file.bytes().size() < 2000) {
    const bool is_deleted = input.byte() % 4u == 0;
    const fuzz::Bytes body = entry(input, is_first_version);
    const auto size = static_cast<std::uint32_t>(body.size());
    file.put(is_deleted ? ~size + 1 : size, 4);
    file.put(body);
    is_within_entry.resize(is_within_entry.size() + 4, false);  // half a number is the end
    is_within_entry.resize(is_within_entry.size() + body.size(), !is_deleted);
  }
  const ByteView whole{file.bytes()};
  expect(gss_detail::is_readable_keytab(whole), "a whole keytab is readable");
  const std::size_t end = where % whole.size();
  if (end < 2) return;
  // A number that has no byte behind it is within an entry, too.
  const bool has_entry = is_within_entry[end];
  expect(gss_detail::is_readable_keytab(whole.subview(0, end)) == !has_entry, "one that is cut off is not");
}

/// Reads as Heimdal does, and says whether every length that it believes holds.
class Reading {
 public:
  Reading(ByteView file, bool is_first_version) : file_{file}, is_first_version_{is_first_version} {}

  [[nodiscard]] bool holds() {
    while (file_.size() - at_ >= 4) {
      const std::int64_t size = static_cast<std::int32_t>(number(4));
      const std::uint64_t start = at_;
      const std::uint64_t end = start + static_cast<std::uint64_t>(size < 0 ? -size : size);
      if (size >= 0 && !entry_holds(end)) return false;
      if (end > file_.size()) return size < 0;
      at_ = end;
    }
    return true;
  }

 private:
  [[nodiscard]] bool entry_holds(std::uint64_t end) {
    if (end > file_.size()) return false;
    std::int64_t left = 0;
    if (!count(end, left)) return false;
    left += is_first_version_ ? 0 : 1;  // strings, the realm among them
    if (left < 1) return false;
    for (; left != 0; --left) {
      if (!string(end)) return false;
    }
    at_ += (is_first_version_ ? 0u : 4u) + 7u;
    return string(end);
  }
  [[nodiscard]] bool string(std::uint64_t end) {
    std::int64_t size = 0;
    if (!count(end, size) || size < 0) return false;
    at_ += static_cast<std::uint64_t>(size);
    return at_ <= end;
  }
  [[nodiscard]] bool count(std::uint64_t end, std::int64_t& count) {
    if (at_ + 2 > end) return false;
    count = static_cast<std::int16_t>(number(2));
    return true;
  }
  std::uint32_t number(std::size_t octets) {
    constexpr bool is_little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    std::uint32_t value = 0;
    for (std::size_t at = 0; at < octets; ++at) {
      const bool backwards = is_first_version_ && is_little;
      value = value << 8 | file_[static_cast<std::size_t>(at_) + (backwards ? octets - 1 - at : at)];
    }
    at_ += octets;
    return value;
  }

  ByteView file_;
  bool is_first_version_;
  std::uint64_t at_ = 2;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{{data, size}};
  if (input.byte() % 2u == 0) {
    written(input);
    return 0;
  }
  const ByteView file = input.rest();
  const bool is_readable = gss_detail::is_readable_keytab(file);
  if (file.size() < 2 || file[0] != 5) {
    expect(is_readable, "what is seen at once to be none may be read");
  } else if (is_readable) {
    expect(Reading(file, file[1] == 1).holds(), "every length of a readable keytab holds");
  }
  return 0;
}
