// gsskey/messages/detail/rfc3961: the encryption types of Kerberos (RFC 3961, 3962, 6803, 8009) and their keys, by
// OpenSSL.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/core/detail/openssl_owner.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/messages/detail/hmac.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace rfc3961 {

inline constexpr std::size_t block_size = 16;    ///< of AES and Camellia
inline constexpr std::size_t max_mac_size = 24;  ///< of all encryption types

/// How the keys of one use come from the base key.
enum class Derivation : unsigned char {
  folding,  ///< DK of RFC 3961 section 5.1
  hmac,     ///< KDF-HMAC-SHA2 of RFC 8009 section 3
  cmac      ///< KDF-FEEDBACK-CMAC of RFC 6803 section 3
};

/// One encryption type: a block cipher in CBC mode with ciphertext stealing, and a truncated checksum.
struct EncryptionType {
  std::int32_t number;       ///< IANA registry "Kerberos Encryption Type Numbers"
  const char* name;          ///< of the same registry
  const char* cipher;        ///< OpenSSL's name
  const char* digest;        ///< OpenSSL's name, of the HMAC; nullptr: the checksum is the cipher's CMAC
  std::size_t key_size;      ///< of the base key and of Ke
  std::size_t mac_key_size;  ///< of Kc and Ki
  std::size_t mac_size;
  Derivation derivation;

  /// The checksum is over the ciphertext, else over the plaintext.
  [[nodiscard]] constexpr bool encrypts_first() const noexcept { return derivation == Derivation::hmac; }
};

/// OpenSSL's Camellia looks keys and plaintext up in tables, so that its time tells of them; its AES does not.
GSSKEY_HIDDEN inline constexpr EncryptionType encryption_types[] = {
    {17, "aes128-cts-hmac-sha1-96", "AES-128-CBC", "SHA1", 16, 16, 12, Derivation::folding},
    {18, "aes256-cts-hmac-sha1-96", "AES-256-CBC", "SHA1", 32, 32, 12, Derivation::folding},
    {19, "aes128-cts-hmac-sha256-128", "AES-128-CBC", "SHA256", 16, 16, 16, Derivation::hmac},
    {20, "aes256-cts-hmac-sha384-192", "AES-256-CBC", "SHA384", 32, 24, 24, Derivation::hmac},
    {25, "camellia128-cts-cmac", "CAMELLIA-128-CBC", nullptr, 16, 16, 16, Derivation::cmac},
    {26, "camellia256-cts-cmac", "CAMELLIA-256-CBC", nullptr, 32, 32, 16, Derivation::cmac},
};
/// nullptr for all others: RC4 and DES have other tokens, too.
[[nodiscard]] constexpr const EncryptionType* find_encryption_type(std::int32_t number) noexcept {
  for (const EncryptionType& type : encryption_types) {
    if (type.number == number) return &type;
  }
  return nullptr;
}

/// What a derived key is for: the last octet of RFC 3961's "well-known constant".
enum class Purpose : unsigned char { checksum = 0x99, encryption = 0xaa, integrity = 0x55 };

namespace detail {
using Cipher = Owner<EVP_CIPHER, &EVP_CIPHER_free>;
using CipherContext = Owner<EVP_CIPHER_CTX, &EVP_CIPHER_CTX_free>;
using Kdf = Owner<EVP_KDF, &EVP_KDF_free>;
using KdfContext = Owner<EVP_KDF_CTX, &EVP_KDF_CTX_free>;
using MacAlgorithm = Owner<EVP_MAC, &EVP_MAC_free>;
using MacContext = Owner<EVP_MAC_CTX, &EVP_MAC_CTX_free>;

/// What OpenSSL's parameters take, which are not const and are not written to.
[[nodiscard]] inline OSSL_PARAM text_parameter(const char* name, const char* text) noexcept {
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(text), 0);
}
[[nodiscard]] inline OSSL_PARAM bytes_parameter(const char* name, ByteView bytes) noexcept {
  return OSSL_PARAM_construct_octet_string(name, const_cast<unsigned char*>(bytes.data()), bytes.size());
}

