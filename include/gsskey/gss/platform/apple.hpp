// gsskey/gss/platform/apple: Apple's GSS.framework: a fork of Heimdal. Many of its functions are in private headers;
// these are the public ones.
// SPDX-License-Identifier: MIT
#pragma once

#include <GSS/GSS.h>

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/heimdal_faults.hpp>
#include <gsskey/gss/platform/tables.hpp>
#include <gsskey/gss/platform/unavailable.hpp>

#define GSSKEY_GSS_ABI apple
#define GSSKEY_GSS_NAME "Apple's GSS"

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

GSSKEY_HIDDEN inline constexpr Capabilities capabilities{
    .password = true,
    .initiator_credentials = true,
    .spnego = true,
    .context_inquiry = true,
    .context_export = true,
    .credential_export = true,
    .credential_options = true,
    .aes_messages = true,
    .pseudo_random = true,
    .mechanism_attributes = true,
    .context_options = true,
};

GSSKEY_HIDDEN inline constexpr KnownFaults known_faults = heimdal_faults;

/// What is beyond RFC 2744, as this library has it; for what it lacks, a call that says GSS_S_UNAVAILABLE.
namespace gss_detail {
using namespace unavailable;
GSSKEY_GSS_FUNCTION(gss_acquire_cred_with_password);
using ::gss_buffer_set_t;
GSSKEY_GSS_FUNCTION(gss_display_mech_attr);
GSSKEY_GSS_FUNCTION(gss_export_cred);
GSSKEY_GSS_FUNCTION(gss_import_cred);
GSSKEY_GSS_FUNCTION(gss_indicate_mechs_by_attrs);
GSSKEY_GSS_FUNCTION(gss_inquire_attrs_for_mech);
GSSKEY_GSS_FUNCTION(gss_inquire_cred_by_oid);
GSSKEY_GSS_FUNCTION(gss_inquire_mech_for_saslname);
GSSKEY_GSS_FUNCTION(gss_inquire_saslname_for_mech);
GSSKEY_GSS_FUNCTION(gss_inquire_sec_context_by_oid);
GSSKEY_GSS_FUNCTION(gss_pseudo_random);
GSSKEY_GSS_FUNCTION(gss_release_buffer_set);
GSSKEY_GSS_FUNCTION(gss_set_cred_option);
GSSKEY_GSS_FUNCTION(gss_set_sec_context_option);
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
