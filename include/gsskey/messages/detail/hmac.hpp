// gsskey/messages/detail/hmac: HMAC (RFC 2104) with one key for many messages.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/core/detail/openssl_owner.hpp>
#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

namespace detail {
using gsskey::detail::Owner;
using Digest = Owner<EVP_MD, &EVP_MD_free>;
using DigestContext = Owner<EVP_MD_CTX, &EVP_MD_CTX_free>;
}  // namespace detail

/// Each message begins with copies of the states after the two pads: an EVP_MAC that begins anew makes a wrap of 64
/// bytes a tenth slower. OpenSSL 3.0 allocates memory for each of the two copies. One thread at a time.
class Hmac {
 public:
  /// `key` is no longer than a block of the digest. Errors: unavailable, if this OpenSSL lacks the digest; system
  /// (ENOMEM).
  [[nodiscard]] static Result<Hmac> create(const char* digest, ByteView key) noexcept {
    Hmac made;
    const Error lacking = Error::unavailable("EVP_MD_fetch", "this OpenSSL lacks the digest");
    ERR_clear_error();
    const auto algorithm = detail::Digest::adopt(EVP_MD_fetch(nullptr, digest, nullptr));
    const int block_size = algorithm ? EVP_MD_get_block_size(algorithm.get()) : 0;
    const int size = algorithm ? EVP_MD_get_size(algorithm.get()) : 0;
    if (block_size <= 0 || size <= 0) return unexpected(gsskey::detail::openssl_failure(lacking));
    made.size_ = static_cast<std::size_t>(size);
    auto pad = SecretBytes::with_size(static_cast<std::size_t>(block_size));
    if (!pad) return unexpected(pad.error());
    if (key.size() > pad->size()) {
      return unexpected(Error::usage("Hmac::create", "the key is longer than a block of the digest"));
    }
    const auto after_pad = [&](unsigned octet_of_pad) {
      for (std::size_t at = 0; at < pad->size(); ++at) {
        pad->data()[at] = static_cast<unsigned char>((at < key.size() ? key[at] : 0u) ^ octet_of_pad);
      }
      auto state = detail::DigestContext::adopt(EVP_MD_CTX_new());
      const bool is_made = state && EVP_DigestInit_ex2(state.get(), algorithm.get(), nullptr) == 1 &&
                           EVP_DigestUpdate(state.get(), pad->data(), pad->size()) == 1;
      return is_made ? std::move(state) : detail::DigestContext{};
    };
    made.inner_ = after_pad(0x36);
    made.outer_ = after_pad(0x5c);
    made.state_ = detail::DigestContext::adopt(EVP_MD_CTX_new());
    if (!made.inner_ || !made.outer_ || !made.start()) return unexpected(gsskey::detail::openssl_failure(lacking));
    return made;
  }

  [[nodiscard]] bool start() noexcept { return state_ && EVP_MD_CTX_copy_ex(state_.get(), inner_.get()) == 1; }
  [[nodiscard]] bool update(ByteView bytes) noexcept {
    return state_ && EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()) == 1;
  }
  /// Writes as many octets as the digest has.
  [[nodiscard]] bool finish(unsigned char* out) noexcept {
    return state_ && EVP_DigestFinal_ex(state_.get(), out, nullptr) == 1 &&
           EVP_MD_CTX_copy_ex(state_.get(), outer_.get()) == 1 && update({out, size_}) &&
           EVP_DigestFinal_ex(state_.get(), out, nullptr) == 1;
  }

 private:
  Hmac() noexcept = default;

  detail::DigestContext inner_;
  detail::DigestContext outer_;
  detail::DigestContext state_;  // of the message
  std::size_t size_ = 0;
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
