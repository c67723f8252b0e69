// gsskey/core/bytes: what a ByteView sees, and that SecretBytes are zero when their memory goes back.
// SPDX-License-Identifier: MIT
#include <gsskey/core/bytes.hpp>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"
#include "support/heap.hpp"

using gsskey::ByteView;
using gsskey::SecretBytes;
using support::heap::FreeWatch;

namespace {

std::string text_of(ByteView view) { return std::string{view.text()}; }

SecretBytes secret(std::string_view text) {
  auto bytes = SecretBytes::copy_of(text);
  REQUIRE(bytes);
  return std::move(*bytes);
}

/// A Release that remembers what it was given.
struct Released {
  static inline int count = 0;
  static inline std::size_t size = 0;
  static inline std::vector<unsigned char> bytes;
  static void release(void* data, std::size_t released_size) noexcept {
    ++count;
    size = released_size;
    bytes.assign(static_cast<unsigned char*>(data), static_cast<unsigned char*>(data) + released_size);
  }
};

}  // namespace

TEST_CASE("ByteView sees the bytes of whatever holds them") {
  const std::string string = "abc";
  const std::vector<unsigned char> vector = {'a', 'b', 'c'};
  const std::array<std::byte, 3> array = {std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  const unsigned char raw[] = {'a', 'b', 'c'};
  std::string writable = "abc";

  CHECK(text_of(string) == "abc");
  CHECK(text_of(std::string_view{"abcdef"}.substr(0, 3)) == "abc");
  CHECK(text_of(vector) == "abc");
  CHECK(text_of(array) == "abc");
  CHECK(text_of(raw) == "abc");
  CHECK(text_of(std::span{writable}) == "abc");
  CHECK(text_of(secret("abc")) == "abc");
  CHECK(ByteView{string}.data() == reinterpret_cast<const unsigned char*>(string.data()));
}

TEST_CASE("ByteView counts a literal without its NUL and keeps every other zero byte") {
  CHECK(ByteView{"abc"}.size() == 3);
  CHECK(ByteView{""}.empty());
  CHECK(ByteView{"a\0b\0"}.size() == 4);
  CHECK(ByteView{std::string{"a\0", 2}}.size() == 2);
  const unsigned char raw[] = {'a', 0, 0};
  CHECK(ByteView{raw}.size() == 3);
  CHECK(ByteView{raw}[2] == 0);
}

TEST_CASE("ByteView compares bytes, not addresses") {
  const std::string a = "same";
  const std::string b = "same";
  CHECK(ByteView{a} == ByteView{b});
  CHECK_FALSE(ByteView{a} == ByteView{"sane"});
  CHECK_FALSE(ByteView{a} == ByteView{"same\0"});
  CHECK(ByteView{} == ByteView{""});
}

TEST_CASE("a subview stays inside") {
  const ByteView view = "0123456789";
  CHECK(view.subview(3, 4).text() == "3456");
  CHECK(view.subview(8).text() == "89");
  CHECK(view.subview(8, 100).text() == "89");
  CHECK(view.subview(10).empty());
  CHECK(view.subview(11, 1).empty());
  CHECK(ByteView{}.subview(0).empty());
}

TEST_CASE("SecretBytes hold what they were given") {
  auto zeroes = SecretBytes::with_size(5);
  REQUIRE(zeroes);
  CHECK(ByteView{*zeroes} == ByteView{"\0\0\0\0\0"});
  CHECK(secret(std::string_view{"k\0y\0", 4}).text() == std::string_view{"k\0y\0", 4});
  CHECK(secret("").empty());
  CHECK(SecretBytes{}.empty());
  CHECK(SecretBytes{}.text().empty());
}

TEST_CASE("SecretBytes are zero when free() gets them") {
  SECTION("at the end of their life") {
    auto* bytes = new SecretBytes{secret("password")};
    FreeWatch watch{bytes->data(), bytes->size()};
    delete bytes;
    CHECK(watch.was_wiped());
  }
  SECTION("when others are assigned") {
    SecretBytes bytes = secret("password");
    FreeWatch watch{bytes.data(), bytes.size()};
    bytes = secret("other");
    CHECK(watch.was_wiped());
    CHECK(bytes.text() == "other");
  }
  SECTION("when they grow") {
    SecretBytes bytes = secret("password");
    FreeWatch watch{bytes.data(), bytes.size()};
    REQUIRE(bytes.resize(1000));
    CHECK(watch.was_wiped());
    CHECK(bytes.size() == 1000);
    CHECK(ByteView{bytes}.subview(0, 8) == ByteView{"password"});
    CHECK(bytes.data()[8] == 0);
    CHECK(bytes.data()[999] == 0);
  }
  SECTION("when they shrink") {
    SecretBytes bytes = secret("password");
    FreeWatch watch{bytes.data(), bytes.size()};
    REQUIRE(bytes.resize(4));
    CHECK(watch.was_wiped());
    CHECK(bytes.text() == "pass");
  }
  SECTION("on demand") {
    SecretBytes bytes = secret("password");
    FreeWatch watch{bytes.data(), bytes.size()};
    bytes.wipe();
    CHECK(watch.was_wiped());
    CHECK(bytes.empty());
    bytes.wipe();
  }
}

TEST_CASE("the watch on free() notices bytes that were not wiped") {
  void* block = std::malloc(8);
  REQUIRE(block != nullptr);
  std::memcpy(block, "password", 8);
  FreeWatch watch{block, 8};
  std::free(block);
  CHECK(watch.freed());
  CHECK_FALSE(watch.was_wiped());
}

TEST_CASE("a move hands the memory over and leaves nothing behind") {
  SecretBytes from = secret("password");
  const auto* memory = from.data();
  FreeWatch watch{memory, from.size()};
  SecretBytes to{std::move(from)};
  CHECK(to.data() == memory);
  CHECK(to.text() == "password");
  CHECK(from.empty());
  CHECK(from.data() == nullptr);

  SecretBytes& same = to;
  to = std::move(same);
  CHECK(to.text() == "password");
  CHECK_FALSE(watch.freed());
}

TEST_CASE("a Release of the caller's gets wiped bytes, their size, and once") {
  char memory[] = "password";
  Released::count = 0;
  {
    SecretBytes bytes = SecretBytes::adopt(memory, 8, &Released::release);
    CHECK(bytes.text() == "password");
    SecretBytes moved{std::move(bytes)};
    CHECK(Released::count == 0);
  }
  CHECK(Released::count == 1);
  CHECK(Released::size == 8);
  CHECK(Released::bytes == std::vector<unsigned char>(8, 0));

  std::memcpy(memory, "password", 8);
  SecretBytes resized = SecretBytes::adopt(memory, 8, &Released::release);
  REQUIRE(resized.resize(16));
  CHECK(Released::count == 2);
  CHECK(Released::bytes == std::vector<unsigned char>(8, 0));
  CHECK(ByteView{resized}.subview(0, 8).text() == "password");
}

TEST_CASE("without memory the answer is ENOMEM, and what there was stays") {
  if (!support::heap::Exhausted::possible) return;
  SecretBytes bytes = secret("password");
  {
    support::heap::Exhausted no_memory;
    const auto made = SecretBytes::with_size(8);
    const auto copied = SecretBytes::copy_of("other");
    const auto resized = bytes.resize(16);
    support::heap::Exhausted::now = false;  // REQUIRE allocates
    REQUIRE_FALSE(made);
    CHECK(made.error().domain() == gsskey::Domain::system);
    CHECK(made.error().minor_status() == ENOMEM);
    CHECK_FALSE(copied);
    CHECK_FALSE(resized);
  }
  CHECK(bytes.text() == "password");
}
