// gsskey/keyring/detail/making: keys made aside, with all that they shall have, and put in their place in one step.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/random.h>
#include <time.h>

#include <cstddef>

#include <gsskey/core/detail/text.hpp>
#include <gsskey/keyring/detail/link.hpp>
#include <gsskey/keyring/key_list.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a key gets before anybody else can find it.
struct KeyOptions {
  Permissions permissions = {};  ///< nothing: the kernel's default for the type
  Timeout timeout = no_timeout;
};

namespace keyring_detail {

/// Takes out what nobody else has. To unlink, the kernel needs memory; to invalidate, none.
inline void drop(key_serial_t key, key_serial_t ring) noexcept {
  if (keyctl_unlink(key, ring) < 0 && errno == ENOMEM) static_cast<void>(keyctl_invalidate(key));
}

/// A ring inside `ring`, if there is one, for one key in the making; it goes, and with it what is still in it, at the
/// end.
struct Scratch {
  key_serial_t ring;
  key_serial_t serial = -1;
  const char* failed = "add_key";  // where there is no serial
  explicit Scratch(key_serial_t ring_) noexcept : ring{ring_} {
    if (ring == 0) return;
    unsigned char random[8];  // a ring of the same name would be replaced
    if (::getrandom(random, sizeof random, 0) != sizeof random) {
      failed = "getrandom";
      return;
    }
    char name[] = "gsskey-scratch-0123456789abcdef";
    detail::to_hex(random, name + sizeof name - 1 - 2 * sizeof random);
    serial = ::add_key("keyring", name, nullptr, 0, ring);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    const int saved = errno;
    if (serial > 0) drop(serial, ring);  // nobody has another of that name
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
    if (key_ > 0) drop(key_, aside_);
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
  [[nodiscard]] Result<key_serial_t> place() noexcept {
    if (aside_ == ring_) return placed();
    if (move(key_, KEYCTL_MOVE_EXCL)) return settled();
    if (errno != EEXIST) return unexpected(failed("keyctl_move", key_));
    const auto info = KeyInfo::acquire(key_);
    if (!info) return unexpected(info.error());
    while (has_dead_one(*info)) {
      const Timed waiting{aside_, "gsskey-replacing-from", 1};
      if (waiting.serial < 0) return unexpected(failed(waiting.refused, aside_));
      const Lock lock{aside_, ring_};
      if (lock.error == 0 && keyctl_move(key_, aside_, waiting.serial, 0) == 0) {
        if (!has_dead_one(*info)) break;
        if (keyctl_move(key_, waiting.serial, ring_, 0) == 0) return placed();
        if (errno == EKEYEXPIRED) break;
        return unexpected(failed("keyctl_move", key_));
      }
      if (lock.error != 0 && !lock.is_late()) return unexpected(Error::keyring(lock.failed(), lock.error, key_));
      if (lock.error == EEXIST && !waits_for_lock()) break;
      if (move(key_, KEYCTL_MOVE_EXCL)) return settled();
    }
    if (!seen_) return unexpected(seen_.error());
    return unexpected(Error::keyring("keyctl_move", EEXIST, key_));
  }
  /// And in place of a living one too.
  [[nodiscard]] Result<key_serial_t> place_over() noexcept {
    while (true) {
      const Lock lock{aside_, ring_};
      if (lock.error == EKEYEXPIRED || (lock.error == EEXIST && waits_for_lock())) continue;
      // A lock of the dead keeps everybody else from replacing, too.
      if (lock.error != 0 && lock.error != EEXIST) return unexpected(Error::keyring(lock.failed(), lock.error, key_));
      if (move(key_, 0)) return placed();
      return unexpected(failed("keyctl_move", key_));
    }
  }

 private:
  /// The kernel counts dead keys as keys until its collector comes (/proc/sys/kernel/keys/gc_delay, 300 s), and cannot
  /// replace one on the condition that it is dead. So whoever wants to look, and then replace, has a lock meanwhile: a
  /// ring of this name in the ring, which several can move there and one does. Who finds the place empty needs no lock,
  /// but looks for one afterwards: of the two, the one who puts a key there and then looks for a lock, and the one who
  /// takes the lock and then looks for a living key, one sees the other. The lock has a timeout: of who is killed with
  /// it, it stands there until it is collected, and what is dead stays in the way of create() for as long. The key
  /// comes from a ring that ends before the lock does, so who is stopped in the middle replaces nothing when it goes
  /// on.
  static constexpr const char* lock_name = "gsskey-replacing";

  /// An empty ring in another that ends by itself: one that would not, others would wait for for ever.
  struct Timed {
    key_serial_t ring;
    key_serial_t serial;
    const char* refused = "add_key";  // where there is no serial
    Timed(key_serial_t ring_, const char* name, unsigned seconds) noexcept
        : ring{ring_}, serial{::add_key("keyring", name, nullptr, 0, ring_)} {
      if (serial < 0 || keyctl_set_timeout(serial, seconds) == 0) return;
      const int error = errno;
      drop(serial, ring);
      serial = -1;
      refused = "keyctl_set_timeout";
      errno = error;
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;
    ~Timed() {
      const int saved = errno;
      if (serial > 0) drop(serial, ring);
      errno = saved;
    }
  };
  struct Lock : Timed {
    int error = 0;
    Lock(key_serial_t aside, key_serial_t place) noexcept : Timed{aside, lock_name, 2} {
      if (serial < 0 || keyctl_move(serial, aside, place, KEYCTL_MOVE_EXCL) < 0) {
        error = errno;
      } else {
        ring = place;
      }
    }
    [[nodiscard]] const char* failed() const noexcept { return serial < 0 ? refused : "keyctl_move"; }
    /// Another has it, or this one ended on its way.
    [[nodiscard]] bool is_late() const noexcept { return error == EEXIST || error == EKEYEXPIRED; }
  };
  [[nodiscard]] long lock_there() const noexcept { return keyctl_search(ring_, "keyring", lock_name, 0); }
  static void pause() noexcept {
    const ::timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
  /// For a while. Not for one whose owner was killed.
  [[nodiscard]] bool waits_for_lock() const noexcept {
    if (lock_there() < 0 && errno == EKEYEXPIRED) return false;
    pause();
    return true;
  }
  /// The key is there; whoever has the lock may have seen a dead one there before, and replace this one.
  [[nodiscard]] Result<key_serial_t> settled() noexcept {
    const long lock = lock_there();
    if (lock < 0) return placed();
    while (lock_there() == lock) pause();  // until its timeout at most
    const key_serial_t key = placed();
    if (link_error(ring_, key) == 0) return key;
    return unexpected(Error::keyring("keyctl_move", EEXIST, key));
  }

  /// Whether what stands in the way is dead for sure: of those that live, none may be what cannot be viewed.
  [[nodiscard]] bool has_dead_one(const KeyInfo& draft) noexcept {
    const long found = keyctl_search(ring_, type_, draft.description().data(), 0);
    if (found > 0 && link_error(ring_, static_cast<key_serial_t>(found)) == 0) return false;
    const auto serials = read_all("keyctl_read", ring_, [this](char* buffer, std::size_t size) noexcept {
      return keyctl_read(ring_, buffer, size);
    });
    if (!serials) {
      return cannot_see(serials.error());
    }
    for (std::size_t at = 0; at + sizeof(key_serial_t) <= serials->size(); at += sizeof(key_serial_t)) {
      key_serial_t serial = 0;
      std::memcpy(&serial, serials->data() + at, sizeof serial);
      const auto info = KeyInfo::acquire(serial);
      if (!info) {
        const auto error = static_cast<int>(info.error().minor_status());
        if (error != EKEYEXPIRED && error != EKEYREVOKED && error != ENOKEY) return cannot_see(info.error());
      } else if (info->type() == draft.type() && info->description() == draft.description()) {
        return false;
      }
    }
    return true;
  }

  /// What may not be seen is taken to live; for want of memory, it is not known.
  [[nodiscard]] bool cannot_see(const Error& error) noexcept {
    if (error.minor_status() == static_cast<std::uint32_t>(ENOMEM)) seen_ = unexpected(error);
    return false;
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
  Result<void> seen_;  // or why it could not be looked at what is in the way
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
GSSKEY_END_ABI
}  // namespace gsskey
