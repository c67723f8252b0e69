// gsskey/core/flag_set: a set of bits of one enum, which keeps the bits that the enum has no name for.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Holds bits of `Enum`, an enum class over std::uint32_t whose enumerators are single bits. Bits that a newer library
/// or kernel sets are carried along and compared like the others.
template <class Enum>
class FlagSet {
 public:
  constexpr FlagSet() noexcept = default;
  /// Takes one flag, or several in braces. No initializer_list: g++ 12 compiles none within a co_await expression.
  template <std::same_as<Enum>... Flags>
  constexpr FlagSet(Enum flag, Flags... others) noexcept
      : bits_{(static_cast<std::uint32_t>(flag) | ... | static_cast<std::uint32_t>(others))} {}
  /// Takes all bits as they are.
  [[nodiscard]] static constexpr FlagSet from_bits(std::uint32_t bits) noexcept {
    FlagSet flags;
    flags.bits_ = bits;
    return flags;
  }

  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  /// Says whether all of `flags` are set.
  [[nodiscard]] constexpr bool contains(FlagSet flags) const noexcept { return (bits_ & flags.bits_) == flags.bits_; }
  /// Returns the set without `flags`.
  [[nodiscard]] constexpr FlagSet without(FlagSet flags) const noexcept { return from_bits(bits_ & ~flags.bits_); }

  constexpr FlagSet& operator|=(FlagSet flags) noexcept {
    bits_ |= flags.bits_;
    return *this;
  }
  [[nodiscard]] friend constexpr FlagSet operator|(FlagSet a, FlagSet b) noexcept {
    return from_bits(a.bits_ | b.bits_);
  }
  [[nodiscard]] friend constexpr bool operator==(FlagSet, FlagSet) noexcept = default;

 private:
  std::uint32_t bits_ = 0;
};

GSSKEY_END_ABI
}  // namespace gsskey
