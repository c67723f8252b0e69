// gsskey/text/line: how values of ours read in one line of a log; text/fmt.hpp and text/format.hpp print with it.
// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string_view>

#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Takes lines: std::string, and what text libraries have like a std::vector<char>.
template <class S>
concept LineSink = requires(S& sink, const char* chars) { sink.append(chars, chars); };

namespace text_detail {
template <LineSink Sink>
inline void put(Sink& sink, std::string_view text) {
  sink.append(text.data(), text.data() + text.size());
}
/// With '?' for control characters: peers, KDCs and users have a say in some texts, and none in what a terminal does.
template <LineSink Sink>
inline void put_plain(Sink& sink, std::string_view text) {
  for (const char letter : text) {
    const bool is_control = static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f;
    put(sink, {is_control ? "?" : &letter, 1});
  }
}
template <LineSink Sink>
inline void put_number(Sink& sink, std::int64_t number, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  sink.append(static_cast<const char*>(digits), static_cast<const char*>(end));
}
/// The names of ContextFlag, whose values are those of RFC 2744 and its extensions, whatever the implementation; the
/// bits that have none together as a hexadecimal number.
template <LineSink Sink>
inline void put_flags(Sink& sink, std::uint32_t flags) {
  constexpr std::string_view names[] = {"delegate",
                                        "mutual",
                                        "replay",
                                        "sequence",
                                        "confidentiality",
                                        "integrity",
                                        "anonymous",
                                        "prot_ready",
                                        "transferable",
                                        {},
                                        {},
                                        "channel_bound",
                                        "dce_style",
                                        "identify",
                                        "extended_error",
                                        "delegate_by_policy"};
  std::string_view separator;
  for (std::uint32_t i = 0; i < std::size(names); ++i) {
    if ((flags >> i & 1) == 0 || names[i].empty()) continue;
    put(sink, separator);
    put(sink, names[i]);
    flags &= ~(1u << i);
    separator = "|";
  }
  if (flags == 0) return;
  put(sink, separator);
  put(sink, "0x");
  put_number(sink, flags, 16);
}
}  // namespace text_detail

/// Appends "gss_init_sec_context (krb5): failure; Ticket expired" or "keyctl_read (key 7): Permission denied".
/// Errors: what the sink throws.
template <LineSink Sink>
inline void append_line(Sink& sink, const Error& error) {
  using namespace text_detail;
  put(sink, error.operation());
  if (*error.mechanism() != '\0') {
    put(sink, " (");
    put(sink, error.mechanism());
    put(sink, ")");
  } else if (error.serial() != 0) {
    put(sink, " (key ");
    put_number(sink, error.serial());
    put(sink, ")");
  }
  put(sink, ": ");
  put_plain(sink, error.text());
  if (error.domain() == Domain::policy && error.minor_status() != 0) {
    put(sink, ": ");
    put_flags(sink, error.minor_status());
  }
}

/// Appends "600s" or "indefinite".
template <LineSink Sink>
inline void append_line(Sink& sink, std::same_as<Seconds> auto seconds) {
  if (seconds.is_indefinite()) return text_detail::put(sink, "indefinite");
  text_detail::put_number(sink, seconds.count());
  text_detail::put(sink, "s");
}

namespace text_detail {
struct AnySink {
  void append(const char*, const char*);
};
}  // namespace text_detail

/// Can be printed: Error, Seconds, and what the other headers of text/ add. Not tokens, nor secrets.
template <class T>
concept HasLine = requires(text_detail::AnySink& sink, const T& value) { append_line(sink, value); };

GSSKEY_END_ABI
}  // namespace gsskey
