// gsskey/text/format: std::format, where it is, prints what has a line: Error and Seconds, with text/gss.hpp what
// belongs to the GSS-API.
// SPDX-License-Identifier: MIT
#pragma once

#include <version>

#ifdef __cpp_lib_format
#include <format>
#include <string>
#include <string_view>

#include <gsskey/core/bytes.hpp>
#include <gsskey/text/line.hpp>

/// Prints what has a line as its text, with the width, fill, alignment and precision of a text.
template <gsskey::HasLine T>
struct std::formatter<T, char> : std::formatter<std::string_view, char> {
  template <class Context>
  [[nodiscard]] auto format(const T& value, Context& context) const {
    std::string line;
    append_line(line, value);
    return std::formatter<std::string_view, char>::format(line, context);
  }
};

/// Prints no secrets: without this, std::format of ranges would.
template <>
struct std::formatter<gsskey::SecretBytes, char> {
  formatter() = delete;
};
/// Prints no bytes that a view shows: they may be secrets.
template <>
struct std::formatter<gsskey::ByteView, char> {
  formatter() = delete;
};
#endif
