// gsskey/gss/api: which GSS-API implementation this is built for, what it can do, which faults it is known for, and the
// second inline namespace. The one file that asks about implementations.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <gsskey/core/config.hpp>

// One of four macros is defined by the build (gsskey-mit.pc, gsskey-heimdal.pc, gsskey-gnu.pc; CMake targets
// likewise), because no gssapi.h has a version macro and __has_include sees the other library's headers.
#if defined(GSSKEY_GSS_MIT) + defined(GSSKEY_GSS_HEIMDAL) + defined(GSSKEY_GSS_GNU) + defined(GSSKEY_GSS_APPLE) != 1
#error "gsskey: define exactly one of GSSKEY_GSS_MIT, _HEIMDAL, _GNU (the .pc files do), _APPLE (with -framework GSS)"
#elif defined(GSSKEY_GSS_MIT)
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#define GSSKEY_GSS_ABI mit
#define GSSKEY_GSS_NAME "MIT krb5"
#define GSSKEY_GSS_KRB5_H  // the leaves of Kerberos include gssapi_krb5.h
#ifndef _GSSAPI_H_
#error "gsskey: GSSKEY_GSS_MIT, but <gssapi/gssapi.h> is not MIT's; look at the order of -I"
#endif
#elif defined(GSSKEY_GSS_HEIMDAL)
#include <gssapi/gssapi.h>
#define GSSKEY_GSS_ABI heimdal
#define GSSKEY_GSS_NAME "Heimdal"
#define GSSKEY_GSS_KRB5_H
#ifndef GSSAPI_GSSAPI_H_
#error "gsskey: GSSKEY_GSS_HEIMDAL, but <gssapi/gssapi.h> is not Heimdal's; look at the order of -I"
#endif
#elif defined(GSSKEY_GSS_APPLE)
// A fork of Heimdal, of which many functions are in private headers only; this is for the public ones.
#include <GSS/GSS.h>
#define GSSKEY_GSS_ABI apple
#define GSSKEY_GSS_NAME "Apple's GSS"
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
  bool credential_export;   ///< gss_export_cred, gss_import_cred: gss/credential_transfer.hpp
  bool store_credential;    ///< gss_store_cred: store_credential() of gss/credential_transfer.hpp
  bool store_into;          ///< gss_store_cred_into: store_credential_into()
  bool impersonation;       ///< gss_acquire_cred_impersonate_name: gss/impersonation.hpp
  bool credential_options;  ///< gss_inquire_cred_by_oid, gss_set_cred_option: gss/credential_options.hpp
  bool aes_messages;        ///< wrap and get_mic with the AES keys that every realm uses
  bool iov;                 ///< gss_wrap_iov and its family, gss_wrap_aead: iov.hpp, message_in_place.hpp
  bool mic_iov;             ///< gss_get_mic_iov and its family
  bool replay_cache;        ///< an acceptor notices a token that it has seen (RFC 4120 section 10)
  bool channel_bound_flag;  ///< acceptors learn whether the channel bindings were compared: ContextFlag::channel_bound
  bool pseudo_random;       ///< gss_pseudo_random: pseudo_random() of gss/prf.hpp
  bool local_names;         ///< gss_localname and its kin: gss/local_name.hpp
  bool name_attributes;     ///< RFC 6680: gss/name_attributes.hpp
  bool mechanism_attributes;  ///< RFC 5587: gss/mechanism_inquiry.hpp
  bool context_options;       ///< gss_inquire_sec_context_by_oid: gss/context_options.hpp
  bool sasl_ssf;              ///< GSS_C_SEC_CONTEXT_SASL_SSF: sasl_ssf() of gss/context_options.hpp
  bool krb5_extensions;       ///< the functions of gssapi_krb5.h: gss/lucid.hpp, krb5.hpp, ticket.hpp and others
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
  /// A name that a negotiated context gives is equal to no other, and gss_duplicate_name crashes on it. Guard: it is
  /// made anew from what it displays.
  bool negotiated_names_crash;
  /// gss_init_sec_context reads uninitialised memory when the reply is not a token of its mechanism. Guard: Initiator
  /// looks at the framing first.
  bool crashes_on_foreign_reply;
  /// gss_init_sec_context for SPNEGO refuses a credential that was delegated or made with a password: it looks for a
  /// SPNEGO part that these lack. Guard: with_password() says so; Credential<mech::Krb5, Initiate>::adopt() of a
  /// delegated one's handle works.
  bool spnego_refuses_derived_credentials;
  /// gss_unwrap says "confidential" of what was not encrypted. Guard: unwrap never believes it.
  bool unwrap_misreports_confidentiality;
  /// gss_unwrap turns a token with a rotation count back in the caller's memory; MIT krb5 also moves the header of one
  /// that is not encrypted there, for good if it refuses it. Guard: unwrap works on a copy of those.
  bool unwrap_rewrites_input;
  /// gss_unwrap_iov does not take a whole token (STREAM). Guard: unwrap_in_place takes it apart itself.
  bool unwrap_iov_refuses_streams;
  /// gss_unwrap_iov of a token without a trailer piece reads and writes past its memory, as far as the extra count of
  /// the token's header says (RFC 4121 section 4.2.3), whoever sent it. Guard: unwrap_iov refuses more than fits.
  bool unwrap_iov_trusts_extra_count;
  /// gss_inquire_cred gives an acceptor without a name one that gss_display_name crashes on. Guard: it is not asked.
  bool acceptor_names_crash;
  /// gss_acquire_cred for a name that is to initiate crashes where caches are in a directory. Guard: acquire() refuses
  /// where KRB5CCNAME says so (not where krb5.conf does).
  bool names_crash_in_directories;
  /// gss_store_cred looks for a cache of the same principal, finds the credential's own, empties it to fill it from
  /// itself, and reports success. Guard: store_credential() refuses.
  bool store_destroys_credential;
  /// gss_accept_sec_context for IAKERB is COMPLETE when the initiator has a ticket and starts with that, but leaves no
  /// context (its messages are GSS_S_NO_CONTEXT) and leaks one. Guard: Acceptor refuses such a first token.
  bool iakerb_loses_context;
  /// gss_context_time of an acceptor adds the clock skew that handshakes tolerate. Guard: ExpiringContext takes it off.
  bool acceptors_outlive_tickets;
  /// gss_krb5_export_lucid_sec_context leaves the context there. Guard: export_lucid() and take_over() delete it.
  bool lucid_export_keeps_context;
  /// gss_export_sec_context crashes in gssproxy's plugin (0.9.1). Guard: export_context() refuses where GSS_USE_PROXY
  /// asks for the plugin.
  bool proxied_export_crashes;
  /// The identity of gss_acquire_cred's default is chosen when it is first used. Guard: acquire_default() uses it.
  bool default_is_chosen_late;
  /// gss_accept_sec_context for SPNEGO is COMPLETE when a later token of the initiator has none of the mechanism,
  /// though the mechanism is not. Guard: Acceptor takes a token without one as the answer to a signature only.
  bool completes_before_mechanism;
  /// One forged message, made without a key, moves the window of sequence numbers before its checksum is looked at: the
  /// genuine ones that follow are refused. No guard: unwrap and verify_mic refuse the forgery, and then them.
  /// MessageProtector does not do this.
  bool forgery_moves_window;
  /// gss_accept_sec_context in DCE style takes the AP-REP that it has just sent for the third leg, which is to prove
  /// that the first is no replay. No guard: with ContextFlag::dce_style only the first message proves it.
  bool accepts_own_dce_reply;
  /// gss_add_cred crashes when it copies (Heimdal 7.8), or has no other mechanism to add (GNU GSS). Guard:
  /// add_credential() is unavailable.
  bool add_cred_is_unusable;
  /// A keytab file that is cut off, or is none, crashes whoever reads it: acquiring, accepting. Guard: it is looked at
  /// before (not where krb5_credential.hpp's keytab changes after it was imported).
  bool keytabs_crash;
  /// One KRB-ERROR with KDC_ERR_SVC_UNAVAILABLE, which anybody on the way can send, and whatever asks a KDC never comes
  /// back and keeps its processor busy (https://github.com/heimdal/heimdal/issues/346). No guard: let no thread that
  /// others wait for ask a KDC.
  bool spins_on_unavailable_kdc;
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
                                           .mechanism_attributes = true,
                                           .context_options = true,
                                           .sasl_ssf = true,
                                           .krb5_extensions = true,
                                           .name_not_mn = true};
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = true,
                                          .order_before_integrity = false,
                                          .acquire_releases_bad_name = false,
                                          .negotiated_names_crash = false,
                                          .crashes_on_foreign_reply = false,
                                          .spnego_refuses_derived_credentials = false,
                                          .unwrap_misreports_confidentiality = false,
                                          .unwrap_rewrites_input = true,
                                          .unwrap_iov_refuses_streams = false,
                                          .unwrap_iov_trusts_extra_count = false,
                                          .acceptor_names_crash = false,
                                          .names_crash_in_directories = false,
                                          .store_destroys_credential = false,
                                          .iakerb_loses_context = true,
                                          .acceptors_outlive_tickets = true,
                                          .lucid_export_keeps_context = false,
                                          .proxied_export_crashes = true,
                                          .default_is_chosen_late = true,
                                          .completes_before_mechanism = false,
                                          .forgery_moves_window = false,
                                          .accepts_own_dce_reply = false,
                                          .add_cred_is_unusable = false,
                                          .keytabs_crash = false,
                                          .spins_on_unavailable_kdc = false};
