// gsskey/core/unique_handle: the move-only owner of one C handle; every owner of the library is made of it.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Traits say what the handle is:
///     struct Traits {
///       using Handle = …;                      // trivially copyable; as large as the owner
///       static constexpr Handle none = …;      // the value that owns nothing
///       static void close(Handle) noexcept;    // called once per owned handle, never with none
///     };
template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  constexpr UniqueHandle() noexcept = default;
  /// Takes ownership.
  [[nodiscard]] static constexpr UniqueHandle adopt(Handle handle) noexcept {
    UniqueHandle owner;
    owner.handle_ = handle;
    return owner;
  }

  constexpr UniqueHandle(UniqueHandle&& other) noexcept : handle_{other.release()} {}
  /// What was owned dies at once, not when `other` does; moving onto itself changes nothing.
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

  /// Gives ownership up.
  [[nodiscard]] constexpr Handle release() noexcept {
    const Handle handle = handle_;
    handle_ = Traits::none;
    return handle;
  }
  constexpr void reset() noexcept {
    if (handle_ != Traits::none) Traits::close(release());
  }
  /// For a C call that overwrites: what was owned dies first.
  [[nodiscard]] constexpr Handle* put() noexcept GSSKEY_LIFETIMEBOUND {
    reset();
    return &handle_;
  }
  /// For a C call that reads and may replace or clear.
  [[nodiscard]] constexpr Handle* inout() noexcept GSSKEY_LIFETIMEBOUND { return &handle_; }

 private:
  Handle handle_ = Traits::none;
};

GSSKEY_END_ABI
}  // namespace gsskey
