// gsskey/gss/platform/mit: MIT krb5, 1.20 and up.
// SPDX-License-Identifier: MIT
#pragma once

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>

#include <gsskey/core/config.hpp>
#include <gsskey/gss/platform/tables.hpp>

#define GSSKEY_GSS_ABI mit
#define GSSKEY_GSS_NAME "MIT krb5"
#define GSSKEY_GSS_KRB5_H "gssapi/gssapi_krb5.h"  // what Kerberos has beyond the GSS-API
#define GSSKEY_GSS_KDC_EXCHANGE                   // capabilities.kdc_exchange, for functions that others lack
#ifndef _GSSAPI_H_
#error "gsskey: GSSKEY_GSS_MIT, but <gssapi/gssapi.h> is not MIT's; look at the order of -I"
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

GSSKEY_HIDDEN inline constexpr Capabilities capabilities{
    .credential_store = true,
    .neg_mechs = true,
    .password = true,
    .initiator_credentials = true,
    .str_to_oid = true,
    .spnego = true,
    .iakerb = true,
    .context_inquiry = true,
    .context_export = true,
    .credential_export = true,
    .store_credential = true,
    .store_into = true,
    .impersonation = true,
    .credential_options = true,
    .aes_messages = true,
    .iov = true,
    .mic_iov = true,
    .replay_cache = true,
    .channel_bound_flag = true,
    .pseudo_random = true,
    .local_names = true,
    .name_attributes = true,
    .verified_pac = true,
    .mechanism_attributes = true,
    .context_options = true,
    .sasl_ssf = true,
    .krb5_extensions = true,
    .keyring_caches = true,
    .kdc_exchange = true,
    .name_not_mn = true,
};

GSSKEY_HIDDEN inline constexpr KnownFaults known_faults{
    .delete_of_no_context_fails = true,
    .unwrap_rewrites_input = true,
    .iakerb_loses_context = true,
    .acceptors_outlive_tickets = true,
    .proxied_export_crashes = true,
    .default_is_chosen_late = true,
    .inquire_name_copies_mechanism = true,
    .minor_codes_are_mapped = true,
    .spnego_drops_reason = true,
};

/// What is beyond RFC 2744, as this library has it.
namespace gss_detail {
GSSKEY_GSS_FUNCTION(gss_acquire_cred_from);
GSSKEY_GSS_FUNCTION(gss_acquire_cred_impersonate_name);
GSSKEY_GSS_FUNCTION(gss_acquire_cred_with_password);
GSSKEY_GSS_FUNCTION(gss_add_cred_from);
GSSKEY_GSS_FUNCTION(gss_authorize_localname);
using ::gss_buffer_set_t;
GSSKEY_GSS_FUNCTION(gss_delete_name_attribute);
GSSKEY_GSS_FUNCTION(gss_display_name_ext);
GSSKEY_GSS_FUNCTION(gss_export_cred);
GSSKEY_GSS_FUNCTION(gss_export_name_composite);
GSSKEY_GSS_FUNCTION(gss_get_mic_iov);
GSSKEY_GSS_FUNCTION(gss_get_mic_iov_length);
GSSKEY_GSS_FUNCTION(gss_get_name_attribute);
GSSKEY_GSS_FUNCTION(gss_import_cred);
GSSKEY_GSS_FUNCTION(gss_inquire_cred_by_oid);
GSSKEY_GSS_FUNCTION(gss_inquire_name);
GSSKEY_GSS_FUNCTION(gss_inquire_sec_context_by_oid);
using ::gss_iov_buffer_desc;
using ::gss_key_value_element_desc;
using ::gss_key_value_set_desc;
GSSKEY_GSS_FUNCTION(gss_localname);
GSSKEY_GSS_FUNCTION(gss_pname_to_uid);
GSSKEY_GSS_FUNCTION(gss_pseudo_random);
GSSKEY_GSS_FUNCTION(gss_release_buffer_set);
GSSKEY_GSS_FUNCTION(gss_release_oid);
GSSKEY_GSS_FUNCTION(gss_set_cred_option);
GSSKEY_GSS_FUNCTION(gss_set_name_attribute);
GSSKEY_GSS_FUNCTION(gss_set_neg_mechs);
GSSKEY_GSS_FUNCTION(gss_set_sec_context_option);
GSSKEY_GSS_FUNCTION(gss_store_cred);
GSSKEY_GSS_FUNCTION(gss_store_cred_into);
GSSKEY_GSS_FUNCTION(gss_unwrap_aead);
GSSKEY_GSS_FUNCTION(gss_unwrap_iov);
GSSKEY_GSS_FUNCTION(gss_userok);
GSSKEY_GSS_FUNCTION(gss_verify_mic_iov);
GSSKEY_GSS_FUNCTION(gss_wrap_aead);
GSSKEY_GSS_FUNCTION(gss_wrap_iov);
GSSKEY_GSS_FUNCTION(gss_wrap_iov_length);
// gssapi.h declares these behind the end of its extern "C".
#ifdef GSSKEY_GSS_DLOPEN
GSSKEY_GSS_FUNCTION(gss_display_mech_attr);
GSSKEY_GSS_FUNCTION(gss_indicate_mechs_by_attrs);
GSSKEY_GSS_FUNCTION(gss_inquire_attrs_for_mech);
GSSKEY_GSS_FUNCTION(gss_inquire_mech_for_saslname);
GSSKEY_GSS_FUNCTION(gss_inquire_saslname_for_mech);
#else
extern "C" {
[[nodiscard]] OM_uint32 gss_display_mech_attr(OM_uint32*, gss_const_OID, gss_buffer_t, gss_buffer_t, gss_buffer_t);
[[nodiscard]] OM_uint32 gss_indicate_mechs_by_attrs(OM_uint32*, gss_const_OID_set, gss_const_OID_set, gss_const_OID_set,
                                                    gss_OID_set*);
[[nodiscard]] OM_uint32 gss_inquire_attrs_for_mech(OM_uint32*, gss_const_OID, gss_OID_set*, gss_OID_set*);
[[nodiscard]] OM_uint32 gss_inquire_mech_for_saslname(OM_uint32*, gss_buffer_t, gss_OID*);
[[nodiscard]] OM_uint32 gss_inquire_saslname_for_mech(OM_uint32*, gss_OID, gss_buffer_t, gss_buffer_t, gss_buffer_t);
}
#endif
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
