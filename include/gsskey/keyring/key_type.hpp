// gsskey/keyring/key_type: the types of keys as C++ types: name, description, payload, limits and abilities.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <string_view>

#include <gsskey/core/bytes.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// A rule for descriptions: any text. One's own key types bring their own rules, shaped like this.
struct AnyText {
  static constexpr const char* rule = "a description is text without NUL";
  [[nodiscard]] static constexpr bool is_valid(std::string_view) noexcept { return true; }
};
/// A rule for descriptions: not empty.
struct NonEmptyText {
  static constexpr const char* rule = "a description is text without NUL, and not empty";
  [[nodiscard]] static constexpr bool is_valid(std::string_view text) noexcept { return !text.empty(); }
};
/// A rule for descriptions: "program:name", as logon keys have them, and rings of programs that share a name space.
struct PrefixedText {
  static constexpr const char* rule = "a description is text without NUL of the form prefix:rest";
  [[nodiscard]] static constexpr bool is_valid(std::string_view text) noexcept {
    const std::size_t colon = text.find(':');
    return colon != std::string_view::npos && colon != 0;
  }
};

/// The description of a key, borrowed and NUL-terminated: a literal, which is checked when it is compiled, or what has
/// c_str() (std::string), which is checked here and refused by the call that it is passed to (usage). Nothing secret
/// belongs here: /proc/keys shows it to everybody with the right to view the key.
/// Owner: of the text, the caller, for as long as this lives.
/// Units: at most 4095 bytes; the kernel refuses more (EINVAL).
template <class Shape>
class Description {
 public:
  template <std::size_t N>
  consteval Description(const char (&literal)[N]) noexcept : text_{literal} {
    if (literal[N - 1] != '\0' || std::string_view{literal, N - 1}.find('\0') != std::string_view::npos ||
        !Shape::is_valid({literal, N - 1})) {
      does_not_have_the_shape_of_this_key_type();
    }
  }
  template <class S>
    requires requires(const S& text) {
      { text.c_str() } -> std::same_as<const char*>;
      { text.size() } -> std::convertible_to<std::size_t>;
    }
  Description(const S& text GSSKEY_LIFETIMEBOUND) noexcept
      : text_{std::memchr(text.c_str(), 0, text.size()) == nullptr && Shape::is_valid({text.c_str(), text.size()})
                  ? text.c_str()
                  : nullptr} {}

  /// Returns the text; nullptr if it was refused, for what `rule` says.
  [[nodiscard]] constexpr const char* c_str() const noexcept { return text_; }
  static constexpr const char* rule = Shape::rule;

 private:
  static void does_not_have_the_shape_of_this_key_type();

  const char* text_;
};

/// A type of keys: an object of it is a description, its constants are what the kernel demands and allows. One's own:
///     struct DnsResolver {
///       static constexpr const char* name = "dns_resolver";
///       static constexpr std::size_t max_payload = 32767;
///       static constexpr bool can_read = true, can_update = false;
///       using Payload = ByteView;                    // of create() and instantiate(): converts to ByteView
///       Description<NonEmptyText> description;
///     };
/// Units: max_payload in bytes.
template <class T>
concept KeyType = requires(const T& type) {
  { T::name } -> std::convertible_to<const char*>;
  { T::max_payload } -> std::convertible_to<std::size_t>;
  { T::can_read } -> std::convertible_to<bool>;
  { T::can_update } -> std::convertible_to<bool>;
  { type.description.c_str() } -> std::convertible_to<const char*>;
  requires std::convertible_to<const typename T::Payload&, ByteView>;
};

/// Says what update() takes of a key of type T: T::Update, if there is such a type, or else T::Payload.
template <KeyType T>
struct KeyUpdate {
  using Type = typename T::Payload;
};
/// That of a type with T::Update.
template <KeyType T>
  requires requires { typename T::Update; }
struct KeyUpdate<T> {
  using Type = typename T::Update;
};

/// The types of keys that the kernel has; Encrypted and Trusted are in encrypted.hpp.
/// See: keyrings(7), "Key types".
namespace key_type {

/// Bytes that user space may read.
struct User {
  static constexpr const char* name = "user";
  static constexpr std::size_t max_payload = 32767;  ///< and at least 1
  static constexpr bool can_read = true, can_update = true;
  using Payload = ByteView;
  Description<NonEmptyText> description;
};

/// Bytes that only the kernel may read.
struct Logon {
  static constexpr const char* name = "logon";
  static constexpr std::size_t max_payload = 32767;  ///< and at least 1
  static constexpr bool can_read = false, can_update = true;
  using Payload = ByteView;
  Description<PrefixedText> description;
};

/// Bytes that user space may read, up to 1 MiB less one, which may be swapped out, encrypted. create() says ENODEV
/// where the kernel lacks the type.
struct BigKey {
  static constexpr const char* name = "big_key";
  static constexpr std::size_t max_payload = 1024 * 1024 - 1;  ///< and at least 1
  static constexpr bool can_read = true, can_update = true;
  using Payload = ByteView;
  Description<NonEmptyText> description;
};

/// A public key, X.509 in DER (or a private one in PKCS#8, where the kernel has the parser). With an empty description
/// the kernel writes one of the subject's name and key identifier. What it can do is in asymmetric.hpp.
struct Asymmetric {
  static constexpr const char* name = "asymmetric";
  static constexpr std::size_t max_payload = 1024 * 1024 - 1;
  static constexpr bool can_read = false, can_update = false;
  using Payload = ByteView;
  Description<AnyText> description;
};

/// A ring of links to keys. What it can do is in keyring.hpp.
struct Keyring {
  static constexpr const char* name = "keyring";
  static constexpr std::size_t max_payload = 0;
  static constexpr bool can_read = false, can_update = false;
  using Payload = ByteView;
  Description<NonEmptyText> description;
};

/// A key whose type is known when the program runs: a member of a ring, say. read() of it may be refused; as<T>() of
/// KeyRef makes one of its type of it.
struct Any {
  static constexpr const char* name = "";
  static constexpr std::size_t max_payload = 0;
  static constexpr bool can_read = true, can_update = false;
  using Payload = ByteView;
  Description<AnyText> description;
};

}  // namespace key_type
GSSKEY_END_ABI
}  // namespace gsskey
