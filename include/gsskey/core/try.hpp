// gsskey/core/try: macros that pass an error up in one line, for functions that return a Result. Nothing else of the
// library includes this header, and nobody has to.
//
//   Result<std::string> peer_of(const SecurityContext<mech::Krb5>& context) {
//     GSSKEY_TRY(const auto info, context.inquire());
//     GSSKEY_TRY(const auto name, info.initiator.display());
//     return std::string{name.text()};
//   }
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/expected.hpp>

/// Declares a variable with the value of a Result, or returns its error: `GSSKEY_TRY(auto name, Name::user("alice"));`.
/// A temporary is moved from; a Result with a name is copied, unless it is given with std::move. Several statements: it
/// needs braces behind an `if` or a loop.
#define GSSKEY_TRY(declaration, ...) \
  GSSKEY_TRY_FOR_VALUE(return, GSSKEY_TRY_NAME(__COUNTER__), declaration, (__VA_ARGS__))

/// Returns the error of a Result<void>, if it is one: `GSSKEY_TRY_VOID(key.revoke());`. One statement.
#define GSSKEY_TRY_VOID(...) GSSKEY_TRY_FOR_ERROR(return, GSSKEY_TRY_NAME(__COUNTER__), (__VA_ARGS__))

/// Does in a coroutine what GSSKEY_TRY does in a function: `GSSKEY_CO_TRY(auto context, co_await std::move(login));`.
#define GSSKEY_CO_TRY(declaration, ...) \
  GSSKEY_TRY_FOR_VALUE(co_return, GSSKEY_TRY_NAME(__COUNTER__), declaration, (__VA_ARGS__))

/// Does in a coroutine what GSSKEY_TRY_VOID does in a function.
#define GSSKEY_CO_TRY_VOID(...) GSSKEY_TRY_FOR_ERROR(co_return, GSSKEY_TRY_NAME(__COUNTER__), (__VA_ARGS__))

// Not for users. The Result is kept by value: a reference that prolongs a temporary's life does not survive a
// suspension with g++ 12. Each has a name of its own, because the expression may be a lambda with another of these
// macros in it.
// NOLINTBEGIN(bugprone-macro-parentheses): return, a name and a declaration take none.
#define GSSKEY_TRY_JOINED(number) gsskey_result_##number
#define GSSKEY_TRY_NAME(number) GSSKEY_TRY_JOINED(number)
#define GSSKEY_TRY_FOR_VALUE(leave, name, declaration, result)    \
  auto name = result;                                             \
  if (!name) leave ::gsskey::unexpected(std::move(name).error()); \
  declaration = *std::move(name)
#define GSSKEY_TRY_FOR_ERROR(leave, name, result)          \
  do {                                                     \
    if (auto name = result; !name) {                       \
      leave ::gsskey::unexpected(std::move(name).error()); \
    }                                                      \
  } while (false)
// NOLINTEND(bugprone-macro-parentheses)
