// gsskey/core/expected: std::expected where the standard library has it, else tl::expected with the same interface.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>

#if GSSKEY_STD_EXPECTED
#include <expected>
#elif __has_include(<tl/expected.hpp>)
#include <tl/expected.hpp>
#else
#include <gsskey needs tl::expected (Debian: libexpected-dev), or std::expected of C++23: -std=c++23>
#endif

namespace gsskey {
GSSKEY_BEGIN_ABI

// Using-declarations, not alias templates: clang before 19 cannot deduce `unexpected(e)` through an alias. Code that
// is to compile in both modes uses neither the monadic members nor `unexpected::error()`.
#if GSSKEY_STD_EXPECTED
using std::bad_expected_access;
using std::expected;
using std::unexpected;
#else
using tl::bad_expected_access;
using tl::expected;
using tl::unexpected;
#endif

GSSKEY_END_ABI
}  // namespace gsskey
