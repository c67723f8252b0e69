// gsskey/text/string: std::string and streams for what has a line: Error and Seconds, with text/gss.hpp what belongs to
// the GSS-API.
// SPDX-License-Identifier: MIT
#pragma once

#include <ostream>
#include <string>

#include <gsskey/text/line.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Returns the line that text/fmt.hpp and text/format.hpp print too.
/// Errors: throws std::bad_alloc.
template <HasLine T>
[[nodiscard]] inline std::string to_string(const T& value) {
  std::string line;
  append_line(line, value);
  return line;
}

/// Prints the line, with the stream's width, fill and alignment.
/// Errors: those of the stream; throws std::bad_alloc.
template <HasLine T>
inline std::ostream& operator<<(std::ostream& out, const T& value) {
  return out << to_string(value);
}

GSSKEY_END_ABI
}  // namespace gsskey