#elif defined(GSSKEY_GSS_HEIMDAL) || defined(GSSKEY_GSS_APPLE)
namespace gss_detail {
#if defined(GSSKEY_GSS_HEIMDAL)
inline constexpr bool has_private_functions = true;
#else
inline constexpr bool has_private_functions = false;
#endif
}  // namespace gss_detail
inline constexpr Capabilities capabilities{.credential_store = false,
                                           .neg_mechs = false,
                                           .password = true,
                                           .initiator_credentials = true,
                                           .str_to_oid = false,
                                           .spnego = true,
                                           .iakerb = false,
                                           .context_inquiry = true,
                                           .context_export = true,
                                           .credential_export = true,
                                           .store_credential = gss_detail::has_private_functions,
                                           .store_into = false,
                                           .impersonation = false,
                                           .credential_options = true,
                                           .aes_messages = true,
                                           .iov = gss_detail::has_private_functions,
                                           .mic_iov = false,
                                           .replay_cache = false,
                                           .channel_bound_flag = false,
                                           .pseudo_random = true,
                                           .local_names = gss_detail::has_private_functions,
                                           .name_attributes = gss_detail::has_private_functions,
                                           .mechanism_attributes = true,
                                           .context_options = true,
                                           .sasl_ssf = false,
                                           .krb5_extensions = gss_detail::has_private_functions,
                                           .name_not_mn = false};
