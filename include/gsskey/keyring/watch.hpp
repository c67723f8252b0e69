// gsskey/keyring/watch: a stream of what happens to keys (KEYCTL_WATCH_KEY, watch_queue of the kernel's documentation).
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>

#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace keyring_detail {

// <linux/watch_queue.h> has them and cannot be included beside <fcntl.h>.
inline constexpr int notification_pipe = O_EXCL;                 // O_NOTIFICATION_PIPE
inline constexpr unsigned long set_queue_size = _IO('W', 0x60);  // IOC_WATCH_QUEUE_SET_SIZE
struct WatchRecord {   // struct watch_notification and, for a key, struct key_notification
  std::uint32_t kind;  // type : 24 (0: about the watch, 1: about a key), subtype : 8
  std::uint32_t info;  // size : 7, …, watch id from bit 8 : 8
  std::int32_t key;
  std::uint32_t other;
};
inline constexpr ::ssize_t watch_header_size = 8;

}  // namespace keyring_detail

/// What happened.
enum class KeyEventKind : std::uint8_t {
  instantiated = 0,  ///< other: 0, or the errno that it was rejected with
  updated = 1,
  linked = 2,    ///< other: the key that the watched ring links now
  unlinked = 3,  ///< other: the key that it does not link any more
  cleared = 4,
  revoked = 5,
  invalidated = 6,
  attributes_set = 7,
  watch_removed = 64,  ///< remove() was called, or the watched key was destroyed; key is empty
  events_lost = 65,    ///< the queue was full; key is empty
};

/// Something that happened to a watched key, or to the queue.
struct KeyEvent {
  KeyEventKind kind = KeyEventKind::events_lost;
  std::uint8_t watch_id = 0;  ///< as given to add()
  AnyKeyRef key;              ///< the watched key
  std::int32_t other = 0;     ///< see kind
};

/// A queue of events. Its descriptor polls readable when next() would not block; but the kernel wakes nobody for
/// events_lost, which comes before the next event. Move-only; empty by default and after a move.
/// Threads: one reader at a time; add() and remove() from any.
/// Fork: the child has the same queue, and what one of the two reads the other does not; the end of either closes its
///   own copy. exec closes it.
/// Owner: of the descriptor, this object.
/// See: watch_queue of the kernel's documentation.
class KeyWatch {
 public:
  KeyWatch() noexcept = default;

  /// Opens a queue with room for `events`, 1 to 512.
  /// Calls: pipe2 with O_NOTIFICATION_PIPE, ioctl with IOC_WATCH_QUEUE_SET_SIZE.
  /// Errors: system, with errno: ENOPKG or EOPNOTSUPP, if the kernel has no queues; EINVAL, for another number of
  ///   events.
  [[nodiscard]] static Result<KeyWatch> open(unsigned events = 256) noexcept {
    int ends[2];
    if (::pipe2(ends, keyring_detail::notification_pipe | O_CLOEXEC) != 0)
      return unexpected(Error::system("pipe2", errno));
    KeyWatch watch = adopt(ends[0]);
    *watch.other_end_.put() = ends[1];
    if (::ioctl(ends[0], keyring_detail::set_queue_size, events) != 0) return unexpected(Error::system("ioctl", errno));
    return watch;
  }
  /// Takes ownership of a descriptor that reads such events. Its pipe's other end stays open with the caller: without
  /// it next() does not wait, but says ECONNRESET.
  [[nodiscard]] static KeyWatch adopt(int descriptor) noexcept {
    KeyWatch watch;
    *watch.descriptor_.put() = descriptor;
    return watch;
  }

  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  /// Watches a key; of a ring, its links too. Needs the right to view. Events of it have this `watch_id`.
  /// Calls: keyctl_watch_key.
  /// Errors: keyring, with errno: EBUSY, if this queue watches the key already; usage, for an empty key.
  /// Blocks: while the key is under construction.
  /// See: keyctl_watch_key(3).
  [[nodiscard]] Result<void> add(const KeyHandle auto& key, std::uint8_t watch_id) const noexcept {
    return keyring_detail::done("keyctl_watch_key", key.serial(),
                                keyctl_watch_key(key.serial(), descriptor_.get(), watch_id));
  }
  /// Watches a key no longer.
  /// Calls: keyctl_watch_key.
  /// Errors: keyring, with errno: EBADSLT, if this queue does not watch the key; usage, for an empty key.
  [[nodiscard]] Result<void> remove(const KeyHandle auto& key) const noexcept {
    return keyring_detail::done("keyctl_watch_key", key.serial(),
                                keyctl_watch_key(key.serial(), descriptor_.get(), -1));
  }

  /// Reads the next event. Records of kinds that are not known are passed over.
  /// Calls: read.
  /// Errors: system, with errno: EAGAIN, if there is none and the descriptor was made non-blocking; EBADMSG, if what
  ///   was read is no record; ECONNRESET, if the other end is closed.
  /// Blocks: until there is an event.
  [[nodiscard]] Result<KeyEvent> next() noexcept {
    while (true) {
      // One record and no more: of what were kept here, poll() would not know.
      keyring_detail::WatchRecord record{};
      const ::ssize_t size = ::read(descriptor_.get(), &record, sizeof record);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return unexpected(Error::system("read", errno));
      if (size == 0) return unexpected(Error::system("read", ECONNRESET));
      if (size < keyring_detail::watch_header_size || size != static_cast<::ssize_t>(record.info & 0x7f)) {
        return unexpected(Error::system("read", EBADMSG));
      }
      KeyEvent event;
      event.watch_id = static_cast<std::uint8_t>(record.info >> 8);
      const std::uint32_t type = record.kind & 0xffffff;
      const std::uint32_t subtype = record.kind >> 24;
      if (type == 0 && subtype <= 1) {
        event.kind = subtype == 0 ? KeyEventKind::watch_removed : KeyEventKind::events_lost;
        return event;
      }
      if (type != 1 || subtype > static_cast<std::uint32_t>(KeyEventKind::attributes_set) ||
          size < static_cast<::ssize_t>(sizeof record)) {
        continue;
      }
      event.kind = static_cast<KeyEventKind>(subtype);
      event.key = AnyKeyRef::from_serial(record.key);
      event.other = static_cast<std::int32_t>(record.other);
      return event;
    }
  }

 private:
  struct Traits {
    using Handle = int;
    static constexpr Handle none = -1;
    static void close(Handle descriptor) noexcept { ::close(descriptor); }
  };
  UniqueHandle<Traits> descriptor_;
  UniqueHandle<Traits> other_end_;  // nobody writes it, but a pipe without it is at its end
};

GSSKEY_END_ABI
}  // namespace gsskey
