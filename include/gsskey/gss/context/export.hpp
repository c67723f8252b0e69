// gsskey/gss/context/export: established contexts into bytes, and back in another process.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/platform/gssproxy.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

/// What goes before an exported context: who made it, and a checksum that tells a token which was cut or mixed up,
/// before gss_import_sec_context sees it (Heimdal 7.8 crashes on a cut one, MIT krb5 takes some). No protection against
/// an attacker: who can write an exported context owns it anyway.
class ExportHeader {
 public:
  static constexpr std::size_t size = 16;

  [[nodiscard]] static Result<SecretBytes> prepended_to(ByteView body) noexcept {
    auto token = SecretBytes::with_size(size + body.size());
    if (!token) return unexpected(token.error());
    fill(token->data(), body);
    if (!body.empty()) std::memcpy(token->data() + size, body.data(), body.size());
    return *std::move(token);
  }
  /// What follows the header; empty if the token is not whole or not ours.
  [[nodiscard]] static ByteView body_of(ByteView token) noexcept {
    detail::Reader in{token};
    ByteView header;
    if (!in.take(size, header)) return {};
    unsigned char expected_header[size];
    fill(expected_header, in.rest());
    return header == ByteView{expected_header} ? in.rest() : ByteView{};
  }

 private:
  /// "gssk", the implementation's initial, the version of this format, two zeros, a checksum of the body: FNV-1a, but
  /// of words of eight bytes, as this machine reads them, and what is left in one more.
  static void fill(unsigned char* header, ByteView body) noexcept {
    const unsigned char start[8] = {'g', 's', 's', 'k', static_cast<unsigned char>(GSSKEY_GSS_NAME[0]), 2, 0, 0};
    std::uint64_t sum = 0xcbf29ce484222325u ^ body.size();
    const auto add = [&sum](std::uint64_t word) {
      sum = (sum ^ word) * 0x100000001b3u;
      sum ^= sum >> 32;  // the product moves bits up only
    };
    const unsigned char* at = body.data();
    std::size_t left = body.size();
    for (std::uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
      std::memcpy(&word, at, sizeof word);
      add(word);
    }
    std::uint64_t last = 0;
    if (left != 0) std::memcpy(&last, at, left);
    add(last);
    std::memcpy(header, start, sizeof start);
    for (unsigned i = 0; i < 8; ++i) header[8 + i] = static_cast<unsigned char>(sum >> (8 * i));
  }
};

}  // namespace gss_detail

/// Turns an established context into a token for import_context() in another process. On success `context` is empty,
/// because only one instance may be active. On failure it still holds the context, unless the implementation has
/// deleted it.
///
/// The token holds keys, is not protected against those who can write to it, opens as often as it is imported, and only
/// with the implementation that made it. Never store or send it as it is: handoff::park() seals it.
/// Calls: gss_export_sec_context; gss_import_sec_context, to give the context back where memory runs out.
/// Errors: usage, for an empty context; policy, where gssproxy's plugin would crash (GSS_USE_PROXY); gss; system
///   (ENOMEM).
/// See: RFC 2744 section 5.14.
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> export_context(SecurityContext<M>&& context) noexcept {
  constexpr const char* operation = "gss_export_sec_context";
  if (!context) return unexpected(detail::empty_context(operation));
  if (gss_detail::is_proxied()) {
    return unexpected(Error::policy(operation, 0, "GSS_USE_PROXY: gssproxy crashes there"));
  }
  OM_uint32 minor = 0;
  gss_ctx_id_t raw = context.release();  // the call clears it
  gss_buffer_desc out{0, nullptr};
  const OM_uint32 major = gss_export_sec_context(&minor, &raw, &out);
  const SecretBytes body = gss_detail::adopt_secret(out);
  context = SecurityContext<M>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  context = {};  // also where the call has not cleared it
  auto token = gss_detail::ExportHeader::prepended_to(body);
  if (!token) {
    raw = GSS_C_NO_CONTEXT;
    static_cast<void>(gss_import_sec_context(&minor, &out, &raw));  // nothing is lost
    context = SecurityContext<M>::adopt(raw);
  }
  return token;
}

/// Makes the context of a token that export_context() made, in this process or in another. The token is not used up:
/// imported twice, it makes two contexts with the same keys and sequence numbers, of which only one may be used.
/// Calls: gss_import_sec_context, gss_inquire_context.
/// Errors: usage, for more than limits.token, and for a token that is not whole or another implementation's, on which
///   some crash; gss; policy, if the context is one of another mechanism; unavailable, without
///   Capabilities::context_inquiry.
/// See: RFC 2744 section 5.17.
template <Mechanism M>
[[nodiscard]] inline Result<SecurityContext<M>> import_context(ByteView token) noexcept {
  constexpr const char* operation = "gss_import_sec_context";
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long(operation, limits.token));
  const ByteView body = gss_detail::ExportHeader::body_of(token);
  if (body.empty()) {
    return unexpected(Error::usage(operation, "not a whole context that export_context() made with " GSSKEY_GSS_NAME));
  }
  OM_uint32 minor = 0;
  gss_ctx_id_t raw = GSS_C_NO_CONTEXT;
  gss_buffer_desc in = gss_detail::borrow(body);
  const OM_uint32 major = gss_import_sec_context(&minor, &in, &raw);
  auto context = SecurityContext<M>::adopt(raw);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  const auto mechanism = context.mechanism();
  if (!mechanism) return unexpected(mechanism.error());
  if (!M::accepts(*mechanism)) {
    return unexpected(Error::policy(operation, 0, "the context is one of another mechanism"));
  }
  return context;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