// Apple's is taken to have them too: the guards do no harm.
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = false,
                                          .order_before_integrity = true,
                                          .acquire_releases_bad_name = false,
                                          .negotiated_names_crash = true,
                                          .crashes_on_foreign_reply = true,
                                          .spnego_refuses_derived_credentials = true,
                                          .unwrap_misreports_confidentiality = false,
                                          .unwrap_rewrites_input = true,
                                          .unwrap_iov_refuses_streams = true,
                                          .unwrap_iov_trusts_extra_count = true,
                                          .acceptor_names_crash = true,
                                          .names_crash_in_directories = true,
                                          .store_destroys_credential = true,
                                          .iakerb_loses_context = false,
                                          .acceptors_outlive_tickets = false,
                                          .lucid_export_keeps_context = true,
                                          .proxied_export_crashes = false,
                                          .default_is_chosen_late = false,
                                          .completes_before_mechanism = true,
                                          .forgery_moves_window = true,
                                          .accepts_own_dce_reply = true,
                                          .add_cred_is_unusable = true,
                                          .keytabs_crash = true,
                                          .spins_on_unavailable_kdc = true};
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
                                           .credential_export = false,
                                           .store_credential = false,
                                           .store_into = false,
                                           .impersonation = false,
                                           .credential_options = false,
                                           .aes_messages = false,
                                           .iov = false,
                                           .mic_iov = false,
                                           .replay_cache = false,
                                           .channel_bound_flag = false,
                                           .pseudo_random = false,
                                           .local_names = false,
                                           .name_attributes = false,
                                           .mechanism_attributes = false,
                                           .context_options = false,
                                           .sasl_ssf = false,
                                           .krb5_extensions = false,
                                           .name_not_mn = false};
