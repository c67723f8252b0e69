// gsskey/gss/message: what protects messages: SecurityContext<M>, MessageProtector, and a double in a test.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Tokens may be of any type that owns bytes; plaintext is SecretBytes. What the calls mean, and what is an Error, is
/// said at SecurityContext.
template <class C>
concept MessageContext = std::movable<C> && requires(C& context, const C& asked, ByteView bytes, std::uint32_t size) {
  { *context.wrap(bytes) } -> std::convertible_to<ByteView>;
  { context.wrap(bytes).error() } -> std::convertible_to<const Error&>;
  { context.unwrap(bytes) } -> std::same_as<Result<SecretBytes>>;
  { *context.get_mic(bytes) } -> std::convertible_to<ByteView>;
  { context.get_mic(bytes).error() } -> std::convertible_to<const Error&>;
  { context.verify_mic(bytes, bytes) } -> std::same_as<Result<void>>;
  { asked.wrap_size_limit(size) } -> std::same_as<Result<std::uint32_t>>;
};

GSSKEY_END_ABI
}  // namespace gsskey
