// examples/line: a line of text from a stream, as IMAP has them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <string>

#include <gsskey/core/error.hpp>
#include <gsskey/core/try.hpp>

namespace example {

/// The next line, without its end. Byte by byte: what follows the last line of a login belongs to the layer, and stays
/// in the socket.
template <class Stream>
gsskey::Result<std::string> read_line(Stream& stream) {
  constexpr std::size_t max_size = 1 << 17;  // a ticket of 64 KiB in base64
  std::string line;
  while (true) {
    char next = 0;
    GSSKEY_TRY_VOID(stream.read(&next, 1));
    if (next == '\n') break;
    line += next;
    if (line.size() > max_size) {
      return gsskey::unexpected(gsskey::Error::transport("read_line", EMSGSIZE, "the peer's line has no end"));
    }
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace example
