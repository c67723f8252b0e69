// gsskey/gss/context/prf: keys for other protocols, derived from an established context on both ends alike (RFC 4401).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Which of the context's keys pseudo_random() takes. The values are those of GSS_C_PRF_KEY_*.
/// See: RFC 4401 section 2.
enum class PrfKey : int {
  full = 0,     ///< the one that both ends contributed to, where the mechanism has such a key
  partial = 1,  ///< the one that was there before the acceptor answered
};

/// Derives `size` bytes that both ends of this context, and nobody else, get for one `input`, `size` and `key`. Of one
/// `input`, a smaller size gives the beginning of a larger one. Each use needs an `input` of its own: begin it with the
/// protocol's name.
/// Calls: gss_pseudo_random.
/// Errors: usage, for an empty context, if no bytes are asked for, and if `input` or `size` exceeds
///   limits.pseudo_random; unavailable, without Capabilities::pseudo_random; policy, if the mechanism gave another
///   number of bytes; gss.
/// Units: bytes.
/// See: RFC 4401 section 2; RFC 4402, for Kerberos.
template <Mechanism M>
[[nodiscard]] inline Result<SecretBytes> pseudo_random(const SecurityContext<M>& context, ByteView input,
                                                       std::size_t size, PrfKey key = PrfKey::full) noexcept {
  constexpr const char* operation = "gss_pseudo_random";
  if (!context) return unexpected(detail::empty_context(operation));
  if (size == 0) return unexpected(Error::usage(operation, "no bytes are asked for"));
  if (!limits.pseudo_random.admits(size) || !limits.pseudo_random.admits(input.size())) {
    return unexpected(gss_detail::too_long(operation, limits.pseudo_random));
  }
  if constexpr (!capabilities.pseudo_random) {
    return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no gss_pseudo_random"));
  }
  OM_uint32 minor = 0;
  gss_buffer_desc in = gss_detail::borrow(input);
  gss_buffer_desc out{0, nullptr};
  const OM_uint32 major = gss_detail::gss_pseudo_random(&minor, context.get(), static_cast<int>(key), &in,
                                                        static_cast<std::ptrdiff_t>(size), &out);
  SecretBytes bytes = gss_detail::adopt_secret(out);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  if (bytes.size() != size) {
    return unexpected(Error::policy(operation, 0, "the mechanism gave another number of bytes than it was asked for"));
  }
  return bytes;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
