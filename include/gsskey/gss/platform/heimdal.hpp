// gsskey/gss/platform/heimdal: Heimdal, 7.8.
// SPDX-License-Identifier: MIT
#pragma once

#include <gssapi/gssapi.h>

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/heimdal_faults.hpp>
#include <gsskey/gss/platform/tables.hpp>
#include <gsskey/gss/platform/unavailable.hpp>

#define GSSKEY_GSS_ABI heimdal
#define GSSKEY_GSS_NAME "Heimdal"
#define GSSKEY_GSS_KRB5_H "gssapi/gssapi_krb5.h"  // what Kerberos has beyond the GSS-API
#define GSSKEY_GSS_KEYTABS_CRASH          // known_faults.keytabs_crash, for the guard that libkrb5 is needed for
#define GSSKEY_GSS_PAC_CHECK_IS_OPTIONAL  // known_faults.pac_check_is_optional, likewise
#ifndef GSSAPI_GSSAPI_H_
#error "gsskey: GSSKEY_GSS_HEIMDAL, but <gssapi/gssapi.h> is not Heimdal's; look at the order of -I"
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

GSSKEY_HIDDEN inline constexpr Capabilities capabilities{
    .password = true,
    .initiator_credentials = true,
    .spnego = true,
    .context_inquiry = true,
    .context_export = true,
    .credential_export = true,
    .store_credential = true,
    .credential_options = true,
    .aes_messages = true,
    .iov = true,
    .pseudo_random = true,
    .local_names = true,
    .name_attributes = true,
    .verified_pac = true,
    .mechanism_attributes = true,
    .context_options = true,
    .krb5_extensions = true,
};

GSSKEY_HIDDEN inline constexpr KnownFaults known_faults = heimdal_faults;

/// What is beyond RFC 2744, as this library has it; for what it lacks, a call that says GSS_S_UNAVAILABLE.
namespace gss_detail {
using namespace unavailable;
GSSKEY_GSS_FUNCTION(gss_acquire_cred_with_password);
GSSKEY_GSS_FUNCTION(gss_authorize_localname);
using ::gss_buffer_set_t;
GSSKEY_GSS_FUNCTION(gss_delete_name_attribute);
GSSKEY_GSS_FUNCTION(gss_display_mech_attr);
GSSKEY_GSS_FUNCTION(gss_display_name_ext);
GSSKEY_GSS_FUNCTION(gss_export_cred);
GSSKEY_GSS_FUNCTION(gss_export_name_composite);
GSSKEY_GSS_FUNCTION(gss_get_name_attribute);
GSSKEY_GSS_FUNCTION(gss_import_cred);
GSSKEY_GSS_FUNCTION(gss_indicate_mechs_by_attrs);
GSSKEY_GSS_FUNCTION(gss_inquire_attrs_for_mech);
GSSKEY_GSS_FUNCTION(gss_inquire_cred_by_oid);
GSSKEY_GSS_FUNCTION(gss_inquire_mech_for_saslname);
GSSKEY_GSS_FUNCTION(gss_inquire_name);
GSSKEY_GSS_FUNCTION(gss_inquire_saslname_for_mech);
GSSKEY_GSS_FUNCTION(gss_inquire_sec_context_by_oid);
using ::gss_iov_buffer_desc;
GSSKEY_GSS_FUNCTION(gss_localname);
GSSKEY_GSS_FUNCTION(gss_pname_to_uid);
GSSKEY_GSS_FUNCTION(gss_pseudo_random);
GSSKEY_GSS_FUNCTION(gss_release_buffer_set);
GSSKEY_GSS_FUNCTION(gss_release_oid);
GSSKEY_GSS_FUNCTION(gss_set_cred_option);
GSSKEY_GSS_FUNCTION(gss_set_name_attribute);
GSSKEY_GSS_FUNCTION(gss_set_sec_context_option);
GSSKEY_GSS_FUNCTION(gss_store_cred);
GSSKEY_GSS_FUNCTION(gss_unwrap_aead);
GSSKEY_GSS_FUNCTION(gss_unwrap_iov);
GSSKEY_GSS_FUNCTION(gss_userok);
GSSKEY_GSS_FUNCTION(gss_wrap_aead);
GSSKEY_GSS_FUNCTION(gss_wrap_iov);
GSSKEY_GSS_FUNCTION(gss_wrap_iov_length);
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
