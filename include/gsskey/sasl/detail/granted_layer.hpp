// gsskey/sasl/detail/granted_layer: the security layer that a context's flags are, as GSS-SPNEGO has it. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/io/record_layer.hpp>
#include <gsskey/sasl/detail/security_layers.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace sasl_detail {

struct GrantedLayer {
  Protection protection = Protection::none;
  std::uint32_t ssf = 0;

  /// What a RecordLayer needs to know. No end says what it takes, and Cyrus SASL counts messages without what a token
  /// adds.
  [[nodiscard]] RecordOptions record_options(std::uint32_t buffer) const noexcept {
    constexpr std::uint32_t added = 128;
    return sasl_detail::record_options(protection, buffer, buffer + added);
  }

  /// The layer of an established context, if it is one that will do.
  template <Mechanism M>
  [[nodiscard]] static Result<GrantedLayer> of(const char* operation, const SecurityContext<M>& context,
                                               NeededStrength needed) noexcept {
    const auto known = context.inquire();
    if (!known) return unexpected(known.error());
    GrantedLayer layer;
    if (known->flags.contains(ContextFlag::confidentiality)) {
      const auto strength = encryption_strength(context);
      if (!strength) return unexpected(strength.error());
      if (*strength <= 1) {
        return unexpected(Error::policy(operation, 0, "the context encrypts, and its strength is not known"));
      }
      layer = {Protection::encrypted, *strength};
    } else if (known->flags.contains(ContextFlag::integrity)) {
      layer = {Protection::integrity, 1};
    }
    if (layer.ssf < needed.least) {
      return unexpected(Error::policy(operation, 0, "the context grants no layer that is as strong as it must be"));
    }
    if (layer.ssf > needed.greatest) {
      return unexpected(Error::policy(operation, 0,
                                      "the context grants a layer that is stronger than it may be: the client's "
                                      "credential needs set_no_ci_flags()"));
    }
    if (layer.protection != Protection::none && !known->flags.contains(ContextFlag::sequence)) {
      return unexpected(Error::policy(operation, 0, "the context grants a layer, and no order of its messages"));
    }
    return layer;
  }
};

}  // namespace sasl_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
