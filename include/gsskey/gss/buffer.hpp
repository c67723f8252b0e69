// gsskey/gss/buffer: the owner of bytes that a gss_* call allocated, and the C view of bytes that somebody else owns.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/bytes.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// gss_release_buffer. MIT krb5 frees nothing of length 0, though it allocates a byte for empty texts.
inline void release_buffer(gss_buffer_desc raw) noexcept {
  OM_uint32 minor = 0;
  if (raw.length == 0) raw.length = 1;
  (void)gss_release_buffer(&minor, &raw);
}
}  // namespace gss_detail

/// Owns bytes that a gss_* call allocated: tokens and names, which are not secret; plaintext comes in SecretBytes.
/// Move-only, as large as the gss_buffer_desc.
/// Calls: gss_release_buffer, when it goes; never free(3), which has another heap on some systems.
/// Threads: one at a time; any number may read.
/// Owner: of the bytes, until release().
class Buffer : public detail::ByteAccess<Buffer> {
 public:
  Buffer() noexcept = default;
  /// Takes over what a gss_* call allocated.
  [[nodiscard]] static Buffer adopt(gss_buffer_desc raw) noexcept {
    Buffer buffer;
    buffer.raw_ = raw;
    return buffer;
  }

  Buffer(Buffer&& other) noexcept : raw_{other.release()} {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      reset();
      raw_ = other.release();
    }
    return *this;
  }
  ~Buffer() { reset(); }

  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND {
    return static_cast<const unsigned char*>(raw_.value);
  }
  [[nodiscard]] std::size_t size() const noexcept { return raw_.length; }

  /// Gives the bytes up: the caller owns them.
  [[nodiscard]] gss_buffer_desc release() noexcept {
    const gss_buffer_desc raw = raw_;
    raw_ = {0, nullptr};
    return raw;
  }
  /// Releases the bytes now, and is empty. It does so of a length of 0 too: an implementation may have allocated all
  /// the same.
  void reset() noexcept {
    if (raw_.value != nullptr) gss_detail::release_buffer(release());
  }
  /// Returns where a C call writes new bytes; what was owned is released first.
  [[nodiscard]] gss_buffer_t put() noexcept GSSKEY_LIFETIMEBOUND {
    reset();
    return &raw_;
  }

 private:
  gss_buffer_desc raw_{0, nullptr};
};

namespace gss_detail {
/// The Error of a call that is given more than `limit` admits.
[[nodiscard]] inline Error too_long(const char* operation, Limit limit) noexcept {
  return Error::usage(operation, limit.exceeded);
}
/// Whether `limit` admits all `pieces` together; each says its size(). The sum cannot overflow.
template <class Pieces>
[[nodiscard]] constexpr bool admits_all(Limit limit, const Pieces& pieces) noexcept {
  std::size_t left = limit.size;
  for (const auto& piece : pieces) {
    if (piece.size() > left) return false;
    left -= piece.size();
  }
  return true;
}

/// For the input of a C call, which does not write to it. An empty view is {0, NULL} (RFC 2744 section 3.2).
[[nodiscard]] inline gss_buffer_desc borrow(ByteView bytes) noexcept {
  return {bytes.size(), bytes.empty() ? nullptr : const_cast<unsigned char*>(bytes.data())};
}

inline void release_secret(void* data, std::size_t size) noexcept { release_buffer({size, data}); }
/// Takes ownership of secret output of a C call: wiped, then released by gss_release_buffer.
[[nodiscard]] inline SecretBytes adopt_secret(gss_buffer_desc raw) noexcept {
  if (raw.value == nullptr) return {};
  return SecretBytes::adopt(raw.value, raw.length, &release_secret);
}
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
