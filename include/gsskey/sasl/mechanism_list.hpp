// gsskey/sasl/mechanism_list: the mechanisms that a server offers: read, chosen from, and checked for a downgrade.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl {

/// Names of SASL mechanisms, as a server offers them, separated by spaces. Names are compared with their case: all of
/// them are in capitals.
/// Owner: the text is borrowed.
/// See: RFC 4422 section 3.1.
class MechanismList {
 public:
  /// The most letters of a name.
  static constexpr std::size_t max_name_size = 20;

  constexpr MechanismList() noexcept = default;
  /// Takes what the server said, without the words of its protocol ("AUTH" of SMTP, "AUTH=" of IMAP).
  /// Errors: transport (EPROTO), for what is no name: one has 1 to 20 capital letters, digits, hyphens and underscores.
  [[nodiscard]] static Result<MechanismList> parse(std::string_view text GSSKEY_LIFETIMEBOUND) noexcept {
    MechanismList list;
    list.text_ = text;
    for (detail::TextReader in{text}; list.has_next(in);) {
      if (!is_name(in.take_until_any(" "))) {
        return unexpected(Error::transport("MechanismList::parse", EPROTO, "the server offers what is no mechanism"));
      }
    }
    return list;
  }
  /// Says whether `name` can be one of a mechanism.
  [[nodiscard]] static constexpr bool is_name(std::string_view name) noexcept {
    detail::TextReader in{name};
    in.skip_all_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return in.at_end() && !name.empty() && name.size() <= max_name_size;
  }

  [[nodiscard]] constexpr bool contains(std::string_view name) const noexcept {
    for (detail::TextReader in{text_}; has_next(in);) {
      if (in.take_until_any(" ") == name) return true;
    }
    return false;
  }
  /// Returns the first of `preferred` that the server offers: the best is to stand first, and what is not good enough
  /// not at all.
  /// Errors: policy, if it offers none of them.
  [[nodiscard]] Result<std::string_view> choose(std::span<const std::string_view> preferred) const noexcept {
    for (const std::string_view name : preferred) {
      if (contains(name)) return name;
    }
    return unexpected(Error::policy("MechanismList::choose", 0, "the server offers no mechanism that will do"));
  }
  /// Checks a choice that was made from a list that anybody on the way could have changed: this list has come under the
  /// protection of a layer or of TLS, and the choice from it is to be `chosen` again. Programs end the connection else.
  /// Errors: policy, if another one would have been chosen, or none.
  /// See: RFC 4422 section 6.1.2.
  [[nodiscard]] Result<void> confirm(std::string_view chosen,
                                     std::span<const std::string_view> preferred) const noexcept {
    const auto again = choose(preferred);
    if (!again) return unexpected(again.error());
    if (*again == chosen) return {};
    return unexpected(
        Error::policy("MechanismList::confirm", 0,
                      "the server offers a better mechanism: somebody has struck it from the first list"));
  }

 private:
  [[nodiscard]] static constexpr bool has_next(detail::TextReader& in) noexcept {
    in.skip_all_of(" ");
    return !in.at_end();
  }

  std::string_view text_;
};

}  // namespace sasl
GSSKEY_END_GSS_ABI
}  // namespace gsskey
