// Whoever owns bytes shows them in the same way: Buffer, SecretBytes, MessageToken, MessageMic, and a view of them.
// SPDX-License-Identifier: MIT
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/messages/token.hpp>

#include <algorithm>
#include <concepts>
#include <cstring>
#include <numeric>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

constexpr std::string_view content = "host@localhost";

/// One that holds `content`.
template <class T>
T made();
template <>
Buffer made<Buffer>() {
  const auto name = must(Name::import_name<name_type::host_service>(std::string{content}));
  Buffer buffer;
  OM_uint32 minor = 0;
  REQUIRE(gss_display_name(&minor, name.get(), buffer.put(), nullptr) == GSS_S_COMPLETE);
  return buffer;
}
template <>
SecretBytes made<SecretBytes>() {
  return must(SecretBytes::copy_of(content));
}
template <>
MessageToken made<MessageToken>() {
  auto token = must(MessageToken::with_size(content.size()));
  std::ranges::copy(content, token.begin());
  return token;
}
template <>
MessageMic made<MessageMic>() {
  MessageMic mic{content.size()};
  std::ranges::copy(content, mic.begin());
  return mic;
}
template <>
ByteView made<ByteView>() {
  return content;
}

/// An empty one.
template <class T>
T made_empty() {
  if constexpr (std::same_as<T, MessageMic>) {
    return MessageMic{0};
  } else {
    return T{};
  }
}

/// Bytes that the C library or the caller has written stay as they are; the others can be written into.
template <class T>
constexpr bool is_written_to = !std::same_as<T, Buffer> && !std::same_as<T, ByteView>;

template <class T>
concept ByteOwner =
    std::ranges::contiguous_range<T> && std::ranges::contiguous_range<const T> && std::ranges::sized_range<const T> &&
    std::ranges::common_range<const T> && std::same_as<std::ranges::range_value_t<T>, unsigned char> &&
    std::ranges::output_range<T, unsigned char> == is_written_to<T> &&
    !std::ranges::output_range<const T, unsigned char> && std::convertible_to<const T&, ByteView> &&
    std::constructible_from<std::span<const unsigned char>, const T&> &&
    std::constructible_from<std::span<unsigned char>, T&> == is_written_to<T> && requires(const T& owner) {
      { owner.data() } -> std::same_as<const unsigned char*>;
      { owner.begin() } -> std::same_as<const unsigned char*>;
      { owner.end() } -> std::same_as<const unsigned char*>;
      { owner.size() } -> std::same_as<std::size_t>;
      { owner.empty() } -> std::same_as<bool>;
      { owner[0] } -> std::convertible_to<unsigned char>;
      { owner.text() } -> std::same_as<std::string_view>;
    };
static_assert(ByteOwner<Buffer> && ByteOwner<SecretBytes> && ByteOwner<MessageToken> && ByteOwner<MessageMic> &&
              ByteOwner<ByteView>);
// Only of a view do iterators outlive it.
static_assert(std::ranges::borrowed_range<ByteView> && !std::ranges::borrowed_range<Buffer> &&
              !std::ranges::borrowed_range<SecretBytes> && !std::ranges::borrowed_range<MessageToken> &&
              !std::ranges::borrowed_range<MessageMic>);

}  // namespace

TEMPLATE_TEST_CASE("an owner of bytes shows them", "", Buffer, SecretBytes, MessageToken, MessageMic, ByteView) {
  const TestType owner = made<TestType>();
  CHECK(owner.size() == content.size());
  CHECK_FALSE(owner.empty());
  CHECK(owner.text() == content);
  CHECK(static_cast<const void*>(owner.text().data()) == owner.data());
  CHECK(std::memcmp(owner.data(), content.data(), content.size()) == 0);
  CHECK(owner.begin() == owner.data());
  CHECK(owner.end() == owner.data() + content.size());
  CHECK(owner[0] == 'h');
  CHECK(owner[content.size() - 1] == 't');
  CHECK(ByteView{owner} == ByteView{content});
  CHECK(ByteView{owner}.data() == owner.data());

  CHECK(std::ranges::equal(owner, content));
  CHECK(std::ranges::find(owner, '@') - owner.begin() == 4);
  CHECK(std::span<const unsigned char>{owner}.data() == owner.data());
  std::string walked;
  for (const unsigned char byte : owner) walked += static_cast<char>(byte);
  CHECK(walked == content);
}

TEMPLATE_TEST_CASE("one that is empty has no bytes to show", "", Buffer, SecretBytes, MessageToken, MessageMic,
                   ByteView) {
  const TestType owner = made_empty<TestType>();
  CHECK(owner.size() == 0);
  CHECK(owner.empty());
  CHECK(owner.begin() == owner.end());
  CHECK(owner.text().empty());
  CHECK(ByteView{owner} == ByteView{});
}

TEMPLATE_TEST_CASE("what can be written is written through every accessor", "", SecretBytes, MessageToken, MessageMic) {
  TestType owner = made<TestType>();
  owner[0] = 'g';
  owner.data()[1] = 'h';
  *(owner.begin() + 2) = 'i';
  *(owner.end() - 1) = 'T';
  CHECK(owner.text() == "ghit@localhosT");
  std::ranges::reverse(owner);
  CHECK(owner.text() == "Tsohlacol@tihg");
  std::iota(owner.begin(), owner.end(), static_cast<unsigned char>(1));
  CHECK(std::accumulate(owner.begin(), owner.end(), 0) == 105);
}

TEMPLATE_TEST_CASE("an owner that was moved from shows nothing", "", Buffer, SecretBytes, MessageToken) {
  TestType owner = made<TestType>();
  const auto* const bytes = owner.data();
  const TestType moved = std::move(owner);
  CHECK(moved.data() == bytes);
  CHECK(moved.text() == content);
  CHECK(owner.empty());
  CHECK(owner.begin() == owner.end());
}
