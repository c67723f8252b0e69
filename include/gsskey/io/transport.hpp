// gsskey/io/transport: what a handshake loop needs of the wire: whole tokens, out and in.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Carries tokens whole and in order, empty ones too.
///   send(token)        returns Result<void> when all of the token is on its way
///   receive(max_size)  returns Result<T>, T holding the bytes of the next token: SecretBytes, std::string, a ByteView
///                      that is good until the next call
/// Errors: of receive(): transport, EMSGSIZE, before memory is taken for a token of more than `max_size` bytes;
///   transport, for the end of the stream.
template <class T>
concept BlockingTransport = requires(T& transport, ByteView token, std::size_t max_size) {
  { transport.send(token) } -> std::same_as<Result<void>>;
  { ByteView{*transport.receive(max_size)} };
  { transport.receive(max_size).error() } -> std::convertible_to<const Error&>;
};

/// Carries bytes over a connection, for FramedTransport.
///   write(header, body)  returns Result<void> when both are written, one behind the other and, where they fit, in one
///                        packet: as two, the second would wait for the delayed acknowledgement of the first
///   read(data, size)     returns Result<void> when `size` bytes have come
/// Errors: of read(): transport, for the end of the stream before that.
template <class S>
concept BlockingStream = requires(S& stream, ByteView bytes, void* data, std::size_t size) {
  { stream.write(bytes, bytes) } -> std::same_as<Result<void>>;
  { stream.read(data, size) } -> std::same_as<Result<void>>;
};

GSSKEY_END_ABI
}  // namespace gsskey
