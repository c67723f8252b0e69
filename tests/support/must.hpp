// tests/support/must: a value, or the end of the test case with the error in words.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>

#include <ostream>
#include <sstream>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace support {

inline std::ostream& operator<<(std::ostream& out, const gsskey::Error& error) {
  out << error.operation() << ' ' << error.mechanism() << ": " << error.text();
  return out << " [" << std::hex << error.major_status() << ' ' << error.minor_status() << std::dec << ']';
}

/// E: Error, or what carries one (StepFailure).
template <class T, class E>
T must(gsskey::expected<T, E> result) {
  if (!result) {
    std::ostringstream text;
    if constexpr (std::is_same_v<E, gsskey::Error>) {
      text << result.error();
    } else {
      text << result.error().error;
    }
    throw std::runtime_error{text.str()};
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace support
