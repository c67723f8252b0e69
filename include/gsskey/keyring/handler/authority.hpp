// gsskey/keyring/handler/authority: the right to give a requested key its payload, or to refuse it
// (keyctl_instantiate(3)).
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/uio.h>

#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Where a key is linked as it gets its payload. The ring that the requester named has it without that.
class Destination {
 public:
  /// Links it nowhere else.
  [[nodiscard]] static Destination none() noexcept { return Destination{0}; }
  /// Links it into the ring that the requester named.
  [[nodiscard]] static Destination requestor() noexcept { return Destination{keyring_detail::requestor_ring}; }
  /// Links it into `ring`.
  [[nodiscard]] static Destination ring(KeyringRef ring) noexcept { return Destination{ring.serial()}; }
  /// Returns the number for the kernel, which takes every special number for the requestor's ring: no other special
  /// ring can be meant.
  [[nodiscard]] key_serial_t number() const noexcept { return number_; }

 private:
  explicit Destination(key_serial_t number) noexcept : number_{number} {}
  key_serial_t number_;
};

/// Says that there is no key, and why: the errno that the requester gets, and everybody who asks within `timeout`. 1 to
/// 4094; ENOKEY, EKEYREJECTED, EKEYEXPIRED, EKEYREVOKED are usual. The timeout is short for causes that may pass; 0, or
/// a time that is over, is the shortest.
struct Rejection {
  int error = ENOKEY;
  Seconds timeout = Seconds{1};
};

namespace keyring_detail {
/// For keyctl_reject: at least as long. The kernel counts the seconds of its clock, so that one is over within the
/// next, and with the time it forgets the errno: a requester that is woken a moment later, when the handler's process
/// has ended, would get ENOKEY (with 1 second and a handler that ends 0.3 s later, three of ten did).
[[nodiscard]] constexpr std::uint32_t rejection_seconds(Seconds timeout) noexcept {
  if (timeout.is_indefinite()) return timeout.count();
  return (timeout.count() == 0 ? 1 : timeout.count()) + 1;
}
}  // namespace keyring_detail

/// Owns the calling thread's authority over one key under construction. Each of instantiate, negate and reject uses it
/// up when it succeeds. An authority that is left at the end rejects the key with the default Rejection, so that no
/// requester waits for ever. Move-only.
/// Errors: keyring, with errno; usage, for an empty one: moved from, or used up.
/// Threads: one at a time, and one Authority for each thread. It belongs to the thread that assumed it and to threads
///   and programs that this one starts later, not to threads that were there before.
/// Fork: the end of a child's copy is nobody's answer. A child has no authority after its parent has ended (EBUSY).
/// See: keyctl_assume_authority(3), keyctl_instantiate(3).
template <KeyType T>
class [[nodiscard]] Authority {
 public:
  /// Assumes the authority that a ring of this thread has a key for.
  /// Calls: keyctl_assume_authority.
  /// Errors: keyring, with errno: ENOKEY, if no ring of this thread has the authorisation key; EKEYREVOKED, if it is
  ///   used up; usage, for an empty key.
  [[nodiscard]] static Result<Authority> assume(KeyRef<T> key) noexcept {
    if (!key) return unexpected(keyring_detail::failed("keyctl_assume_authority", 0));
    if (keyctl_assume_authority(key.serial()) < 0) {
      return unexpected(keyring_detail::failed("keyctl_assume_authority", key.serial()));
    }
    Authority authority;
    *authority.key_.put() = {key.serial(), detail::this_process()};
    return authority;
  }

  /// Returns the key. Its timeout and permissions are set before instantiate(): afterwards the right to do so is gone.
  [[nodiscard]] KeyRef<T> key() const noexcept { return KeyRef<T>::from_serial(serial()); }

  /// Reads what the requester said: the callout info of its request_key().
  /// Calls: keyctl_read of the authorisation key.
  /// Errors: those of the class; system (ENOMEM).
  [[nodiscard]] Result<SecretBytes> callout_info() const noexcept {
    return keyring_detail::read_all("keyctl_read", serial(), [](char* buffer, std::size_t size) noexcept {
      return keyctl_read(KEY_SPEC_REQKEY_AUTH_KEY, buffer, size);
    });
  }

  /// Gives the key its payload.
  /// Calls: keyctl_instantiate; then keyctl_assume_authority(0).
  /// Errors: those of the class; keyring, EDQUOT.
  [[nodiscard]] Result<void> instantiate(const typename T::Payload& payload,
                                         Destination destination = Destination::none()) && noexcept {
    const ByteView bytes{payload};
    return used(
        keyctl_instantiate(serial(), bytes.empty() ? nullptr : bytes.data(), bytes.size(), destination.number()),
        "keyctl_instantiate");
  }
  /// Gives the key a payload in pieces, which are joined in the kernel only:
  ///     instantiate_pieces({"user:", name, secret})
  /// Calls: keyctl_instantiate_iov.
  /// Errors: those of instantiate().
  template <std::size_t N>
  [[nodiscard]] Result<void> instantiate_pieces(const ByteView (&pieces)[N],
                                                Destination destination = Destination::none()) && noexcept {
    ::iovec vector[N];
    for (std::size_t at = 0; at < N; ++at) {
      vector[at] = {const_cast<unsigned char*>(pieces[at].data()), pieces[at].size()};
    }
    return used(keyctl_instantiate_iov(serial(), vector, N, destination.number()), "keyctl_instantiate_iov");
  }
  /// Refuses the key: ENOKEY for everybody who asks within `timeout`.
  /// Calls: keyctl_negate.
  [[nodiscard]] Result<void> negate(Seconds timeout, Destination destination = Destination::none()) && noexcept {
    return used(keyctl_negate(serial(), keyring_detail::rejection_seconds(timeout), destination.number()),
                "keyctl_negate");
  }
  /// Refuses the key, and says why. Where the kernel has no such call, libkeyutils negates.
  /// Calls: keyctl_reject.
  [[nodiscard]] Result<void> reject(Rejection rejection, Destination destination = Destination::none()) && noexcept {
    return used(keyctl_reject(serial(), keyring_detail::rejection_seconds(rejection.timeout),
                              static_cast<unsigned>(rejection.error), destination.number()),
                "keyctl_reject");
  }

 private:
  struct Assumed {
    key_serial_t key;
    std::uint32_t process;
    [[nodiscard]] friend constexpr bool operator==(Assumed, Assumed) noexcept = default;
  };
  struct Traits {
    using Handle = Assumed;
    GSSKEY_HIDDEN static constexpr Handle none{0, 0};
    static void close(Handle assumed) noexcept {
      if (assumed.process != detail::this_process()) return;
      const int saved = errno;
      constexpr Rejection abandoned;
      keyctl_reject(assumed.key, keyring_detail::rejection_seconds(abandoned.timeout),
                    static_cast<unsigned>(abandoned.error), 0);
      keyctl_assume_authority(0);
      errno = saved;
    }
  };

  [[nodiscard]] key_serial_t serial() const noexcept { return key_.get().key; }
  [[nodiscard]] Result<void> used(long result, const char* operation) noexcept {
    if (result < 0) return unexpected(keyring_detail::failed(operation, serial()));
    static_cast<void>(key_.release());
    keyctl_assume_authority(0);
    return {};
  }

  UniqueHandle<Traits> key_;
};

GSSKEY_END_ABI
}  // namespace gsskey
