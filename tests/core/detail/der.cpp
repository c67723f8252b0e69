// gsskey/core/detail/der: the shortest definite length and no other, of bytes that are all there.
// SPDX-License-Identifier: MIT
#include <gsskey/core/detail/der.hpp>

#include <cstdint>
#include <random>
#include <vector>

#include "support/catch.hpp"

using gsskey::ByteView;
using gsskey::detail::DerElement;
using gsskey::detail::DerFault;
using gsskey::detail::DerReader;

namespace {

using Bytes = std::vector<unsigned char>;

/// Tag and shortest length.
Bytes header(unsigned char tag, std::uint64_t size) {
  if (size < 0x80) return {tag, static_cast<unsigned char>(size)};
  Bytes octets;
  for (; size != 0; size >>= 8) octets.insert(octets.begin(), static_cast<unsigned char>(size));
  octets.insert(octets.begin(), {tag, static_cast<unsigned char>(0x80 | octets.size())});
  return octets;
}

DerFault fault_of(const Bytes& bytes) {
  DerReader reader{bytes};
  DerElement element{0x42, "before"};
  const DerFault fault = reader.take(element);
  if (fault != DerFault::none) {
    CHECK(element.tag == 0x42);
    CHECK(element.content == ByteView{"before"});
    CHECK(reader.rest() == ByteView{bytes});
  } else {
    // What was taken is written back as it was.
    Bytes again = header(element.tag, element.content.size());
    again.insert(again.end(), element.content.begin(), element.content.end());
    again.insert(again.end(), reader.rest().begin(), reader.rest().end());
    CHECK(again == bytes);
  }
  return fault;
}

}  // namespace

TEST_CASE("an element is as long as it says, whole, and at every cut it is none") {
  for (const std::size_t size : {0u, 1u, 2u, 126u, 127u, 128u, 129u, 254u, 255u, 256u, 257u, 65535u, 65536u, 65537u}) {
    Bytes bytes = header(0x30, size);
    const std::size_t before = bytes.size();
    bytes.resize(before + size, 0xab);
    CHECK(fault_of(bytes) == DerFault::none);
    for (std::size_t cut = 0; cut < bytes.size(); cut += cut < 300 ? 1 : 4093) {
      CHECK(fault_of({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut)}) == DerFault::cut_off);
    }
    bytes.insert(bytes.end(), {0x05, 0x00});
    DerReader reader{bytes};
    ByteView content{"before"};
    CHECK(reader.at(0x30));
    CHECK_FALSE(reader.at(0x31));
    CHECK_FALSE(reader.take_last(0x30, content));
    CHECK_FALSE(reader.take(0x31, content));
    CHECK(content == ByteView{"before"});
    CHECK(reader.rest() == ByteView{bytes});
    REQUIRE(reader.take(0x30, content));
    CHECK(content == ByteView{bytes}.subview(before, size));
    CHECK(reader.rest().size() == 2);
    REQUIRE(reader.take_last(0x05, content));
    CHECK(content.empty());
    CHECK(reader.at_end());
    CHECK_FALSE(reader.at(0x00));
    CHECK_FALSE(reader.take(0x05, content));
  }
}

TEST_CASE("a length that is not the shortest, or not definite, is refused and told apart") {
  const Bytes body(70000, 0);
  const auto with = [&body](Bytes start) {
    start.insert(start.end(), body.begin(), body.end());
    return start;
  };
  CHECK(fault_of(with({0x30, 0x80})) == DerFault::indefinite);
  CHECK(fault_of({0x30, 0x80, 0, 0}) == DerFault::indefinite);
  CHECK(fault_of(with({0x30, 0x81, 0x7f})) == DerFault::not_minimal);
  CHECK(fault_of(with({0x30, 0x81, 0x80})) == DerFault::none);
  CHECK(fault_of(with({0x30, 0x81, 0x00})) == DerFault::not_minimal);
  CHECK(fault_of(with({0x30, 0x82, 0x00, 0xff})) == DerFault::not_minimal);
  CHECK(fault_of(with({0x30, 0x82, 0x01, 0x00})) == DerFault::none);
  CHECK(fault_of(with({0x30, 0x83, 0x00, 0xff, 0xff})) == DerFault::not_minimal);
  CHECK(fault_of(with({0x30, 0x83, 0x01, 0x00, 0x00})) == DerFault::none);
  CHECK(fault_of(with({0x30, 0x84, 0x00, 0x01, 0x00, 0x00})) == DerFault::not_minimal);
  for (unsigned octets = 2; octets <= 0x7f; ++octets) {
    Bytes zeros{0x30, static_cast<unsigned char>(0x80 | octets)};
    zeros.resize(2 + octets, 0);
    zeros.back() = 1;
    CHECK(fault_of(with(zeros)) == DerFault::not_minimal);
  }
  CHECK(fault_of({0x1f, 0x01, 0x00}) == DerFault::long_tag);
  CHECK(fault_of({0xbf, 0x85, 0x22, 0x01, 0x00}) == DerFault::long_tag);
  CHECK(fault_of({0xff}) == DerFault::long_tag);
}

TEST_CASE("lengths at the end of what a size can hold are cut off, in any number of octets") {
  for (unsigned octets = 1; octets <= 0x7f; ++octets) {
    for (unsigned last = 0; last <= 0xff; ++last) {
      Bytes bytes{0x30, static_cast<unsigned char>(0x80 | octets)};
      bytes.resize(2 + octets, 0xff);
      bytes.back() = static_cast<unsigned char>(last);
      if (octets == 1 && last < 0x80) continue;
      bytes.insert(bytes.end(), {1, 2, 3, 4});
      CHECK(fault_of(bytes) == DerFault::cut_off);
    }
  }
  // 2^32, and as much again as is there: 0 and 4 where a size has 32 bits.
  CHECK(fault_of({0x30, 0x85, 1, 0, 0, 0, 0, 1, 2, 3, 4}) == DerFault::cut_off);
  CHECK(fault_of({0x30, 0x85, 1, 0, 0, 0, 4, 1, 2, 3, 4}) == DerFault::cut_off);
  CHECK(fault_of({0x30, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4}) == DerFault::cut_off);
}

TEST_CASE("of every short string of bytes, what is taken is written back as it was, and the rest is left") {
  unsigned taken = 0;
  for (unsigned tag = 0; tag <= 0xff; ++tag) {
    for (unsigned first = 0; first <= 0xff; ++first) {
      for (const unsigned second : {0x00u, 0x01u, 0x7fu, 0x80u, 0xffu}) {
        const Bytes bytes{static_cast<unsigned char>(tag), static_cast<unsigned char>(first),
                          static_cast<unsigned char>(second), 0, 0};
        taken += fault_of(bytes) == DerFault::none ? 1u : 0u;
      }
    }
  }
  CHECK(taken == (256 - 8) * 4 * 5);  // tags of one octet, with the lengths 0 … 3
  std::mt19937 random{20};            // elements in a row, at random: all are read, or one is refused and none after it
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random() % 24);
    for (auto& byte : bytes) byte = static_cast<unsigned char>(random() % 4 == 0 ? random() : random() % 6);
    DerReader reader{bytes};
    DerElement element;
    std::size_t left = bytes.size();
    while (reader.take(element) == DerFault::none) {
      REQUIRE(reader.rest().size() + element.content.size() + 2 == left);
      left = reader.rest().size();
    }
  }
}
