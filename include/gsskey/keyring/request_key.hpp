// gsskey/keyring/request_key: find a key, or have it made by /sbin/request-key.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a handler is told, borrowed and NUL-terminated: a literal or what has c_str(). At most 4095 bytes (EINVAL).
using CalloutInfo = Description<AnyText>;

namespace keyring_detail {
template <KeyType T>
[[nodiscard]] inline Result<KeyRef<T>> request(decltype(T::description) description, const char* callout_info,
                                               key_serial_t into) noexcept {
  if (description.c_str() == nullptr) return unexpected(Error::usage("request_key", description.rule));
  const key_serial_t serial = ::request_key(T::name, description.c_str(), callout_info, into);
  if (serial < 0) return unexpected(failed_about("request_key", T::name, description.c_str()));
  return KeyRef<T>::from_serial(serial);
}
}  // namespace keyring_detail

/// Finds a key without starting a handler: in the thread, process and session ring, in that order, and in a handler in
/// those of the requester.
/// Calls: request_key.
/// Errors: keyring, with errno: ENOKEY (also for a key that has expired), EKEYREVOKED, and for a key that was rejected,
///   which is remembered, EKEYREJECTED or what the handler chose; usage, for what T says of descriptions. The text
///   names the key.
/// Blocks: while the key is under construction, until its handler has answered or a signal comes (EINTR).
/// See: request_key(2).
template <KeyType T>
[[nodiscard]] inline Result<KeyRef<T>> request_key(decltype(T::description) description) noexcept {
  return keyring_detail::request<T>(description, nullptr, 0);
}
/// Finds a key as the first does, and links it into `into`.
/// Errors: those of the first; usage, if `into` is empty.
template <KeyType T>
[[nodiscard]] inline Result<KeyRef<T>> request_key(decltype(T::description) description, KeyringRef into) noexcept {
  if (!into) return unexpected(keyring_detail::failed("request_key", 0));
  return keyring_detail::request<T>(description, nullptr, into.serial());
}

/// Finds a key, or has one made: the kernel starts /sbin/request-key, which starts the handler that
/// /etc/request-key.conf and /etc/request-key.d name. A key that is made hangs in the thread's default ring
/// (set_request_key_ring()).
/// Calls: request_key.
/// Errors: keyring, with errno: what the handler chose; ENOKEY, if there is no handler, or it ended without an answer,
///   which the kernel remembers for 60 seconds; EDQUOT; usage, for what T says of descriptions, and for callout info
///   with a NUL. The text names the key.
/// Blocks: until the handler has answered, and signals do not end that for the first who asks (EINTR for others who
///   wait for the same key): never call it on the thread of an event loop.
/// See: request_key(2), request-key.conf(5).
template <KeyType T>
[[nodiscard]] inline Result<KeyRef<T>> request_key(decltype(T::description) description,
                                                   CalloutInfo callout_info) noexcept {
  if (callout_info.c_str() == nullptr) return unexpected(Error::usage("request_key", "callout info holds no NUL"));
  return keyring_detail::request<T>(description, callout_info.c_str(), 0);
}
/// Finds a key, or has one made, and links it into `into`.
/// Errors: those of the other; usage, if `into` is empty.
template <KeyType T>
[[nodiscard]] inline Result<KeyRef<T>> request_key(decltype(T::description) description, CalloutInfo callout_info,
                                                   KeyringRef into) noexcept {
  if (callout_info.c_str() == nullptr) return unexpected(Error::usage("request_key", "callout info holds no NUL"));
  if (!into) return unexpected(keyring_detail::failed("request_key", 0));
  return keyring_detail::request<T>(description, callout_info.c_str(), into.serial());
}

/// Where the keys of upcalls are linked when a call names no ring.
enum class RequestKeyRing : std::int8_t {
  first_there_is = 0,  ///< the kernel's default: thread, process, session, user session
  thread = 1,          ///< creates it
  process = 2,         ///< creates it
  session = 3,
  user = 4,
  user_session = 5,
  requestor = keyring_detail::default_ring_is_the_requestors,  ///< in a handler: the ring that its requester named
};

/// Sets where the keys of upcalls are linked, for the calling thread and what it starts. Returns what it was.
/// Calls: keyctl_set_reqkey_keyring.
/// Errors: keyring, with errno.
/// Threads: any number at once; each sets its own.
/// See: keyctl_set_reqkey_keyring(3).
[[nodiscard]] inline Result<RequestKeyRing> set_request_key_ring(RequestKeyRing ring) noexcept {
  const long old = keyctl_set_reqkey_keyring(static_cast<int>(ring));
  if (old < 0) return unexpected(keyring_detail::failed("keyctl_set_reqkey_keyring"));
  return static_cast<RequestKeyRing>(old);
}
/// Returns where the keys of upcalls are linked.
[[nodiscard]] inline Result<RequestKeyRing> request_key_ring() noexcept {
  return set_request_key_ring(static_cast<RequestKeyRing>(KEY_REQKEY_DEFL_NO_CHANGE));
}

GSSKEY_END_ABI
}  // namespace gsskey
