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

/// What ~Key does with the key. Whoever has a link of his own keeps the key after `unlink`, and no one after the
/// others. revoke and invalidate go by serial number; to unlink the kernel goes by type and description, so the ring is
/// read before (unlink() of a ring), and has to be one that this thread can read.
enum class OnDestroy : std::uint8_t {
  unlink,      ///< take it out of the ring that it was created in; the kernel frees it soon, when no link is left
  keep,        ///< nothing
  revoke,      ///< EKEYREVOKED for everybody; its quota is free at once, its link stays until it is collected
  invalidate,  ///< gone for everybody; needs no more than the right to search
  revoke_then_unlink,  ///< both: nothing is left of it, and its quota is free at once
};

/// Told what a destructor could not do: most often that the thread it ran on does not possess the ring (EACCES).
/// For the program and what it is linked with, a plug-in for itself; called on the destroying thread, must not destroy
/// keys. nullptr: nobody is told.
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
  if (error != 0) return unexpected(Error::keyring("keyctl_unlink", error, link.serial));
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

inline void set_destroy_hook(DestroyHook hook) noexcept {
  __atomic_store_n(&keyring_detail::destroy_hook, hook, __ATOMIC_RELAXED);
}

/// What can be done with a key of type T, whoever owns it. Possession is a matter of the calling thread: what one
/// thread may do can be EACCES or ENOKEY on another (docs of ring_thread.hpp say what helps). A key that is not there
/// any more is ENOKEY, EKEYREVOKED or EKEYEXPIRED, and EACCES while it waits for the collector. Errors: keyring, with
/// errno; usage, for an empty handle.
template <class Owner, KeyType T>
class KeyOperations {
  friend Owner;
  template <class>
  friend class RingOperations;
  KeyOperations() noexcept = default;

 public:
  using Type = T;

  /// keyctl_read. Blocks while the key is under construction. The right to read, or possession and the right to search.
  [[nodiscard]] Result<SecretBytes> read() const noexcept
    requires(T::can_read)
  {
    const key_serial_t key = serial();
    return keyring_detail::read_all(
        "keyctl_read", key, [key](char* buffer, std::size_t size) noexcept { return keyctl_read(key, buffer, size); });
  }
  /// keyctl_update, and keyctl_set_timeout if there is a timeout: the kernel drops the old one with the old payload,
  /// and no call reads it back. At most 4096 bytes, whatever create() takes. Should the second call fail, the payload
  /// is new and without timeout, and the Error names keyctl_set_timeout.
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

  /// keyctl_describe. Does not wait for a key under construction. The right to view.
  [[nodiscard]] Result<KeyInfo> describe() const noexcept { return KeyInfo::acquire(serial()); }
  /// keyctl_get_security: the label of the security module, empty without one. The right to view, ENOKEY without it.
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

  /// keyctl_set_timeout: from now on, in seconds; no_timeout takes it away. The right to set attributes.
  [[nodiscard]] Result<void> set_timeout(Timeout timeout) const noexcept {
    if (auto fit = keyring_detail::check_timeout("keyctl_set_timeout", timeout); !fit) return fit;
    return done("keyctl_set_timeout", keyctl_set_timeout(serial(), timeout.count()));
  }
  /// keyctl_setperm. The right to set attributes, and to own the key. Errors: policy, for a mask that implies what it
  /// does not accept (permissions.hpp).
  [[nodiscard]] Result<void> set_permissions(Permissions permissions) const noexcept {
    if (!permissions.risks().empty()) {
      return unexpected(Error::policy("keyctl_setperm", 0, "the mask has a Risk that it does not accept"));
    }
    return done("keyctl_setperm", keyctl_setperm(serial(), permissions.bits()));
  }
  /// keyctl_chown. CAP_SYS_ADMIN, but for one's own groups. The quota goes along. Errors: usage for -1, the id that a
  /// failed look-up leaves: the kernel would leave the owner as it is and say yes.
  [[nodiscard]] Result<void> set_owner(uid_t user, gid_t group) const noexcept {
    return is_nobodys(user) || is_nobodys(group) ? chown_nobody() : chown(user, group);
  }
  [[nodiscard]] Result<void> set_owner(uid_t user) const noexcept {
    return is_nobodys(user) ? chown_nobody() : chown(user, keyring_detail::nobodys_id);
  }
  [[nodiscard]] Result<void> set_group(gid_t group) const noexcept {
    return is_nobodys(group) ? chown_nobody() : chown(keyring_detail::nobodys_id, group);
  }

