// gsskey/krb5/detail/principal_text: the text of a principal, taken apart: components, realm, escapes. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// The most components: those that there are have three at most. Each call of Principal::component() counts them.
inline constexpr std::size_t max_components = 64;

/// The parts of a text, as they are written there.
struct PrincipalParts {
  std::string_view components[max_components];
  std::size_t count = 0;
  std::string_view realm;
  bool has_realm = false;

  [[nodiscard]] std::span<const std::string_view> all() const noexcept { return {components, count}; }
};

/// Takes a text apart by the rules of krb5_parse_name(3). Returns why that is impossible, a literal, or nullptr.
/// `is_enterprise`: all is one component, and the first '@' is a part of it.
[[nodiscard]] inline const char* split_principal(std::string_view text, bool is_enterprise,
                                                 PrincipalParts& parts) noexcept {
  detail::TextReader in{text};
  bool is_of_name = is_enterprise;
  while (true) {
    const std::string_view begin = in.rest();
    std::string_view passed;
    while (true) {
      static_cast<void>(in.take_until_any(is_enterprise ? "\\@" : "\\/@"));
      if (in.at('\\')) {
        if (!in.take(2, passed)) return "the text ends with a backslash";
      } else if (in.at('@') && is_of_name && in.skip_only('@')) {
        is_of_name = false;
      } else {
        break;
      }
    }
    const std::string_view part = begin.substr(0, begin.size() - in.rest().size());
    if (parts.has_realm) {
      parts.realm = part;
      return in.at_end() ? nullptr : "there is more behind the realm: '/' and '@' in a name are written \\/ and \\@";
    }
    if (parts.count == max_components) return "more components than principals have";
    parts.components[parts.count++] = part;
    parts.has_realm = in.skip_only('@');
    if (parts.has_realm || in.skip_only('/')) continue;
    return nullptr;
  }
}

/// What a letter behind a backslash stands for.
[[nodiscard]] constexpr char unescaped(char letter) noexcept {
  switch (letter) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case '0':
      return '\0';
    default:
      return letter;
  }
}
/// The letter that is written behind a backslash in place of this one, as krb5_unparse_name(3) of MIT krb5 writes it;
/// NUL for what is written as it is.
[[nodiscard]] constexpr char escape_of(char letter) noexcept {
  switch (letter) {
    case '\n':
      return 'n';
    case '\t':
      return 't';
    case '\b':
      return 'b';
    case '\0':
      return '0';
    case '/':
    case '@':
    case '\\':
      return letter;
    default:
      return '\0';
  }
}

/// Takes the next letter of a part of split_principal(). False at its end.
[[nodiscard]] inline bool take_letter(detail::TextReader& part, char& letter, bool& is_escaped) noexcept {
  is_escaped = part.skip_only('\\');
  std::string_view taken;
  if (!part.take(1, taken)) return false;
  letter = is_escaped ? unescaped(taken[0]) : taken[0];
  return true;
}

/// Whether a part of a pattern, in which a '*' without a backslash stands for any letters or none, is all of `value`.
[[nodiscard]] inline bool matches_part(std::string_view pattern, std::string_view value) noexcept {
  detail::TextReader wanted{pattern};
  detail::TextReader found{value};
  detail::TextReader behind_star{pattern};
  detail::TextReader taken_by_star{value};
  bool has_star = false;
  std::string_view passed;
  while (true) {
    if (wanted.skip_only('*')) {  // of nothing, as yet
      behind_star = wanted;
      taken_by_star = found;
      has_star = true;
      continue;
    }
    if (wanted.at_end() && found.at_end()) return true;
    char letter = 0;
    bool is_escaped = false;
    if (take_letter(wanted, letter, is_escaped) && found.skip_only(letter)) continue;
    if (!has_star || !taken_by_star.take(1, passed)) return false;
    wanted = behind_star;  // of one letter more
    found = taken_by_star;
  }
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
