// gsskey/keyring/description: what the kernel tells of a key (KEYCTL_DESCRIBE).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/keyring/detail/syscall.hpp>
#include <gsskey/keyring/permissions.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace keyring_detail {

using detail::parse_number;

/// The uid_t and gid_t that the kernel takes for "none", or for "as it is".
inline constexpr std::uint32_t nobodys_id = 0xffffffff;

/// A user or group id as the kernel prints it: some of its places print ids of 2^31 and more as negative numbers.
[[nodiscard]] inline bool parse_id(std::string_view text, std::uint32_t& id) noexcept {
  std::int64_t number = 0;
  if (!parse_number(text, 10, number) || number < -0x80000000LL || number > 0xffffffffLL) return false;
  id = static_cast<std::uint32_t>(number);
  return true;
}

}  // namespace keyring_detail

/// Type, owner, permissions and description of a key, as they were when it was asked. Move-only.
/// Threads: one at a time; any number while nobody moves it.
/// Owner: of its text, this object; nothing of the key.
class KeyInfo {
 public:
  /// Asks the kernel what the key of this number is. Needs the right to view; does not wait for a key under
  /// construction.
  /// Calls: keyctl_describe.
  /// Errors: keyring, with errno; EBADMSG, if the answer has a form that is not known; usage, for the number 0; system
  ///   (ENOMEM).
  /// See: keyctl_describe(3).
  [[nodiscard]] static Result<KeyInfo> acquire(key_serial_t serial) noexcept {
    auto text = keyring_detail::read_all("keyctl_describe", serial, [serial](char* buffer, std::size_t size) noexcept {
      return keyctl_describe(serial, buffer, size);
    });
    if (!text) return unexpected(text.error());
    return parse(*std::move(text), serial);
  }
  /// Reads "type;uid;gid;permissions;description" and a NUL behind it, as keyctl_describe() writes them. The first four
  /// fields hold no semicolon; the description may hold any byte but NUL (whatever keyctl_describe(3) says).
  /// Errors: keyring, EBADMSG, for a text of another form; `serial` is the key that the Error names.
  [[nodiscard]] static Result<KeyInfo> parse(SecretBytes text, key_serial_t serial = 0) noexcept {
    using namespace keyring_detail;
    const auto malformed = [serial] { return unexpected(Error::keyring("keyctl_describe", EBADMSG, serial)); };
    detail::TextReader in{text.text()};
    KeyInfo info;
    std::string_view type;
    std::string_view user;
    std::string_view group;
    std::string_view mask;
    std::string_view description;
    std::uint32_t bits = 0;
    if (!in.take_field(';', type) || !in.take_field(';', user) || !in.take_field(';', group) ||
        !in.take_field(';', mask) || !in.take_field('\0', description) || !in.at_end() || mask.size() != 8 ||
        !parse_id(user, info.user_) || !parse_id(group, info.group_) || !parse_number(mask, 16, bits)) {
      return malformed();
    }
    info.permissions_ = Permissions::from_bits(bits);
    info.type_size_ = type.size();
    info.description_size_ = description.size();
    info.text_ = std::move(text);
    return info;
  }

  /// Returns the name of the type: "user", "keyring". Call it on a const object: `key.describe()->type()`, a view that
  /// would outlive what it shows, does not compile.
  /// Owner: of what the view shows, this object.
  [[nodiscard]] std::string_view type() const& noexcept GSSKEY_LIFETIMEBOUND {
    return text_.text().substr(0, type_size_);
  }
  [[nodiscard]] std::string_view type() & = delete;
  [[nodiscard]] uid_t user() const noexcept { return user_; }
  [[nodiscard]] gid_t group() const noexcept { return group_; }
  [[nodiscard]] Permissions permissions() const noexcept { return permissions_; }
  /// Returns the description: any bytes but NUL, which stands behind them.
  [[nodiscard]] std::string_view description() const& noexcept GSSKEY_LIFETIMEBOUND {
    const std::string_view all = text_.text();
    if (all.empty()) return {};  // moved from
    return all.substr(all.size() - 1 - description_size_, description_size_);
  }
  [[nodiscard]] std::string_view description() & = delete;

 private:
  SecretBytes text_;
  std::size_t type_size_ = 0;
  std::size_t description_size_ = 0;
  uid_t user_ = 0;
  gid_t group_ = 0;
  Permissions permissions_;
};

GSSKEY_END_ABI
}  // namespace gsskey
