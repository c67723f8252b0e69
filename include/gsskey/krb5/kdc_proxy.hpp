// gsskey/krb5/kdc_proxy: requests to KDCs behind a proxy of HTTPS, for the program's own HTTP client.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/kdc_exchange.hpp>
#include <gsskey/krb5/detail/tgs_message.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_exchange.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Returns what a proxy is to get for the request of an exchange: the body of a POST, of type application/kerberos, to
/// the address that krb5.conf has in the KDC's place (kdc = https://proxy.example.org/KdcProxy). The program's HTTP
/// client sends it, and checks who the proxy is.
///
///     auto body = kdc_proxy_message(*next);
///     auto answered = https_post("https://proxy.example.org/KdcProxy", *body);
///     auto reply = kdc_proxy_reply(answered);
///     if (reply) next = exchange.step(*reply);
///
/// Errors: usage, for a step that is done; transport (EMSGSIZE), for a request longer than 1 MiB; system (ENOMEM).
/// See: MS-KKDCP section 2.2.2.
[[nodiscard]] inline Result<SecretBytes> kdc_proxy_message(const KdcStep& step) noexcept {
  constexpr std::size_t most_around = 64;  // six elements and a length
  constexpr const char* operation = "kdc_proxy_message";
  if (step.is_done()) return unexpected(Error::usage(operation, "the exchange asks for nothing"));
  if (step.request.size() > gss_detail::max_kdc_reply) {
    return unexpected(Error::transport(operation, EMSGSIZE, "the request is longer than 1 MiB"));
  }
  auto message = SecretBytes::with_size(step.request.size() + step.realm.size() + most_around);
  if (!message) return unexpected(std::move(message).error());
  detail::BackwardDer out{message->data(), message->size()};
  const std::size_t end = out.end();
  out.put(0xa1, 0x1b, step.realm);
  const std::size_t content = out.end();
  out.put(step.request);
  unsigned char length[4];
  detail::to_big_endian(step.request.size(), length, sizeof length);
  out.put(length);
  out.wrap(0x04, content);
  out.wrap(0xa0, content);
  out.wrap(0x30, end);
  return SecretBytes::copy_of(out.written());
}

/// Returns the reply of a KDC in what a proxy has answered, a part of `body`, for the exchange's next step().
/// Errors: transport (EBADMSG), for what is none: an HTML page.
/// Owner: of `body`, the caller.
/// See: MS-KKDCP section 2.2.2.
[[nodiscard]] inline Result<ByteView> kdc_proxy_reply(ByteView body) noexcept {
  ByteView fields;
  ByteView element;
  ByteView content;
  std::uint32_t size = 0;
  const bool is_message = detail::DerReader{body}.take_last(0x30, fields) &&
                          detail::DerReader{fields}.take(0xa0, element) &&
                          detail::DerReader{element}.take_last(0x04, content);
  detail::Reader in{content};
  if (!is_message || !in.take_big_endian<std::uint32_t, 4>(size) || in.rest().size() != size || size == 0) {
    return unexpected(Error::transport("kdc_proxy_reply", EBADMSG, "what the proxy answered is no reply of a KDC"));
  }
  return in.rest();
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
