// gsskey/keyring/ring_owner: whose a ring is, to be asked before a secret goes there.
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <string_view>

#include <gsskey/keyring/detail/reach.hpp>
#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Rings that check_ring() does not refuse.
struct RingTerms {
  bool of_another_user = false;  ///< another user reads, replaces and takes what is put there
  bool of_all_processes = true;  ///< the user's own and default session ring, which each of the user's processes has
};

namespace keyring_detail {

GSSKEY_HIDDEN inline constexpr std::string_view default_session_prefix = "_uid_ses.";
GSSKEY_HIDDEN inline constexpr std::string_view user_ring_prefix = "_uid.";

/// Of one ring, without those that lead to it.
[[nodiscard]] inline Result<void> check_one_ring(KeyringRef ring, RingTerms terms) noexcept {
  const auto info = ring.describe();
  if (!info) return unexpected(info.error());
  if (!terms.of_another_user && info->user() != ::geteuid()) {
    return unexpected(
        Error::policy("check_ring", 0,
                      "the ring belongs to another user, who reads what is put there: su, sudo and set-uid "
                      "programs inherit a session. Keyring::join_session() makes one's own"));
  }
  const std::string_view name = info->description();
  if (!terms.of_all_processes && (name.starts_with(default_session_prefix) || name.starts_with(user_ring_prefix))) {
    return unexpected(Error::policy("check_ring", 0,
                                    "the ring is one that every process of the user has, or can link. "
                                    "Keyring::join_session() makes a session of one's own"));
  }
  return {};
}

}  // namespace keyring_detail

/// Checks whether a secret may go into `ring`: neither it nor the session ring, if that leads to it, is that of a user
/// who is not the effective one. A session is inherited through su, sudo and set-uid programs where no pam_keyinit
/// makes a new one, and then its user reads what a daemon keeps there.
/// Calls: keyctl_describe and keyctl_get_keyring_ID; keyctl_read and keyctl_search, to see whether the session leads to
///   the ring.
/// Errors: policy, for a ring that is refused; those of describe() and Keyring::session().
/// See: session-keyring(7).
[[nodiscard]] inline Result<void> check_ring(KeyringRef ring, RingTerms terms = {}) noexcept {
  if (auto good = keyring_detail::check_one_ring(ring, terms); !good) return good;
  const auto session = Keyring::session();
  if (!session && !keyring_detail::is_gone(session.error())) return unexpected(session.error());
  if (!session || *session == ring) return {};
  if (auto good = keyring_detail::check_one_ring(*session, terms);
      good || !keyring_detail::leads_to(session->serial(), ring.serial())) {
    return {};
  } else {
    return good;
  }
}

GSSKEY_END_ABI
}  // namespace gsskey
