// gsskey/keyring/key: Key<T> owns one link to a kernel key, KeyRef<T> names a key that somebody else owns.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/detail/link.hpp>
#include <gsskey/keyring/detail/syscall.hpp>
#include <gsskey/keyring/key_type.hpp>
#include <gsskey/keyring/permissions.hpp>
#include <gsskey/keyring/timeout.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What ~Key does with the key. After `unlink` the key lives on for those who have another link to it, after `revoke`
/// and `invalidate` for nobody. These two go by serial number. To unlink, the kernel goes by type and description, so
/// ~Key reads the ring before, which this thread must be able to read (unlink() of a ring).
enum class OnDestroy : std::uint8_t {
  unlink,      ///< take it out of the ring that it was created in; the kernel frees it soon, when no link is left
  keep,        ///< nothing
  revoke,      ///< EKEYREVOKED for everybody; its quota is free at once, its link stays until it is collected
  invalidate,  ///< gone for everybody; needs no more than the right to search
  revoke_then_unlink,  ///< both: nothing is left of it, and its quota is free at once
};

/// A function that is told what ~Key could not do: most often that the thread it ran on does not possess the ring
/// (EACCES). It must not destroy keys.
/// Threads: called on the thread that destroys the key.
using DestroyHook = void (*)(const Error& error) noexcept;

template <class Owner, KeyType T>
class KeyOperations;
template <class Owner>
class RingOperations;
template <KeyType T>
class KeyRef;

/// What can be passed where a call only names a key.
template <class K>
concept KeyHandle = requires(const K& key) {
  { key.serial() } -> std::same_as<key_serial_t>;
};

namespace keyring_detail {

GSSKEY_SHARED DestroyHook destroy_hook = nullptr;

struct Link {
  key_serial_t serial;
  key_serial_t ring;
  std::uint32_t process;  ///< whose it is: a forked child's copy is not the child's
  [[nodiscard]] bool is_ours() const noexcept { return process == detail::this_process(); }
  [[nodiscard]] friend constexpr bool operator==(Link, Link) noexcept = default;
};
inline constexpr const char* is_the_parents =
    "the key belongs to the process that made it, of which this one is a forked child";

[[nodiscard]] inline Result<void> take_down(OnDestroy policy, Link link) noexcept {
  int revoke_error = 0;
  switch (policy) {
    case OnDestroy::keep:
      return {};
    case OnDestroy::unlink:
      break;
    case OnDestroy::revoke:
      return done("keyctl_revoke", link.serial, keyctl_revoke(link.serial));
    case OnDestroy::invalidate:
      return done("keyctl_invalidate", link.serial, keyctl_invalidate(link.serial));
    case OnDestroy::revoke_then_unlink:
      if (keyctl_revoke(link.serial) < 0) revoke_error = errno;  // it is unlinked all the same
      break;
  }
  int error = link_error(link.ring, link.serial);
  if (error == 0 && keyctl_unlink(link.serial, link.ring) < 0) error = errno;
  if (revoke_error != 0) return unexpected(Error::keyring("keyctl_revoke", revoke_error, link.serial));
  if (error != 0) return unexpected(link_failed("keyctl_unlink", link.serial, error));
  return {};
}

/// Gone already, which is what a destructor wants.
[[nodiscard]] inline bool is_gone(const Error& error) noexcept {
  const auto number = static_cast<int>(error.minor_status());
  return number == ENOKEY || number == EKEYREVOKED || number == EKEYEXPIRED || number == ENOENT;
}

template <OnDestroy Policy>
struct LinkTraits {
  using Handle = Link;
  GSSKEY_HIDDEN static constexpr Handle none{0, 0, 0};
  static void close(Handle link) noexcept {
    if (!link.is_ours()) return;
    const int saved = errno;
    const auto taken_down = take_down(Policy, link);
    if (!taken_down && !is_gone(taken_down.error())) {
      if (const DestroyHook hook = __atomic_load_n(&destroy_hook, __ATOMIC_RELAXED)) hook(taken_down.error());
    }
    errno = saved;
  }
};

}  // namespace keyring_detail

/// Sets the hook for the program and what it is linked with, or, called within a plug-in, for that plug-in. nullptr:
/// nobody is told.
/// Threads: any, at any time.
inline void set_destroy_hook(DestroyHook hook) noexcept {
  __atomic_store_n(&keyring_detail::destroy_hook, hook, __ATOMIC_RELAXED);
}

