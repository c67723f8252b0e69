// gsskey/io/detail/moved_out: a value that says so once it was moved from. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/fwd.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// A value that is T::moved_from() in what it was moved from.
template <class T>
struct MovedOut {
  T value{};
  MovedOut() = default;
  MovedOut(MovedOut&& other) noexcept : value{std::exchange(other.value, T::moved_from())} {}
  MovedOut& operator=(MovedOut&& other) noexcept {
    value = std::exchange(other.value, T::moved_from());
    return *this;
  }
  ~MovedOut() = default;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
