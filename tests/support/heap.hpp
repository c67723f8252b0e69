// tests/support/heap: this program's malloc and free, counted, watched, or out of memory. For one file per program.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GSSKEY_TEST_HEAP_HOOKS
// g++ has the functions, but not <sanitizer/allocator_interface.h>.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
extern "C" std::size_t __sanitizer_get_allocated_size(const volatile void*);
#else
#include <dlfcn.h>
#include <malloc.h>
#endif

namespace support::heap {

// Compilers believe that malloc and free change nothing of ours: hence volatile.
inline volatile long allocations = 0;
inline volatile long frees = 0;
inline volatile long bytes = 0;

/// Blocks that are out, of all threads and libraries; bytes under TSan, whose hooks see no aligned_alloc().
[[nodiscard]] inline long live() noexcept {
#if defined(__SANITIZE_THREAD__)
  return static_cast<long>(__sanitizer_get_current_allocated_bytes());
#else
  return __atomic_load_n(&allocations, __ATOMIC_RELAXED) - __atomic_load_n(&frees, __ATOMIC_RELAXED);
#endif
}

/// Bytes that are out, of all threads and libraries.
[[nodiscard]] inline long live_bytes() noexcept {
#ifdef GSSKEY_TEST_HEAP_HOOKS
  return static_cast<long>(__sanitizer_get_current_allocated_bytes());
#else
  return __atomic_load_n(&bytes, __ATOMIC_RELAXED);
#endif
}

/// Looks at the bytes of one block at the moment when it is freed. One at a time.
class FreeWatch {
 public:
  FreeWatch(const void* block, std::size_t size) noexcept
      : block_{static_cast<const unsigned char*>(block)}, size_{size} {
    current = this;
  }
  FreeWatch(const FreeWatch&) = delete;
  FreeWatch& operator=(const FreeWatch&) = delete;
  ~FreeWatch() { current = nullptr; }

  [[nodiscard]] bool freed() const noexcept { return freed_; }
  [[nodiscard]] bool was_wiped() const noexcept { return freed_ && wiped_; }

  static void on_free(const void* block) noexcept {
    FreeWatch* const watch = current;
    if (watch == nullptr || watch->block_ != block) return;
    watch->freed_ = true;
    watch->wiped_ = true;
    for (std::size_t at = 0; at < watch->size_; ++at)
      if (watch->block_[at] != 0) watch->wiped_ = false;
  }

 private:
  static inline FreeWatch* volatile current = nullptr;

  const unsigned char* block_;
  std::size_t size_;
  volatile bool freed_ = false;
  volatile bool wiped_ = false;
};

/// How large a block is that is about to be freed.
[[nodiscard]] inline std::size_t size_of(const void* block) noexcept {
#ifdef GSSKEY_TEST_HEAP_HOOKS
  return __sanitizer_get_allocated_size(block);
#else
  return malloc_usable_size(const_cast<void*>(block));
#endif
}

/// Looks for a text in each block that is freed. One at a time.
class FreedText {
 public:
  explicit FreedText(std::string_view text) noexcept : text_{text} { current = this; }
  FreedText(const FreedText&) = delete;
  FreedText& operator=(const FreedText&) = delete;
  ~FreedText() { current = nullptr; }

  [[nodiscard]] bool seen() const noexcept { return seen_; }

  static void on_free(const void* block) noexcept {
    FreedText* const watch = current;
    if (watch == nullptr || block == nullptr) return;
    if (memmem(block, size_of(block), watch->text_.data(), watch->text_.size()) != nullptr) watch->seen_ = true;
  }

 private:
  static inline FreedText* volatile current = nullptr;

  std::string_view text_;
  volatile bool seen_ = false;
};

/// Told of each block that is about to be freed, and where free() returns to. Allocates nothing. Not under ASan and
/// TSan.
using FreeHook = void (*)(const void* block, const void* caller) noexcept;
inline FreeHook volatile free_hook = nullptr;

inline void on_malloc(const volatile void*, std::size_t) noexcept {
  __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}
inline void on_free(const volatile void* block) noexcept {
  __atomic_fetch_add(&frees, 1, __ATOMIC_RELAXED);
  FreeWatch::on_free(const_cast<const void*>(block));
  FreedText::on_free(const_cast<const void*>(block));
}

/// While one lives, malloc, calloc and realloc fail. Not possible under ASan and TSan, whose malloc is not replaced.
struct Exhausted {
#ifdef GSSKEY_TEST_HEAP_HOOKS
  static constexpr bool possible = false;
#else
  static constexpr bool possible = true;
#endif
  static inline volatile bool now = false;
  Exhausted() noexcept { now = true; }
  Exhausted(const Exhausted&) = delete;
  Exhausted& operator=(const Exhausted&) = delete;
  ~Exhausted() { now = false; }
};

/// While one lives, the n-th allocation, counted from 1 in all threads, fails, and only that one; n = 0: none yet.
/// Where Exhausted is possible.
class NthFails {
 public:
  /// Which allocations count, by where they return to; nullptr: all.
  static inline bool (*volatile counts)(const void* caller) noexcept = nullptr;

