// gsskey/gss/context_flags: the services of a security context that are asked for and granted.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/core/flag_set.hpp>
#include <gsskey/gss/api.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// req_flags and ret_flags of RFC 2744 sections 5.1 and 5.19, with the extensions that have a number. The values are
/// the same in every implementation.
enum class ContextFlag : std::uint32_t {
  delegate = 1,                ///< the acceptor gets a credential of the initiator
  mutual = 2,                  ///< the acceptor proves who it is
  replay = 4,                  ///< duplicates of messages are noticed
  sequence = 8,                ///< missing and reordered messages are noticed
  confidentiality = 16,        ///< wrap encrypts
  integrity = 32,              ///< wrap and get_mic protect
  anonymous = 64,              ///< the acceptor does not learn who the initiator is
  prot_ready = 128,            ///< per-message calls before completion; not used here (RFC 7546 section 4.2)
  transferable = 256,          ///< the context can be exported
  channel_bound = 0x800,       ///< the peers' channel bindings were compared
  dce_style = 0x1000,          ///< three legs (MS-KILE)
  identify = 0x2000,           ///< the acceptor may identify, not impersonate (RFC 4757)
  extended_error = 0x4000,     ///< (RFC 4757)
  delegate_by_policy = 0x8000  ///< delegate if the KDC says that the target is trusted (RFC 5896)
};

/// Unknown bits are kept.
using ContextFlags = FlagSet<ContextFlag>;

[[nodiscard]] constexpr ContextFlags operator|(ContextFlag a, ContextFlag b) noexcept {
  return ContextFlags{a} | ContextFlags{b};
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
