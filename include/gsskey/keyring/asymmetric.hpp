// gsskey/keyring/asymmetric: encrypt, decrypt, sign and verify with keys that the kernel holds (keyctl_pkey_*(3)).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string_view>

#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a key can be used for.
enum class PublicKeyOperation : std::uint32_t {
  encrypt = KEYCTL_SUPPORTS_ENCRYPT,
  decrypt = KEYCTL_SUPPORTS_DECRYPT,
  sign = KEYCTL_SUPPORTS_SIGN,
  verify = KEYCTL_SUPPORTS_VERIFY,
};

/// What a key can do with one encoding and hash.
/// Units: bytes, but for key_bits.
struct PublicKeyInfo {
  FlagSet<PublicKeyOperation> operations;  ///< those that the key can do
  unsigned key_bits = 0;                   ///< the length of the key
  std::size_t max_data_size = 0;           ///< what sign() takes
  std::size_t max_signature_size = 0;      ///< what sign() makes
  std::size_t max_encrypted_size = 0;      ///< what encrypt() makes
  std::size_t max_decrypted_size = 0;      ///< what decrypt() makes
};

namespace keyring_detail {

/// What PublicKeyInfo can tell of a size: 16 bits. libkeyutils hands sizes on in 32: of 2^32 + 32 bytes the kernel
/// would sign or verify the first 32, with success.
inline constexpr std::size_t largest_public_key_data = 65535;
[[nodiscard]] inline Error too_much_for_a_public_key(const char* operation) noexcept {
  return Error::usage(operation, "more than 65535 bytes: no key takes as many");
}

}  // namespace keyring_detail

/// Names a key, and the encoding and hash that it is used with. Every call needs the right to search.
/// Errors: keyring, with errno: ENOPKG or EINVAL, for an encoding or hash that the kernel does not know, or not for
///   this key; usage, for an empty key, and for data or a signature of more than 65,535 bytes; system (ENOMEM).
/// Threads: any number at once.
/// Owner: of the key, somebody else.
class PublicKey {
 public:
  /// Names `key`. `encoding` ("pkcs1", "raw") and, for signatures, `hash` ("sha256", the hash that the digest was made
  /// with) are words; the kernel is not asked yet whether it knows them.
  /// Errors: usage, for what is no word, or too long for one.
  [[nodiscard]] static Result<PublicKey> from_key(KeyRef<key_type::Asymmetric> key, std::string_view encoding,
                                                  std::string_view hash = {}) noexcept {
    PublicKey made;
    made.key_ = key.serial();
    if (!made.append("enc=", encoding) || (!hash.empty() && !made.append(" hash=", hash))) {
      return unexpected(Error::usage("PublicKey::from_key", "encoding and hash are short words without spaces"));
    }
    return made;
  }

  /// Asks what the key can do.
  /// Calls: keyctl_pkey_query.
  /// See: keyctl_pkey_query(3).
  [[nodiscard]] Result<PublicKeyInfo> query() const noexcept {
    struct ::keyctl_pkey_query answer{};
    if (::keyctl_pkey_query(key_, info_, &answer) < 0) return unexpected(failed("keyctl_pkey_query"));
    return PublicKeyInfo{FlagSet<PublicKeyOperation>::from_bits(answer.supported_ops),
                         answer.key_size,
                         answer.max_data_size,
                         answer.max_sig_size,
                         answer.max_enc_size,
                         answer.max_dec_size};
  }
  /// Encrypts `data` with the public key.
  /// Calls: keyctl_pkey_query for the size, keyctl_pkey_encrypt.
  /// See: keyctl_pkey_encrypt(3).
  [[nodiscard]] Result<SecretBytes> encrypt(ByteView data) const noexcept {
    return into(&PublicKeyInfo::max_encrypted_size, "keyctl_pkey_encrypt", keyctl_pkey_encrypt, data);
  }
  /// Decrypts with the private key what encrypt() made.
  /// Calls: keyctl_pkey_query for the size, keyctl_pkey_decrypt.
  /// See: keyctl_pkey_decrypt(3).
  [[nodiscard]] Result<SecretBytes> decrypt(ByteView encrypted) const noexcept {
    return into(&PublicKeyInfo::max_decrypted_size, "keyctl_pkey_decrypt", keyctl_pkey_decrypt, encrypted);
  }
  /// Signs a digest, not a message, with the private key.
  /// Calls: keyctl_pkey_query for the size, keyctl_pkey_sign.
  /// See: keyctl_pkey_sign(3).
  [[nodiscard]] Result<SecretBytes> sign(ByteView digest) const noexcept {
    return into(&PublicKeyInfo::max_signature_size, "keyctl_pkey_sign", keyctl_pkey_sign, digest);
  }
  /// Checks that `signature` was made by this key of `digest`.
  /// Calls: keyctl_pkey_verify.
  /// Errors: policy, if it was not: the kernel says EKEYREJECTED for another digest, EBADMSG or EINVAL for a changed
  ///   signature. EINVAL is also its answer to a wrong hash or length, so these are policy too. Others: those of the
  ///   class.
  /// See: keyctl_pkey_verify(3).
  [[nodiscard]] Result<void> verify(ByteView digest, ByteView signature) const noexcept {
    constexpr const char* operation = "keyctl_pkey_verify";
    if (digest.size() > keyring_detail::largest_public_key_data ||
        signature.size() > keyring_detail::largest_public_key_data) {
      return unexpected(keyring_detail::too_much_for_a_public_key(operation));
    }
    if (keyctl_pkey_verify(key_, info_, digest.data(), digest.size(), signature.data(), signature.size()) >= 0) {
      return {};
    }
    if (errno == EKEYREJECTED || errno == EBADMSG || (errno == EINVAL && key_ != 0)) {
      return unexpected(Error::policy(operation, 0, "the signature is not this key's of that digest and hash"));
    }
    return unexpected(failed(operation));
  }

 private:
  using Call = long (*)(key_serial_t, const char*, const void*, std::size_t, void*, std::size_t);

  [[nodiscard]] Error failed(const char* operation) const noexcept { return keyring_detail::failed(operation, key_); }
  // The buffer has exactly the size that the query says: the kernel refuses a larger one and writes past a smaller one.
  [[nodiscard]] Result<SecretBytes> into(std::size_t PublicKeyInfo::* size, const char* operation, Call call,
                                         ByteView input) const noexcept {
    if (input.size() > keyring_detail::largest_public_key_data) {
      return unexpected(keyring_detail::too_much_for_a_public_key(operation));
    }
    auto info = query();
    if (!info) return unexpected(info.error());
    auto output = SecretBytes::with_size((*info).*size);
    if (!output) return output;
    const long written = call(key_, info_, input.data(), input.size(), output->data(), output->size());
    if (written < 0) return unexpected(failed(operation));
    return keyring_detail::cut_to(written, std::move(output));
  }
  [[nodiscard]] bool append(std::string_view name, std::string_view word) noexcept {
    for (const char letter : word) {
      if (letter <= ' ' || letter == '=' || letter == '\x7f') return false;
    }
    const std::size_t used = std::strlen(info_);
    if (word.empty() || used + name.size() + word.size() >= sizeof info_) return false;
    std::memcpy(info_ + used, name.data(), name.size());
    std::memcpy(info_ + used + name.size(), word.data(), word.size());
    return true;
  }

  key_serial_t key_ = 0;
  char info_[64] = {};
};

GSSKEY_END_ABI
}  // namespace gsskey
