// tests/support/quota: what counts against a user, in keys and in bytes, before and after.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <ostream>

namespace support {

struct InQuota {
  long keys = 0;
  long bytes = 0;
};

/// Whether nothing is left that was not there before. Less is right: what was dead before has been collected since.
inline bool is_within(InQuota now, InQuota before) { return now.keys <= before.keys && now.bytes <= before.bytes; }

inline std::ostream& operator<<(std::ostream& out, InQuota counted) {
  return out << counted.keys << " keys, " << counted.bytes << " bytes";
}

/// False if the kernel does not say.
inline bool count(uid_t user, InQuota& counted) {
  if (user == ::geteuid()) static_cast<void>(gsskey::Keyring::user_session());  // made when first asked for
  const auto quota = gsskey::key_quota(user);
  if (quota) counted = {static_cast<long>(quota->keys), static_cast<long>(quota->bytes)};
  return quota.has_value();
}

}  // namespace support