inline constexpr KnownFaults known_faults{.delete_of_no_context_fails = true,
                                          .order_before_integrity = false,
                                          .acquire_releases_bad_name = true,
                                          .negotiated_names_crash = false,
                                          .crashes_on_foreign_reply = false,
                                          .spnego_refuses_derived_credentials = false,
                                          .unwrap_misreports_confidentiality = true,
                                          .unwrap_rewrites_input = false,
                                          .unwrap_iov_refuses_streams = false,
                                          .unwrap_iov_trusts_extra_count = false,
                                          .acceptor_names_crash = false,
                                          .names_crash_in_directories = false,
                                          .store_destroys_credential = false,
                                          .iakerb_loses_context = false,
                                          .acceptors_outlive_tickets = false,
                                          .lucid_export_keeps_context = false,
                                          .proxied_export_crashes = false,
                                          .default_is_chosen_late = false,
                                          .completes_before_mechanism = false,
                                          .forgery_moves_window = false,
                                          .accepts_own_dce_reply = false,
                                          .add_cred_is_unusable = true,
                                          .keytabs_crash = false,
                                          .spins_on_unavailable_kdc = false};
#endif

/// The most, in bytes, that goes into one C call, and the words of the Error (usage) that refuses more; nothing of it
/// is read then.
struct Limit {
  std::size_t size;
  const char* exceeded;
  [[nodiscard]] constexpr bool admits(std::size_t wanted) const noexcept { return wanted <= size; }
};

/// What every implementation gets right: one table, so that a size which works goes on working with another library.
/// Tried, and read in the sources, with MIT krb5 1.20.1 and Heimdal 7.8.
struct Limits {
  /// What wrap, get_mic and their kin protect, all pieces together. From 2^29 bytes on SHA-1 and SHA-256 of Heimdal
  /// (lib/hcrypto) and SHA-256 of MIT (lib/crypto/builtin/sha2) count their bits wrong: every other peer finds the
  /// message altered. MIT takes no token back that has more than 2^31 bytes, and writes past an allocation from
  /// 2^32 - 16 on (krb5_data counts in unsigned int); Heimdal aborts at 2^32. MessageProtector has no such limit.
  Limit message;
  /// One token, of any such message or of a handshake; an exported context or credential; the value of an option.
  Limit token;
  /// A name of any type, an attribute's too. MIT's KDC reads requests of 1 MiB (lib/apputils/net-server.c); a name of
  /// 2^29 bytes takes either library a minute and up to 8 GiB.
  Limit name;
  /// Heimdal hashes a long password anew in each of the 4,096 rounds of the key derivation: at 2^29 bytes, for hours.
  Limit password;
  /// What goes into the pseudo-random function, and what comes out: the time that it takes is their product.
  Limit pseudo_random;
};
inline constexpr Limits limits{
    .message = {(std::size_t{1} << 29) - 1024, "the message is longer than limits.message, 536869888 bytes"},
    .token = {(std::size_t{1} << 29) - 1, "the token is longer than limits.token, 536870911 bytes"},
    .name = {std::size_t{1} << 20, "the name is longer than limits.name, 1048576 bytes"},
    .password = {std::size_t{1} << 12, "the password is longer than limits.password, 4096 bytes"},
    .pseudo_random = {std::size_t{1} << 16, "input or output is longer than limits.pseudo_random, 65536 bytes"}};

/// What the headers of the umbrella call, under one name: the implementation's own, or one that says GSS_S_UNAVAILABLE.
/// extensions.hpp has the others.
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
