// gsskey/keyring/diffie_hellman: shared secrets from keys that the kernel holds (keyctl_dh_compute(3)).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/detail/syscall.hpp>
#include <gsskey/keyring/key.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Computes `base` to the power of `secret`, modulo `prime`. Each is the big-endian payload of a `user` key, which
/// needs the right to read. The result is as long as the prime, of at least 1536 bits.
/// Calls: keyctl_dh_compute.
/// Errors: keyring, with errno: ENOKEY, for a key that may not be read; EINVAL, for a shorter prime; EOPNOTSUPP, where
///   the kernel lacks the call, and for a key of another type; usage, if `secret` is empty; system (ENOMEM).
/// See: keyctl_dh_compute(3).
template <KeyType T>
[[nodiscard]] inline Result<SecretBytes> diffie_hellman(KeyRef<T> secret, KeyRef<T> prime, KeyRef<T> base) noexcept {
  constexpr const char* operation = "keyctl_dh_compute";
  const long size = keyctl_dh_compute(secret.serial(), prime.serial(), base.serial(), nullptr, 0);
  if (size < 0) return unexpected(keyring_detail::failed(operation, secret.serial()));
  auto result = SecretBytes::with_size(static_cast<std::size_t>(size));
  if (!result) return result;
  const long written = keyctl_dh_compute(secret.serial(), prime.serial(), base.serial(),
                                         reinterpret_cast<char*>(result->data()), result->size());
  if (written < 0) return unexpected(keyring_detail::failed(operation, secret.serial()));
  return keyring_detail::cut_to(written, std::move(result));
}
/// Derives `size` bytes from that result with the kernel's KDF of SP800-56A, which uses `hash` ("sha256").
/// Calls: keyctl_dh_compute_kdf.
/// Errors: those of the other; usage, for a `hash` that is no text, a `size` of more than 1024, or other_info of more
///   than 64 bytes: libkeyutils hands its size on in 32 bits, and the key would be derived from its first bytes only.
/// Units: bytes.
/// See: keyctl_dh_compute(3).
template <KeyType T>
[[nodiscard]] inline Result<SecretBytes> diffie_hellman(KeyRef<T> secret, KeyRef<T> prime, KeyRef<T> base,
                                                        Description<NonEmptyText> hash, ByteView other_info,
                                                        std::size_t size) noexcept {
  constexpr const char* operation = "keyctl_dh_compute_kdf";
  if (hash.c_str() == nullptr) return unexpected(Error::usage(operation, "a hash is named by a text without NUL"));
  if (other_info.size() > 64 || size > 1024) {
    return unexpected(Error::usage(operation, "other_info has at most 64 bytes, and what is derived 1024"));
  }
  auto derived = SecretBytes::with_size(size);
  if (!derived) return derived;
  const long written =
      keyctl_dh_compute_kdf(secret.serial(), prime.serial(), base.serial(), const_cast<char*>(hash.c_str()),
                            reinterpret_cast<char*>(const_cast<unsigned char*>(other_info.data())), other_info.size(),
                            reinterpret_cast<char*>(derived->data()), derived->size());
  if (written < 0) return unexpected(keyring_detail::failed(operation, secret.serial()));
  return keyring_detail::cut_to(written, std::move(derived));
}

GSSKEY_END_ABI
}  // namespace gsskey
