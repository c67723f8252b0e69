// gsskey/core/detail/reader, and rfc4121_header: every width at every cut; what is not there is not read, whatever
// length is claimed. SPDX-License-Identifier: MIT
#include <gsskey/core/detail/reader.hpp>

#include <gsskey/core/detail/rfc4121_header.hpp>

#include <cstdint>
#include <limits>
#include <vector>

#include "support/catch.hpp"

using gsskey::ByteView;
using gsskey::detail::Reader;

namespace {

constexpr unsigned char pattern[] = {0x81, 0x02, 0xf3, 0x04, 0x75, 0xe6, 0x07, 0xd8, 0x09};

/// Numbers of `Width` bytes at every offset of every cut of the pattern, against shifts written out here.
template <class Number, std::size_t Width>
void read_numbers() {
  for (std::size_t size = 0; size <= sizeof pattern; ++size) {
    // A block of exactly this size: AddressSanitizer sees a byte too many.
    const std::vector<unsigned char> cut{pattern, pattern + size};
    for (std::size_t offset = 0; offset <= size; ++offset) {
      std::uint64_t big_endian = 0;
      std::uint64_t little_endian = 0;
      const bool is_there = size - offset >= Width;
      for (std::size_t at = 0; is_there && at < Width; ++at) {
        big_endian += std::uint64_t{cut[offset + at]} << (8 * (Width - 1 - at));
        little_endian += std::uint64_t{cut[offset + at]} << (8 * at);
      }
      Number number = 77;
      Reader big{cut};
      REQUIRE(big.skip(offset));
      REQUIRE(big.take_big_endian<Number, Width>(number) == is_there);
      CHECK(number == (is_there ? big_endian : 77));
      CHECK(big.rest().size() == size - offset - (is_there ? Width : 0));
      number = 77;
      Reader little{cut};
      REQUIRE(little.skip(offset));
      REQUIRE(little.take_little_endian<Number, Width>(number) == is_there);
      CHECK(number == (is_there ? little_endian : 77));
      CHECK(little.rest().size() == size - offset - (is_there ? Width : 0));
    }
  }
}

/// The content behind a length of `Width` bytes, for every length up to 20 and those that are the largest, at every
/// cut.
template <std::size_t Width>
void read_prefixed() {
  constexpr std::uint64_t largest = Width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * Width)) - 1;
  std::vector<std::uint64_t> lengths;
  for (std::uint64_t length = 0; length <= 20; ++length) {
    lengths.push_back(length);
    lengths.push_back(largest - length);
    // What is 0 … 20 again once 32 bits are all that a size has.
    if (Width == 8) lengths.push_back((std::uint64_t{1} << 32) + length);
  }
  for (const std::uint64_t length : lengths) {
    for (std::size_t left = 0; left <= 20; ++left) {
      std::vector<unsigned char> bytes;
      for (std::size_t at = 0; at < Width; ++at) {
        bytes.push_back(static_cast<unsigned char>(length >> (8 * (Width - 1 - at))));
      }
      for (std::size_t at = 0; at < left; ++at) bytes.push_back(static_cast<unsigned char>('a' + at));
      Reader reader{bytes};
      ByteView content{"before"};
      const bool is_there = length <= left;
      REQUIRE(reader.take_prefixed<Width>(content) == is_there);
      if (is_there) {
        CHECK(content == ByteView{bytes}.subview(Width, static_cast<std::size_t>(length)));
        CHECK(reader.rest().size() == left - length);
      } else {
        CHECK(content == ByteView{"before"});
        CHECK(reader.rest() == ByteView{bytes});
      }
    }
  }
}

}  // namespace

TEST_CASE("a number is read whole, in either order, or not at all") {
  read_numbers<std::uint8_t, 1>();
  read_numbers<std::uint16_t, 1>();
  read_numbers<std::uint16_t, 2>();
  read_numbers<std::uint32_t, 3>();
  read_numbers<std::uint32_t, 4>();
  read_numbers<std::uint64_t, 1>();
  read_numbers<std::uint64_t, 4>();
  read_numbers<std::uint64_t, 5>();
  read_numbers<std::uint64_t, 6>();
  read_numbers<std::uint64_t, 7>();
  read_numbers<std::uint64_t, 8>();
}

