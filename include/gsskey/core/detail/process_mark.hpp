// gsskey/core/detail/process_mark: a number for this process that no child of it shares: what an owner keeps to know,
// after fork(), that it is a copy.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

GSSKEY_SHARED std::uint32_t* process_mark_page = nullptr;
GSSKEY_SHARED std::uint32_t last_process_mark = 0;  // of this process or of one that it descends from

/// The page that holds the number. A child finds zero there (MADV_WIPEONFORK), by whichever call it was made, and in
/// whatever name space, where its process id may be that of its parent. nullptr where the kernel cannot do that.
[[nodiscard]] inline std::uint32_t* process_mark() noexcept {
  std::uint32_t* page = __atomic_load_n(&process_mark_page, __ATOMIC_ACQUIRE);
  if (page != nullptr) return page;
  constexpr std::size_t size = sizeof *page;  // the kernel rounds up
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const made = static_cast<std::uint32_t*>(memory);
  if (::madvise(memory, size, MADV_WIPEONFORK) == 0 &&
      __atomic_compare_exchange_n(&process_mark_page, &page, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    return made;
  }
  (void)::munmap(memory, size);
  return page;
}

/// Never 0. After the first call two loads; getpid() is a system call. A child by vfork(), or another that shares this
/// process's memory, is this process: it must not run destructors anyway.
[[nodiscard]] inline std::uint32_t this_process() noexcept {
  std::uint32_t* const page = process_mark();
  if (page == nullptr) return 0x80000000u | static_cast<std::uint32_t>(::getpid());
  std::uint32_t mark = __atomic_load_n(page, __ATOMIC_ACQUIRE);
  if (mark != 0) return mark;
  const std::uint32_t next = __atomic_add_fetch(&last_process_mark, 1, __ATOMIC_ACQ_REL);
  return __atomic_compare_exchange_n(page, &mark, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? next : mark;
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
