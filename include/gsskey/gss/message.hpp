// gsskey/gss/message: the one vocabulary of what protects messages: SecurityContext<M>, ExpiringContext<M>,
// MessageProtector, and of many at once, MessageBatch and MessageLanes.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/context/in_place.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Owns bytes, and has the accessors that every owner of bytes in this library has.
template <class T>
concept OwnedBytes = std::convertible_to<const T&, ByteView> && requires(const T& bytes) {
  { bytes.data() } -> std::same_as<const unsigned char*>;
  { bytes.size() } -> std::same_as<std::size_t>;
  { bytes.empty() } -> std::same_as<bool>;
  { bytes.begin() } -> std::same_as<const unsigned char*>;
  { bytes.end() } -> std::same_as<const unsigned char*>;
  { bytes.text() } -> std::same_as<std::string_view>;
};

/// Encrypts and decrypts messages. This is what a stream of them needs, and all that a double in a test has to have.
template <class C>
concept WrapsMessages = std::movable<C> && requires(C& context, const C& asked, ByteView bytes, std::uint32_t size) {
  { *context.wrap(bytes) } -> std::convertible_to<ByteView>;
  { context.wrap(bytes).error() } -> std::convertible_to<const Error&>;
  { context.unwrap(bytes) } -> std::same_as<Result<SecretBytes>>;
  { asked.wrap_size_limit(size) } -> std::same_as<Result<std::uint32_t>>;
};

GSSKEY_END_ABI
GSSKEY_BEGIN_GSS_ABI

/// A message, and where its token goes.
/// Owner: of both, the caller.
struct BatchMessage {
  ByteView message;
  /// Room for the token: see MessageProtector::room(). The message is at its place in there, or does not overlap.
  std::span<unsigned char> memory;
};

/// A token of the peer, which is decrypted where it is, and what became of it.
/// Owner: of the memory, the caller.
struct BatchToken {
  std::span<unsigned char> token;
  /// The plaintext inside the token, or why there is none.
  Result<std::span<unsigned char>> message = unexpected(Error::usage("unwrap", "the token has not been unwrapped"));
};

/// Encrypts and decrypts several messages at once, in memory of the caller, as they would be one after the other. A
/// token takes exactly what room() says more than its message. has_lanes() says whether several take less time than one
/// that is as long as all of them.
template <class C>
concept WrapsManyMessages =
    WrapsMessages<C> &&
    requires(C& context, const C& asked, std::span<const BatchMessage> messages, std::span<BatchToken> tokens) {
      { context.wrap(messages) } -> std::same_as<Result<void>>;
      { context.unwrap(tokens) } -> std::same_as<void>;
      { asked.room() } -> std::same_as<Result<MessageRoom>>;
      { asked.has_lanes() } -> std::same_as<bool>;
    };

/// Protects messages: SecurityContext<M>, ExpiringContext<M> and MessageProtector. SecurityContext says what the calls
/// mean and what is an Error. Results of wrap and get_mic differ in their type, which is an OwnedBytes.
///
/// Of all three, calls that take or give a std::span are free functions (gss/context/in_place.hpp), the others are
/// members: <span> alone would make gss.hpp 2.7 % dearer to compile, and all of in_place.hpp a quarter. Three members
/// of SecurityContext have their bodies elsewhere: room() in gss/context/in_place.hpp, unwrap_with_ordering() in
/// ordering.hpp and sasl_ssf() in options.hpp; a call without that header does not compile.
template <class C>
concept MessageContext =
    WrapsMessages<C> && requires(C& context, const C& asked, ByteView bytes, std::span<const ByteView> pieces,
                                 std::span<unsigned char> memory, MessageBlock block, std::uint32_t size) {
      requires OwnedBytes<std::remove_cvref_t<decltype(*context.wrap(bytes))>>;
      requires std::same_as<decltype(context.wrap_unencrypted(bytes)), decltype(context.wrap(bytes))>;
      { wrap_into(context, bytes, memory) } -> std::same_as<Result<std::span<unsigned char>>>;
      { wrap_into(context, pieces, memory) } -> std::same_as<Result<std::span<unsigned char>>>;
      { wrap_in_place(context, block) } -> std::same_as<Result<std::span<unsigned char>>>;
      { context.unwrap_unencrypted(bytes) } -> std::same_as<Result<Unwrapped>>;
      { context.unwrap_with_ordering(bytes) } -> std::same_as<Result<OrderedMessage>>;
      { unwrap_into(context, bytes, memory) } -> std::same_as<Result<std::span<unsigned char>>>;
      { unwrap_in_place(context, memory) } -> std::same_as<Result<std::span<unsigned char>>>;
      requires OwnedBytes<std::remove_cvref_t<decltype(*context.get_mic(bytes))>>;
      { context.get_mic(bytes).error() } -> std::convertible_to<const Error&>;
      { context.verify_mic(bytes, bytes) } -> std::same_as<Result<void>>;
      { asked.wrap_unencrypted_size_limit(size) } -> std::same_as<Result<std::uint32_t>>;
      { asked.room() } -> std::same_as<Result<MessageRoom>>;
      { asked.inquire() } -> std::same_as<Result<ContextInfo>>;
      { asked.lifetime() } -> std::same_as<Result<Seconds>>;
      { asked.sasl_ssf() } -> std::same_as<Result<std::uint32_t>>;
      { static_cast<bool>(asked) };
    };

GSSKEY_END_GSS_ABI
}  // namespace gsskey
