// gsskey/keyring/keyring: the rings that every process has: found, made, joined, and handed on.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <gsskey/keyring/ring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// The rings that every process has, and no object: what a ring says of itself is never that of another, as
/// `ring.session()` would be. They are resolved to their number here and now, because the special numbers mean another
/// ring on another thread.
class Keyring {
 public:
  Keyring() = delete;

  /// The calling thread's ring, if it has one (ENOKEY). keyctl_get_keyring_ID, which creates nothing here.
  [[nodiscard]] static Result<KeyringRef> thread() noexcept { return resolve(KEY_SPEC_THREAD_KEYRING, 0); }
  /// The process's ring, if the calling thread has one (ENOKEY); see install_process().
  [[nodiscard]] static Result<KeyringRef> process() noexcept { return resolve(KEY_SPEC_PROCESS_KEYRING, 0); }
  /// The session's ring. Of a process that joined no session it is the user's default session ring (user_session()),
  /// which all such processes of the user share. EKEYREVOKED after a logout: join_session() helps.
  [[nodiscard]] static Result<KeyringRef> session() noexcept { return resolve(KEY_SPEC_SESSION_KEYRING, 0); }
  /// The ring of the real user id. It does not make its keys possessed unless a ring of the process links it.
  [[nodiscard]] static Result<KeyringRef> user() noexcept { return resolve(KEY_SPEC_USER_KEYRING, 0); }
  [[nodiscard]] static Result<KeyringRef> user_session() noexcept { return resolve(KEY_SPEC_USER_SESSION_KEYRING, 0); }
  /// keyctl_get_persistent: one's own ring that outlives sessions, three days from now on, linked into `into` so that
  /// it is possessed. EOPNOTSUPP where the kernel has none.
  [[nodiscard]] static Result<KeyringRef> persistent(KeyringRef into) noexcept {
    return persistent_of(keyring_detail::nobodys_id, into);
  }
  /// That of a user. EPERM for another user without CAP_SETUID; usage for -1, which a failed look-up leaves and which
  /// would be one's own.
  [[nodiscard]] static Result<KeyringRef> persistent(KeyringRef into, uid_t user) noexcept {
    if (user == keyring_detail::nobodys_id) {
      return unexpected(Error::usage("keyctl_get_persistent", "-1 is nobody's id; without one it is one's own ring"));
    }
    return persistent_of(user, into);
  }

  /// The calling thread's ring, created if it has none. It dies with the thread, and other threads cannot see it.
  [[nodiscard]] static Result<KeyringRef> install_thread() noexcept { return resolve(KEY_SPEC_THREAD_KEYRING, 1); }
  /// The ring that all threads share which are started later. Threads that exist already would each make their own, so
  /// that is refused (usage); a second call gives the same ring. To be called again after fork(), which drops it.
  [[nodiscard]] static Result<KeyringRef> install_process() noexcept {
    if (auto ring = process()) return ring;
    struct ::stat tasks;
    if (::stat("/proc/self/task", &tasks) != 0) return unexpected(Error::system("stat", errno));
    if (tasks.st_nlink > 2 + 1) {  // a folder for each thread
      return unexpected(Error::usage("Keyring::install_process", "other threads exist already and would not share it"));
    }
    return resolve(KEY_SPEC_PROCESS_KEYRING, 1);
  }

  /// keyctl_join_session_keyring: a new ring as the session of the calling thread, for it and the threads and processes
  /// that it starts from now on. Other threads keep the old one.
  [[nodiscard]] static Result<KeyringRef> join_session() noexcept {
    return named("keyctl_join_session_keyring", keyctl_join_session_keyring(nullptr));
  }
  /// The ring of that name, or a new one. The kernel creates it without the right to search for its user, so that the
  /// next to join makes another of the same name unless that is changed (set_permissions).
  [[nodiscard]] static Result<KeyringRef> join_session(Description<NonEmptyText> name) noexcept {
    if (name.c_str() == nullptr) return unexpected(Error::usage("keyctl_join_session_keyring", name.rule));
    const long serial = keyctl_join_session_keyring(name.c_str());
    if (serial == 0) return session();  // is the session already
    auto ring = named("keyctl_join_session_keyring", serial);
    if (!ring) return unexpected(keyring_detail::about(ring.error(), "keyring", name.c_str()));
    return ring;
  }
  /// keyctl_session_to_parent: this session becomes the parent process's, when that next returns to user space. EPERM
  /// for a parent with threads, other credentials or process id 1.
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
