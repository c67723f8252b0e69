// gsskey/core/detail/text_reader: text from elsewhere, read from front to back, each read checked. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <string_view>

#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace detail {

/// The whole of `text` as a number in that base: digits alone, with a '-' before them where Number is signed. False,
/// and `number` as it was, for anything else and for what Number cannot hold.
template <std::integral Number>
[[nodiscard]] inline bool parse_number(std::string_view text, int base, Number& number) noexcept {
  Number value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc{} || stopped != end) return false;
  number = value;
  return true;
}

/// A cursor over text that it does not own. As with Reader, what can fail says so, takes nothing then, and leaves its
/// output as it was.
class TextReader {
 public:
  explicit constexpr TextReader(std::string_view text) noexcept : rest_{text} {}

  [[nodiscard]] constexpr bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] constexpr bool at(char letter) const noexcept { return rest_.starts_with(letter); }
  /// What was not taken yet.
  [[nodiscard]] constexpr std::string_view rest() const noexcept { return rest_; }

  [[nodiscard]] constexpr bool take(std::size_t count, std::string_view& text) noexcept {
    if (count > rest_.size()) return false;
    text = advance(count);
    return true;
  }
  /// Takes this letter, if it is the next.
  [[nodiscard]] constexpr bool skip_only(char letter) noexcept {
    if (!at(letter)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// As many as there are of these letters; none is legal.
  [[nodiscard]] constexpr std::string_view take_all_of(std::string_view letters) noexcept {
    return advance(rest_.find_first_not_of(letters));
  }
  constexpr void skip_all_of(std::string_view letters) noexcept { static_cast<void>(take_all_of(letters)); }
  /// All up to the next of these letters, or to the end; nothing is legal.
  [[nodiscard]] constexpr std::string_view take_until_any(std::string_view letters) noexcept {
    return advance(rest_.find_first_of(letters));
  }
  /// What stands before `separator`, which goes too; it must be there.
  [[nodiscard]] constexpr bool take_field(char separator, std::string_view& field) noexcept {
    const std::size_t size = rest_.find(separator);
    if (size == std::string_view::npos) return false;
    field = advance(size);
    rest_.remove_prefix(1);
    return true;
  }
  /// The next line, without its line feed, which the last need not have. False at the end.
  [[nodiscard]] constexpr bool take_line(std::string_view& line) noexcept {
    if (at_end()) return false;
    line = take_until_any("\n");
    static_cast<void>(skip_only('\n'));
    return true;
  }
  /// What stands between quotation marks, as it is written: a backslash goes with the letter behind it.
  [[nodiscard]] constexpr bool take_quoted(std::string_view& inside) noexcept {
    if (!at('"')) return false;
    for (std::size_t end = 1; end < rest_.size(); ++end) {
      if (rest_[end] == '\\') {
        ++end;
      } else if (rest_[end] == '"') {
        inside = advance(end + 1).substr(1, end - 1);
        return true;
      }
    }
    return false;
  }

 private:
  /// npos: all of it.
  [[nodiscard]] constexpr std::string_view advance(std::size_t count) noexcept {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

}  // namespace detail
GSSKEY_END_ABI
}  // namespace gsskey
