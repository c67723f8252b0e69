// gsskey/text/fmt: {fmt} prints what has a line: Error and Seconds, with text/gss.hpp what belongs to the GSS-API.
// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <gsskey/core/bytes.hpp>
#include <gsskey/text/line.hpp>

/// As the line's text, so with its width, fill, alignment and precision.
template <gsskey::HasLine T>
struct fmt::formatter<T, char> : fmt::formatter<fmt::string_view> {
  template <class Context>
  [[nodiscard]] auto format(const T& value, Context& context) const {
    fmt::memory_buffer line;
    append_line(line, value);
    return fmt::formatter<fmt::string_view>::format({line.data(), line.size()}, context);
  }
};

/// Nobody is to see secrets, nor what a view may show; <fmt/ranges.h> would print both.
template <>
struct fmt::formatter<gsskey::SecretBytes, char> {
  formatter() = delete;
};
template <>
struct fmt::formatter<gsskey::ByteView, char> {
  formatter() = delete;
};
