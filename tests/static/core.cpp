// What the types of gsskey/core promise at compile time.
// SPDX-License-Identifier: MIT
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/expected.hpp>
#include <gsskey/core/flag_set.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/core/unique_handle.hpp>

#include <array>
#include <chrono>
#include <limits>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

using namespace gsskey;

template <class T>
concept MoveOnly = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                   !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;

// Error
static_assert(sizeof(Error) <= 40);
static_assert(std::is_nothrow_move_constructible_v<Error> && std::is_nothrow_move_assignable_v<Error>);
static_assert(std::is_nothrow_copy_constructible_v<Error> && std::is_nothrow_copy_assignable_v<Error>);
static_assert(!std::is_default_constructible_v<Error>);
static_assert(std::is_same_v<Result<int>, expected<int, Error>>);
static_assert(std::is_nothrow_move_constructible_v<Result<SecretBytes>>);

// ByteView
static_assert(sizeof(ByteView) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<ByteView>);
static_assert(std::is_convertible_v<std::string, ByteView>);
static_assert(std::is_convertible_v<std::string_view, ByteView>);
static_assert(std::is_convertible_v<std::vector<unsigned char>, ByteView>);
static_assert(std::is_convertible_v<std::array<std::byte, 4>, ByteView>);
static_assert(std::is_convertible_v<std::span<const char>, ByteView>);
static_assert(std::is_convertible_v<const unsigned char (&)[4], ByteView>);
static_assert(std::is_convertible_v<SecretBytes, ByteView>);
static_assert(!std::is_convertible_v<std::vector<int>, ByteView>);
static_assert(!std::is_convertible_v<std::wstring, ByteView>);
static_assert(!std::is_convertible_v<const char*, ByteView>);
static_assert(!std::is_convertible_v<std::nullptr_t, ByteView>);
static_assert(ByteView{"abc"}.size() == 3);
static_assert(ByteView{}.empty());
static_assert(std::ranges::contiguous_range<ByteView> && std::ranges::borrowed_range<ByteView> &&
              std::ranges::view<ByteView>);

// SecretBytes
static_assert(MoveOnly<SecretBytes>);
static_assert(sizeof(SecretBytes) == 3 * sizeof(void*));
static_assert(!std::is_convertible_v<std::string, SecretBytes>);

// UniqueHandle
struct HandleTraits {
  using Handle = int;
  static constexpr Handle none = -1;
  static constexpr void close(Handle) noexcept {}
};
using Handle = UniqueHandle<HandleTraits>;
static_assert(MoveOnly<Handle>);
static_assert(sizeof(Handle) == sizeof(int));
static_assert(!std::is_convertible_v<int, Handle> && !std::is_convertible_v<Handle, int>);
static_assert(!std::is_convertible_v<Handle, bool> && std::is_constructible_v<bool, Handle>);
static_assert([] {
  Handle a = Handle::adopt(5);
  Handle b{std::move(a)};
  a = std::move(b);
  return a.get() == 5 && !b && a.release() == 5 && !a;
}());

// FlagSet
enum class Flag : std::uint32_t { one = 1, two = 2 };
static_assert(sizeof(FlagSet<Flag>) == sizeof(std::uint32_t));
static_assert(FlagSet<Flag>::from_bits(0x80000001).bits() == 0x80000001);
static_assert((FlagSet<Flag>::from_bits(0x80000000) | Flag::one).bits() == 0x80000001);
static_assert(FlagSet<Flag>::from_bits(0x80000001).without(Flag::one).bits() == 0x80000000);
static_assert((FlagSet<Flag>{Flag::one} |= Flag::two) == FlagSet<Flag>{Flag::one, Flag::two});
static_assert(!std::is_convertible_v<std::uint32_t, FlagSet<Flag>> && !std::is_convertible_v<FlagSet<Flag>, bool>);

// Seconds
static_assert(sizeof(Seconds) == 4);
static_assert(Seconds{std::chrono::milliseconds{1}}.count() == 1);
static_assert(Seconds{std::chrono::minutes{1}}.count() == 60);
static_assert(Seconds{std::chrono::seconds{-1}}.count() == 0);
static_assert(Seconds{std::chrono::hours::max()}.is_indefinite());
static_assert(Seconds{std::chrono::duration<double>{std::numeric_limits<double>::infinity()}}.is_indefinite());
static_assert(std::is_convertible_v<std::chrono::minutes, Seconds>);
static_assert(!std::is_convertible_v<int, Seconds>);

int main() {}
