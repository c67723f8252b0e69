// tests/support/read_only: a copy of bytes on a page that cannot be written, to catch who writes to its input.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>

#include <sys/mman.h>

#include <cstring>

namespace support {

class ReadOnly {
 public:
  explicit ReadOnly(gsskey::ByteView bytes) : size_{bytes.size()} {
    page_ = ::mmap(nullptr, room(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (size_ != 0) std::memcpy(page_, bytes.data(), size_);
    ::mprotect(page_, room(), PROT_READ);
  }
  ReadOnly(const ReadOnly&) = delete;
  ReadOnly& operator=(const ReadOnly&) = delete;
  ~ReadOnly() { ::munmap(page_, room()); }
  [[nodiscard]] gsskey::ByteView view() const { return {page_, size_}; }

 private:
  [[nodiscard]] std::size_t room() const { return size_ / 4096 * 4096 + 4096; }
  void* page_ = nullptr;
  std::size_t size_;
};

}  // namespace support
