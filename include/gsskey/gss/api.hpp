// gsskey/gss/api: which GSS-API implementation this is built for, what it can do, which faults it is known for, and the
// second inline namespace. The one file that asks about implementations.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>

// One of three macros is defined by the build (gsskey-mit.pc, gsskey-heimdal.pc, gsskey-gnu.pc; CMake targets
// likewise), because no gssapi.h has a version macro and __has_include sees the other library's headers.
#if defined(GSSKEY_GSS_MIT) + defined(GSSKEY_GSS_HEIMDAL) + defined(GSSKEY_GSS_GNU) != 1
#error "gsskey: define exactly one of GSSKEY_GSS_MIT, GSSKEY_GSS_HEIMDAL, GSSKEY_GSS_GNU (the .pc files do)"
#elif defined(GSSKEY_GSS_MIT)
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#define GSSKEY_GSS_ABI mit
#define GSSKEY_GSS_NAME "MIT krb5"
#ifndef _GSSAPI_H_
#error "gsskey: GSSKEY_GSS_MIT, but <gssapi/gssapi.h> is not MIT's; look at the order of -I"
#endif
#elif defined(GSSKEY_GSS_HEIMDAL)
#include <gssapi/gssapi.h>
#define GSSKEY_GSS_ABI heimdal
#define GSSKEY_GSS_NAME "Heimdal"
#ifndef GSSAPI_GSSAPI_H_
#error "gsskey: GSSKEY_GSS_HEIMDAL, but <gssapi/gssapi.h> is not Heimdal's; look at the order of -I"
#endif
#else
#include <gss.h>
#define GSSKEY_GSS_ABI gnu
#define GSSKEY_GSS_NAME "GNU GSS"
#endif

namespace gsskey::inline GSSKEY_ABI {
/// What names a GSS type lives in here: the handles of two implementations never meet, at compile nor at link time.
inline namespace GSSKEY_GSS_ABI __attribute__((abi_tag)) {}
}  // namespace gsskey::inline GSSKEY_ABI

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// What an implementation has. A call that needs what is missing answers Domain::unavailable; nothing falls back
/// silently. Tests link, and where linking says nothing run, every line of it.
struct Capabilities {
  bool credential_store;       ///< gss_acquire_cred_from: Credential::from_store
  bool neg_mechs;              ///< gss_set_neg_mechs: the offer of mech::Negotiate is limited, not only its result
  bool password;               ///< gss_acquire_cred_with_password: Credential::with_password
  bool initiator_credentials;  ///< gss_acquire_cred for initiators; without it there is one default, and no other
  bool str_to_oid;             ///< gss_str_to_oid; Oid::parse is our own and is there everywhere
  bool spnego;                 ///< mech::Spnego, mech::Negotiate
  bool iakerb;                 ///< mech::Iakerb
  bool context_inquiry;     ///< gss_inquire_context: SecurityContext::inquire; an Acceptor knows the peer's name anyway
  bool context_export;      ///< SecurityContext::export_context
  bool aes_messages;        ///< wrap and get_mic with the AES keys that every realm uses
  bool replay_cache;        ///< an acceptor notices a token that it has seen (RFC 4120 section 10)
  bool channel_bound_flag;  ///< acceptors learn whether the channel bindings were compared: ContextFlag::channel_bound
  bool name_not_mn;  ///< gss_export_name refuses what is not a mechanism name; MechName<M> makes it so everywhere
};

