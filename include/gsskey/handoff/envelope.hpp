// gsskey/handoff/envelope: tokens under AES-256-GCM that open for one key, implementation and mechanism, and for a
// time.
// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/core/detail/openssl_owner.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/handoff/detail/library_build.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Why a seal does not open. not_a_seal, other_format, wrong_size and foreign_key are found before the key is used, the
/// others are true of the sealed bytes.
enum class SealFault : std::uint8_t {
  none,                  ///< it is an Error of something else
  not_a_seal,            ///< it does not begin like one
  other_format,          ///< of another version of this format
  wrong_size,            ///< cut off, or something follows
  foreign_key,           ///< of another key than this one
  altered,               ///< a bit is not as it was sealed
  other_implementation,  ///< of another GSS library
  other_build,           ///< of the same GSS library in another build
  other_mechanism,       ///< of a mechanism that is not accepted
  expired,               ///< its time to live is over
};

namespace gss_detail {
GSSKEY_HIDDEN inline constexpr const char* seal_fault_texts[] = {
    "",
    "these bytes are no seal",
    "the seal has another format",
    "the seal is cut off, or something follows it",
    "the seal was made with another key",
    "the seal was altered",
    ("the seal was made with another GSS implementation than " GSSKEY_GSS_NAME),
    ("the seal was made with another build of " GSSKEY_GSS_NAME),
    "the sealed token is one of another mechanism",
    "the seal has expired",
};
[[nodiscard]] inline Error seal_error(SealFault fault) noexcept {
  return Error::seal("open_seal", static_cast<std::uint32_t>(fault), seal_fault_texts[static_cast<std::size_t>(fault)]);
}

using SealCipher = gsskey::detail::Owner<EVP_CIPHER, &EVP_CIPHER_free>;
using SealDigest = gsskey::detail::Owner<EVP_MD, &EVP_MD_free>;
using SealCipherContext = gsskey::detail::Owner<EVP_CIPHER_CTX, &EVP_CIPHER_CTX_free>;

/// How a seal begins. Numbers are big-endian:
///     0 "gssS"   4 format, 1   5 initial of the implementation   6 its build   26 expiry, in seconds since 1970
///     34 id of the key   42 length of the token   46 length of the mechanism   47 nonce   59 the mechanism's OID
/// Then come the encrypted token and the tag, which is over all of it.
struct SealLayout {
  static constexpr std::size_t format = 4, implementation = 5, build = 6, expiry = 26, key = 34, length = 42,
                               mechanism_length = 46, nonce = 47, mechanism = 59;
  static constexpr std::size_t key_size = 8, nonce_size = 12, tag_size = 16;
  GSSKEY_HIDDEN static constexpr unsigned char magic[4] = {'g', 's', 's', 'S'};
  static constexpr unsigned char this_format = 1;
  static constexpr std::size_t max_token = 1u << 30;  // OpenSSL counts in int

  [[nodiscard]] static std::uint64_t now() noexcept {
    ::timespec time;
    ::clock_gettime(CLOCK_REALTIME, &time);
    return static_cast<std::uint64_t>(time.tv_sec);
  }
};

/// A seal taken apart, before anything of it is believed.
struct SealParts {
  unsigned char implementation = 0;
  std::uint64_t expiry = 0;
  ByteView build, key, nonce, mechanism;
  ByteView header, token, tag;  ///< all that is before the token

