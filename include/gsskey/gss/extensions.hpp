// gsskey/gss/extensions: functions beyond RFC 2744, for the headers that call them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/gss/api.hpp>

/// Each under one name: the implementation's own, or one that says GSS_S_UNAVAILABLE.
namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI::gss_detail {
#if defined(GSSKEY_GSS_MIT)
using ::gss_acquire_cred_impersonate_name;
using ::gss_store_cred_into;
#else
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_acquire_cred_impersonate_name(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_store_cred_into(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#endif
#if defined(GSSKEY_GSS_GNU)
struct gss_buffer_set_desc {
  std::size_t count;
  gss_buffer_desc* elements;
};
using gss_buffer_set_t = gss_buffer_set_desc*;
[[nodiscard]] inline OM_uint32 gss_release_buffer_set(OM_uint32*, gss_buffer_set_t*) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_export_cred(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_import_cred(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_inquire_cred_by_oid(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_set_cred_option(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_pseudo_random(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#else
using ::gss_buffer_set_t;
using ::gss_export_cred;
using ::gss_import_cred;
using ::gss_inquire_cred_by_oid;
using ::gss_pseudo_random;
using ::gss_release_buffer_set;
using ::gss_set_cred_option;
#endif
#if defined(GSSKEY_GSS_GNU) || defined(GSSKEY_GSS_APPLE)
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_store_cred(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_authorize_localname(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_localname(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_pname_to_uid(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_delete_name_attribute(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_display_name_ext(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_export_name_composite(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_get_name_attribute(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_inquire_name(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_set_name_attribute(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#else
using ::gss_authorize_localname;
using ::gss_delete_name_attribute;
using ::gss_display_name_ext;
using ::gss_export_name_composite;
using ::gss_get_name_attribute;
using ::gss_inquire_name;
using ::gss_localname;
using ::gss_pname_to_uid;
using ::gss_set_name_attribute;
using ::gss_store_cred;
#endif
#if defined(GSSKEY_GSS_MIT)
using ::gss_add_cred_from;
#else
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_add_cred_from(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#endif
#if defined(GSSKEY_GSS_MIT)
// MIT's gssapi.h declares these behind the end of its extern "C".
extern "C" {
[[nodiscard]] OM_uint32 gss_display_mech_attr(OM_uint32*, gss_const_OID, gss_buffer_t, gss_buffer_t, gss_buffer_t);
[[nodiscard]] OM_uint32 gss_indicate_mechs_by_attrs(OM_uint32*, gss_const_OID_set, gss_const_OID_set, gss_const_OID_set,
                                                    gss_OID_set*);
[[nodiscard]] OM_uint32 gss_inquire_attrs_for_mech(OM_uint32*, gss_const_OID, gss_OID_set*, gss_OID_set*);
[[nodiscard]] OM_uint32 gss_inquire_mech_for_saslname(OM_uint32*, gss_buffer_t, gss_OID*);
[[nodiscard]] OM_uint32 gss_inquire_saslname_for_mech(OM_uint32*, gss_OID, gss_buffer_t, gss_buffer_t, gss_buffer_t);
}
#elif defined(GSSKEY_GSS_HEIMDAL) || defined(GSSKEY_GSS_APPLE)
using ::gss_display_mech_attr;
using ::gss_indicate_mechs_by_attrs;
using ::gss_inquire_attrs_for_mech;
using ::gss_inquire_mech_for_saslname;
using ::gss_inquire_saslname_for_mech;
#else
using ::gss_inquire_mech_for_saslname;
using ::gss_inquire_saslname_for_mech;
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_display_mech_attr(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_indicate_mechs_by_attrs(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_inquire_attrs_for_mech(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#endif
}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI::gss_detail
