// gsskey/keyring/detail/reach: whether a ring leads to a key, as the kernel looks for it when it decides possession.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/keyring/key_list.hpp>
#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

/// Serial numbers, each once, in the order in which they came.
class SerialSet {
 public:
  /// Whether it is new. No memory: nothing is new any more.
  [[nodiscard]] bool insert(key_serial_t serial) noexcept {
    if (2 * (count_ + 1) > slots_.size() / sizeof serial && !grow()) return false;
    if (!put(serial)) return false;
    std::memcpy(order_.data() + count_++ * sizeof serial, &serial, sizeof serial);
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] key_serial_t operator[](std::size_t at) const noexcept { return load(order_, at); }

 private:
  [[nodiscard]] static key_serial_t load(const SecretBytes& from, std::size_t at) noexcept {
    key_serial_t serial = 0;
    std::memcpy(&serial, from.data() + at * sizeof serial, sizeof serial);
    return serial;
  }
  // Open addressing; 0 is no serial number. The number of slots is a power of 2.
  [[nodiscard]] bool put(key_serial_t serial) noexcept {
    const std::size_t mask = slots_.size() / sizeof serial - 1;
    const std::uint32_t hash = static_cast<std::uint32_t>(serial) * 2654435761U;
    std::size_t at = hash & mask;
    for (key_serial_t there = 0; (there = load(slots_, at)) != 0; at = (at + 1) & mask) {
      if (there == serial) return false;
    }
    std::memcpy(slots_.data() + at * sizeof serial, &serial, sizeof serial);
    return true;
  }
  [[nodiscard]] bool grow() noexcept {
    const std::size_t size = slots_.empty() ? 256 * sizeof(key_serial_t) : 2 * slots_.size();
    auto slots = SecretBytes::with_size(size);
    if (!slots || !order_.resize(size)) return false;
    slots_ = *std::move(slots);
    for (std::size_t at = 0; at < count_; ++at) static_cast<void>(put(load(order_, at)));
    return true;
  }

  SecretBytes slots_;
  SecretBytes order_;
  std::size_t count_ = 0;
};

/// A ring's members that may be rings: what is one and may be searched is looked into.
[[nodiscard]] inline bool may_be_searched(key_serial_t ring) noexcept {
  const auto info = KeyInfo::acquire(ring);
  if (info && info->type() != "keyring") return false;
  if (!info && info.error().minor_status() != static_cast<std::uint32_t>(EACCES)) return false;
  // Nothing has this name. Of what is no ring: ENOTDIR, of what may not be searched: EACCES.
  return keyctl_search(ring, "keyring", "gsskey-nothing", 0) >= 0 || (errno != ENOTDIR && errno != EACCES);
}

/// Whether `root`, a ring of this thread or one of the kernel's special numbers, leads to a key that it can search,
/// through rings that it can search, six of them below the root at most. Each key is looked at once, however often it
/// is linked; nothing waits for a key under construction.
[[nodiscard]] inline bool leads_to(key_serial_t root, key_serial_t key) noexcept {
  const long resolved = keyctl_get_keyring_ID(root, 0);
  if (resolved <= 0) return false;
  if (resolved == key) return true;
  SerialSet seen;
  static_cast<void>(seen.insert(static_cast<key_serial_t>(resolved)));
  SerialSet rings;
  static_cast<void>(rings.insert(static_cast<key_serial_t>(resolved)));
  std::size_t at = 0;
  for (int depth = 0; depth <= 6; ++depth) {
    for (const std::size_t end = rings.size(); at < end; ++at) {
      const auto members = KeyringRef::from_serial(rings[at]).members();
      if (!members) continue;
      for (const AnyKeyRef member : *members) {
        if (member.serial() == key) return true;
        if (seen.insert(member.serial()) && depth < 6 && may_be_searched(member.serial())) {
          static_cast<void>(rings.insert(member.serial()));
        }
      }
    }
  }
  return false;
}

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
