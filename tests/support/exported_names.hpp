// tests/support/exported_names: an exported name (RFC 2743 section 3.2), cut, prolonged and changed in every byte.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>

#include "support/child.hpp"

namespace support {

/// Calls `import(bytes)` for all of them in a child process: 0, or what the child died of. Every value of the bytes
/// that are lengths and tags, some of the others; every length; a byte more in every place. GSSKEY_ALL_BYTES: every
/// value.
template <class Import>
int survives(const std::string& exported, Import import) {
  return in_child(100, [&] {
    const bool all = std::getenv("GSSKEY_ALL_BYTES") != nullptr;
    for (std::size_t size = 0; size <= exported.size(); ++size) import(exported.substr(0, size));
    for (std::size_t more = 1; more <= 9; ++more) {
      import(exported + std::string(more, '\0'));
      import(exported + std::string(more, 'x'));
    }
    for (std::size_t at = 0; at < exported.size(); ++at) {
      std::string bad = exported;
      bad.insert(at, 1, '\0');
      import(bad);
      bad = exported;
      bad.erase(at, 1);
      import(bad);
      bad = exported;
      for (int value = 0; value < 256; ++value) {
        const auto old = static_cast<unsigned char>(exported[at]);
        const bool is_near = value == old + 1 || value == old - 1 || value == (old ^ 0x80);
        if (!all && at >= 40 && !is_near && value != 0 && value != 0x7f && value != 0xff) continue;
        bad[at] = static_cast<char>(value);
        import(bad);
      }
    }
    // the four bytes of each length that there may be, at once
    for (std::size_t at = 0; at + 4 <= exported.size(); ++at) {
      for (const char* length : {"\0\0\0\0", "\0\0\0\1", "\377\377\377\377", "\177\377\377\377", "\200\0\0\0"}) {
        std::string bad = exported;
        bad.replace(at, 4, std::string{length, 4});
        import(bad);
      }
    }
    return 0;
  });
}

}  // namespace support
