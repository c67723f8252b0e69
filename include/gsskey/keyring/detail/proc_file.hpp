// gsskey/keyring/detail/proc_file: files of /proc, and the columns of their lines. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

/// A file of /proc, whose size nobody knows before. Errors: system.
[[nodiscard]] inline Result<SecretBytes> read_proc(const char* path) noexcept {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return unexpected(Error::system("open", errno).with_text(path, ": ", std::strerror(errno)));
  auto text = SecretBytes::with_size(4096);
  std::size_t size = 0;
  while (text) {
    const ::ssize_t count = ::read(file, text->data() + size, text->size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      text = unexpected(Error::system("read", errno));
      break;
    }
    if (count == 0) {
      if (auto cut = text->resize(size); !cut) text = unexpected(cut.error());
      break;
    }
    size += static_cast<std::size_t>(count);
    if (size < text->size()) continue;
    if (auto grown = text->resize(2 * size); !grown) text = unexpected(grown.error());
  }
  ::close(file);
  return text;
}

/// The next word of a line whose columns are padded with spaces.
[[nodiscard]] inline std::string_view take_column(detail::TextReader& line) noexcept {
  line.skip_all_of(" ");
  return line.take_until_any(" ");
}

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
