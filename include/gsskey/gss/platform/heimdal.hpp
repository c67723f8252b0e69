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
#define GSSKEY_GSS_KEYTABS_CRASH  // known_faults.keytabs_crash, for the guard that libkrb5 is needed for
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
    .mechanism_attributes = true,
    .context_options = true,
    .krb5_extensions = true,
};

GSSKEY_HIDDEN inline constexpr KnownFaults known_faults = heimdal_faults;

/// What is beyond RFC 2744, as this library has it; for what it lacks, a call that says GSS_S_UNAVAILABLE.
namespace gss_detail {
using namespace unavailable;
using ::gss_acquire_cred_with_password;
using ::gss_authorize_localname;
using ::gss_buffer_set_t;
using ::gss_delete_name_attribute;
using ::gss_display_mech_attr;
using ::gss_display_name_ext;
using ::gss_export_cred;
using ::gss_export_name_composite;
using ::gss_get_name_attribute;
using ::gss_import_cred;
using ::gss_indicate_mechs_by_attrs;
using ::gss_inquire_attrs_for_mech;
using ::gss_inquire_cred_by_oid;
using ::gss_inquire_mech_for_saslname;
using ::gss_inquire_name;
using ::gss_inquire_saslname_for_mech;
using ::gss_iov_buffer_desc;
using ::gss_localname;
using ::gss_pname_to_uid;
using ::gss_pseudo_random;
using ::gss_release_buffer_set;
using ::gss_release_oid;
using ::gss_set_cred_option;
using ::gss_set_name_attribute;
using ::gss_store_cred;
using ::gss_unwrap_aead;
using ::gss_unwrap_iov;
using ::gss_userok;
using ::gss_wrap_aead;
using ::gss_wrap_iov;
using ::gss_wrap_iov_length;
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
