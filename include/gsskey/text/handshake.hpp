// gsskey/text/handshake: how a handshake that has ended, and an encryption type, read in one line of a log.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/handshake_report.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/enctype.hpp>
#include <gsskey/text/gss.hpp>
#include <gsskey/text/line.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// Of the IANA registry; empty for a number that Enctype has no name for.
[[nodiscard]] constexpr std::string_view name_of(Enctype enctype) noexcept {
  switch (enctype) {
    case Enctype::aes128_cts_hmac_sha1_96:
      return "aes128-cts-hmac-sha1-96";
    case Enctype::aes256_cts_hmac_sha1_96:
      return "aes256-cts-hmac-sha1-96";
    case Enctype::aes128_cts_hmac_sha256_128:
      return "aes128-cts-hmac-sha256-128";
    case Enctype::aes256_cts_hmac_sha384_192:
      return "aes256-cts-hmac-sha384-192";
  }
  return {};
}
}  // namespace gss_detail

/// Appends "aes256-cts-hmac-sha1-96"; "enctype 23" for a number that Enctype has no name for.
/// Errors: what the sink throws.
template <LineSink Sink>
inline void append_line(Sink& sink, std::same_as<Enctype> auto enctype) {
  const std::string_view name = gss_detail::name_of(enctype);
  if (!name.empty()) return text_detail::put(sink, name);
  text_detail::put(sink, "enctype ");
  text_detail::put_number(sink, static_cast<std::int32_t>(enctype));
}

/// Appends "accepted alice@EXAMPLE.COM as host/localhost@EXAMPLE.COM: krb5, 1.2.840.113554.1.2.2,
/// aes256-cts-hmac-sha1-96, mutual|integrity; 1 step, 412us", or "refused somebody: krb5; 1 step, 97us; " and the line
/// of the error with advice. Of an initiator: "authenticated to ... as ..." and "not authenticated to ...". What the
/// context does not tell is left out.
/// Calls: gss_inquire_context, gss_inquire_sec_context_by_oid.
/// Errors: what the sink throws.
template <LineSink Sink>
inline void append_line(Sink& sink, const HandshakeReport& report) {
  using text_detail::put;
  const bool failed = report.error != nullptr;
  if (report.is_initiator) {
    put(sink, failed ? "not authenticated to " : "authenticated to ");
  } else {
    put(sink, failed ? "refused " : "accepted ");
  }
  if (report.peer) {
    append_line(sink, report.peer);
  } else {
    put(sink, "somebody");
  }
  if (report.context) {
    if (const auto info = report.context.inquire()) {
      if (const Name& own = report.is_initiator ? info->initiator : info->acceptor) {
        put(sink, " as ");
        append_line(sink, own);
      }
    }
  }
  put(sink, ": ");
  put(sink, report.mechanism);
  if (!report.negotiated.empty()) {
    put(sink, ", ");
    append_line(sink, report.negotiated);
  }
  if (report.context) {
    if (const auto type = enctype(report.context)) {
      put(sink, ", ");
      append_line(sink, *type);
    }
  }
  if (!report.flags.empty()) {
    put(sink, ", ");
    append_line(sink, report.flags);
  }
  put(sink, "; ");
  text_detail::put_number(sink, report.steps);
  put(sink, report.steps == 1 ? " step, " : " steps, ");
  text_detail::put_number(sink, static_cast<std::int64_t>(report.nanoseconds / 1000));
  put(sink, "us");
  if (failed) {
    put(sink, "; ");
    append_line(sink, advised(*report.error));
  }
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