  [[nodiscard]] SealFault read(ByteView sealed) noexcept {
    using Layout = SealLayout;
    detail::Reader in{sealed};
    unsigned char format = 0;
    unsigned char mechanism_size = 0;
    std::uint32_t token_size = 0;
    if (!in.skip_only(Layout::magic)) return SealFault::not_a_seal;
    if (!in.take_byte(format)) return SealFault::wrong_size;
    if (format != Layout::this_format) return SealFault::other_format;
    if (!in.take_byte(implementation) || !in.take(LibraryBuild::size, build) || !in.take_big_endian(expiry) ||
        !in.take(Layout::key_size, key) || !in.take_big_endian(token_size) || !in.take_byte(mechanism_size) ||
        !in.take(Layout::nonce_size, nonce) || !in.take(mechanism_size, mechanism)) {
      return SealFault::wrong_size;
    }
    header = sealed.subview(0, sealed.size() - in.rest().size());
    if (token_size > Layout::max_token || !in.take(token_size, token) || !in.take(Layout::tag_size, tag) ||
        !in.at_end()) {
      return SealFault::wrong_size;
    }
    return SealFault::none;
  }
};
}  // namespace gss_detail

/// Tells what open_seal() found wrong; SealFault::none for Errors from elsewhere.
[[nodiscard]] inline SealFault seal_fault(const Error& error) noexcept {
  return error.domain() == Domain::seal ? static_cast<SealFault>(error.minor_status()) : SealFault::none;
}

/// Tells keys apart without telling a key: 64 bits of a hash.
struct SealKeyId {
  unsigned char bytes[8];

  /// Reads the id of the key that `sealed` says it was made with.
  /// Errors: seal, as those of open_seal().
  [[nodiscard]] static Result<SealKeyId> parse(ByteView sealed) noexcept {
    gss_detail::SealParts parts;
    if (const SealFault fault = parts.read(sealed); fault != SealFault::none) {
      return unexpected(gss_detail::seal_error(fault));
    }
    SealKeyId id;
    static_assert(sizeof id.bytes == gss_detail::SealLayout::key_size);
    std::memcpy(id.bytes, parts.key.data(), sizeof id.bytes);
    return id;
  }
  [[nodiscard]] friend bool operator==(const SealKeyId&, const SealKeyId&) noexcept = default;
};

/// An AES-256 key for seals. It seals up to 2^32 tokens: nonces are random. Move-only, wiped.
/// Threads: any number seal and open with it at once, while nobody moves it.
/// Owner: of its bytes, this object.
class SealKey {
 public:
  static constexpr std::size_t size = 32;  ///< bytes

