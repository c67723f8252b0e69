// gsskey/messages/token: what a MessageProtector makes: tokens on the heap, MICs in place.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Owns bytes from malloc that are not secret, uninitialised at first. Move-only.
/// Threads: one at a time; any number while nobody changes or moves it.
class MessageToken : public detail::ByteAccess<MessageToken> {
 public:
  MessageToken() noexcept = default;
  /// Allocates `size` bytes.
  /// Calls: malloc.
  /// Errors: system (ENOMEM).
  [[nodiscard]] static Result<MessageToken> with_size(std::size_t size) noexcept {
    MessageToken token;
    token.bytes_ = decltype(token.bytes_)::adopt(static_cast<unsigned char*>(std::malloc(size == 0 ? 1 : size)));
    token.size_ = size;
    if (!token.bytes_) return unexpected(Error::system("malloc", ENOMEM));
    return token;
  }

  MessageToken(MessageToken&& other) noexcept
      : bytes_{std::move(other.bytes_)}, size_{std::exchange(other.size_, std::size_t{0})} {}
  MessageToken& operator=(MessageToken&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, std::size_t{0});
    return *this;
  }
  ~MessageToken() = default;

  [[nodiscard]] unsigned char* data() noexcept GSSKEY_LIFETIMEBOUND { return bytes_.get(); }
  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Makes a secret of the first `size` bytes, or of all there are; the others are wiped now.
  /// Owner: of the memory, the secret; no copy is made.
  [[nodiscard]] SecretBytes to_secret(std::size_t size) && noexcept {
    if (size > size_) size = size_;
    if (size < size_) explicit_bzero(bytes_.get() + size, size_ - size);
    size_ = 0;
    return SecretBytes::adopt(bytes_.release(), size, [](void* data, std::size_t) noexcept { std::free(data); });
  }

 private:
  struct Traits {
    using Handle = unsigned char*;
    static constexpr Handle none = nullptr;
    static void close(Handle bytes) noexcept { std::free(bytes); }
  };

  UniqueHandle<Traits> bytes_;
  std::size_t size_ = 0;
};

/// A MIC token of RFC 4121, within this object: no heap.
class MessageMic : public detail::ByteAccess<MessageMic> {
 public:
  static constexpr std::size_t max_size = 40;

  explicit MessageMic(std::size_t size) noexcept : size_{size} {}

  [[nodiscard]] unsigned char* data() noexcept GSSKEY_LIFETIMEBOUND { return bytes_; }
  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  unsigned char bytes_[max_size];
  std::size_t size_;
};

GSSKEY_END_ABI
}  // namespace gsskey
