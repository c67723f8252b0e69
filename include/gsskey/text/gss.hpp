// gsskey/text/gss: how GSS-API values read in one line of a log: object identifiers, flags, names, errors with advice.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <string_view>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/krb5/advice.hpp>
#include <gsskey/text/line.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Holds an error that is to be printed with what to do about it, where that is known: log("{}", advised(error)). It
/// has a copy of the error, which costs no more than a count, so it may be kept.
class AdvisedError {
 public:
  /// Takes an error and what to do about it.
  AdvisedError(Error error, std::string_view what) noexcept : error_{std::move(error)}, advice_{what} {}
  [[nodiscard]] const Error& error() const noexcept GSSKEY_LIFETIMEBOUND { return error_; }
  [[nodiscard]] std::string_view advice() const noexcept { return advice_; }

 private:
  Error error_;
  std::string_view advice_;
};
/// Adds to an error what to do about it.
[[nodiscard]] inline AdvisedError advised(const Error& error) noexcept { return {error, advice(error)}; }
/// Adds to the error of a call that used `credential` what to do about it, as failure_of() has it.
/// Blocks: as Credential::lifetime() does.
template <Mechanism M>
[[nodiscard]] inline AdvisedError advised(const Error& error, const Credential<M, Initiate>& credential) noexcept {
  return {error, advice(error, credential)};
}

/// Appends the error's line, "; " and the advice.
/// Errors: what the sink throws.
template <LineSink Sink>
inline void append_line(Sink& sink, const AdvisedError& advised) {
  append_line(sink, advised.error());
  if (advised.advice().empty()) return;
  text_detail::put(sink, "; ");
  text_detail::put(sink, advised.advice());
}

/// Appends "1.2.840.113554.1.2.2"; "none" for the empty one.
template <LineSink Sink>
inline void append_line(Sink& sink, const Oid& oid) {
  text_detail::put(sink, oid.empty() ? std::string_view{"none"} : oid.to_text().view());
}

/// Appends "mutual|integrity"; "none" for no flags.
template <LineSink Sink>
inline void append_line(Sink& sink, std::same_as<ContextFlags> auto flags) {
  if (flags.empty()) return text_detail::put(sink, "none");
  text_detail::put_flags(sink, flags.bits());
}

/// Appends "alice@EXAMPLE.COM"; "none" for an empty name, and the line of the error in angle brackets for one that
/// cannot be displayed.
template <LineSink Sink>
inline void append_line(Sink& sink, const Name& name) {
  if (!name) return text_detail::put(sink, "none");
  const auto shown = name.display();
  if (!shown) {
    text_detail::put(sink, "<");
    append_line(sink, shown.error());
    return text_detail::put(sink, ">");
  }
  text_detail::put_plain(sink, shown->text());
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
