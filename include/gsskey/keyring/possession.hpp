// gsskey/keyring/possession: whether the calling thread possesses a key, which the kernel is asked.
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include <gsskey/keyring/detail/reach.hpp>
#include <gsskey/keyring/proc_keys.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace keyring_detail {

[[nodiscard]] inline bool is_in_group(gid_t group) noexcept {
  if (group == ::getegid()) return true;
  const int count = ::getgroups(0, nullptr);
  auto groups = SecretBytes::with_size(count > 0 ? static_cast<std::size_t>(count) * sizeof group : 0);
  if (count <= 0 || !groups) return false;
  const int got = ::getgroups(count, reinterpret_cast<gid_t*>(groups->data()));
  for (int at = 0; at < got; ++at) {
    if (std::memcmp(groups->data() + static_cast<std::size_t>(at) * sizeof group, &group, sizeof group) == 0)
      return true;
  }
  return false;
}

/// What this process may without possession: the rights of the first that fits of user, group and other. A group
/// without any right fits nobody.
[[nodiscard]] inline Rights rights_by_identity(const KeyInfo& info) noexcept {
  const Permissions mask = info.permissions();
  if (info.user() == ::geteuid()) return mask.user();
  if (mask.group() != Rights{} && is_in_group(info.group())) return mask.group();
  return mask.other();
}

/// Whether a call about the key would wait for a handler, or for this very process, which is one.
[[nodiscard]] inline bool would_wait(const KeyHandle auto& key) noexcept {
  if (keyctl_get_keyring_ID(KEY_SPEC_REQKEY_AUTH_KEY, 0) >= 0) return true;
  const auto keys = ProcKeys::acquire();
  if (!keys) return false;
  const auto line = keys->find(key);
  return line && line->flags.find('U') != std::string_view::npos;
}

}  // namespace keyring_detail

/// Tells whether the calling thread possesses the key: its thread, process or session ring leads to it through rings
/// that it may search, and it may search the key. The kernel has no call that says so. So it is asked for the key by
/// its name, then for what only a possessor may of this key; where all that is open to others too, and another key has
/// the same name, the rings are walked, each once. A key that is dead, or a mask that nobody can see: false. Does not
/// wait for a key under construction.
/// Calls: keyctl_describe, keyctl_search, keyctl_get_keyring_ID, keyctl_read of no bytes and of rings. Reads
///   /proc/keys.
/// See: keyrings(7), "Possession".
[[nodiscard]] inline bool is_possessed(const KeyHandle auto& key) noexcept {
  using namespace keyring_detail;
  constexpr key_serial_t roots[] = {KEY_SPEC_THREAD_KEYRING, KEY_SPEC_PROCESS_KEYRING, KEY_SPEC_SESSION_KEYRING};
  const key_serial_t serial = key.serial();
  const auto info = KeyInfo::acquire(serial);
  if (!info && info.error().minor_status() != static_cast<std::uint32_t>(EACCES)) return false;
  bool is_shadowed[] = {true, true, true};
  Rights own = all_rights;  // as if others had all: nothing follows from what is granted
  if (info) {
    char type[32] = {};  // no type's name is longer
    std::memcpy(type, info->type().data(), info->type().size() < sizeof type ? info->type().size() : 0);
    for (std::size_t at = 0; at < 3; ++at) {
      const long found = keyctl_search(roots[at], type, info->description().data(), 0);
      if (found == serial) return true;
      is_shadowed[at] = found > 0;
    }
    own = rights_by_identity(*info);
    if (!(info->permissions().possessor() | own).contains(Right::search)) return false;
  }
  if (!would_wait(key)) {
    if (keyctl_get_keyring_ID(serial, 0) >= 0) {
      if (!own.contains(Right::search)) return true;
      if (keyctl_read(serial, nullptr, 0) < 0 && errno == EACCES) return false;  // a possessor may read
      if (!own.contains(Right::read)) return true;
      for (std::size_t at = 0; at < 3; ++at) {
        if (is_shadowed[at] && leads_to(roots[at], serial)) return true;
      }
      return false;
    }
    if (errno == EACCES) return false;
  }
  for (const key_serial_t root : roots) {  // a negative key, or one under construction: no search finds it
    if (leads_to(root, serial)) return true;
  }
  return false;
}

GSSKEY_END_ABI
}  // namespace gsskey
