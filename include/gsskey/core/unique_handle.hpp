// gsskey/core/unique_handle: the move-only owner of one C handle; every owner of the library is made of it.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Owns one C handle, and closes it. `Traits` say what the handle is:
///     struct Traits {
///       using Handle = …;                      // trivially copyable; as large as the owner
///       static constexpr Handle none = …;      // the value that owns nothing
///       static void close(Handle) noexcept;    // called once per owned handle, never with none
///     };
/// Threads: one at a time.
/// Owner: of the handle, until release().
template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  constexpr UniqueHandle() noexcept = default;
  /// Takes `handle` over.
  [[nodiscard]] static constexpr UniqueHandle adopt(Handle handle) noexcept {
    UniqueHandle owner;
    owner.handle_ = handle;
    return owner;
  }

  constexpr UniqueHandle(UniqueHandle&& other) noexcept : handle_{other.release()} {}
  /// Closes what was owned at once, not when `other` dies; moving onto itself changes nothing.
  constexpr UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = other.release();
    }
    return *this;
  }
  constexpr ~UniqueHandle() { reset(); }

  [[nodiscard]] constexpr Handle get() const noexcept GSSKEY_LIFETIMEBOUND { return handle_; }
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return handle_ != Traits::none; }

  /// Gives the handle up: the caller owns it.
  [[nodiscard]] constexpr Handle release() noexcept {
    const Handle handle = handle_;
    handle_ = Traits::none;
    return handle;
  }
  /// Closes the handle now, and is empty.
  constexpr void reset() noexcept {
    if (handle_ != Traits::none) Traits::close(release());
  }
  /// Returns where a C call writes a new handle; what was owned is closed first.
  [[nodiscard]] constexpr Handle* put() noexcept GSSKEY_LIFETIMEBOUND {
    reset();
    return &handle_;
  }
  /// Returns where a C call reads the handle, and may replace or clear it.
  [[nodiscard]] constexpr Handle* inout() noexcept GSSKEY_LIFETIMEBOUND { return &handle_; }

 private:
  Handle handle_ = Traits::none;
};

GSSKEY_END_ABI
}  // namespace gsskey
