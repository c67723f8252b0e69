// gsskey/keyring/key_list: the members of a ring at one moment.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include <gsskey/core/detail/element_iterator.hpp>
#include <gsskey/keyring/key.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Names a key of any type.
using AnyKeyRef = KeyRef<key_type::Any>;

/// The members of a ring at one moment: a range of AnyKeyRef. Move-only.
/// Threads: one at a time; any number while nobody moves it.
/// Owner: of the numbers, this object; nothing of the keys.
class KeyList {
  using Element = unsigned char[sizeof(key_serial_t)];
  [[nodiscard]] static AnyKeyRef value(const Element& element) noexcept {
    key_serial_t serial = 0;
    std::memcpy(&serial, element, sizeof serial);
    return AnyKeyRef::from_serial(serial);
  }

 public:
  using Iterator = detail::ElementIterator<Element, &value>;

  /// Takes key_serial_t in the machine's order, as KEYCTL_READ of a ring writes them.
  explicit KeyList(SecretBytes serials) noexcept : serials_{std::move(serials)} {}

  [[nodiscard]] std::size_t size() const noexcept { return serials_.size() / sizeof(key_serial_t); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] Iterator begin() const noexcept GSSKEY_LIFETIMEBOUND {
    return Iterator{reinterpret_cast<const Element*>(serials_.data())};
  }
  [[nodiscard]] Iterator end() const noexcept GSSKEY_LIFETIMEBOUND {
    return begin() + static_cast<std::ptrdiff_t>(size());
  }
  /// Returns a member; an empty handle past the end.
  [[nodiscard]] AnyKeyRef operator[](std::size_t index) const noexcept {
    return index < size() ? begin()[static_cast<std::ptrdiff_t>(index)] : AnyKeyRef{};
  }
  /// Tells whether `key` is a member.
  [[nodiscard]] bool contains(const KeyHandle auto& key) const noexcept {
    for (const AnyKeyRef member : *this) {
      if (member.serial() == key.serial()) return true;
    }
    return false;
  }

 private:
  SecretBytes serials_;
};

GSSKEY_END_ABI
}  // namespace gsskey
