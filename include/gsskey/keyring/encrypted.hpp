// gsskey/keyring/encrypted: key_type::Encrypted and key_type::Trusted, keys that leave the kernel only as a sealed
// blob, and their payloads, which are commands (kernel documentation, security/keys/trusted-encrypted).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <gsskey/keyring/key_type.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace keyring_detail {

/// No space, no control character, not empty: what would be read as more than one word by the kernel.
[[nodiscard]] inline bool is_word(std::string_view text) noexcept {
  for (const char letter : text) {
    if (static_cast<unsigned char>(letter) <= ' ' || letter == '\x7f') return false;
  }
  return !text.empty();
}

/// The payload of an encrypted or trusted key.
inline constexpr std::size_t largest_command = 32767;

/// `parts` one after the other.
/// Errors: usage, if that is more than a payload; system (ENOMEM).
template <class... Parts>
[[nodiscard]] inline Result<SecretBytes> join(Parts... parts) noexcept {
  std::size_t left = largest_command;
  const auto takes = [&left](std::size_t size) {
    if (size > left) return false;
    left -= size;
    return true;
  };
  if (!(takes(parts.size()) && ...)) {
    return unexpected(Error::usage("add_key", "the payload is larger than a key of this type can be"));
  }
  auto joined = SecretBytes::with_size((std::size_t{0} + ... + parts.size()));
  if (!joined) return joined;
  char* out = reinterpret_cast<char*>(joined->data());
  ((out = detail::append(out, parts)), ...);
  return joined;
}

/// A command, ready for the kernel. It holds keys where it loads a blob.
class Command {
 public:
  [[nodiscard]] const unsigned char* data() const noexcept GSSKEY_LIFETIMEBOUND { return text_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
  [[nodiscard]] std::string_view text() const noexcept GSSKEY_LIFETIMEBOUND { return text_.text(); }

 protected:
  explicit Command(SecretBytes text) noexcept : text_{std::move(text)} {}
  template <class C, class... Parts>
  [[nodiscard]] static Result<C> of(Parts... parts) noexcept {
    auto text = join(detail::view_of(parts)...);
    if (!text) return unexpected(text.error());
    return C{*std::move(text)};
  }

 private:
  SecretBytes text_;
};

}  // namespace keyring_detail

/// Names the key that an encrypted key is sealed with.
struct MasterKey {
  /// The types that the kernel takes.
  enum class Kind : std::uint8_t { user, trusted };
  Kind kind = Kind::user;
  std::string_view description;  ///< without spaces
};

/// How an encrypted key is laid out: for everybody, for eCryptfs (64 bytes), for NVDIMM and others (32 bytes).
enum class EncryptedFormat : std::uint8_t { standard, ecryptfs, enc32 };

/// What Encrypted is created from: a command for the kernel, and wiped, because it may hold a blob. Move-only.
/// Errors: usage, for what would be a larger payload than the type takes; system (ENOMEM).
/// Threads: one at a time; any number while nobody moves it.
class EncryptedPayload : private keyring_detail::Command {
 public:
  using Command::data, Command::size, Command::text;

  /// Makes the command "new": a key of random bytes. The kernel looks for the master key when the key is read, not now.
  /// Errors: those of the class; usage, if the master key's description is not a word. create() tells what the kernel
  ///   refuses.
  /// Units: `size` in bytes, 20 to 4096.
  [[nodiscard]] static Result<EncryptedPayload> generate(MasterKey master, std::uint32_t size,
                                                         EncryptedFormat format = {}) noexcept {
    if (!keyring_detail::is_word(master.description)) return refused();
    const detail::Decimal decimal{size};
    return of<EncryptedPayload>("new ", name_of(format), kind_of(master), master.description, " ", decimal.view());
  }
  /// Makes the command "load": the key of a blob that read() gave.
  [[nodiscard]] static Result<EncryptedPayload> load(ByteView blob) noexcept {
    return of<EncryptedPayload>("load ", blob.text());
  }

 private:
  friend class keyring_detail::Command;
  friend class EncryptedUpdate;
  using Command::Command;
  [[nodiscard]] static unexpected<Error> refused() noexcept {
    return unexpected(Error::usage("EncryptedPayload", "the master key's description is a word without spaces"));
  }
  [[nodiscard]] static std::string_view name_of(EncryptedFormat format) noexcept {
    switch (format) {
      case EncryptedFormat::standard:
        break;
      case EncryptedFormat::ecryptfs:
        return "ecryptfs ";
      case EncryptedFormat::enc32:
        return "enc32 ";
    }
    return "default ";
  }
  [[nodiscard]] static std::string_view kind_of(const MasterKey& master) noexcept {
    return master.kind == MasterKey::Kind::trusted ? "trusted:" : "user:";
  }
};

