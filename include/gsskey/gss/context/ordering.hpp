// gsskey/gss/context/ordering: unwrap for protocols that may lose, repeat or reorder messages: which of it happened is
// told.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/detail/token_rewriting.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Where a message stands among those that came before it (RFC 2743 section 1.2.3). Which of it is noticed depends on
/// the context: with ContextFlag::replay duplicate and old, with ContextFlag::sequence gap and unsequenced too.
enum class Ordering : unsigned char {
  in_order,     ///< the one that was expected
  gap,          ///< messages before it are missing, yet
  unsequenced,  ///< later ones were there before
  duplicate,    ///< it was there before
  old,          ///< too far back to say whether it was there before
};

struct OrderedMessage {
  SecretBytes plaintext;
  Ordering ordering = Ordering::in_order;
};

/// SecurityContext::unwrap() that hands out the plaintext though the message is a duplicate, old, out of order or
/// behind a gap, and says so; it was encrypted and is the peer's in each case. The caller decides what each is worth: a
/// duplicate that is acted upon twice is a replay. gss_unwrap.
///
/// With KnownFaults::order_before_integrity only in_order is ever told: there the rest is an Error, with the bit that
/// Supplementary names, because the token was not looked at any further and may be anybody's. Errors: usage, policy
/// (not encrypted), gss.
template <Mechanism M>
[[nodiscard]] inline Result<OrderedMessage> unwrap_with_ordering(SecurityContext<M>& context, ByteView token) noexcept {
  constexpr const char* operation = "gss_unwrap";
  if (!context) return unexpected(Error::usage(operation, "the context is empty: moved from or exported"));
  if (!limits.token.admits(token.size())) return unexpected(gss_detail::too_long(operation, limits.token));
  SecretBytes copy;
  if (gss_detail::is_rewritten(token)) {
    auto copied = SecretBytes::copy_of(token);
    if (!copied) return unexpected(copied.error());
    copy = *std::move(copied);
    token = copy;
  }
  OM_uint32 minor = 0;
  int encrypted = 0;
  gss_buffer_desc in = gss_detail::borrow(token);
  gss_buffer_desc out{0, nullptr};
  const OM_uint32 major = gss_unwrap(&minor, context.get(), &in, &out, &encrypted, nullptr);
  OrderedMessage message{gss_detail::adopt_secret(out)};
  const bool tells_order = !known_faults.order_before_integrity;
  if (major == GSS_S_COMPLETE) {
    message.ordering = Ordering::in_order;
  } else if (tells_order && major == GSS_S_GAP_TOKEN) {
    message.ordering = Ordering::gap;
  } else if (tells_order && major == GSS_S_UNSEQ_TOKEN) {
    message.ordering = Ordering::unsequenced;
  } else if (tells_order && major == GSS_S_DUPLICATE_TOKEN) {
    message.ordering = Ordering::duplicate;
  } else if (tells_order && major == GSS_S_OLD_TOKEN) {
    message.ordering = Ordering::old;
  } else {
    return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  }
  if (encrypted == 0 || known_faults.unwrap_misreports_confidentiality) {
    return unexpected(Error::policy(operation, static_cast<std::uint32_t>(ContextFlag::confidentiality),
                                    "the peer did not encrypt the message"));
  }
  return message;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