  explicit NthFails(long n) noexcept { arm(n); }
  NthFails(const NthFails&) = delete;
  NthFails& operator=(const NthFails&) = delete;
  ~NthFails() { arm(0); }

  void arm(long n) noexcept { __atomic_store_n(&left, n, __ATOMIC_SEQ_CST); }
  /// Stops; whether one has failed.
  [[nodiscard]] bool has_failed(long n) noexcept {
    return n > 0 && __atomic_exchange_n(&left, 0, __ATOMIC_SEQ_CST) <= 0;
  }

  [[nodiscard]] static bool refuses(const void* caller) noexcept {
    if (__atomic_load_n(&left, __ATOMIC_RELAXED) <= 0) return false;
    const auto does_count = counts;
    return (does_count == nullptr || does_count(caller)) && __atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST) == 0;
  }

 private:
  static inline long left = 0;
};

/// Whether there is no memory now for who called from there.
[[nodiscard]] inline bool refuses(const void* caller) noexcept { return Exhausted::now || NthFails::refuses(caller); }

#ifdef GSSKEY_TEST_HEAP_HOOKS

inline const int hooks = __sanitizer_install_malloc_and_free_hooks(&on_malloc, &on_free);

#else

/// The function that `name` would be without this file.
template <class Function>
Function* original(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
inline void count_bytes(void* block, int sign) noexcept {
  if (block != nullptr)
    __atomic_fetch_add(&bytes, sign * static_cast<long>(malloc_usable_size(block)), __ATOMIC_RELAXED);
}
inline void* counted(void* block) noexcept {
  on_malloc(block, 0);
  count_bytes(block, 1);
  return block;
}

#endif

}  // namespace support::heap

#ifndef GSSKEY_TEST_HEAP_HOOKS
extern "C" {
void* malloc(std::size_t size) noexcept {
  static auto* const next = support::heap::original<void*(std::size_t)>("malloc");
  return support::heap::refuses(__builtin_return_address(0)) ? nullptr : support::heap::counted(next(size));
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  static auto* const next = support::heap::original<void*(std::size_t, std::size_t)>("calloc");
  return support::heap::refuses(__builtin_return_address(0)) ? nullptr : support::heap::counted(next(count, size));
}
void* realloc(void* block, std::size_t size) noexcept {
  static auto* const next = support::heap::original<void*(void*, std::size_t)>("realloc");
  if (support::heap::refuses(__builtin_return_address(0))) return nullptr;
  support::heap::count_bytes(block, -1);
  const auto hook = support::heap::free_hook;
  void* moved = nullptr;
  if (hook != nullptr && block != nullptr && size != 0) {  // always moved: what was there is freed
    moved = next(nullptr, size);
    if (moved != nullptr) {
      const std::size_t before = malloc_usable_size(block);
      std::memcpy(moved, block, before < size ? before : size);
      hook(block, __builtin_return_address(0));
      next(block, 0);
    }
  } else {
    moved = next(block, size);
  }
  support::heap::count_bytes(moved != nullptr || size == 0 ? moved : block, 1);
  if (moved != nullptr) support::heap::on_malloc(moved, size);
  if (block != nullptr && (moved != nullptr || size == 0)) support::heap::on_free(nullptr);
  return moved;
}
// Asio's coroutine frames come from here.
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  static auto* const next = support::heap::original<void*(std::size_t, std::size_t)>("aligned_alloc");
  return support::heap::refuses(__builtin_return_address(0)) ? nullptr : support::heap::counted(next(alignment, size));
}
void free(void* block) noexcept {
  static auto* const next = support::heap::original<void(void*)>("free");
  if (block == nullptr) return;
  support::heap::on_free(block);
  if (const auto hook = support::heap::free_hook) hook(block, __builtin_return_address(0));
  support::heap::count_bytes(block, -1);
  next(block);
}
}
#endif
