// gsskey/text/fmt: {fmt} prints what has a line: Error and Seconds, with text/gss.hpp what belongs to the GSS-API.
// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>

#include <gsskey/core/bytes.hpp>
#include <gsskey/text/line.hpp>

/// Prints what has a line as its text, with the width, fill, alignment and precision of a text.
template <gsskey::HasLine T>
struct fmt::formatter<T, char> : fmt::formatter<fmt::string_view> {
  template <class Context>
  [[nodiscard]] auto format(const T& value, Context& context) const {
    fmt::memory_buffer line;
    append_line(line, value);
    return fmt::formatter<fmt::string_view>::format({line.data(), line.size()}, context);
  }
};

/// Prints no secrets: without this, <fmt/ranges.h> would.
template <>
struct fmt::formatter<gsskey::SecretBytes, char> {
  formatter() = delete;
};
/// Prints no bytes that a view shows: they may be secrets.
template <>
struct fmt::formatter<gsskey::ByteView, char> {
  formatter() = delete;
};
