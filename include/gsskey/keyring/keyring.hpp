// gsskey/keyring/keyring: the rings that every process has: found, made, joined, and handed on.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <gsskey/keyring/ring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Finds the rings that every process has. No object is made of it: what a ring says of itself is never that of
/// another, as `ring.session()` would be. Rings are resolved to their number here and now, because the special numbers
/// mean another ring on another thread.
/// Calls: keyctl_get_keyring_ID.
/// Errors: keyring, with errno; the text names a ring as keyctl(1) does: "keyring;@s".
/// Threads: any number at once; what is found is the calling thread's.
/// See: keyrings(7), keyctl_get_keyring_ID(3).
class Keyring {
 public:
  Keyring() = delete;

  /// Returns the calling thread's ring, if it has one (ENOKEY). It creates none.
  [[nodiscard]] static Result<KeyringRef> thread() noexcept { return resolve(KEY_SPEC_THREAD_KEYRING, 0); }
  /// Returns the process's ring, if the calling thread has one (ENOKEY); see install_process().
  [[nodiscard]] static Result<KeyringRef> process() noexcept { return resolve(KEY_SPEC_PROCESS_KEYRING, 0); }
  /// Returns the session's ring. Of a process that joined no session it is the user's default session ring
  /// (user_session()), which all such processes of the user share. EKEYREVOKED after a logout: join_session() helps.
  [[nodiscard]] static Result<KeyringRef> session() noexcept { return resolve(KEY_SPEC_SESSION_KEYRING, 0); }
  /// Returns the ring of the real user id. It does not make its keys possessed unless a ring of the process links it.
  [[nodiscard]] static Result<KeyringRef> user() noexcept { return resolve(KEY_SPEC_USER_KEYRING, 0); }
  /// Returns the user's default session ring.
  [[nodiscard]] static Result<KeyringRef> user_session() noexcept { return resolve(KEY_SPEC_USER_SESSION_KEYRING, 0); }
  /// Returns one's own ring that outlives sessions, and links it into `into` so that it is possessed. It lasts three
  /// days from now on.
  /// Calls: keyctl_get_persistent.
  /// Errors: keyring, with errno: EOPNOTSUPP, where the kernel has none; usage, if `into` is empty.
  /// See: keyctl_get_persistent(3), persistent-keyring(7).
  [[nodiscard]] static Result<KeyringRef> persistent(KeyringRef into) noexcept {
    return persistent_of(keyring_detail::nobodys_id, into);
  }
  /// Returns the persistent ring of `user`.
  /// Calls: keyctl_get_persistent.
  /// Errors: those of the other; keyring, EPERM, for another user without CAP_SETUID; usage, for -1, which a failed
  ///   look-up leaves and which would be one's own.
  [[nodiscard]] static Result<KeyringRef> persistent(KeyringRef into, uid_t user) noexcept {
    if (user == keyring_detail::nobodys_id) {
      return unexpected(Error::usage("keyctl_get_persistent", "-1 is nobody's id; without one it is one's own ring"));
    }
    return persistent_of(user, into);
  }

  /// Returns the calling thread's ring, and creates it if it has none. It dies with the thread, and other threads
  /// cannot see it.
  [[nodiscard]] static Result<KeyringRef> install_thread() noexcept { return resolve(KEY_SPEC_THREAD_KEYRING, 1); }
  /// Returns the ring that all threads share which are started later, and creates it if there is none.
  /// Calls: keyctl_get_keyring_ID; stat of /proc/self/task.
  /// Errors: keyring, with errno; usage, if there is none and other threads exist already, which would each make their
  ///   own; system (stat).
  /// Fork: a child does not have the ring; it calls this again.
  [[nodiscard]] static Result<KeyringRef> install_process() noexcept {
    if (auto ring = process()) return ring;
    struct ::stat tasks;
    if (::stat("/proc/self/task", &tasks) != 0) return unexpected(Error::system("stat", errno));
    if (tasks.st_nlink > 2 + 1) {  // a folder for each thread
      return unexpected(Error::usage("Keyring::install_process", "other threads exist already and would not share it"));
    }
    return resolve(KEY_SPEC_PROCESS_KEYRING, 1);
  }

  /// Gives the calling thread a new ring as its session, and with it the threads and processes that it starts from now
  /// on. Other threads keep the old one.
  /// Calls: keyctl_join_session_keyring.
  /// See: keyctl_join_session_keyring(3), session-keyring(7).
  [[nodiscard]] static Result<KeyringRef> join_session() noexcept {
    return named("keyctl_join_session_keyring", keyctl_join_session_keyring(nullptr));
  }
  /// Joins the session ring of that name, or a new one. The kernel creates it without the right to search for its user,
  /// so that the next to join makes another of the same name unless that is changed (set_permissions).
  /// Errors: keyring, with errno; usage, for a name that is empty or holds a NUL.
  [[nodiscard]] static Result<KeyringRef> join_session(Description<NonEmptyText> name) noexcept {
    if (name.c_str() == nullptr) return unexpected(Error::usage("keyctl_join_session_keyring", name.rule));
    const long serial = keyctl_join_session_keyring(name.c_str());
    if (serial == 0) return session();  // is the session already
    auto ring = named("keyctl_join_session_keyring", serial);
    if (!ring) return unexpected(keyring_detail::about(ring.error(), "keyring", name.c_str()));
    return ring;
  }
  /// Makes this session the parent process's, from when that next returns to user space.
  /// Calls: keyctl_session_to_parent.
  /// Errors: keyring, EPERM, for a parent with threads, other credentials or process id 1.
  /// See: keyctl_session_to_parent(3).
  [[nodiscard]] static Result<void> session_to_parent() noexcept {
    if (keyctl_session_to_parent() < 0) return unexpected(keyring_detail::failed("keyctl_session_to_parent"));
    return {};
  }

 private:
  [[nodiscard]] static Result<KeyringRef> named(const char* operation, long serial) noexcept {
    if (serial < 0) return unexpected(keyring_detail::failed(operation));
    return KeyringRef::from_serial(static_cast<key_serial_t>(serial));
  }
  [[nodiscard]] static Result<KeyringRef> persistent_of(uid_t user, KeyringRef into) noexcept {
    if (!into) return unexpected(keyring_detail::failed("keyctl_get_persistent", 0));
    return named("keyctl_get_persistent", keyctl_get_persistent(user, into.serial()));
  }
  /// As keyctl(1) has it.
  [[nodiscard]] static const char* name_of(key_serial_t special) noexcept {
    constexpr const char* names[] = {"@t", "@p", "@s", "@u", "@us"};  // -1, -2, …
    return names[-1 - special];
  }
  [[nodiscard]] static Result<KeyringRef> resolve(key_serial_t special, int create) noexcept {
    auto ring = named("keyctl_get_keyring_ID", keyctl_get_keyring_ID(special, create));
    if (!ring) return unexpected(keyring_detail::about(ring.error(), "keyring", name_of(special)));
    return ring;
  }
};

GSSKEY_END_ABI
}  // namespace gsskey