/// What can be done with a key of type T, whoever owns it.
/// Errors: keyring, with errno: ENOKEY, EKEYREVOKED or EKEYEXPIRED, for a key that is not there any more, and EACCES
///   while it waits for the collector, or without the right that the call needs; usage, for an empty handle.
/// Blocks: read(), update(), revoke() and invalidate(), while the key is under construction.
/// Threads: possession is a matter of the calling thread: what one thread may do can be EACCES or ENOKEY on another
///   (ring_thread.hpp says what helps).
/// See: keyrings(7), keyctl(2).
template <class Owner, KeyType T>
class KeyOperations {
  friend Owner;
  template <class>
  friend class RingOperations;
  KeyOperations() noexcept = default;

 public:
  using Type = T;

  /// Reads the payload. Needs the right to read, or possession and the right to search.
  /// Calls: keyctl_read.
  /// Errors: those of the class; system (ENOMEM).
  /// See: keyctl_read(3).
  [[nodiscard]] Result<SecretBytes> read() const noexcept
    requires(T::can_read)
  {
    const key_serial_t key = serial();
    return keyring_detail::read_all(
        "keyctl_read", key, [key](char* buffer, std::size_t size) noexcept { return keyctl_read(key, buffer, size); });
  }
  /// Gives the key another payload and timeout: the kernel drops the old timeout with the old payload, and no call
  /// reads it back. Needs the right to write. If the payload is new and the timeout cannot be set, the key is without
  /// one.
  /// Calls: keyctl_update, keyctl_set_timeout if there is a timeout.
  /// Errors: those of the class, which name the call that failed; usage, for more than 4096 bytes, whatever create()
  ///   takes (upsert() of a ring takes more), and for a timeout that is over.
  /// See: keyctl_update(3).
  [[nodiscard]] Result<void> update(const typename KeyUpdate<T>::Type& update, Timeout timeout) const noexcept
    requires(T::can_update)
  {
    const ByteView payload{update};
    if (payload.size() > keyring_detail::largest_update) {
      return unexpected(
          Error::usage("keyctl_update", "an update is limited to 4096 bytes; upsert() in its ring takes more"));
    }
    if (auto fit = keyring_detail::check_timeout("keyctl_update", timeout); !fit) return fit;
    if (keyctl_update(serial(), payload.data(), payload.size()) < 0) return unexpected(failed("keyctl_update"));
    if (timeout.is_none()) return {};
    return set_timeout(timeout);
  }

  /// Asks what the key is. Needs the right to view; does not wait for a key under construction.
  /// Calls: keyctl_describe.
  /// Errors: those of KeyInfo::acquire().
  [[nodiscard]] Result<KeyInfo> describe() const noexcept { return KeyInfo::acquire(serial()); }
  /// Reads the label of the security module, which is empty without one. Needs the right to view, and says ENOKEY
  /// without it.
  /// Calls: keyctl_get_security.
  /// Errors: those of the class; system (ENOMEM).
  /// See: keyctl_get_security(3).
  [[nodiscard]] Result<SecretBytes> security_label() const noexcept {
    const key_serial_t key = serial();
    auto label = keyring_detail::read_all("keyctl_get_security", key, [key](char* buffer, std::size_t size) noexcept {
      return keyctl_get_security(key, buffer, size);
    });
    if (label && !label->empty()) {
      if (auto cut = label->resize(label->size() - 1); !cut) return unexpected(cut.error());  // its NUL
    }
    return label;
  }

  /// Lets the key end after `timeout`, from now on; no_timeout takes an old one away. Needs the right to set
  /// attributes.
  /// Calls: keyctl_set_timeout.
  /// Errors: those of the class; usage, for a timeout that is over.
  /// See: keyctl_set_timeout(3).
  [[nodiscard]] Result<void> set_timeout(Timeout timeout) const noexcept {
    if (auto fit = keyring_detail::check_timeout("keyctl_set_timeout", timeout); !fit) return fit;
    return done("keyctl_set_timeout", keyctl_set_timeout(serial(), timeout.count()));
  }
  /// Sets the permission mask. Needs the right to set attributes, and to own the key.
  /// Calls: keyctl_setperm.
  /// Errors: those of the class; policy, for a mask that implies what it does not accept (permissions.hpp).
  /// See: keyctl_setperm(3).
  [[nodiscard]] Result<void> set_permissions(Permissions permissions) const noexcept {
    if (!permissions.risks().empty()) {
      return unexpected(Error::policy("keyctl_setperm", 0, "the mask has a Risk that it does not accept"));
    }
    return done("keyctl_setperm", keyctl_setperm(serial(), permissions.bits()));
  }
  /// Gives the key to another user and group. Its quota goes along. Needs CAP_SYS_ADMIN, but for one's own groups.
  /// Calls: keyctl_chown.
  /// Errors: those of the class; usage, for -1, the id that a failed look-up leaves: the kernel would leave the owner
  ///   as it is and say yes.
  /// See: keyctl_chown(3).
  [[nodiscard]] Result<void> set_owner(uid_t user, gid_t group) const noexcept {
    return is_nobodys(user) || is_nobodys(group) ? chown_nobody() : chown(user, group);
  }
  [[nodiscard]] Result<void> set_owner(uid_t user) const noexcept {
    return is_nobodys(user) ? chown_nobody() : chown(user, keyring_detail::nobodys_id);
  }
  [[nodiscard]] Result<void> set_group(gid_t group) const noexcept {
    return is_nobodys(group) ? chown_nobody() : chown(keyring_detail::nobodys_id, group);
  }