  /// keyctl_revoke: EKEYREVOKED for everybody from here on. The right to write or to set attributes.
  [[nodiscard]] Result<void> revoke() const noexcept { return done("keyctl_revoke", keyctl_revoke(serial())); }
  /// keyctl_invalidate: gone for everybody from here on. The right to search.
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

/// The owner of one link: a key that was proven new in the ring that it was created in (create() of a ring), so that no
/// two owners have one serial. The ring is remembered by number: @t, @p and @s mean another ring on another thread.
/// What happens at the end is Policy; other links to this key are nobody's business here, nor are other keys of the
/// ring: what has come in place of this key stays, though it is of the same type and description (unlink() of a ring
/// says how far that goes).
/// Used by one thread at a time; the end must come on a thread that possesses the ring.
/// fork(): the child has a copy that names the key and does nothing at its end, however it was forked; close() and
/// move_to() of it are refused (usage). own_after_fork() makes the child the owner, where the parent only makes way for
/// it (daemon(3)). exec, _exit and a signal run no destructor: the key stays as long as its ring and its timeout.
/// dlopen(): a plug-in counts processes by itself, and may take a child's copy for its own key, or its own for a copy.
/// An owner stays within the plug-in that made it; a KeyRef may go anywhere.
template <KeyType T, OnDestroy Policy = OnDestroy::unlink>
class [[nodiscard]] Key : public std::conditional_t<std::is_same_v<T, key_type::Keyring>,
                                                    RingOperations<Key<T, Policy>>, KeyOperations<Key<T, Policy>, T>> {
 public:
  /// Owns nothing; every call gives Error::usage.
  Key() noexcept = default;

  [[nodiscard]] key_serial_t serial() const noexcept { return link_.get().serial; }
  /// The ring that it hangs in.
  [[nodiscard]] KeyRef<key_type::Keyring> ring() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(link_); }

  /// Whether this process is the owner: a forked child is not.
  [[nodiscard]] bool is_ours() const noexcept { return !link_ || link_.get().is_ours(); }

  /// The same key under another policy.
  template <OnDestroy Other>
  [[nodiscard]] Key<T, Other> on_destroy() && noexcept {
    Key<T, Other> key;
    *key.link_.put() = link_.release();
    return key;
  }
  /// Gives ownership up; the link stays.
  [[nodiscard]] KeyRef<T> release() && noexcept { return KeyRef<T>::from_serial(link_.release().serial); }
  /// What ~Key does, with the Error that ~Key can only tell the hook. Nothing is owned afterwards.
  [[nodiscard]] Result<void> close() && noexcept {
    if (!link_) return unexpected(Error::usage("Key::close", "the key is empty: moved from, or never set"));
    if (!is_ours()) return unexpected(Error::usage("Key::close", keyring_detail::is_the_parents));
    return keyring_detail::take_down(Policy, link_.release());
  }
  /// In a forked child: from here on it owns the key. The parent must not destroy its own copy any more: it has left by
  /// _exit(), as daemon(3) does, or has released it.
  void own_after_fork() noexcept {
    if (link_) link_.inout()->process = detail::this_process();
  }
  /// keyctl_move: into another ring, which is the owner's from here on. EEXIST if there is one of that type and
  /// description. The right to link the key and to write both rings.
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
  /// Of a key of this type. KeyRef<key_type::Any>: of a key of any type; as() is the way back.
  template <KeyType U, OnDestroy Policy>
    requires(std::same_as<T, U> || std::same_as<T, key_type::Any>)
  KeyRef(const Key<U, Policy>& key) noexcept : serial_{key.serial()} {}
  template <KeyType U, OnDestroy Policy>
  KeyRef(const Key<U, Policy>&& key) = delete;  // the key would be gone
  template <KeyType U>
    requires(std::same_as<T, key_type::Any> && !std::same_as<T, U>)
  KeyRef(KeyRef<U> key) noexcept : serial_{key.serial()} {}

  /// A serial number from elsewhere (another process, /proc/keys). That it is one of a T is for the caller to know;
  /// KeyRef<key_type::Any> knows how to ask. Numbers of no key, the kernel's special ones too, give an empty one.
  [[nodiscard]] static KeyRef from_serial(key_serial_t serial) noexcept {
    KeyRef key;
    key.serial_ = serial > 0 ? serial : 0;
    return key;
  }
  [[nodiscard]] key_serial_t serial() const noexcept { return serial_; }
  [[nodiscard]] explicit operator bool() const noexcept { return serial_ != 0; }

  /// The same key as one of type Other, if the kernel says that it is one (keyctl_describe).
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
