// gsskey/keyring/diagnosis: why a key cannot be had, in words.
// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cerrno>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/keyring/detail/filtered.hpp>
#include <gsskey/keyring/possession.hpp>
#include <gsskey/keyring/proc_keys.hpp>
#include <gsskey/keyring/quota.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// A reason for ENOKEY, EACCES, EKEYREVOKED, EDQUOT, EPERM or ENOSYS: explanation() says it in words.
enum class Finding : std::uint32_t {
  key_is_gone = 1,
  key_is_revoked = 1 << 1,
  key_is_expired = 1 << 2,
  key_is_not_viewable = 1 << 3,
  key_is_not_possessed = 1 << 4,
  user_ring_is_not_linked = 1 << 5,
  session_is_the_default = 1 << 6,
  session_is_revoked = 1 << 7,
  calls_are_filtered = 1 << 8,
  in_user_namespace = 1 << 9,
  no_request_key_program = 1 << 10,
  quota_is_full = 1 << 11,
  session_is_another_users = 1 << 12,
  key_is_negative = 1 << 13,
  some_calls_are_filtered = 1 << 14,
};
/// What diagnose() found.
using Findings = FlagSet<Finding>;

/// Returns one sentence: what the finding means, and what helps.
/// Owner: of the text, nobody: it is static.
[[nodiscard]] inline const char* explanation(Finding finding) noexcept {
  switch (finding) {
    case Finding::key_is_gone:
      return "the key does not exist any more";
    case Finding::key_is_revoked:
      return "the key was revoked";
    case Finding::key_is_expired:
      return "the key's timeout is over";
    case Finding::key_is_not_viewable:
      return "this thread may not even view the key: it does not possess it and is not its user, or the mask says so";
    case Finding::key_is_not_possessed:
      return "no thread, process or session ring of this thread leads to the key, so only the rights of user, group or "
             "other count, and by default those are: to view. Link its ring into the session, or grant rights";
    case Finding::user_ring_is_not_linked:
      return "no ring of this thread links the user ring, so keys in the latter are not possessed. Link it: "
             "Keyring::session()->link(*Keyring::user())";
    case Finding::session_is_the_default:
      return "this process joined no session and has the user's default ring, which all such processes share. "
             "Keyring::join_session() makes one";
    case Finding::session_is_revoked:
      return "the session ring was revoked, at logout most often. Keyring::join_session() makes a new one";
    case Finding::calls_are_filtered:
      return "the key service is refused as a whole: by a seccomp filter of the container, or the kernel lacks it";
    case Finding::in_user_namespace:
      return "this process is in a user namespace: user and persistent rings are the namespace's own, and handlers of "
             "request_key() run outside";
    case Finding::no_request_key_program:
      return "/sbin/request-key is missing, so request_key() makes no keys. Debian's package: keyutils";
    case Finding::quota_is_full:
      return "the user's quota for keys is used up, or there is no room for a key and the ring that it is made in "
             "(key_quota())";
    case Finding::session_is_another_users:
      return "the session ring belongs to another user, as within su, sudo and set-uid programs: he reads what is put "
             "there. Keyring::join_session() makes one's own";
    case Finding::key_is_negative:
      return "the key is a negative one: a handler refused it, or none answered, and that is remembered until its "
             "timeout";
    case Finding::some_calls_are_filtered:
      return "some calls of the key service are refused and others are not: by a seccomp filter that knows half of "
             "them, "
             "as of containers that refuse keyctl(2) and allow add_key(2). Allow all three, or none";
  }
  return "an unknown finding";
}

/// Looks for what speaks against keys for the calling thread, as things are now. What cannot be looked at, for want of
/// rights or memory, is not found.
/// Calls: add_key, request_key and keyctl, with arguments that no kernel accepts, to see whether a filter refuses them;
///   keyctl_get_keyring_ID; keyctl_describe; those of is_possessed(). Reads /proc/self/uid_map and /proc/key-users.
[[nodiscard]] inline Findings diagnose() noexcept {
  Findings found;
  const auto filtered = keyring_detail::filtered_calls();
  if (filtered == keyring_detail::Filtered::everything) return Finding::calls_are_filtered;
  if (filtered == keyring_detail::Filtered::some) found |= Finding::some_calls_are_filtered;
  const auto session = Keyring::session();
  const auto user_session = Keyring::user_session();
  const auto user = Keyring::user();
  if (!session) {
    if (session.error().minor_status() == EKEYREVOKED) found |= Finding::session_is_revoked;
  } else {
    if (user_session && *session == *user_session) found |= Finding::session_is_the_default;
    const auto info = session->describe();
    if (info && info->user() != ::geteuid()) found |= Finding::session_is_another_users;
  }
  if (user && !is_possessed(*user)) found |= Finding::user_ring_is_not_linked;
  if (::access("/sbin/request-key", X_OK) != 0 && (errno == ENOENT || errno == EACCES))
    found |= Finding::no_request_key_program;
  if (auto map = keyring_detail::read_proc("/proc/self/uid_map")) {
    detail::TextReader line{map->text()};
    const bool whole = keyring_detail::take_column(line) == "0" && keyring_detail::take_column(line) == "0" &&
                       keyring_detail::take_column(line).starts_with("4294967295");
    if (!whole) found |= Finding::in_user_namespace;
  }
  if (const auto quota = key_quota(::geteuid())) {
    // What create() in a ring takes for a key of a byte: two keys, their descriptions, payload and links.
    constexpr std::uint32_t keys = 2;
    constexpr std::uint32_t bytes = 48;
    if (quota->keys + keys > quota->max_keys || quota->bytes + bytes > quota->max_bytes) {
      found |= Finding::quota_is_full;
    }
  }
  return found;
}

/// Looks for what speaks against `key` too.
/// Calls: those of diagnose(), and for this key keyctl_describe, keyctl_get_keyring_ID and those of is_possessed().
[[nodiscard]] inline Findings diagnose(const KeyHandle auto& key) noexcept {
  Findings found = diagnose();
  if (found.contains(Finding::calls_are_filtered)) return found;
  if (const auto info = AnyKeyRef::from_serial(key.serial()).describe(); !info) {
    switch (static_cast<int>(info.error().minor_status())) {
      case EKEYREVOKED:
        return found | Finding::key_is_revoked;
      case EKEYEXPIRED:
        return found | Finding::key_is_expired;
      case EACCES:
        found |= Finding::key_is_not_viewable;
        break;
      case EPERM:  // the filter's
      case ENOSYS:
      case EOPNOTSUPP:
        return found;
      default:
        return found | Finding::key_is_gone;
    }
  }
  if (!is_possessed(key)) found |= Finding::key_is_not_possessed;
  if (!found.contains(Finding::key_is_not_viewable) && !keyring_detail::would_wait(key) &&
      keyctl_get_keyring_ID(key.serial(), 0) < 0 && errno != EACCES) {
    found |= Finding::key_is_negative;
  }
  return found;
}

GSSKEY_END_ABI
}  // namespace gsskey
