// tests/faults/memory: allocations, by C++, which the headers let the standard library and Asio make, and by malloc(),
// which they call in one place for all. Such a call is known by the whole way there.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace faults {

/// In place of the number of a function.
inline constexpr unsigned memory = std::numeric_limits<unsigned>::max();

/// Return addresses in this program, from its start, the innermost first; 0 after the last.
inline constexpr std::size_t most_frames = 40;
using Frames = std::uintptr_t[most_frames];

/// A way is told by a number that is no address.
inline constexpr std::uintptr_t way_bit = std::uintptr_t{1} << (sizeof(std::uintptr_t) * 8 - 1);
[[nodiscard]] constexpr bool is_way(std::uintptr_t id) noexcept { return (id & way_bit) != 0; }

/// Whether anybody wants to know of allocations now.
[[nodiscard]] bool is_watched() noexcept;
/// The function that runs scenarios: what called it is no part of the way.
[[nodiscard]] std::uintptr_t runner() noexcept;
/// Whether this allocation by `function` shall fail, which returns to `from`.
[[nodiscard]] bool shall_fail_on_its_way(unsigned function, const void* from) noexcept;
/// Whether this call of `function` from `id` shall fail.
[[nodiscard]] bool shall_fail_at(unsigned function, std::uintptr_t id, const Frames& frames) noexcept;

}  // namespace faults
