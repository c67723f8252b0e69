// gsskey/core/detail/shared_text: text that copies share, as those of an Error do. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>

#include <gsskey/core/config.hpp>
#include <gsskey/core/detail/memory.hpp>
#include <gsskey/core/detail/text.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// Text in one malloc'd block, shared by counting, or none. The count is atomic because copies of an Error cross
/// threads.
class SharedText {
 public:
  SharedText() = default;
  SharedText(const SharedText& other) noexcept : block_{other.block_} {
    if (block_ != nullptr) __atomic_fetch_add(&block_->count, 1, __ATOMIC_RELAXED);
  }
  SharedText(SharedText&& other) noexcept : block_{other.block_} { other.block_ = nullptr; }
  SharedText& operator=(SharedText other) noexcept {
    Block* const old = block_;
    block_ = other.block_;
    other.block_ = old;
    return *this;
  }
  ~SharedText() {
    if (block_ != nullptr && __atomic_fetch_sub(&block_->count, 1, __ATOMIC_ACQ_REL) == 1) deallocate(block_);
  }

  /// None when memory is short: an error without its text is still an error.
  [[nodiscard]] static SharedText joined(std::initializer_list<std::string_view> parts) noexcept {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    SharedText text;
    text.block_ = static_cast<Block*>(allocate(sizeof(Block) + size));
    if (text.block_ == nullptr) return text;
    *text.block_ = {1, size};
    char* out = text.chars();
    for (const std::string_view part : parts) out = append(out, part);
    return text;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
  [[nodiscard]] std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND { return view_of(chars(), block_->size); }

 private:
  struct Block {
    int count;
    std::size_t size;
  };
  [[nodiscard]] char* chars() const noexcept { return reinterpret_cast<char*>(block_ + 1); }

  Block* block_ = nullptr;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
