// gsskey/gss/platform/gnu: GNU GSS with Shishi.
// SPDX-License-Identifier: MIT
#pragma once

#include <gss.h>

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/tables.hpp>
#include <gsskey/gss/platform/unavailable.hpp>

#define GSSKEY_GSS_ABI gnu
#define GSSKEY_GSS_NAME "GNU GSS"

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

GSSKEY_HIDDEN inline constexpr Capabilities capabilities{};

GSSKEY_HIDDEN inline constexpr KnownFaults known_faults{
    .delete_of_no_context_fails = true,
    .acquire_releases_bad_name = true,
    .unwrap_misreports_confidentiality = true,
    .add_cred_is_unusable = true,
};

/// What is beyond RFC 2744, as this library has it; for what it lacks, a call that says GSS_S_UNAVAILABLE.
namespace gss_detail {
using namespace unavailable;
GSSKEY_GSS_FUNCTION(gss_inquire_mech_for_saslname);
GSSKEY_GSS_FUNCTION(gss_inquire_saslname_for_mech);
GSSKEY_GSS_FUNCTION(gss_userok);
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
