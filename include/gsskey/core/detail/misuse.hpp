// gsskey/core/detail/misuse: what calls say to an owner that is empty. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

[[nodiscard, gnu::cold]] inline Error empty_context(const char* operation) noexcept {
  return Error::usage(operation, "the context is empty: moved from, exported, or never set");
}
[[nodiscard, gnu::cold]] inline Error empty_credential(const char* operation) noexcept {
  return Error::usage(operation, "the credential is empty: moved from, or never set");
}
[[nodiscard, gnu::cold]] inline Error empty_name(const char* operation) noexcept {
  return Error::usage(operation, "the name is empty: moved from, or never set");
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
