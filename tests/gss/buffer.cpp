// Ownership of gss memory: what gss_* allocated goes back to gss_release_buffer once, and secrets are wiped before.
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/name.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

using namespace gsskey;

namespace {
int releases = 0;
std::vector<unsigned char> seen_at_release;
}  // namespace

extern "C" OM_uint32 gss_release_buffer(OM_uint32* minor, gss_buffer_t buffer) {
  ++releases;
  const auto* bytes = static_cast<const unsigned char*>(buffer->value);
  seen_at_release.assign(bytes, bytes + (bytes == nullptr ? 0 : buffer->length));
  static auto* const original = reinterpret_cast<decltype(&gss_release_buffer)>(dlsym(RTLD_NEXT, "gss_release_buffer"));
  return original(minor, buffer);
}

namespace {
/// Memory that a gss_* call allocated: the text of a name.
gss_buffer_desc from_library(const char* text) {
  gss_buffer_desc raw{0, nullptr};
  {
    auto name = Name::import_name<name_type::host_service>(std::string{text});
    REQUIRE(name);
    OM_uint32 minor = 0;
    REQUIRE(gss_display_name(&minor, name->get(), &raw, nullptr) == GSS_S_COMPLETE);
  }
  releases = 0;  // an implementation releases buffers of its own with the name
  return raw;
}
}  // namespace

TEST_CASE("a buffer is released once, through moves and self-moves") {
  const auto raw = from_library("host@localhost");
  {
    Buffer buffer = Buffer::adopt(raw);
    CHECK(buffer.text() == "host@localhost");
    Buffer moved = std::move(buffer);
    CHECK(buffer.empty());
    Buffer& self = moved;
    moved = std::move(self);
    CHECK(moved.text() == "host@localhost");
    buffer = std::move(moved);
    CHECK(releases == 0);
    CHECK(buffer.size() == 14);
  }
  CHECK(releases == 1);
}

TEST_CASE("what was owned dies at the assignment") {
  Buffer first = Buffer::adopt(from_library("host@one"));
  Buffer second = Buffer::adopt(from_library("host@two"));
  first = std::move(second);
  CHECK(releases == 1);
  CHECK(first.text() == "host@two");
}

TEST_CASE("put() releases before it exposes, release() gives up") {
  Buffer buffer = Buffer::adopt(from_library("host@localhost"));
  gss_buffer_t slot = buffer.put();
  CHECK(releases == 1);
  CHECK(slot->value == nullptr);
  *slot = from_library("host@again");
  gss_buffer_desc raw = buffer.release();
  CHECK(buffer.empty());
  CHECK(releases == 0);
  OM_uint32 minor = 0;
  (void)gss_release_buffer(&minor, &raw);
}

TEST_CASE("an empty buffer with memory is released too") {
  auto raw = from_library("host@localhost");
  raw.length = 0;
  {
    const Buffer buffer = Buffer::adopt(raw);
  }
  CHECK(releases == 1);
}

TEST_CASE("an empty buffer releases nothing") {
  releases = 0;
  {
    const Buffer buffer;
  }
  CHECK(releases == 0);
}

TEST_CASE("secret gss memory is wiped before it goes back") {
  const auto raw = from_library("host@secret");
  {
    const SecretBytes secret = gss_detail::adopt_secret(raw);
    CHECK(secret.text() == "host@secret");
  }
  CHECK(releases == 1);
  CHECK(seen_at_release == std::vector<unsigned char>(11, 0));
}

TEST_CASE("an empty view is {0, NULL} to the C call") {
  const auto raw = gss_detail::borrow(ByteView{"x", 0});
  CHECK(raw.length == 0);
  CHECK(raw.value == nullptr);
  const std::string zeros(3, '\0');
  CHECK(gss_detail::borrow(zeros).length == 3);
  CHECK(gss_detail::borrow(zeros).value == zeros.data());
}

TEST_CASE("sizes that add up to more than a limit, or than a size can say, are too long") {
  constexpr std::size_t half = static_cast<std::size_t>(-1) / 2 + 1;
  const auto admitted = [](std::size_t first, std::size_t second) {
    const ByteView pieces[] = {{nullptr, first}, {nullptr, second}};
    return gss_detail::admits_all(limits.message, pieces);
  };
  CHECK(admitted(limits.message.size - 1, 1));
  CHECK_FALSE(admitted(limits.message.size, 1));
  CHECK_FALSE(admitted(half, half));
  CHECK_FALSE(admitted(1, static_cast<std::size_t>(-1)));
}

TEST_CASE("names that are too long are refused, and not read") {
  const std::string_view name{"x", limits.name.size + 1};
  CHECK(Name::user(name).error().text() == limits.name.exceeded);
  CHECK(Name::service(name).error().text() == limits.name.exceeded);
  const std::string_view half{"x", static_cast<std::size_t>(-1) / 2 + 1};
  CHECK(Name::host_service(half, half).error().text() == "longer than any host name");
}
