// gsskey/gss/context/ordering: unwrap_with_ordering of SecurityContext, for protocols that may lose, repeat or reorder
// messages: which of it happened is told.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/detail/token_rewriting.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

/// What the member of SecurityContext does.
template <Mechanism M>
struct WithOrdering {
  [[nodiscard]] static Result<OrderedMessage> unwrap(SecurityContext<M>& context, ByteView token) noexcept {
    constexpr const char* operation = "gss_unwrap";
    if (!context) return unexpected(detail::empty_context(operation));
    if (!limits.token.admits(token.size())) return unexpected(too_long(operation, limits.token));
    SecretBytes copy;
    if (is_rewritten(token)) {
      auto copied = SecretBytes::copy_of(token);
      if (!copied) return unexpected(copied.error());
      copy = *std::move(copied);
      token = copy;
    }
    OM_uint32 minor = 0;
    int encrypted = 0;
    gss_buffer_desc in = borrow(token);
    gss_buffer_desc out{0, nullptr};
    const OM_uint32 major = gss_unwrap(&minor, context.get(), &in, &out, &encrypted, nullptr);
    OrderedMessage message{adopt_secret(out)};
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
      return unexpected(failed_call_of<M>(operation, major, minor));
    }
    if (encrypted == 0 || known_faults.unwrap_misreports_confidentiality) {
      return unexpected(peer_did_not_encrypt(operation));
    }
    return message;
  }
};

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
