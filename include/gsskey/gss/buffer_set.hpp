// gsskey/gss/buffer_set: the owner of a list of byte strings that a gss_* call allocated.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/element_iterator.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
struct BufferSetTraits {
  using Handle = gss_buffer_set_t;
  static constexpr Handle none = nullptr;
  static void close(Handle set) noexcept {
    for (std::size_t i = 0; i < set->count; ++i) {
      const gss_buffer_desc& element = set->elements[i];
      if (element.length != 0) explicit_bzero(element.value, element.length);
    }
    OM_uint32 minor = 0;
    (void)gss_release_buffer_set(&minor, &set);
  }
};
}  // namespace gss_detail

/// Owns a list of byte strings that a gss_* call allocated. Its bytes are wiped, because some of them are keys.
/// Move-only, as large as the handle; a range of views.
/// Calls: explicit_bzero(3), gss_release_buffer_set, when it goes.
/// Threads: one at a time; any number may read.
/// Owner: of the gss_buffer_set_t, until release(), and of what the views refer to.
class BufferSet {
  [[nodiscard]] static ByteView view(const gss_buffer_desc& element) noexcept {
    return {element.value, element.length};
  }

 public:
  using Iterator = detail::ElementIterator<gss_buffer_desc, &view>;

  BufferSet() noexcept = default;
  /// Takes over what a gss_* call allocated.
  [[nodiscard]] static BufferSet adopt(gss_detail::gss_buffer_set_t raw) noexcept {
    BufferSet owner;
    owner.set_ = decltype(set_)::adopt(raw);
    return owner;
  }
  [[nodiscard]] gss_detail::gss_buffer_set_t get() const noexcept GSSKEY_LIFETIMEBOUND { return set_.get(); }
  /// Gives the list up: the caller owns it.
  [[nodiscard]] gss_detail::gss_buffer_set_t release() noexcept { return set_.release(); }
  /// Returns where a C call writes a new list; what was owned is released first.
  [[nodiscard]] gss_detail::gss_buffer_set_t* put() noexcept GSSKEY_LIFETIMEBOUND { return set_.put(); }

  [[nodiscard]] std::size_t size() const noexcept { return set_ ? set_.get()->count : 0; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] Iterator begin() const noexcept GSSKEY_LIFETIMEBOUND {
    return Iterator{set_ ? set_.get()->elements : nullptr};
  }
  [[nodiscard]] Iterator end() const noexcept GSSKEY_LIFETIMEBOUND {
    return begin() + static_cast<std::ptrdiff_t>(size());
  }
  /// Returns the bytes at `index`; an empty view past the end.
  [[nodiscard]] ByteView operator[](std::size_t index) const noexcept GSSKEY_LIFETIMEBOUND {
    return index < size() ? view(set_.get()->elements[index]) : ByteView{};
  }
  /// Returns whether `bytes` are a member.
  [[nodiscard]] bool contains(ByteView bytes) const noexcept {
    for (const ByteView element : *this) {
      if (element == bytes) return true;
    }
    return false;
  }

 private:
  UniqueHandle<gss_detail::BufferSetTraits> set_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