/// Of a block: g++ 12 makes 16 steps of a loop over octets.
inline void exclusive_or(unsigned char* to, const unsigned char* with) noexcept {
  std::uint64_t block[block_size / sizeof(std::uint64_t)];
  std::uint64_t other[block_size / sizeof(std::uint64_t)];
  std::memcpy(block, to, block_size);
  std::memcpy(other, with, block_size);
  block[0] ^= other[0];
  block[1] ^= other[1];
  std::memcpy(to, block, block_size);
}
/// Swaps two blocks that lie one behind the other.
inline void swap_blocks(unsigned char* first) noexcept {
  unsigned char both[2 * block_size];
  std::memcpy(both, first, sizeof both);
  std::memcpy(first, both + block_size, block_size);
  std::memcpy(first + block_size, both, block_size);
}
inline void exclusive_or(unsigned char* to, const unsigned char* with, std::size_t size) noexcept {
  for (std::size_t at = 0; at < size; ++at) to[at] = static_cast<unsigned char>(to[at] ^ with[at]);
}
}  // namespace detail

/// Ke, Ki or Kc of `usage` (RFC 4120 section 7.5.1, RFC 4121 section 2). OpenSSL's KRB5KDF and KBKDF. Errors: usage, if
/// the base key is not as long as the type says; unavailable, if this OpenSSL lacks the function (its FIPS provider has
/// no KRB5KDF); system (ENOMEM).
GSSKEY_HIDDEN [[nodiscard]] inline Result<SecretBytes> derive_key(const EncryptionType& type, ByteView base,
                                                                  std::uint32_t usage, Purpose purpose) noexcept {
  constexpr const char* operation = "EVP_KDF_derive";
  if (base.size() != type.key_size) {
    return unexpected(Error::usage(operation, "the key is not as long as its encryption type says"));
  }
  const unsigned char constant[] = {static_cast<unsigned char>(usage >> 24), static_cast<unsigned char>(usage >> 16),
                                    static_cast<unsigned char>(usage >> 8), static_cast<unsigned char>(usage),
                                    static_cast<unsigned char>(purpose)};
  static constexpr unsigned char zeros[block_size] = {};
  OSSL_PARAM parameters[7];
  OSSL_PARAM* next = parameters;
  *next++ = detail::bytes_parameter(OSSL_KDF_PARAM_KEY, base);
  if (type.derivation == Derivation::folding) {
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_CIPHER, type.cipher);
    *next++ = detail::bytes_parameter(OSSL_KDF_PARAM_CONSTANT, constant);
  } else if (type.derivation == Derivation::hmac) {
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_MODE, "COUNTER");
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_MAC, OSSL_MAC_NAME_HMAC);
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_DIGEST, type.digest);
    *next++ = detail::bytes_parameter(OSSL_KDF_PARAM_SALT, constant);
  } else {
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_MODE, "FEEDBACK");
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_MAC, OSSL_MAC_NAME_CMAC);
    *next++ = detail::text_parameter(OSSL_KDF_PARAM_CIPHER, type.cipher);
    *next++ = detail::bytes_parameter(OSSL_KDF_PARAM_SALT, constant);
    *next++ = detail::bytes_parameter(OSSL_KDF_PARAM_SEED, zeros);
  }
  *next = OSSL_PARAM_construct_end();

  const bool folds = type.derivation == Derivation::folding;
  ERR_clear_error();
  const auto kdf = detail::Kdf::adopt(EVP_KDF_fetch(nullptr, folds ? OSSL_KDF_NAME_KRB5KDF : "KBKDF", nullptr));
  const auto context = detail::KdfContext::adopt(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  auto key = SecretBytes::with_size(purpose == Purpose::encryption ? type.key_size : type.mac_key_size);
  if (!key) return unexpected(key.error());
  if (!context || EVP_KDF_derive(context.get(), key->data(), key->size(), parameters) != 1) {
    return unexpected(gsskey::detail::openssl_failure(
        Error::unavailable(operation, "this OpenSSL does not derive keys of this encryption type")));
  }
  return key;
}

/// What looking at something protected came to.
enum class Opened : unsigned char { whole, forged, failed };

