// gsskey/krb5/detail/functions: what an implementation has for Kerberos beyond the GSS-API, or calls in its place that
// say GSS_S_UNAVAILABLE. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <gsskey/gss/platform/select.hpp>

#ifdef GSSKEY_GSS_KRB5_H
#include GSSKEY_GSS_KRB5_H
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

#ifdef GSSKEY_GSS_KRB5_H
GSSKEY_GSS_FUNCTION(gss_krb5_ccache_name);
GSSKEY_GSS_FUNCTION(gss_krb5_export_lucid_sec_context);
GSSKEY_GSS_FUNCTION(gss_krb5_free_lucid_sec_context);
GSSKEY_GSS_FUNCTION(gss_krb5_get_tkt_flags);
using ::gss_krb5_lucid_context_v1_t;
using ::gss_krb5_lucid_key_t;
GSSKEY_GSS_FUNCTION(gss_krb5_set_allowable_enctypes);
GSSKEY_GSS_FUNCTION(gsskrb5_extract_authtime_from_sec_context);
GSSKEY_GSS_FUNCTION(gsskrb5_extract_authz_data_from_sec_context);
GSSKEY_GSS_FUNCTION(krb5_gss_register_acceptor_identity);
#else
struct gss_krb5_lucid_key_t {
  OM_uint32 type;
  OM_uint32 length;
  void* data;
};
struct gss_krb5_lucid_context_v1_t {
  OM_uint32 version;
  OM_uint32 initiate;
  OM_uint32 endtime;
  std::uint64_t send_seq;
  std::uint64_t recv_seq;
  OM_uint32 protocol;
  struct {
    OM_uint32 sign_alg;
    OM_uint32 seal_alg;
    gss_krb5_lucid_key_t ctx_key;
  } rfc1964_kd;
  struct {
    OM_uint32 have_acceptor_subkey;
    gss_krb5_lucid_key_t ctx_key;
    gss_krb5_lucid_key_t acceptor_subkey;
  } cfx_kd;
};
[[nodiscard]] inline OM_uint32 gss_krb5_ccache_name(...) noexcept { return GSS_S_UNAVAILABLE; }
[[nodiscard]] inline OM_uint32 gss_krb5_export_lucid_sec_context(...) noexcept { return GSS_S_UNAVAILABLE; }
[[nodiscard]] inline OM_uint32 gss_krb5_free_lucid_sec_context(...) noexcept { return GSS_S_UNAVAILABLE; }
[[nodiscard]] inline OM_uint32 gss_krb5_get_tkt_flags(OM_uint32*, gss_ctx_id_t, OM_uint32*) noexcept {
  return GSS_S_UNAVAILABLE;
}
[[nodiscard]] inline OM_uint32 gss_krb5_set_allowable_enctypes(...) noexcept { return GSS_S_UNAVAILABLE; }
[[nodiscard]] inline OM_uint32 gsskrb5_extract_authtime_from_sec_context(OM_uint32*, gss_ctx_id_t,
                                                                         std::int32_t*) noexcept {
  return GSS_S_UNAVAILABLE;
}
[[nodiscard]] inline OM_uint32 gsskrb5_extract_authz_data_from_sec_context(...) noexcept { return GSS_S_UNAVAILABLE; }
[[nodiscard]] inline OM_uint32 krb5_gss_register_acceptor_identity(...) noexcept { return GSS_S_UNAVAILABLE; }
#endif

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
