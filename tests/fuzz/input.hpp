// tests/fuzz/input: the bytes that a fuzzer gives a target, taken apart, and what a target does when a promise is
// broken. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace fuzz {

using Bytes = std::vector<unsigned char>;
[[nodiscard]] inline Bytes bytes_of(gsskey::ByteView view) { return {view.begin(), view.end()}; }

/// Not assert(): it holds in every build.
inline void expect(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}
/// Whether `part` lies within `whole`.
[[nodiscard]] inline bool is_within(gsskey::ByteView part, gsskey::ByteView whole) {
  return part.empty() || (part.data() >= whole.data() && part.end() <= whole.end());
}
/// Whether both are the same, without memcmp(): libFuzzer sees what that compares, and would send what was made here as
/// its own.
[[nodiscard]] inline bool are_same(const Bytes& one, const Bytes& other) {
  unsigned difference = one.size() == other.size() ? 0 : 1;
  for (std::size_t at = 0; at < one.size() && at < other.size(); ++at) difference |= unsigned{one[at]} ^ other[at];
  return difference == 0;
}

/// What is used up reads as zeros.
class Input {
 public:
  explicit Input(gsskey::ByteView bytes) : rest_{bytes} {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] gsskey::ByteView rest() const { return rest_; }
  unsigned char byte() {
    const unsigned char first = rest_.empty() ? 0 : rest_[0];
    rest_ = rest_.subview(1);
    return first;
  }
  std::size_t number() {
    const std::size_t high = byte();
    return high << 8 | byte();
  }
  gsskey::ByteView bytes(std::size_t count) {
    const gsskey::ByteView taken = rest_.subview(0, count);
    rest_ = rest_.subview(count);
    return taken;
  }
  /// `original`, changed as the rest of the input says: four bytes for each change.
  Bytes altered(Bytes original) {
    for (int change = 0; change < 8 && !at_end() && !original.empty(); ++change) {
      const unsigned how = byte() % 4u;
      const std::size_t where = number();
      const unsigned char octet = byte();
      if (how == 0) original[where % original.size()] ^= octet;
      if (how == 1) original[where % original.size()] = octet;
      if (how == 2) original.resize(where % (original.size() + 1));
      if (how == 3)
        original.insert(original.begin() + static_cast<std::ptrdiff_t>(where % original.size()), octet, 0x5a);
    }
    return original;
  }

 private:
  gsskey::ByteView rest_;
};

}  // namespace fuzz

/// What every target defines, for libFuzzer and replay.cpp alike.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
