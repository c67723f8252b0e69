// gsskey/core/detail/oversized: the error of a token that is longer than its receiver allows. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>

#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

[[gnu::cold, gnu::noinline]] inline Error oversized(const char* operation, std::size_t size,
                                                    std::size_t limit) noexcept {
  return Error::transport(operation, EMSGSIZE)
      .with_text("the peer's token has ", Decimal{size}, " bytes, and at most ", Decimal{limit}, " are allowed");
}

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
