// tests/support/heap: this program's malloc and free, counted, watched, or out of memory. One file per program includes
// it. SPDX-License-Identifier: MIT
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace support::heap {

inline std::atomic<long> allocations{0};
inline std::atomic<long> frees{0};

/// While one lives, malloc, calloc and realloc fail.
struct Exhausted {
  static inline std::atomic<bool> now{false};
  Exhausted() noexcept { now = true; }
  Exhausted(const Exhausted&) = delete;
  ~Exhausted() { now = false; }
};

/// Looks at the bytes of one block at the moment when it is freed. One at a time.
class FreeWatch {
 public:
  FreeWatch(const void* block, std::size_t size) noexcept
      : block_{static_cast<const unsigned char*>(block)}, size_{size} {
    current = this;
  }
  FreeWatch(const FreeWatch&) = delete;
  ~FreeWatch() { current = nullptr; }

  [[nodiscard]] bool freed() const noexcept { return freed_; }
  [[nodiscard]] bool was_wiped() const noexcept { return freed_ && wiped_; }

  static void on_free(const void* block) noexcept {
    if (current == nullptr || current->block_ != block) return;
    current->freed_ = true;
    current->wiped_ =
        std::all_of(current->block_, current->block_ + current->size_, [](int byte) { return byte == 0; });
  }

 private:
  static inline FreeWatch* current = nullptr;

  const unsigned char* block_;
  std::size_t size_;
  bool freed_ = false;
  bool wiped_ = false;
};

/// The function that `name` would be without this file.
template <class Function>
Function* original(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace support::heap

extern "C" {
void* malloc(std::size_t size) noexcept {
  static auto* const original = support::heap::original<void*(std::size_t)>("malloc");
  if (support::heap::Exhausted::now) return nullptr;
  ++support::heap::allocations;
  return original(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  static auto* const original = support::heap::original<void*(std::size_t, std::size_t)>("calloc");
  if (support::heap::Exhausted::now) return nullptr;
  ++support::heap::allocations;
  return original(count, size);
}
void* realloc(void* block, std::size_t size) noexcept {
  static auto* const original = support::heap::original<void*(void*, std::size_t)>("realloc");
  if (support::heap::Exhausted::now) return nullptr;
  ++support::heap::allocations;
  return original(block, size);
}
void free(void* block) noexcept {
  static auto* const original = support::heap::original<void(void*)>("free");
  if (block == nullptr) return;
  ++support::heap::frees;
  support::heap::FreeWatch::on_free(block);
  original(block);
}
}
