// gsskey/keyring/handler/rule: lines of /etc/request-key.d/*.conf, made and checked. One line that
// /sbin/request-key cannot read ends every upcall of the machine, whichever it is for (request-key.conf(5)).
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text_reader.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Which upcalls a handler is for. Patterns have at most one '*'. Of several lines that fit the one wins whose '*'
/// stands for the fewest characters in the type, then in the description, then in the callout info; of equals the first
/// that is read, and files are read in no order.
/// See: request-key.conf(5).
struct RequestKeyRule {
  std::string_view type;         ///< "user", a pattern
  std::string_view description;  ///< "krb:*"
  std::string_view callout_info = "*";
  std::string_view program;  ///< absolute path, without spaces: there is no quoting
};

namespace keyring_detail {

GSSKEY_HIDDEN inline constexpr std::string_view spaces = " \t\n\v\f\r";
[[nodiscard]] constexpr bool is_space(char letter) noexcept { return spaces.find(letter) != std::string_view::npos; }
/// One word without NUL, with at most one '*'.
[[nodiscard]] constexpr bool is_pattern(std::string_view word) noexcept {
  int stars = 0;
  for (const char letter : word) {
    if (is_space(letter) || letter == '\0') return false;
    stars += letter == '*' ? 1 : 0;
  }
  return !word.empty() && stars <= 1;
}
[[nodiscard]] constexpr std::string_view take_word(detail::TextReader& line) noexcept {
  line.skip_all_of(spaces);
  return line.take_until_any(spaces);
}
/// Whether a pattern of the first column fits `operation`.
[[nodiscard]] constexpr bool fits(std::string_view pattern, std::string_view operation) noexcept {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == operation;
  return operation.size() + 1 >= pattern.size() && operation.starts_with(pattern.substr(0, star)) &&
         operation.ends_with(pattern.substr(star + 1));
}
/// request-key knows macros as whole arguments only, and stops at one that it does not know.
[[nodiscard]] constexpr bool is_argument(std::string_view word) noexcept {
  detail::TextReader in{word};
  std::string_view type;
  std::string_view key;
  if (!in.skip_only('%') || in.at('%')) return true;
  if (word.size() == 2) return std::string_view{"oktdcugTPS"}.find(word[1]) != std::string_view::npos;
  if (!in.skip_only('{')) return !in.at_end();  // taken as it is
  return in.take_field(':', type) && in.take_field('}', key) && in.at_end() && !type.empty() && !key.empty() &&
         type.find('}') == std::string_view::npos;
}

/// What is wrong with one line, without its line feed; nullptr if nothing.
[[nodiscard]] constexpr const char* line_fault(std::string_view line) noexcept {
  if (line.find('\0') != std::string_view::npos) return "a NUL";
  if (line.size() > 4094) return "longer than 4094 characters";  // comments too
  detail::TextReader in{line};
  if (in.at('#')) return nullptr;
  const std::string_view operation = take_word(in);
  if (operation.empty()) return nullptr;
  if (is_space(line[0])) return "a space in front: request-key passes over the line";
  if (!fits(operation, "create") && !fits(operation, "negate")) {
    return "the operation is neither create nor negate: the line would never apply";
  }
  for (int field = 0; field < 3; ++field) {
    if (!is_pattern(take_word(in))) return "type, description and callout info are patterns with at most one '*'";
  }
  std::string_view program = take_word(in);
  if (program.starts_with('|')) program.remove_prefix(1);
  if (!program.starts_with('/')) return "the program is not an absolute path";
  for (int count = 0;; ++count) {
    const std::string_view argument = take_word(in);
    if (argument.empty()) return nullptr;
    if (count >= 253) return "more than 253 arguments";
    if (!is_argument(argument)) return "an unknown macro";
  }
}

}  // namespace keyring_detail

/// Makes the line, with its line feed, for a program whose main() is handle_upcall().
/// Errors: usage, for what request-key could not read; system (ENOMEM).
[[nodiscard]] inline Result<SecretBytes> request_key_line(const RequestKeyRule& rule) noexcept {
  using keyring_detail::is_pattern;
  const auto refused = [](const char* text) { return unexpected(Error::usage("request_key_line", text)); };
  if (!is_pattern(rule.type) || !is_pattern(rule.description) || !is_pattern(rule.callout_info)) {
    return refused("type, description and callout info are words with at most one '*'");
  }
  if (!rule.program.starts_with('/') || !is_pattern(rule.program)) {
    return refused("the program is an absolute path without spaces");
  }
  constexpr std::string_view arguments = " %o %k %u %g %T %P %S\n";
  const std::string_view parts[] = {"create ",         rule.type, " ",          rule.description, " ",
                                    rule.callout_info, " ",       rule.program, arguments};
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  auto line = SecretBytes::with_size(size);
  if (!line) return line;
  char* out = reinterpret_cast<char*>(line->data());
  for (const std::string_view part : parts) out = detail::append(out, part);
  if (const char* fault = keyring_detail::line_fault(line->text().substr(0, size - 1))) return refused(fault);
  return line;
}

/// The first line of a configuration file that would end or miss an upcall.
struct RequestKeyFault {
  std::size_t line = 0;        ///< from 1 on; 0: there is none
  const char* text = nullptr;  ///< what is wrong with it
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return line != 0; }
};

/// Checks `text`, a whole file. A last line without a line feed is a fault: it would lose its last character.
[[nodiscard]] constexpr RequestKeyFault check_request_key_conf(std::string_view text) noexcept {
  detail::TextReader in{text};
  for (std::size_t number = 1; !in.at_end(); ++number) {
    std::string_view line = in.rest();
    const bool has_end = in.take_field('\n', line);
    if (const char* fault = keyring_detail::line_fault(line)) return {number, fault};
    if (!has_end) return {number, "the last line does not end with a line feed"};
  }
  return {};
}

GSSKEY_END_ABI
}  // namespace gsskey