  /// Makes a key of OpenSSL's generator for secrets.
  /// Calls: RAND_priv_bytes; those of from_bytes().
  /// Errors: policy, if that gives none; those of from_bytes().
  [[nodiscard]] static Result<SealKey> generate() noexcept {
    auto bytes = SecretBytes::with_size(size);
    if (!bytes) return unexpected(bytes.error());
    ERR_clear_error();
    if (RAND_priv_bytes(bytes->data(), static_cast<int>(size)) != 1) {
      return unexpected(detail::openssl_failure(Error::policy("RAND_priv_bytes", 0, "OpenSSL gives no random bytes")));
    }
    return from_bytes(*std::move(bytes));
  }
  /// Makes the key that has these bytes(): one of another process, or one that was kept.
  /// Calls: EVP_MD_fetch, EVP_Digest, EVP_CIPHER_fetch.
  /// Errors: usage, if they are not 32; policy, if OpenSSL has no SHA-256 or AES-256-GCM; system (ENOMEM).
  GSSKEY_HIDDEN [[nodiscard]] static Result<SealKey> from_bytes(SecretBytes bytes) noexcept {
    if (bytes.size() != size) return unexpected(Error::usage("SealKey", "a sealing key has 32 bytes"));
    ERR_clear_error();
    SealKey key;
    // HKDF would be more than is needed: the key is uniformly random, and 64 bits of a hash do not tell it.
    static constexpr char label[] = "gsskey seal key id";
    unsigned char input[sizeof label + size];
    std::memcpy(input, label, sizeof label);
    std::memcpy(input + sizeof label, bytes.data(), size);
    unsigned char digest[EVP_MAX_MD_SIZE];
    const auto sha256 = gss_detail::SealDigest::adopt(EVP_MD_fetch(nullptr, "SHA2-256", nullptr));
    const bool done = sha256 && EVP_Digest(input, sizeof input, digest, nullptr, sha256.get(), nullptr) == 1;
    OPENSSL_cleanse(input, sizeof input);
    if (!done) {
      return unexpected(detail::openssl_failure(Error::policy("EVP_Digest", 0, "OpenSSL has no SHA-256")));
    }
    std::memcpy(key.id_.bytes, digest, sizeof key.id_.bytes);
    key.cipher_ = gss_detail::SealCipher::adopt(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    if (!key.cipher_) {
      return unexpected(detail::openssl_failure(Error::policy("EVP_CIPHER_fetch", 0, "OpenSSL has no AES-256-GCM")));
    }
    key.bytes_ = std::move(bytes);
    return key;
  }

  [[nodiscard]] const SealKeyId& id() const noexcept GSSKEY_LIFETIMEBOUND { return id_; }
  /// Returns the key, to be kept where only those can read it who may open the seals. Empty after a move.
  [[nodiscard]] const SecretBytes& bytes() const noexcept GSSKEY_LIFETIMEBOUND { return bytes_; }
  /// Returns AES-256-GCM, for seal() and open_seal(): to look it up takes longer than to seal.
  [[nodiscard]] const EVP_CIPHER* cipher() const noexcept GSSKEY_LIFETIMEBOUND { return cipher_.get(); }

 private:
  SealKey() noexcept = default;

  SecretBytes bytes_;
  SealKeyId id_{};
  gss_detail::SealCipher cipher_;
};

/// Encrypts and authenticates `token`. Beside it stand the implementation and its build, the `mechanism` of the token,
/// and the time from which it does not open any more: `time_to_live` from now on, by the machine's clock. What comes
/// back is no secret.
/// Calls: RAND_bytes, EVP_EncryptInit_ex2, EVP_EncryptUpdate, EVP_EncryptFinal_ex.
/// Errors: usage, if the key is moved from, or the token larger than 1 GiB; policy, if OpenSSL refuses; system
///   (ENOMEM).
[[nodiscard]] inline Result<SecretBytes> seal(const SealKey& key, ByteView token, const Oid& mechanism,
                                              Seconds time_to_live) noexcept {
  using Layout = gss_detail::SealLayout;
  constexpr const char* operation = "EVP_EncryptFinal_ex";
  if (key.bytes().empty()) return unexpected(Error::usage(operation, "the sealing key is empty: moved from"));
  if (token.size() > Layout::max_token) return unexpected(Error::usage(operation, "the token is larger than 1 GiB"));
  const std::size_t header_size = Layout::mechanism + mechanism.size();
  auto sealed = SecretBytes::with_size(header_size + token.size() + Layout::tag_size);
  if (!sealed) return sealed;
  unsigned char* const out = sealed->data();
  std::memcpy(out, Layout::magic, sizeof Layout::magic);
  out[Layout::format] = Layout::this_format;
  out[Layout::implementation] = static_cast<unsigned char>(GSSKEY_GSS_NAME[0]);
  std::memcpy(out + Layout::build, gss_detail::LibraryBuild::loaded().id, gss_detail::LibraryBuild::size);
  const std::uint64_t expiry = time_to_live.is_indefinite() ? ~std::uint64_t{0} : Layout::now() + time_to_live.count();
  detail::to_big_endian(expiry, out + Layout::expiry, 8);
  std::memcpy(out + Layout::key, key.id().bytes, sizeof key.id().bytes);
  detail::to_big_endian(token.size(), out + Layout::length, 4);
  out[Layout::mechanism_length] = static_cast<unsigned char>(mechanism.size());
  if (!mechanism.empty()) std::memcpy(out + Layout::mechanism, mechanism.data(), mechanism.size());

  ERR_clear_error();
  const auto cipher = gss_detail::SealCipherContext::adopt(EVP_CIPHER_CTX_new());
  int size = 0;
  if (RAND_bytes(out + Layout::nonce, static_cast<int>(Layout::nonce_size)) != 1 || !cipher ||
      EVP_EncryptInit_ex2(cipher.get(), key.cipher(), key.bytes().data(), out + Layout::nonce, nullptr) != 1 ||
      EVP_EncryptUpdate(cipher.get(), nullptr, &size, out, static_cast<int>(header_size)) != 1 ||
      EVP_EncryptUpdate(cipher.get(), out + header_size, &size, token.data(), static_cast<int>(token.size())) != 1 ||
      EVP_EncryptFinal_ex(cipher.get(), out + header_size + size, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(Layout::tag_size),
                          out + header_size + token.size()) != 1) {
    return unexpected(detail::openssl_failure(Error::policy(operation, 0, "OpenSSL does not seal with AES-256-GCM")));
  }
  return sealed;
}

/// Returns the token, if nothing of the seal was changed, and it is of this implementation in this build, of a
/// mechanism that M accepts, and not expired.
/// Calls: EVP_DecryptInit_ex2, EVP_DecryptUpdate, EVP_DecryptFinal_ex.
/// Errors: seal, of which seal_fault() tells the kind; usage, if the key is moved from; policy, if OpenSSL refuses;
///   system (ENOMEM).
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> open_seal(const SealKey& key, ByteView sealed) noexcept {
  if (key.bytes().empty()) return unexpected(Error::usage("open_seal", "the sealing key is empty: moved from"));
  gss_detail::SealParts parts;
  if (const SealFault fault = parts.read(sealed); fault != SealFault::none) {
    return unexpected(gss_detail::seal_error(fault));
  }
  if (!(parts.key == ByteView{key.id().bytes})) return unexpected(gss_detail::seal_error(SealFault::foreign_key));
  auto token = SecretBytes::with_size(parts.token.size());
  if (!token) return token;

  ERR_clear_error();
  const auto cipher = gss_detail::SealCipherContext::adopt(EVP_CIPHER_CTX_new());
  auto* const tag = const_cast<unsigned char*>(parts.tag.data());  // which is only read
  int size = 0;
  if (!cipher ||
      EVP_DecryptInit_ex2(cipher.get(), key.cipher(), key.bytes().data(), parts.nonce.data(), nullptr) != 1 ||
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, parts.header.data(), static_cast<int>(parts.header.size())) !=
          1 ||
      EVP_DecryptUpdate(cipher.get(), token->data(), &size, parts.token.data(), static_cast<int>(parts.token.size())) !=
          1 ||
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(parts.tag.size()), tag) != 1) {
    return unexpected(
        detail::openssl_failure(Error::policy("EVP_DecryptUpdate", 0, "OpenSSL does not open AES-256-GCM")));
  }
  if (EVP_DecryptFinal_ex(cipher.get(), token->data() + size, &size) != 1) {
    if (detail::take_openssl_cause() == detail::OpensslCause::memory) {
      return unexpected(Error::system("EVP_DecryptFinal_ex", ENOMEM));
    }
    return unexpected(gss_detail::seal_error(SealFault::altered));
  }
  // From here on all of it is as it was sealed.
  if (parts.implementation != static_cast<unsigned char>(GSSKEY_GSS_NAME[0])) {
    return unexpected(gss_detail::seal_error(SealFault::other_implementation));
  }
  if (!(parts.build == ByteView{gss_detail::LibraryBuild::loaded().id})) {
    return unexpected(gss_detail::seal_error(SealFault::other_build));
  }
  if (!M::accepts(Oid::from_der(parts.mechanism)))
    return unexpected(gss_detail::seal_error(SealFault::other_mechanism));
  if (gss_detail::SealLayout::now() >= parts.expiry) return unexpected(gss_detail::seal_error(SealFault::expired));
  return token;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
