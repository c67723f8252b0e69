// gsskey/gss/platform/rfc2744: the functions of RFC 2744 that this library calls, for what looks them up at run time.
// SPDX-License-Identifier: MIT
#pragma once

/// `one(name)` for each of them, with semicolons between.
#define GSSKEY_GSS_RFC2744(one)    \
  one(gss_accept_sec_context);     \
  one(gss_acquire_cred);           \
  one(gss_add_cred);               \
  one(gss_canonicalize_name);      \
  one(gss_compare_name);           \
  one(gss_context_time);           \
  one(gss_delete_sec_context);     \
  one(gss_display_name);           \
  one(gss_display_status);         \
  one(gss_duplicate_name);         \
  one(gss_export_name);            \
  one(gss_export_sec_context);     \
  one(gss_get_mic);                \
  one(gss_import_name);            \
  one(gss_import_sec_context);     \
  one(gss_indicate_mechs);         \
  one(gss_init_sec_context);       \
  one(gss_inquire_context);        \
  one(gss_inquire_cred);           \
  one(gss_inquire_cred_by_mech);   \
  one(gss_inquire_mechs_for_name); \
  one(gss_inquire_names_for_mech); \
  one(gss_release_buffer);         \
  one(gss_release_cred);           \
  one(gss_release_name);           \
  one(gss_release_oid_set);        \
  one(gss_unwrap);                 \
  one(gss_verify_mic);             \
  one(gss_wrap);                   \
  one(gss_wrap_size_limit)
