// Entries of krb5.conf for KDCs, and URI records: what is taken is a host and a port of the text, and written anew it
// is that again. SPDX-License-Identifier: MIT
#include <gsskey/krb5/kdc_list.hpp>

#include <string>
#include <string_view>

#include "input.hpp"

using namespace gsskey;
using fuzz::expect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
#ifdef GSSKEY_GSS_KDC_EXCHANGE
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  KdcAddress kdc;
  if (gss_detail::parse_kdc_uri(text, kdc)) {
    expect(kdc.transport != KdcTransport::any && kdc.port != 0, "over UDP or TCP");
    expect(!kdc.host.empty() && text.find(kdc.host) != std::string_view::npos, "the host is of the text");
    return 0;
  }
  if (!gss_detail::parse_kdc(text, kdc)) return 0;
  expect(!kdc.host.empty() && kdc.port != 0, "a host and a port");
  expect(text.find(kdc.host) <= 1, "the text begins with the host");
  KdcAddress again;
  const std::string written = '[' + std::string{kdc.host} + "]:" + std::to_string(kdc.port);
  expect(gss_detail::parse_kdc(written, again), "what is written can be read");
  expect(again.host == kdc.host && again.port == kdc.port, "it is the same KDC");
#else
  static_cast<void>(data);
  static_cast<void>(size);
#endif
  return 0;
}
