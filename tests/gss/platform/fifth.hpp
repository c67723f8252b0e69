// A platform file of an implementation that does not exist: a library with RFC 2744 and not one function more. All
// headers compile with it. CONTRIBUTING shows it as the beginning of a new one.
// SPDX-License-Identifier: MIT
#pragma once

#include <gssapi/gssapi.h>

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/tables.hpp>
#include <gsskey/gss/platform/unavailable.hpp>

#define GSSKEY_GSS_ABI fifth
#define GSSKEY_GSS_NAME "a fifth GSS"

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

inline constexpr Capabilities capabilities{
    .initiator_credentials = true, .context_inquiry = true, .aes_messages = true};
inline constexpr KnownFaults known_faults{};

namespace gss_detail {
using namespace unavailable;
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
