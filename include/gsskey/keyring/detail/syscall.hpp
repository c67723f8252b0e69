// gsskey/keyring/detail/syscall: what the headers of keyring/ share: <keyutils.h>, what it lacks, and how a call that
// failed becomes an Error.
// SPDX-License-Identifier: MIT
#pragma once

#include <keyutils.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

// <linux/keyctl.h> has them and cannot be included beside <keyutils.h>.
inline constexpr key_serial_t requestor_ring = -8;        // KEY_SPEC_REQUESTOR_KEYRING
inline constexpr int default_ring_is_the_requestors = 7;  // KEY_REQKEY_DEFL_REQUESTOR_KEYRING

/// The most that KEYCTL_UPDATE takes (a page, the smallest there is; add_key takes more), keyctl(2).
inline constexpr std::size_t largest_update = 4096;

/// The Error of a call that has just set errno. Serial 0 names no key, and the kernel has said so.
[[nodiscard]] inline Error failed(const char* operation, key_serial_t serial) noexcept {
  if (serial == 0) return Error::usage(operation, "the key is empty: moved from, or never set");
  return Error::keyring(operation, errno, serial);
}
/// Of one that is about no key.
[[nodiscard]] inline Error failed(const char* operation) noexcept { return Error::keyring(operation, errno, 0); }
/// The same, and its text names what was asked for: "user;krb:alice: Required key not available". A long description
/// is cut. Allocates that text, which no other Error of this folder does.
[[nodiscard]] inline Error about(Error error, const char* type, const char* description) noexcept {
  if (description == nullptr) return error;
  constexpr std::size_t most = 256;
  const std::string_view whole = detail::view_of(description);
  const std::string_view shown = whole.substr(0, most);
  const std::string_view text = error.text();
  return std::move(error).with_text(type, ";", shown, shown.size() < whole.size() ? "...: " : ": ", text);
}
/// Of a call that asked for a key and has just set errno. Out of the way of those that succeed.
[[nodiscard, gnu::cold, gnu::noinline]] inline Error failed_about(const char* operation, const char* type,
                                                                  const char* description) noexcept {
  return about(failed(operation), type, description);
}
[[nodiscard]] inline Result<void> done(const char* operation, key_serial_t serial, long result) noexcept {
  if (result < 0) return unexpected(failed(operation, serial));
  return {};
}

/// What `read(buffer, size)` has to say, which returns the length of all of it, whether it fitted or not, or -1. What
/// does not fit is read again, because it may have grown meanwhile; a short buffer holds nothing that counts, but
/// before Linux 5.6 the beginning of the payload.
template <class Read>
[[nodiscard]] inline Result<SecretBytes> read_all(const char* operation, key_serial_t serial, Read read) noexcept {
  unsigned char first[512];  // most payloads: one system call, and no allocation larger than they are
  long length = read(reinterpret_cast<char*>(first), sizeof first);
  if (length < 0) {
    auto error = failed(operation, serial);
    explicit_bzero(first, sizeof first);
    return unexpected(std::move(error));
  }
  if (static_cast<std::size_t>(length) <= sizeof first) {
    auto bytes = SecretBytes::copy_of({first, static_cast<std::size_t>(length)});
    explicit_bzero(first, static_cast<std::size_t>(length));
    return bytes;
  }
  explicit_bzero(first, sizeof first);
  while (true) {
    const auto expected_size = static_cast<std::size_t>(length);
    auto bytes = SecretBytes::with_size(expected_size);
    if (!bytes) return bytes;
    length = read(reinterpret_cast<char*>(bytes->data()), expected_size);
    if (length < 0) return unexpected(failed(operation, serial));
    const auto size = static_cast<std::size_t>(length);
    if (size == expected_size) return bytes;
    if (size < expected_size) {
      if (auto cut = bytes->resize(size); !cut) return unexpected(cut.error());
      return bytes;
    }
  }
}

/// What a call wrote, which may be less than there was room for.
[[nodiscard]] inline Result<SecretBytes> cut_to(long written, Result<SecretBytes> bytes) noexcept {
  if (static_cast<std::size_t>(written) < bytes->size()) {
    if (auto cut = bytes->resize(static_cast<std::size_t>(written)); !cut) return unexpected(cut.error());
  }
  return bytes;
}

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
