// tests/faults/memory: operator new and aligned_alloc(), which Asio calls, for the whole program.
// SPDX-License-Identifier: MIT
#include "faults/memory.hpp"

#include <unwind.h>

#include <cstdlib>
#include <new>

extern "C" const char __executable_start;
extern "C" const char etext;
extern "C" void* __real_aligned_alloc(std::size_t alignment, std::size_t size) noexcept;

namespace {

struct Way {
  faults::Frames frames = {};
  std::size_t count = 0;
  std::uintptr_t from;  // who called operator new
  bool has_begun = false;
};

_Unwind_Reason_Code take(_Unwind_Context* context, void* data) {
  auto& way = *static_cast<Way*>(data);
  const auto address = static_cast<std::uintptr_t>(_Unwind_GetIP(context));
  way.has_begun = way.has_begun || address == way.from;
  if (_Unwind_GetRegionStart(context) == faults::runner()) return _URC_END_OF_STACK;
  const auto start = reinterpret_cast<std::uintptr_t>(&__executable_start);
  if (way.has_begun && address >= start && address < reinterpret_cast<std::uintptr_t>(&etext)) {
    way.frames[way.count++] = address - start;
  }
  return way.count < faults::most_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

bool shall_fail(const void* from) noexcept { return faults::shall_fail_on_its_way(faults::memory, from); }

void* taken(void* block) {
  if (block == nullptr) throw std::bad_alloc{};
  return block;
}

}  // namespace

bool faults::shall_fail_on_its_way(unsigned function, const void* from) noexcept {
  if (!is_watched()) return false;
  Way way;
  way.from = reinterpret_cast<std::uintptr_t>(from);
  _Unwind_Backtrace(&take, &way);
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const auto frame : way.frames) hash = (hash ^ frame) * 1099511628211u;
  return shall_fail_at(function, static_cast<std::uintptr_t>(hash) | way_bit, way.frames);
}

extern "C" [[gnu::used]] void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return shall_fail(__builtin_return_address(0)) ? nullptr : __real_aligned_alloc(alignment, size);
}

void* operator new(std::size_t size) {
  return taken(shall_fail(__builtin_return_address(0)) ? nullptr : std::malloc(size == 0 ? 1 : size));
}
// As the library's would; that of a sanitizer does not call the one above.
void* operator new[](std::size_t size) {
  return taken(shall_fail(__builtin_return_address(0)) ? nullptr : std::malloc(size == 0 ? 1 : size));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return taken(shall_fail(__builtin_return_address(0)) ? nullptr
                                                       : __real_aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size == 0 ? 1 : size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size == 0 ? 1 : size); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const auto unit = static_cast<std::size_t>(alignment);
  return __real_aligned_alloc(unit, (size + unit - 1) / unit * unit);
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
