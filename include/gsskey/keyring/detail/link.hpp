// gsskey/keyring/detail/link: links taken out and moved by serial number, which the kernel does by type and
// description.
//
// KEYCTL_UNLINK and KEYCTL_MOVE take whatever the ring links under the type and description of the key that they are
// given. So the ring is read before. What puts another key of that name there between the two calls loses it: no call
// of the kernel closes that gap. KEYCTL_REVOKE and KEYCTL_INVALIDATE go by serial number.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/syscall.hpp>

namespace gsskey::inline GSSKEY_ABI::keyring_detail {

/// ENOENT, in the words that the kernel has for what is no ring or no key.
[[nodiscard]] inline Error explained(Error error, key_serial_t ring, key_serial_t key) noexcept {
  if (error.minor_status() != static_cast<std::uint32_t>(ENOENT)) return error;
  const char* const operation = error.operation();
  if (const auto info = KeyInfo::of(ring); info && info->type() != "keyring") {
    return Error::keyring(operation, ENOTDIR, key);
  }
  const auto info = KeyInfo::of(key);
  const bool is_gone = !info && info.error().minor_status() == static_cast<std::uint32_t>(ENOKEY);
  return Error::keyring(operation, is_gone ? ENOKEY : ENOENT, key);
}

/// Nothing, if `ring` itself links this very key. ENOENT; EACCES if the ring can be neither read nor searched.
[[nodiscard]] inline Result<void> check_link(const char* operation, key_serial_t ring, key_serial_t key) noexcept {
  if (ring == 0 || key == 0) return unexpected(failed(operation, 0));
  key_serial_t serials[128];
  const long size = keyctl_read(ring, reinterpret_cast<char*>(serials), sizeof serials);
  if (size < 0) {
    const int error = errno;
    // KEYCTL_READ has ENOKEY for every ring that is not to be had, this has its own number for each.
    return unexpected(Error::keyring(operation, keyctl_get_keyring_ID(ring, 0) < 0 ? errno : error, key));
  }
  if (static_cast<std::size_t>(size) <= sizeof serials) {
    const auto count = static_cast<std::size_t>(size) / sizeof(key_serial_t);
    for (std::size_t at = 0; at < count; ++at) {
      if (serials[at] == key) return {};
    }
    explicit_bzero(serials, sizeof serials);  // what is no ring has a payload
    return unexpected(Error::keyring(operation, ENOENT, key));
  }
  const auto all = read_all(
      "keyctl_read", ring, [ring](char* buffer, std::size_t room) noexcept { return keyctl_read(ring, buffer, room); });
  if (!all) return unexpected(all.error());
  for (std::size_t at = 0; at + sizeof key <= all->size(); at += sizeof key) {
    if (std::memcmp(all->data() + at, &key, sizeof key) == 0) return {};
  }
  return unexpected(Error::keyring(operation, ENOENT, key));
}

[[nodiscard]] inline Result<void> unlink(key_serial_t ring, key_serial_t key) noexcept {
  if (auto linked = check_link("keyctl_unlink", ring, key); !linked) {
    return unexpected(explained(std::move(linked).error(), ring, key));
  }
  return done("keyctl_unlink", key, keyctl_unlink(key, ring));
}
[[nodiscard]] inline Result<void> move(key_serial_t key, key_serial_t ring, key_serial_t to, unsigned flags) noexcept {
  if (auto linked = check_link("keyctl_move", ring, key); !linked) {
    return unexpected(explained(std::move(linked).error(), ring, key));
  }
  return done("keyctl_move", key, keyctl_move(key, ring, to, flags));
}

}  // namespace gsskey::inline GSSKEY_ABI::keyring_detail
