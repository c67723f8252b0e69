// examples/hosts/fscrypt: a file system's key waits in the kernel, where no program reads it, and unlocks folders at
// each mount: FS_IOC_ADD_ENCRYPTION_KEY with key_id (the kernel's documentation, filesystems/fscrypt).
// SPDX-License-Identifier: MIT
#pragma once

#include <linux/fscrypt.h>
#include <sys/ioctl.h>

#include <cerrno>

#include <gsskey/keyring.hpp>

/// A type of the kernel that gsskey does not know: this is all that it takes.
struct FscryptProvisioning {
  static constexpr const char* name = "fscrypt-provisioning";
  static constexpr std::size_t max_payload = sizeof(fscrypt_provisioning_key_payload) + FSCRYPT_MAX_KEY_SIZE;
  static constexpr bool can_read = false, can_update = false;
  using Payload = gsskey::ByteView;
  gsskey::Description<gsskey::NonEmptyText> description;
};

/// `raw`: 16 to 64 random bytes, which you wipe.
inline gsskey::Result<gsskey::Key<FscryptProvisioning>> provide(gsskey::KeyringRef ring,
                                                                const FscryptProvisioning& type, gsskey::ByteView raw) {
  fscrypt_provisioning_key_payload header{};
  header.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
  return ring.create_pieces(type, {{&header, sizeof header}, raw});
}

/// Unlocks what is encrypted with it, for the file system of a descriptor. What policies of folders call the key.
inline gsskey::Result<fscrypt_key_specifier> unlock(int mount_point, gsskey::KeyRef<FscryptProvisioning> key) {
  fscrypt_add_key_arg argument{};
  argument.key_spec.type = FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER;
  argument.key_id = static_cast<std::uint32_t>(key.serial());
  if (::ioctl(mount_point, FS_IOC_ADD_ENCRYPTION_KEY, &argument) == 0) return argument.key_spec;
  return gsskey::unexpected(gsskey::Error::keyring("FS_IOC_ADD_ENCRYPTION_KEY", errno, key.serial()));
}
