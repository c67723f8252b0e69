// gsskey/gss/usage: which side a credential is for, as types.
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// A credential for those who start a handshake.
struct Initiate {
  static constexpr gss_cred_usage_t usage = GSS_C_INITIATE;
};
/// A credential for those who answer one.
struct Accept {
  static constexpr gss_cred_usage_t usage = GSS_C_ACCEPT;
};
/// A credential for both sides, which is wanted rarely: it exists only if both a ticket and a key are there.
struct Both {
  static constexpr gss_cred_usage_t usage = GSS_C_BOTH;
};
/// The side that a credential is for.
template <class U>
concept Usage = std::same_as<U, Initiate> || std::same_as<U, Accept> || std::same_as<U, Both>;

GSSKEY_END_GSS_ABI
}  // namespace gsskey
