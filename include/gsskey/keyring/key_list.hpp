// gsskey/keyring/key_list: the members of a ring at one moment.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>

#include <gsskey/keyring/key.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

using AnyKeyRef = KeyRef<key_type::Any>;

/// The members of a ring at one moment.
class KeyList {
 public:
  /// `serials`: key_serial_t in the machine's order, as KEYCTL_READ of a ring writes them.
  explicit KeyList(SecretBytes serials) noexcept : serials_{std::move(serials)} {}

  class Iterator {
   public:
    using value_type = AnyKeyRef;
    using difference_type = std::ptrdiff_t;
    Iterator() noexcept = default;
    explicit Iterator(const unsigned char* at) noexcept : at_{at} {}
    [[nodiscard]] AnyKeyRef operator*() const noexcept {
      key_serial_t serial = 0;
      std::memcpy(&serial, at_, sizeof serial);
      return AnyKeyRef::from_serial(serial);
    }
    Iterator& operator++() noexcept {
      at_ += sizeof(key_serial_t);
      return *this;
    }
    Iterator operator++(int) noexcept {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    [[nodiscard]] friend bool operator==(Iterator, Iterator) noexcept = default;

   private:
    const unsigned char* at_ = nullptr;
  };

  [[nodiscard]] std::size_t size() const noexcept { return serials_.size() / sizeof(key_serial_t); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] Iterator begin() const noexcept GSSKEY_LIFETIMEBOUND { return Iterator{serials_.begin()}; }
  [[nodiscard]] Iterator end() const noexcept GSSKEY_LIFETIMEBOUND {
    return Iterator{serials_.begin() + size() * sizeof(key_serial_t)};
  }
  /// Empty past the end.
  [[nodiscard]] AnyKeyRef operator[](std::size_t index) const noexcept {
    return index < size() ? *Iterator{serials_.begin() + index * sizeof(key_serial_t)} : AnyKeyRef{};
  }
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