/// What Encrypted is updated with: the same key, sealed with another master key. Move-only.
/// Threads: one at a time; any number while nobody moves it.
class EncryptedUpdate : private keyring_detail::Command {
 public:
  using Command::data, Command::size, Command::text;

  /// Makes the command "update": sealed with `master` from now on.
  /// Errors: usage, if the master key's description is not a word, or longer than a payload can be; system (ENOMEM).
  [[nodiscard]] static Result<EncryptedUpdate> seal_with(MasterKey master) noexcept {
    if (!keyring_detail::is_word(master.description)) return EncryptedPayload::refused();
    return of<EncryptedUpdate>("update ", EncryptedPayload::kind_of(master), master.description);
  }

 private:
  friend class keyring_detail::Command;
  using Command::Command;
};

/// Options of a trusted key, each as the kernel documents it; empty or default: not given. Which of them are taken is
/// the trust source's matter (TPM, TEE, CAAM, DCP).
struct TrustedOptions {
  std::string_view key_handle = {};      ///< hex, of the storage key
  std::string_view key_authority = {};   ///< hex
  std::string_view blob_authority = {};  ///< hex
  std::string_view pcr_info = {};        ///< hex
  std::string_view pcr_lock = {};        ///< a PCR to extend
  std::string_view hash = {};            ///< "sha256"
  std::string_view policy_digest = {};   ///< hex
  std::string_view policy_handle = {};   ///< hex
  bool migratable = true;
};

/// What Trusted is created from or updated with: a command for the kernel, and wiped, because it may hold a blob.
/// Move-only.
/// Errors: usage, for an option that is no word, and for what would be a larger payload than the type takes; system
///   (ENOMEM).
/// Threads: one at a time; any number while nobody moves it.
class TrustedPayload : private keyring_detail::Command {
 public:
  using Command::data, Command::size, Command::text;

  /// Makes the command "new": a key of random bytes.
  /// Units: `size` in bytes, 32 to 128.
  [[nodiscard]] static Result<TrustedPayload> generate(std::uint32_t size,
                                                       const TrustedOptions& options = {}) noexcept {
    const detail::Decimal decimal{size};
    return with("new ", decimal.view(), options);
  }
  /// Makes the command "load": the key of a blob that read() gave.
  [[nodiscard]] static Result<TrustedPayload> load(ByteView blob, const TrustedOptions& options = {}) noexcept {
    return with("load ", blob.text(), options);
  }
  /// Makes the command "update": sealed anew, for other PCR values.
  [[nodiscard]] static Result<TrustedPayload> seal_with(const TrustedOptions& options) noexcept {
    return with("update", {}, options);
  }

 private:
  friend class keyring_detail::Command;
  using Command::Command;

  [[nodiscard]] static Result<TrustedPayload> with(std::string_view command, std::string_view argument,
                                                   const TrustedOptions& options) noexcept {
    const std::string_view values[] = {options.key_handle,    options.key_authority, options.blob_authority,
                                       options.pcr_info,      options.pcr_lock,      options.hash,
                                       options.policy_digest, options.policy_handle};
    for (const std::string_view value : values) {
      if (!value.empty() && !keyring_detail::is_word(value)) {
        return unexpected(Error::usage("TrustedPayload", "an option is a word without spaces"));
      }
    }
    const auto name = [](std::string_view value, std::string_view text) { return value.empty() ? value : text; };
    return of<TrustedPayload>(command, argument,                                                   //
                              name(options.key_handle, " keyhandle="), options.key_handle,         //
                              name(options.key_authority, " keyauth="), options.key_authority,     //
                              name(options.blob_authority, " blobauth="), options.blob_authority,  //
                              name(options.pcr_info, " pcrinfo="), options.pcr_info,
                              name(options.pcr_lock, " pcrlock="), options.pcr_lock, name(options.hash, " hash="),
                              options.hash,                                                          //
                              name(options.policy_digest, " policydigest="), options.policy_digest,  //
                              name(options.policy_handle, " policyhandle="), options.policy_handle,  //
                              options.migratable ? "" : " migratable=0");
  }
};

namespace key_type {

/// A random key that user space sees only encrypted under a master key: read() gives the blob for load().
struct Encrypted {
  static constexpr const char* name = "encrypted";
  static constexpr std::size_t max_payload = keyring_detail::largest_command;
  static constexpr bool can_read = true, can_update = true;
  using Payload = EncryptedPayload;
  using Update = EncryptedUpdate;
  Description<NonEmptyText> description;
};

/// A random key sealed by hardware. create() says ENODEV where the kernel or the machine has none.
struct Trusted {
  static constexpr const char* name = "trusted";
  static constexpr std::size_t max_payload = keyring_detail::largest_command;
  static constexpr bool can_read = true, can_update = true;
  using Payload = TrustedPayload;
  using Update = TrustedPayload;
  Description<NonEmptyText> description;
};

}  // namespace key_type
GSSKEY_END_ABI
}  // namespace gsskey
