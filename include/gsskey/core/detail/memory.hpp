// gsskey/core/detail/memory: memory of malloc, without its header. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// malloc and free without <cstdlib>, which costs a compiler as much as half of this folder.
[[nodiscard]] inline void* allocate(std::size_t size) noexcept { return __builtin_malloc(size); }
inline void deallocate(void* data) noexcept { __builtin_free(data); }

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
