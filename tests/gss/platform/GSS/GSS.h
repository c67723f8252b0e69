// tests/gss/platform/GSS/GSS.h: for the umbrella header of Apple's GSS.framework: Heimdal's gssapi.h, without what is
// in a private header of the framework, or not there at all (lib/gssapi/gssapi of Heimdal-710).
// SPDX-License-Identifier: MIT
#pragma once

// Declared under another name, they cannot be called by theirs.
#define gss_add_cred_with_password private_gss_add_cred_with_password
#define gss_authorize_localname private_gss_authorize_localname
#define gss_context_query_attributes private_gss_context_query_attributes
#define gss_delete_name_attribute private_gss_delete_name_attribute
#define gss_display_name_ext private_gss_display_name_ext
#define gss_export_name_composite private_gss_export_name_composite
#define gss_get_name_attribute private_gss_get_name_attribute
#define gss_localname private_gss_localname
#define gss_pname_to_uid private_gss_pname_to_uid
#define gss_release_iov_buffer private_gss_release_iov_buffer
#define gss_set_name_attribute private_gss_set_name_attribute
#define gss_store_cred private_gss_store_cred
#define gss_unwrap_aead private_gss_unwrap_aead
#define gss_unwrap_iov private_gss_unwrap_iov
#define gss_wrap_aead private_gss_wrap_aead
#define gss_wrap_iov private_gss_wrap_iov
#define gss_wrap_iov_length private_gss_wrap_iov_length

#include <gssapi/gssapi.h>

#undef gss_add_cred_with_password
#undef gss_authorize_localname
#undef gss_context_query_attributes
#undef gss_delete_name_attribute
#undef gss_display_name_ext
#undef gss_export_name_composite
#undef gss_get_name_attribute
#undef gss_localname
#undef gss_pname_to_uid
#undef gss_release_iov_buffer
#undef gss_set_name_attribute
#undef gss_store_cred
#undef gss_unwrap_aead
#undef gss_unwrap_iov
#undef gss_wrap_aead
#undef gss_wrap_iov
#undef gss_wrap_iov_length
