// gsskey/keyring/capabilities: what the key service of this kernel can do (KEYCTL_CAPABILITIES).
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/flag_set.hpp>
#include <gsskey/keyring/detail/syscall.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a kernel's key service may be able to do.
enum class KeyringCapability : std::uint32_t {
  capabilities = KEYCTL_CAPS0_CAPABILITIES,  ///< without it the rest is libkeyutils' guess
  persistent_rings = KEYCTL_CAPS0_PERSISTENT_KEYRINGS,
  diffie_hellman = KEYCTL_CAPS0_DIFFIE_HELLMAN,
  public_key = KEYCTL_CAPS0_PUBLIC_KEY,
  big_key = KEYCTL_CAPS0_BIG_KEY,
  invalidate = KEYCTL_CAPS0_INVALIDATE,
  restrict_ring = KEYCTL_CAPS0_RESTRICT_KEYRING,
  move = KEYCTL_CAPS0_MOVE,
  ring_names_per_user_namespace = KEYCTL_CAPS1_NS_KEYRING_NAME << 8,
  namespace_tags = KEYCTL_CAPS1_NS_KEY_TAG << 8,
  notifications = KEYCTL_CAPS1_NOTIFICATIONS << 8,
};

/// Asks what the key service of this kernel can do. Where a sandbox refuses keyctl(2) with EOPNOTSUPP, there is no
/// error, and what comes back is libkeyutils' guess.
/// Calls: keyctl_capabilities.
/// Errors: keyring, with errno: EPERM or ENOSYS, where a sandbox refuses keyctl(2).
/// See: keyctl_capabilities(3).
[[nodiscard]] inline Result<FlagSet<KeyringCapability>> keyring_capabilities() noexcept {
  unsigned char bytes[4] = {};
  if (keyctl_capabilities(bytes, sizeof bytes) < 0) return unexpected(keyring_detail::failed("keyctl_capabilities"));
  std::uint32_t bits = 0;
  for (int at = 3; at >= 0; --at) bits = bits << 8 | bytes[at];
  return FlagSet<KeyringCapability>::from_bits(bits);
}

GSSKEY_END_ABI
}  // namespace gsskey