  /// Revokes the key: EKEYREVOKED for everybody from here on. Needs the right to write or to set attributes.
  /// Calls: keyctl_revoke.
  /// See: keyctl_revoke(3).
  [[nodiscard]] Result<void> revoke() const noexcept { return done("keyctl_revoke", keyctl_revoke(serial())); }
  /// Invalidates the key: gone for everybody from here on. Needs the right to search.
  /// Calls: keyctl_invalidate.
  /// See: keyctl_invalidate(3).
  [[nodiscard]] Result<void> invalidate() const noexcept {
    return done("keyctl_invalidate", keyctl_invalidate(serial()));
  }

 protected:
  [[nodiscard]] key_serial_t serial() const noexcept { return static_cast<const Owner*>(this)->serial(); }
  [[nodiscard]] Error failed(const char* operation) const noexcept {
    return keyring_detail::failed(operation, serial());
  }
  [[nodiscard]] Result<void> done(const char* operation, long result) const noexcept {
    return keyring_detail::done(operation, serial(), result);
  }

 private:
  [[nodiscard]] static bool is_nobodys(std::uint32_t id) noexcept { return id == keyring_detail::nobodys_id; }
  [[nodiscard]] static Result<void> chown_nobody() noexcept {
    return unexpected(Error::usage("keyctl_chown", "-1 is nobody's id, and would leave the owner as it is"));
  }
  [[nodiscard]] Result<void> chown(uid_t user, gid_t group) const noexcept {
    return done("keyctl_chown", keyctl_chown(serial(), user, group));
  }
};