/// A keyed checksum that is computed many times: HMAC or CMAC, truncated. One thread at a time.
class Checksum {
 public:
  [[nodiscard]] static Result<Checksum> create(const EncryptionType& type, ByteView key) noexcept {
    Checksum made;
    made.size_ = type.mac_size;
    if (type.digest != nullptr) {
      auto hmac = Hmac::create(type.digest, key);
      if (!hmac) return unexpected(hmac.error());
      made.hmac_.emplace(*std::move(hmac));
      return made;
    }
    ERR_clear_error();
    const auto algorithm = detail::MacAlgorithm::adopt(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_CMAC, nullptr));
    made.cmac_ = detail::MacContext::adopt(algorithm ? EVP_MAC_CTX_new(algorithm.get()) : nullptr);
    const OSSL_PARAM parameters[] = {detail::text_parameter(OSSL_MAC_PARAM_CIPHER, type.cipher),
                                     OSSL_PARAM_construct_end()};
    if (!made.cmac_ || EVP_MAC_init(made.cmac_.get(), key.data(), key.size(), parameters) != 1) {
      return unexpected(gsskey::detail::openssl_failure(
          Error::unavailable("EVP_MAC_init", "this OpenSSL has no CMAC of this cipher")));
    }
    return made;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  [[nodiscard]] bool start() noexcept {
    return hmac_ ? hmac_->start() : (cmac_ && EVP_MAC_init(cmac_.get(), nullptr, 0, nullptr) == 1);
  }
  [[nodiscard]] bool update(ByteView bytes) noexcept {
    return hmac_ ? hmac_->update(bytes) : (cmac_ && EVP_MAC_update(cmac_.get(), bytes.data(), bytes.size()) == 1);
  }
  /// Writes size() bytes.
  [[nodiscard]] bool finish(unsigned char* out) noexcept {
    unsigned char whole[EVP_MAX_MD_SIZE];
    std::size_t size = 0;
    if (!(hmac_ ? hmac_->finish(whole) : cmac_ && EVP_MAC_final(cmac_.get(), whole, &size, sizeof whole) == 1))
      return false;
    std::memcpy(out, whole, size_);
    return true;
  }
  /// finish(), and whether it is what `expected`, of size() bytes, says; in constant time.
  [[nodiscard]] Opened verify(const unsigned char* expected) noexcept {
    unsigned char actual[max_mac_size];
    if (!finish(actual)) return Opened::failed;
    return CRYPTO_memcmp(actual, expected, size_) == 0 ? Opened::whole : Opened::forged;
  }

 private:
  Checksum() noexcept = default;

  std::optional<Hmac> hmac_;  // or
  detail::MacContext cmac_;
  std::size_t size_ = 0;
};

/// A block cipher in CBC mode, one way, for messages whose initial vector is zero. One thread at a time.
///
/// The context is never initialised again: that takes longer than a short message does. Instead the block that it would
/// chain to, the last of the message before, is taken out of the first block of the next one.
class ChainedCipher {
 public:
  [[nodiscard]] static Result<ChainedCipher> create(const EncryptionType& type, ByteView key, bool encrypts) noexcept {
    ChainedCipher made;
    ERR_clear_error();
    const auto cipher = detail::Cipher::adopt(EVP_CIPHER_fetch(nullptr, type.cipher, nullptr));
    made.context_ = detail::CipherContext::adopt(EVP_CIPHER_CTX_new());
    if (!cipher || !made.context_ ||
        EVP_CipherInit_ex2(made.context_.get(), cipher.get(), key.data(), made.chained_, encrypts, nullptr) != 1 ||
        EVP_CIPHER_CTX_set_padding(made.context_.get(), 0) != 1) {
      return unexpected(
          gsskey::detail::openssl_failure(Error::unavailable("EVP_CipherInit_ex2", "this OpenSSL lacks the cipher")));
    }
    return made;
  }

  /// The next message begins. Where the last one has no end, because something failed, this one starts afresh.
  [[nodiscard]] bool start() noexcept {
    if (!std::exchange(is_within_, true)) return true;
    std::memset(chained_, 0, sizeof chained_);
    return context_ && EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, chained_, -1, nullptr) == 1;
  }
  /// To be xored to the first plaintext block, before encryption or after decryption.
  [[nodiscard]] const unsigned char* chained() const noexcept { return chained_; }
  /// The message ended; its last ciphertext block.
  void end(const unsigned char* last) noexcept {
    std::memcpy(chained_, last, sizeof chained_);
    is_within_ = false;
  }

  /// Whole blocks, in place or apart; `size` is a chunk of a message, because OpenSSL counts in int.
  [[nodiscard]] bool update(const unsigned char* in, std::size_t size, unsigned char* out) noexcept {
    int written = 0;
    return context_ && EVP_CipherUpdate(context_.get(), out, &written, in, static_cast<int>(size)) == 1;
  }

 private:
  ChainedCipher() noexcept = default;

  detail::CipherContext context_;
  unsigned char chained_[block_size] = {};
  bool is_within_ = false;  ///< a message
};

}  // namespace rfc3961
GSSKEY_END_ABI
}  // namespace gsskey
