// gsskey/text/credential: how a credential that was acquired, or was not, reads in one line of a log.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/gss/credential/report.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/text/gss.hpp>
#include <gsskey/text/line.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Appends "acquired alice@EXAMPLE.COM (alice, from FILE:/etc/alice.keytab) to initiate: krb5, 36000s; 412us", or "not
/// acquired (the default keytab) to accept: krb5; 97us; " and the line of the error with advice. What nobody said is
/// left out.
/// Calls: gss_display_name.
/// Errors: what the sink throws.
template <LineSink Sink>
inline void append_line(Sink& sink, const CredentialReport& report) {
  using text_detail::put;
  const bool failed = report.error != nullptr;
  put(sink, failed ? "not acquired" : "acquired");
  if (report.info.name) {
    put(sink, " ");
    append_line(sink, report.info.name);
  }
  if (!report.wanted.empty()) {
    put(sink, " (");
    text_detail::put_plain(sink, report.wanted);
    put(sink, ")");
  }
  switch (report.usage) {
    case GSS_C_INITIATE:
      put(sink, " to initiate: ");
      break;
    case GSS_C_ACCEPT:
      put(sink, " to accept: ");
      break;
    default:
      put(sink, " to initiate and accept: ");
  }
  put(sink, report.mechanism);
  if (!failed) {
    put(sink, ", ");
    append_line(sink, report.info.lifetime);
  }
  put(sink, "; ");
  text_detail::put_number(sink, static_cast<std::int64_t>(report.nanoseconds / 1000));
  put(sink, "us");
  if (failed) {
    put(sink, "; ");
    append_line(sink, advised(*report.error));
  }
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
