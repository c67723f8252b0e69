// gsskey/keyring/permissions: who may do what with a key, and the masks that do not mean what they seem to.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>

#include <gsskey/core/flag_set.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What somebody may do with a key.
/// See: keyrings(7), "Access rights".
enum class Right : std::uint32_t {
  view = 0x01,            ///< type, description and attributes, also in /proc/keys
  read = 0x02,            ///< the payload; of a ring, its members
  write = 0x04,           ///< the payload; of a ring, its links. Also revoke.
  search = 0x08,          ///< be found, be searched. Also invalidate; and a possessor reads the payload with it.
  link = 0x10,            ///< be linked into a ring: a process that may do that can come to possess the key
  set_attributes = 0x20,  ///< permissions, owner, timeout, restriction. Also revoke.
};
/// A set of rights.
using Rights = FlagSet<Right>;
[[nodiscard]] constexpr Rights operator|(Right a, Right b) noexcept { return Rights{a} | b; }
/// All six rights.
GSSKEY_HIDDEN inline constexpr Rights all_rights = Rights::from_bits(0x3f);

/// What a mask implies beyond its words. set_permissions() refuses it unless the mask says that it is accepted.
enum class Risk : std::uint32_t {
  others_may_invalidate = 1,    ///< search, for group or other, is also the right to invalidate the key for everybody
  others_see_description = 2,   ///< view, for group or other, shows the description in /proc/keys
  possessor_reads_anyway = 4,   ///< search without read, of the possessor's rights and those of user, group or other
                                ///< together: the possessor reads it all the same
  nobody_may_change_again = 8,  ///< without set_attributes for possessor and user the mask is final, for root too; and
                                ///< what neither may search is not possessed, so the possessor's rights are nobody's
  link_gives_possession = 16,   ///< link, for user, group or other: a process of theirs links the key into a ring of
                                ///< its own and then has the possessor's rights, of which the mask gives them fewer
};
/// A set of risks.
using Risks = FlagSet<Risk>;
[[nodiscard]] constexpr Risks operator|(Risk a, Risk b) noexcept { return Risks{a} | b; }

/// The permission mask of a key: four times six rights. A process has those of the possessor, if it possesses the key
/// (finds it through its own thread, process or session ring), and those of the first that fits of user, group and
/// other. Built from none:
///     Permissions{}.possessor(all_rights).user(Right::view)
/// A mask without any right is the kernel's default for the type: 0x3f010000 for most, which leaves VIEW alone to the
/// owner's processes that do not possess the key.
/// See: keyrings(7), keyctl_setperm(3).
class Permissions {
 public:
  constexpr Permissions() noexcept = default;
  /// Takes the kernel's mask (KEY_POS_VIEW, …) as it is.
  [[nodiscard]] static constexpr Permissions from_bits(std::uint32_t bits) noexcept {
    Permissions permissions;
    permissions.bits_ = bits;
    return permissions;
  }

  /// Returns this mask with other rights for one of the four.
  [[nodiscard]] constexpr Permissions possessor(Rights rights) const noexcept { return with(24, rights); }
  [[nodiscard]] constexpr Permissions user(Rights rights) const noexcept { return with(16, rights); }
  [[nodiscard]] constexpr Permissions group(Rights rights) const noexcept { return with(8, rights); }
  [[nodiscard]] constexpr Permissions other(Rights rights) const noexcept { return with(0, rights); }
  /// Returns this mask, for which set_permissions() accepts `risks` from here on.
  [[nodiscard]] constexpr Permissions accepting(Risks risks) const noexcept {
    Permissions changed = *this;
    changed.accepted_ |= risks;
    return changed;
  }

  /// Returns the rights of one of the four.
  [[nodiscard]] constexpr Rights possessor() const noexcept { return at(24); }
  [[nodiscard]] constexpr Rights user() const noexcept { return at(16); }
  [[nodiscard]] constexpr Rights group() const noexcept { return at(8); }
  [[nodiscard]] constexpr Rights other() const noexcept { return at(0); }
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  [[nodiscard]] constexpr bool is_default() const noexcept { return bits_ == 0; }

  /// Returns what a process of the key's user can do that has the key in its rings: what it may not search it does not
  /// possess.
  [[nodiscard]] constexpr Rights owner_rights() const noexcept {
    const Rights both = possessor() | user();
    return both.contains(Right::search) ? both : user();
  }
  /// Returns what the mask implies and does not accept.
  [[nodiscard]] constexpr Risks risks() const noexcept {
    const Rights strangers = group() | other();
    Risks found;
    if (strangers.contains(Right::search)) found |= Risk::others_may_invalidate;
    if (strangers.contains(Right::view)) found |= Risk::others_see_description;
    const Rights owned = Rights::from_bits(possessor().bits() & all_rights.bits());  // the kernel refuses the rest
    for (const Rights own : {user(), group(), other()}) {
      const Rights possessed = possessor() | own;
      if (!possessed.contains(Right::search)) continue;  // or it is not possessed
      if (!possessed.contains(Right::read)) found |= Risk::possessor_reads_anyway;
      if (own.contains(Right::link) && !own.contains(owned)) found |= Risk::link_gives_possession;
    }
    if (!owner_rights().contains(Right::set_attributes)) found |= Risk::nobody_may_change_again;
    return found.without(accepted_);
  }

  /// Compares the masks; what was accepted does not count.
  [[nodiscard]] friend constexpr bool operator==(Permissions a, Permissions b) noexcept { return a.bits_ == b.bits_; }

 private:
  [[nodiscard]] constexpr Permissions with(unsigned shift, Rights rights) const noexcept {
    Permissions changed = *this;
    changed.bits_ = (bits_ & ~(0xffu << shift)) | (rights.bits() & 0xffu) << shift;
    return changed;
  }
  [[nodiscard]] constexpr Rights at(unsigned shift) const noexcept { return Rights::from_bits(bits_ >> shift & 0xffu); }

  std::uint32_t bits_ = 0;
  Risks accepted_;
};

GSSKEY_END_ABI
}  // namespace gsskey
