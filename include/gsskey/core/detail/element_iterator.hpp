// gsskey/core/detail/element_iterator: walks elements of the C API, and shows each as the value that stands for it.
// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstddef>
#include <type_traits>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace detail {

/// Random access in the sense of C++20; an input iterator to older algorithms, because `*it` is a value. What it points
/// into is not the owner but the owner's memory, which moves along with the ownership.
template <class Element, auto View>
class ElementIterator {
 public:
  using value_type = std::invoke_result_t<decltype(View), const Element&>;
  using difference_type = std::ptrdiff_t;

  constexpr ElementIterator() noexcept = default;
  constexpr explicit ElementIterator(const Element* at) noexcept : at_{at} {}

  [[nodiscard]] constexpr value_type operator*() const noexcept { return View(*at_); }
  [[nodiscard]] constexpr value_type operator[](difference_type offset) const noexcept { return View(at_[offset]); }
  constexpr ElementIterator& operator+=(difference_type offset) noexcept {
    at_ += offset;
    return *this;
  }
  constexpr ElementIterator& operator-=(difference_type offset) noexcept { return *this += -offset; }
  constexpr ElementIterator& operator++() noexcept { return *this += 1; }
  constexpr ElementIterator& operator--() noexcept { return *this += -1; }
  constexpr ElementIterator operator++(int) noexcept { return ElementIterator{at_++}; }
  constexpr ElementIterator operator--(int) noexcept { return ElementIterator{at_--}; }
  [[nodiscard]] friend constexpr ElementIterator operator+(ElementIterator it, difference_type offset) noexcept {
    return it += offset;
  }
  [[nodiscard]] friend constexpr ElementIterator operator+(difference_type offset, ElementIterator it) noexcept {
    return it += offset;
  }
  [[nodiscard]] friend constexpr ElementIterator operator-(ElementIterator it, difference_type offset) noexcept {
    return it -= offset;
  }
  [[nodiscard]] friend constexpr difference_type operator-(ElementIterator a, ElementIterator b) noexcept {
    return a.at_ - b.at_;
  }
  [[nodiscard]] friend constexpr auto operator<=>(ElementIterator, ElementIterator) noexcept = default;

 private:
  const Element* at_ = nullptr;
};

}  // namespace detail

GSSKEY_END_ABI
}  // namespace gsskey
