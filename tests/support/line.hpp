// tests/support/line: what text/ appends of a value.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/text/line.hpp>

#include <string>

namespace support {

std::string line_of(const gsskey::HasLine auto& value) {
  std::string line;
  append_line(line, value);
  return line;
}

}  // namespace support