/// Owns one link to a key, in the ring that it was created in. create() of a ring proves that the key is new, so no two
/// owners have one serial number. The ring is remembered by number, because @t, @p and @s mean another ring on another
/// thread.
///
/// At the end it does what Policy says. Other links to the key, and other keys of the ring, are left alone: also one of
/// the same type and description that came in place of this key (unlink() of a ring says how far that goes). Move-only.
/// Threads: one at a time. The end must come on a thread that possesses the ring.
/// Fork: a child's copy names the key and does nothing at its end, however the child was forked; its close() and
///   move_to() are refused (usage). own_after_fork() makes the child the owner, where the parent only makes way for it
///   (daemon(3)). exec, _exit and a signal run no destructor: the key stays as long as its ring and its timeout.
/// Owner: of the link, this object. It stays within the plug-in (dlopen()) that made it: each counts processes by
///   itself, and may take a child's copy for its own key, or its own for a copy. A KeyRef may go anywhere.
template <KeyType T, OnDestroy Policy = OnDestroy::unlink>
class [[nodiscard]] Key : public std::conditional_t<std::is_same_v<T, key_type::Keyring>,
                                                    RingOperations<Key<T, Policy>>, KeyOperations<Key<T, Policy>, T>> {
 public:
  /// Owns nothing; every call gives Error::usage.
  Key() noexcept = default;

  [[nodiscard]] key_serial_t serial() const noexcept { return link_.get().serial; }
  /// Returns the ring that the link is in.
  [[nodiscard]] KeyRef<key_type::Keyring> ring() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(link_); }

  /// Tells whether this process is the owner: a forked child is not.
  [[nodiscard]] bool is_ours() const noexcept { return !link_ || link_.get().is_ours(); }

  /// Puts the key under another policy.
  /// Owner: of the link, what is returned.
  template <OnDestroy Other>
  [[nodiscard]] Key<T, Other> on_destroy() && noexcept {
    Key<T, Other> key;
    *key.link_.put() = link_.release();
    return key;
  }
  /// Gives ownership up; the link stays.
  [[nodiscard]] KeyRef<T> release() && noexcept { return KeyRef<T>::from_serial(link_.release().serial); }
  /// Does what ~Key does, and returns the Error that ~Key can only tell the hook. Nothing is owned afterwards.
  /// Calls: those of Policy: keyctl_read and keyctl_unlink, keyctl_revoke, keyctl_invalidate.
  /// Errors: keyring, with errno; usage, if this object is empty, or a forked child's copy; system (ENOMEM).
  [[nodiscard]] Result<void> close() && noexcept {
    if (!link_) return unexpected(Error::usage("Key::close", "the key is empty: moved from, or never set"));
    if (!is_ours()) return unexpected(Error::usage("Key::close", keyring_detail::is_the_parents));
    return keyring_detail::take_down(Policy, link_.release());
  }
  /// Makes this process, a forked child, the owner. The parent must not destroy its own copy any more: it has left by
  /// _exit(), as daemon(3) does, or has released it.
  void own_after_fork() noexcept {
    if (link_) link_.inout()->process = detail::this_process();
  }
  /// Moves the link into another ring, which is remembered from here on. Needs the right to link the key and to write
  /// both rings.
  /// Calls: keyctl_read, keyctl_move with KEYCTL_MOVE_EXCL.
  /// Errors: those of move() of a ring: keyring, EEXIST, if `ring` has a key of that type and description; usage, for
  ///   an empty handle, and in a forked child.
  [[nodiscard]] Result<void> move_to(KeyRef<key_type::Keyring> ring) noexcept;

 private:
  template <class Owner>
  friend class RingOperations;
  template <KeyType, OnDestroy>
  friend class Key;

  UniqueHandle<keyring_detail::LinkTraits<Policy>> link_;
};

/// Names a key, owns nothing, does nothing at its end. A plain value, 4 bytes.
template <KeyType T>
class KeyRef : public std::conditional_t<std::is_same_v<T, key_type::Keyring>, RingOperations<KeyRef<T>>,
                                         KeyOperations<KeyRef<T>, T>> {
 public:
  /// Names nothing; every call gives Error::usage.
  KeyRef() noexcept = default;
  /// Names a key of this type; KeyRef<key_type::Any> one of any type, and as() is the way back.
  template <KeyType U, OnDestroy Policy>
    requires(std::same_as<T, U> || std::same_as<T, key_type::Any>)
  KeyRef(const Key<U, Policy>& key) noexcept : serial_{key.serial()} {}
  template <KeyType U, OnDestroy Policy>
  KeyRef(const Key<U, Policy>&& key) = delete;  // the key would be gone
  template <KeyType U>
    requires(std::same_as<T, key_type::Any> && !std::same_as<T, U>)
  KeyRef(KeyRef<U> key) noexcept : serial_{key.serial()} {}

  /// Names a key by a serial number from elsewhere (another process, /proc/keys). That it is one of a T is for the
  /// caller to know; KeyRef<key_type::Any> knows how to ask. Numbers of no key, the kernel's special ones too, give an
  /// empty one.
  [[nodiscard]] static KeyRef from_serial(key_serial_t serial) noexcept {
    KeyRef key;
    key.serial_ = serial > 0 ? serial : 0;
    return key;
  }
  [[nodiscard]] key_serial_t serial() const noexcept { return serial_; }
  [[nodiscard]] explicit operator bool() const noexcept { return serial_ != 0; }

  /// Names the same key as one of type Other, if the kernel says that it is one. Needs the right to view.
  /// Calls: keyctl_describe.
  /// Errors: those of describe(); usage, for a key of another type.
  template <KeyType Other>
  [[nodiscard]] Result<KeyRef<Other>> as() const noexcept {
    const auto info = this->describe();
    if (!info) return unexpected(info.error());
    if (info->type() != detail::view_of(Other::name)) {
      return unexpected(Error::usage("KeyRef::as", "the key is of another type")
                            .with_text(info->type(), ";", info->description(), ": the key is of another type"));
    }
    return KeyRef<Other>::from_serial(serial_);
  }

  [[nodiscard]] friend bool operator==(KeyRef a, KeyRef b) noexcept { return a.serial_ == b.serial_; }

 private:
  key_serial_t serial_ = 0;
};

GSSKEY_END_ABI
}  // namespace gsskey
