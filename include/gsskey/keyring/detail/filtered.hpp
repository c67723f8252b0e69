// gsskey/keyring/detail/filtered: which of the key service's calls a seccomp filter refuses.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring/detail/syscall.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

enum class Filtered { nothing, some, everything };

/// Asks for what cannot be: no key has the number 0, no type an empty name, and the kernel says EINVAL or EFAULT. Who
/// says EPERM, ENOSYS and the like is not the kernel's key service. (A filter that kills instead cannot be asked.)
[[nodiscard]] inline Filtered filtered_calls() noexcept {
  const int saved = errno;
  int asked = 0;
  int refused = 0;
  const auto ask = [&](long result) {
    ++asked;
    if (result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EOPNOTSUPP)) ++refused;
  };
  ask(::add_key("", "", nullptr, 0, 0));
  ask(::request_key("", "", nullptr, 0));
  for (const int operation : {KEYCTL_GET_KEYRING_ID, KEYCTL_JOIN_SESSION_KEYRING, KEYCTL_UPDATE, KEYCTL_REVOKE,
                              KEYCTL_SETPERM, KEYCTL_DESCRIBE, KEYCTL_CLEAR, KEYCTL_LINK, KEYCTL_UNLINK, KEYCTL_SEARCH,
                              KEYCTL_READ, KEYCTL_SET_TIMEOUT, KEYCTL_INVALIDATE}) {
    // An address that nobody has: of the name of the session, which joining wants. All others look at the number first.
    const unsigned long number = operation == KEYCTL_JOIN_SESSION_KEYRING ? 1 : 0;
    ask(::keyctl(operation, number, 0UL, 0UL, 0UL));
  }
  errno = saved;
  if (refused == 0) return Filtered::nothing;
  return refused == asked ? Filtered::everything : Filtered::some;
}

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
