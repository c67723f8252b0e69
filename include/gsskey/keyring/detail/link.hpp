// gsskey/keyring/detail/link: links taken out and moved by serial number, which the kernel does by type and
// description.
//
// KEYCTL_UNLINK and KEYCTL_MOVE take whatever the ring links under the type and description of the key that they are
// given. So the ring is read before. What puts another key of that name there between the two calls loses it: no call
// of the kernel closes that gap. KEYCTL_REVOKE and KEYCTL_INVALIDATE go by serial number.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/detail/syscall.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

/// In place of an errno of the kernel: malloc's.
inline constexpr int no_memory = -ENOMEM;
[[nodiscard]] inline Error link_failed(const char* operation, key_serial_t key, int error) noexcept {
  return error == no_memory ? Error::system("malloc", ENOMEM) : Error::keyring(operation, error, key);
}

/// Whether this link is not there: 0, ENOENT, no_memory, or why the ring cannot be asked. For a ring of more links than
/// those below.
[[nodiscard, gnu::cold, gnu::noinline]] inline int large_ring_error(key_serial_t ring, key_serial_t key) noexcept {
  const auto all = read_all(
      "keyctl_read", ring, [ring](char* buffer, std::size_t room) noexcept { return keyctl_read(ring, buffer, room); });
  if (!all) return all.error().domain() == Domain::system ? no_memory : static_cast<int>(all.error().minor_status());
  for (std::size_t at = 0; at + sizeof key <= all->size(); at += sizeof key) {
    if (std::memcmp(all->data() + at, &key, sizeof key) == 0) return 0;
  }
  return ENOENT;
}
/// The same for any ring; neither number is 0. EACCES if the ring can be neither read nor searched.
[[nodiscard]] inline int link_error(key_serial_t ring, key_serial_t key) noexcept {
  key_serial_t serials[128];
  const long size = keyctl_read(ring, reinterpret_cast<char*>(serials), sizeof serials);
  if (size < 0) {
    const int error = errno;
    explicit_bzero(serials, sizeof serials);  // what is no ring has a payload
    // KEYCTL_READ has ENOKEY for every ring that is not to be had, this has its own number for each.
    return keyctl_get_keyring_ID(ring, 0) < 0 ? errno : error;
  }
  if (static_cast<std::size_t>(size) > sizeof serials) {
    explicit_bzero(serials, sizeof serials);  // of which Linux before 5.6 wrote the beginning
    return large_ring_error(ring, key);
  }
  const auto count = static_cast<std::size_t>(size) / sizeof key;
  for (std::size_t at = 0; at < count; ++at) {
    if (serials[at] == key) return 0;
  }
  explicit_bzero(serials, sizeof serials);
  return ENOENT;
}
/// As an Error, ENOENT in the words that the kernel has for what is no ring or no key.
[[nodiscard, gnu::cold, gnu::noinline]] inline Error not_linked(const char* operation, key_serial_t ring,
                                                                key_serial_t key, int error) noexcept {
  if (ring == 0 || key == 0) return failed(operation, 0);
  if (error == ENOENT) {
    if (const auto info = KeyInfo::acquire(ring); info && info->type() != "keyring") {
      error = ENOTDIR;
    } else if (const auto gone = KeyInfo::acquire(key);
               !gone && gone.error().minor_status() == static_cast<std::uint32_t>(ENOKEY)) {
      error = ENOKEY;
    }
  }
  return link_failed(operation, key, error);
}

[[nodiscard]] inline Result<void> unlink(key_serial_t ring, key_serial_t key) noexcept {
  if (const int error = ring == 0 || key == 0 ? EINVAL : link_error(ring, key); error != 0) {
    return unexpected(not_linked("keyctl_unlink", ring, key, error));
  }
  return done("keyctl_unlink", key, keyctl_unlink(key, ring));
}
[[nodiscard]] inline Result<void> move(key_serial_t key, key_serial_t ring, key_serial_t to, unsigned flags) noexcept {
  if (const int error = ring == 0 || key == 0 ? EINVAL : link_error(ring, key); error != 0) {
    return unexpected(not_linked("keyctl_move", ring, key, error));
  }
  return done("keyctl_move", key, keyctl_move(key, ring, to, flags));
}

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
