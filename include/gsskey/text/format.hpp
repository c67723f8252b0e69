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

/// As the line's text, so with its width, fill, alignment and precision.
template <gsskey::HasLine T>
struct std::formatter<T, char> : std::formatter<std::string_view, char> {
  template <class Context>
  [[nodiscard]] auto format(const T& value, Context& context) const {
    std::string line;
    append_line(line, value);
    return std::formatter<std::string_view, char>::format(line, context);
  }
};

/// Nobody is to see secrets, nor what a view may show; std::format of ranges would print both.
template <>
struct std::formatter<gsskey::SecretBytes, char> {
  formatter() = delete;
};
template <>
struct std::formatter<gsskey::ByteView, char> {
  formatter() = delete;
};
#endif