/// Faults of released versions, each with the guard that this library has against it.
struct KnownFaults {
  /// gss_delete_sec_context of GSS_C_NO_CONTEXT is an error. Guard: an empty owner calls nothing.
  bool delete_of_no_context_fails;
  /// verify_mic and unwrap judge the sequence number before the checksum, so a forged token can come back with
  /// GSS_ERROR() == 0. Guard: nothing but GSS_S_COMPLETE is success.
  bool order_before_integrity;
  /// gss_acquire_cred frees the caller's name when it answers GSS_S_BAD_NAME. Guard: it gets a copy.
  bool acquire_releases_bad_name;
  /// gss_init_sec_context reads uninitialised memory when the reply is not a token of its mechanism. Guard: Initiator
  /// looks at the framing first.
  bool crashes_on_foreign_reply;
  /// gss_init_sec_context for SPNEGO refuses a credential that was delegated or made with a password: it looks for a
  /// SPNEGO part that these lack. Guard: with_password() says so; Credential<mech::Krb5, Initiate>::adopt() of a
  /// delegated one's handle works.
  bool spnego_refuses_derived_credentials;
  /// gss_unwrap says "confidential" of what was not encrypted. Guard: unwrap never believes it.
  bool unwrap_misreports_confidentiality;
  /// gss_unwrap turns a token with a rotation count back in the caller's memory. Guard: unwrap works on a copy of
  /// those.
  bool unwrap_rotates_input;
};

#if defined(GSSKEY_GSS_MIT)
inline constexpr Capabilities capabilities{.credential_store = true,
                                           .neg_mechs = true,
                                           .password = true,
                                           .initiator_credentials = true,
                                           .str_to_oid = true,
                                           .spnego = true,
                                           .iakerb = true,
                                           .context_inquiry = true,
                                           .context_export = true,
                                           .aes_messages = true,
                                           .replay_cache = true,
                                           .channel_bound_flag = true,
                                           .name_not_mn = true};
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = true,
                                          .order_before_integrity = false,
                                          .acquire_releases_bad_name = false,
                                          .crashes_on_foreign_reply = false,
                                          .spnego_refuses_derived_credentials = false,
                                          .unwrap_misreports_confidentiality = false,
                                          .unwrap_rotates_input = true};
#elif defined(GSSKEY_GSS_HEIMDAL)
inline constexpr Capabilities capabilities{.credential_store = false,
                                           .neg_mechs = false,
                                           .password = true,
                                           .initiator_credentials = true,
                                           .str_to_oid = false,
                                           .spnego = true,
                                           .iakerb = false,
                                           .context_inquiry = true,
                                           .context_export = true,
                                           .aes_messages = true,
                                           .replay_cache = false,
                                           .channel_bound_flag = false,
                                           .name_not_mn = false};
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = false,
                                          .order_before_integrity = true,
                                          .acquire_releases_bad_name = false,
                                          .crashes_on_foreign_reply = true,
                                          .spnego_refuses_derived_credentials = true,
                                          .unwrap_misreports_confidentiality = false,
                                          .unwrap_rotates_input = true};
#else
inline constexpr Capabilities capabilities{.credential_store = false,
                                           .neg_mechs = false,
                                           .password = false,
                                           .initiator_credentials = false,
                                           .str_to_oid = false,
                                           .spnego = false,
                                           .iakerb = false,
                                           .context_inquiry = false,
                                           .context_export = false,
                                           .aes_messages = false,
                                           .replay_cache = false,
                                           .channel_bound_flag = false,
                                           .name_not_mn = false};
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = true,
                                          .order_before_integrity = false,
                                          .acquire_releases_bad_name = true,
                                          .crashes_on_foreign_reply = false,
                                          .spnego_refuses_derived_credentials = false,
                                          .unwrap_misreports_confidentiality = true,
                                          .unwrap_rotates_input = false};
#endif

/// The functions above under one name: the implementation's own, or one that says GSS_S_UNAVAILABLE.
namespace gss_detail {
#if defined(GSSKEY_GSS_MIT)
using ::gss_acquire_cred_from;
using ::gss_key_value_element_desc;
using ::gss_key_value_set_desc;
using ::gss_set_neg_mechs;
#else
struct gss_key_value_element_desc {
  const char* key;
  const char* value;
};
struct gss_key_value_set_desc {
  OM_uint32 count;
  gss_key_value_element_desc* elements;
};
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_acquire_cred_from(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_set_neg_mechs(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#endif
#if defined(GSSKEY_GSS_GNU)
template <class... Arguments>
[[nodiscard]] OM_uint32 gss_acquire_cred_with_password(Arguments...) noexcept {
  return GSS_S_UNAVAILABLE;
}
#else
using ::gss_acquire_cred_with_password;
#endif
}  // namespace gss_detail

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
