// gsskey/keyring/detail/making: keys made aside, with all that they shall have, and put in their place in one step.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/random.h>
#include <time.h>

#include <cstddef>

#include <gsskey/keyring/detail/link.hpp>
#include <gsskey/keyring/key_list.hpp>

namespace gsskey::inline GSSKEY_ABI {

/// What a key gets before anybody else can find it.
struct KeyOptions {
  Permissions permissions = {};  ///< nothing: the kernel's default for the type
  Timeout timeout = no_timeout;
};

namespace keyring_detail {

/// A ring inside `ring`, if there is one, for one key in the making; it goes, and with it what is still in it, at the
/// end.
struct Scratch {
  key_serial_t ring;
  key_serial_t serial = -1;
  explicit Scratch(key_serial_t ring_) noexcept : ring{ring_} {
    if (ring == 0) return;
    unsigned char random[8];  // a ring of the same name would be replaced
    if (::getrandom(random, sizeof random, 0) != sizeof random) return;
    char name[] = "gsskey-scratch-0123456789abcdef";
    char* out = name + sizeof name - 17;
    for (const unsigned char byte : random) {
      *out++ = "0123456789abcdef"[byte >> 4];
      *out++ = "0123456789abcdef"[byte & 15];
    }
    serial = ::add_key("keyring", name, nullptr, 0, ring);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    const int saved = errno;
    if (serial > 0) keyctl_unlink(serial, ring);  // nobody has another of that name
    errno = saved;
  }
};

/// A key in `aside`, a ring that nobody else uses, on its way into `ring`. Until then it goes at the end.
class Draft {
 public:
  Draft(key_serial_t aside, key_serial_t ring) noexcept : aside_{aside}, ring_{ring} {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    const int saved = errno;
    if (key_ > 0) keyctl_unlink(key_, aside_);
    errno = saved;
  }

  [[nodiscard]] Result<void> make(const char* type, const char* description, ByteView payload,
                                  const KeyOptions& options) noexcept {
    type_ = type;
    key_ = ::add_key(type, description, payload.empty() ? nullptr : payload.data(), payload.size(), aside_);
    if (key_ < 0) return unexpected(failed("add_key", aside_));
    const AnyKeyRef key = AnyKeyRef::from_serial(key_);
    if (!options.timeout.is_none()) {  // first: it needs a right that the permissions may take away
      if (auto set = key.set_timeout(options.timeout); !set) return set;
    }
    if (!options.permissions.is_default()) return key.set_permissions(options.permissions);
    return {};
  }

  /// Into the ring: if that has no key of the type and description, or one that is expired, revoked or invalidated.
  [[nodiscard]] Result<key_serial_t> place() noexcept { return place_where(&Draft::has_dead_one); }
  /// And in place of a living one too.
  [[nodiscard]] Result<key_serial_t> place_over() noexcept { return place_where(&Draft::has_any); }

 private:
  /// The kernel counts dead keys as keys until its collector comes (/proc/sys/kernel/keys/gc_delay, 300 s), and cannot
  /// replace one on the condition that it is dead. So whoever wants to look, and then replace, has a lock meanwhile: a
  /// ring of this name in the ring, which several can create and one does. It has a timeout: of who is killed with it,
  /// the lock stands there until it is collected, and what is dead stays in the way for as long.
  static constexpr const char* lock_name = "gsskey-replacing";

  template <class Check>
  [[nodiscard]] Result<key_serial_t> place_where(Check may_replace) noexcept {
    if (aside_ == ring_ || move(key_, KEYCTL_MOVE_EXCL)) return placed();
    if (errno != EEXIST) return unexpected(failed("keyctl_move", key_));
    const auto refused = unexpected(Error::keyring("keyctl_move", EEXIST, key_));
    const auto info = KeyInfo::of(key_);
    if (!info) return refused;
    for (int patience = 500; patience > 0; --patience) {
      if (!(this->*may_replace)(*info)) return refused;
      const Lock lock{aside_};
      if (lock.serial < 0) return unexpected(failed("add_key", aside_));
      if (move(lock.serial, KEYCTL_MOVE_EXCL)) {
        const bool still = (this->*may_replace)(*info);
        const bool moved = still && move(key_, 0);
        const int error = errno;
        keyctl_unlink(lock.serial, ring_);
        if (!still) return refused;
        if (moved) return placed();
        return unexpected(Error::keyring("keyctl_move", error, key_));
      }
      if (errno != EEXIST) return unexpected(failed("keyctl_move", key_));
      const ::timespec pause{0, 1'000'000};
      ::nanosleep(&pause, nullptr);
      if (move(key_, KEYCTL_MOVE_EXCL)) return placed();
    }
    return refused;
  }
  struct Lock {
    key_serial_t aside;
    key_serial_t serial;
    explicit Lock(key_serial_t aside_) noexcept
        : aside{aside_}, serial{::add_key("keyring", lock_name, nullptr, 0, aside_)} {
      if (serial > 0) keyctl_set_timeout(serial, 1);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
      const int saved = errno;
      if (serial > 0) keyctl_unlink(serial, aside);  // if it is still there
      errno = saved;
    }
  };

  [[nodiscard]] bool has_any(const KeyInfo&) const noexcept { return true; }
  /// Whether what stands in the way is dead for sure: of those that live, none may be what cannot be viewed.
  [[nodiscard]] bool has_dead_one(const KeyInfo& draft) const noexcept {
    const long found = keyctl_search(ring_, type_, draft.description().data(), 0);
    if (found > 0 && link_error(ring_, static_cast<key_serial_t>(found)) == 0) return false;
    const auto serials = read_all("keyctl_read", ring_, [this](char* buffer, std::size_t size) noexcept {
      return keyctl_read(ring_, buffer, size);
    });
    if (!serials) return false;
    for (std::size_t at = 0; at + sizeof(key_serial_t) <= serials->size(); at += sizeof(key_serial_t)) {
      key_serial_t serial = 0;
      std::memcpy(&serial, serials->data() + at, sizeof serial);
      const auto info = KeyInfo::of(serial);
      if (!info) {
        const auto error = static_cast<int>(info.error().minor_status());
        if (error != EKEYEXPIRED && error != EKEYREVOKED && error != ENOKEY) return false;
      } else if (info->type() == draft.type() && info->description() == draft.description()) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool move(key_serial_t key, unsigned flags) const noexcept {
    return keyctl_move(key, aside_, ring_, flags) >= 0;
  }
  [[nodiscard]] key_serial_t placed() noexcept {
    const key_serial_t key = key_;
    key_ = 0;
    return key;
  }

  key_serial_t aside_;
  key_serial_t ring_;
  key_serial_t key_ = 0;
  const char* type_ = nullptr;
};

/// One after the other, in memory that is wiped.
[[nodiscard]] inline Result<SecretBytes> joined(const ByteView* pieces, std::size_t count) noexcept {
  std::size_t size = 0;
  for (std::size_t at = 0; at < count; ++at) {
    if (pieces[at].size() > static_cast<std::size_t>(-1) / 2 - size) {
      return unexpected(Error::usage("add_key", "the payload is larger than a key of this type can be"));
    }
    size += pieces[at].size();
  }
  auto all = SecretBytes::with_size(size);
  if (!all) return all;
  unsigned char* out = all->data();
  for (std::size_t at = 0; at < count; ++at) {
    if (!pieces[at].empty()) std::memcpy(out, pieces[at].data(), pieces[at].size());
    out += pieces[at].size();
  }
  return all;
}

}  // namespace keyring_detail
}  // namespace gsskey::inline GSSKEY_ABI