TEST_CASE("content that is shorter than its length is not read") {
  read_prefixed<1>();
  read_prefixed<2>();
  read_prefixed<3>();
  read_prefixed<4>();
  read_prefixed<8>();
  for (std::size_t size = 0; size < 4; ++size) {
    Reader reader{ByteView{pattern}.subview(0, size)};
    ByteView content{"before"};
    CHECK_FALSE(reader.take_prefixed<4>(content));
    CHECK(content == ByteView{"before"});
    CHECK(reader.rest().size() == size);
  }
}

TEST_CASE("more bytes than there are are not taken, however many are asked for") {
  constexpr std::size_t max = std::numeric_limits<std::size_t>::max();
  for (std::size_t size = 0; size <= sizeof pattern; ++size) {
    const std::vector<unsigned char> cut{pattern, pattern + size};
    for (std::size_t over = 1; over <= 20; ++over) {
      for (const std::size_t count : {size + over, max - over + 1, max / 2 + over, max / 2 - over}) {
        Reader reader{cut};
        ByteView taken{"before"};
        CHECK_FALSE(reader.take(count, taken));
        CHECK_FALSE(reader.skip(count));
        CHECK(taken == ByteView{"before"});
        CHECK(reader.rest() == ByteView{cut});
      }
    }
    for (std::size_t count = 0; count <= size; ++count) {
      Reader reader{cut};
      ByteView taken{"before"};
      REQUIRE(reader.take(count, taken));
      CHECK(taken == ByteView{cut}.subview(0, count));
      CHECK(reader.rest() == ByteView{cut}.subview(count));
      CHECK(reader.at_end() == (count == size));
    }
  }
}

TEST_CASE("single bytes, and those that must be") {
  Reader reader{"GSS\0key"};
  CHECK(reader.starts_with("GSS\0"));
  CHECK_FALSE(reader.starts_with("GSS\1"));
  CHECK_FALSE(reader.starts_with("GSS\0keys"));
  CHECK_FALSE(reader.skip_only("GSS\0keys"));
  CHECK_FALSE(reader.skip_only("gss"));
  CHECK(reader.skip_only(""));
  CHECK(reader.rest().size() == 7);
  CHECK(reader.skip_only("GSS"));
  unsigned char byte = 1;
  REQUIRE(reader.take_byte(byte));
  CHECK(byte == 0);
  CHECK(reader.skip_only("key"));
  CHECK(reader.at_end());
  CHECK_FALSE(reader.take_byte(byte));
  CHECK(byte == 0);
  CHECK(reader.skip_only(""));
  CHECK_FALSE(reader.skip_only("k"));

  Reader nothing{ByteView{}};
  ByteView taken{"before"};
  CHECK(nothing.at_end());
  REQUIRE(nothing.take(0, taken));
  CHECK(taken.empty());
}

TEST_CASE("of every altered header of a Kerberos message, what is read is what would be written; cut, it is none") {
  using gsskey::rfc4121::Header;
  const Header sent[] = {{true, 7, 0x1234, 0xfedc, 0x0123456789abcdef}, {false, 5, 0, 0, ~std::uint64_t{0}}};
  unsigned read = 0;
  for (const Header& header : sent) {
    std::vector<unsigned char> bytes(16);
    header.write(bytes.data());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const std::vector<unsigned char> cut{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
      CHECK_FALSE(Header{}.read(cut, header.is_wrap));
    }
    CHECK_FALSE(Header{}.read(bytes, !header.is_wrap));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (unsigned value = 0; value <= 0xff; ++value) {
        std::vector<unsigned char> altered = bytes;
        altered[at] = static_cast<unsigned char>(value);
        Header found;
        if (!found.read(altered, header.is_wrap)) continue;
        ++read;
        std::vector<unsigned char> written(16);
        found.write(written.data());
        REQUIRE(written == altered);
      }
    }
  }
  CHECK(read == 256 * (13 + 9) + (3 + 7));  // any value of what is no mark, and the marks as they were
}
