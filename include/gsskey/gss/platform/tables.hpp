// gsskey/gss/platform/tables: what implementations of the GSS-API can differ in: Capabilities and KnownFaults. Each
// platform/NAME.hpp fills in one of each.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/config.hpp>

/// Opens, within `namespace gsskey {`, the namespace of the implementation: what names a GSS type lives there, so that
/// the handles of two implementations never meet, at compile nor at link time; abi_tag as for GSSKEY_ABI.
/// platform/NAME.hpp defines GSSKEY_GSS_ABI; functions that call what was looked up at run time are others.
#define GSSKEY_BEGIN_GSS_ABI    \
  inline namespace GSSKEY_ABI { \
  inline namespace GSSKEY_GSS_CALLED(GSSKEY_GSS_ABI) __attribute__((abi_tag)) {
#define GSSKEY_END_GSS_ABI \
  }                        \
  }

/// Declares, in gss_detail of platform/NAME.hpp, a function that the library has: linked, or looked up at run time.
#ifdef GSSKEY_GSS_DLOPEN
#include <gsskey/gss/platform/dlopen.hpp>
#define GSSKEY_GSS_FUNCTION(name) GSSKEY_GSS_LOADED(name, decltype(::name))
#define GSSKEY_GSS_CALLED(name) GSSKEY_GSS_CALLED_LOADED(name)
#define GSSKEY_GSS_CALLED_LOADED(name) name##_loaded
#else
#define GSSKEY_GSS_CALLED(name) name
#define GSSKEY_GSS_FUNCTION(name) using ::name
#endif

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What an implementation has. A call that needs what is missing answers Domain::unavailable; nothing falls back
/// silently. Tests link, and where linking says nothing run, every line of it.
struct Capabilities {
  bool credential_store = false;  ///< gss_acquire_cred_from: Credential::acquire_from
  bool neg_mechs = false;         ///< gss_set_neg_mechs: the offer of mech::Negotiate is limited, not only its result
  bool password = false;          ///< gss_acquire_cred_with_password: Credential::acquire_with_password
  bool initiator_credentials = false;  ///< gss_acquire_cred for initiators; without it only the one default
  bool str_to_oid = false;             ///< gss_str_to_oid; Oid::parse is our own and is there everywhere
  bool spnego = false;                 ///< mech::Spnego, mech::Negotiate
  bool iakerb = false;                 ///< mech::Iakerb
  bool context_inquiry = false;        ///< gss_inquire_context; an Acceptor knows the peer's name anyway
  bool context_export = false;         ///< export_context(), import_context()
  bool credential_export = false;      ///< gss_export_cred, gss_import_cred: gss/credential/transfer.hpp
  bool store_credential = false;       ///< gss_store_cred: store_credential() of gss/credential/transfer.hpp
  bool store_into = false;             ///< gss_store_cred_into: store_credential_into()
  bool impersonation = false;          ///< gss_acquire_cred_impersonate_name: gss/credential/impersonation.hpp
  bool credential_options = false;     ///< gss_inquire_cred_by_oid, gss_set_cred_option: gss/credential/options.hpp
  bool aes_messages = false;           ///< wrap and get_mic with the AES keys that every realm uses
  bool iov = false;                   ///< gss_wrap_iov and its family, gss_wrap_aead: gss/context/iov.hpp, in_place.hpp
  bool mic_iov = false;               ///< gss_get_mic_iov and its family
  bool replay_cache = false;          ///< an acceptor notices a token that it has seen (RFC 4120 section 10)
  bool channel_bound_flag = false;    ///< acceptors learn whether the bindings were compared: channel_bound
  bool pseudo_random = false;         ///< gss_pseudo_random: pseudo_random() of gss/context/prf.hpp
  bool local_names = false;           ///< gss_localname and its kin: gss/name/local.hpp
  bool name_attributes = false;       ///< RFC 6680: gss/name/attributes.hpp
  bool verified_pac = false;          ///< the PAC of a ticket is verified, and can be had: krb5/pac.hpp
  bool mechanism_attributes = false;  ///< RFC 5587: gss/mechanism_inquiry.hpp
  bool context_options = false;       ///< gss_inquire_sec_context_by_oid: gss/context/options.hpp
  bool sasl_ssf = false;              ///< GSS_C_SEC_CONTEXT_SASL_SSF: sasl_ssf() of gss/context/options.hpp
  bool krb5_extensions = false;       ///< the functions of gssapi_krb5.h: krb5/lucid.hpp, ticket.hpp and others
  bool keyring_caches = false;        ///< credential caches of type KEYRING: handoff/credential_cache.hpp
  bool kdc_exchange = false;          ///< krb5_init_creds_step, krb5_tkt_creds_step: krb5/kdc_exchange.hpp
  bool name_not_mn = false;           ///< gss_export_name refuses other names; MechName<M> makes it so everywhere
};

/// Faults of released versions, each with the guard that this library has against it.
struct KnownFaults {
  /// gss_delete_sec_context of GSS_C_NO_CONTEXT is an error. Guard: an empty owner calls nothing.
  bool delete_of_no_context_fails = false;
  /// verify_mic and unwrap judge the sequence number before the checksum, so a forged token can come back with
  /// GSS_ERROR() == 0. Guard: nothing but GSS_S_COMPLETE is success.
  bool order_before_integrity = false;
  /// gss_acquire_cred frees the caller's name when it answers GSS_S_BAD_NAME. Guard: it gets a copy.
  bool acquire_releases_bad_name = false;
  /// A name that a negotiated context gives is equal to no other, and gss_duplicate_name crashes on it. Guard: it is
  /// made anew from what it exports.
  bool negotiated_names_crash = false;
  /// gss_init_sec_context reads uninitialised memory when the reply is not a token of its mechanism. Guard: Initiator
  /// looks at the framing first.
  bool crashes_on_foreign_reply = false;
  /// gss_init_sec_context for SPNEGO refuses a credential that was delegated or made with a password: it looks for a
  /// SPNEGO part that these lack. Guard: acquire_with_password() says so; Credential<mech::Krb5, Initiate>::adopt() of
  /// a delegated one's handle works.
  bool spnego_refuses_derived_credentials = false;
  /// gss_unwrap says "confidential" of what was not encrypted. Guard: unwrap never believes it.
  bool unwrap_misreports_confidentiality = false;
  /// gss_unwrap turns a token with a rotation count back in the caller's memory; MIT krb5 also moves the header of one
  /// that is not encrypted there, for good if it refuses it. Guard: unwrap works on a copy of those.
  bool unwrap_rewrites_input = false;
  /// gss_unwrap_iov does not take a whole token (STREAM). Guard: unwrap_in_place takes it apart itself.
  bool unwrap_iov_refuses_streams = false;
  /// gss_unwrap_iov of a token without a trailer piece reads and writes past its memory, as far as the extra count of
  /// the token's header says (RFC 4121 section 4.2.3), whoever sent it. Guard: unwrap_iov refuses more than fits.
  bool unwrap_iov_trusts_extra_count = false;
  /// gss_inquire_cred gives an acceptor without a name one that gss_display_name crashes on. Guard: it is not asked.
  bool acceptor_names_crash = false;
  /// gss_acquire_cred for a name that is to initiate crashes where caches are in a directory. Guard: acquire() refuses
  /// where KRB5CCNAME says so (not where krb5.conf does).
  bool names_crash_in_directories = false;
  /// gss_store_cred looks for a cache of the same principal, finds the credential's own, empties it to fill it from
  /// itself, and reports success. Guard: store_credential() refuses.
  bool store_destroys_credential = false;
  /// gss_accept_sec_context for IAKERB is COMPLETE when the initiator has a ticket and starts with that, but leaves no
  /// context (its messages are GSS_S_NO_CONTEXT) and leaks one. Guard: Acceptor refuses such a first token.
  bool iakerb_loses_context = false;
  /// gss_context_time of an acceptor adds the clock skew that handshakes tolerate. Guard: ExpiringContext takes it off.
  bool acceptors_outlive_tickets = false;
  /// gss_krb5_export_lucid_sec_context leaves the context there. Guard: export_lucid() and take_over() delete it.
  bool lucid_export_keeps_context = false;
  /// gss_export_sec_context crashes in gssproxy's plugin (0.9.1). Guard: export_context() refuses where GSS_USE_PROXY
  /// asks for the plugin.
  bool proxied_export_crashes = false;
  /// The identity of gss_acquire_cred's default is chosen when it is first used. Guard: acquire_default() uses it.
  bool default_is_chosen_late = false;
  /// gss_accept_sec_context for SPNEGO is COMPLETE when a later token of the initiator has none of the mechanism,
  /// though the mechanism is not. Guard: Acceptor takes a token without one as the answer to a signature only.
  bool completes_before_mechanism = false;
  /// One forged message, made without a key, moves the window of sequence numbers before its checksum is looked at: the
  /// genuine ones that follow are refused. No guard: unwrap and verify_mic refuse the forgery, and then them.
  /// MessageProtector does not do this.
  bool forgery_moves_window = false;
  /// gss_accept_sec_context in DCE style takes the AP-REP that it has just sent for the third leg, which is to prove
  /// that the first is no replay. No guard: with ContextFlag::dce_style only the first message proves it.
  bool accepts_own_dce_reply = false;
  /// gss_add_cred crashes when it copies (Heimdal 7.8), or has no other mechanism to add (GNU GSS). Guard:
  /// add_credential() is unavailable.
  bool add_cred_is_unusable = false;
  /// A keytab file that is cut off, or is none, crashes whoever reads it: acquiring, accepting. Guard: it is looked at
  /// before, the one that the credential was acquired from.
  bool keytabs_crash = false;
  /// One KRB-ERROR with KDC_ERR_SVC_UNAVAILABLE, which anybody on the way can send, and whatever asks a KDC never comes
  /// back and keeps its processor busy (https://github.com/heimdal/heimdal/issues/346). No guard: let no thread that
  /// others wait for ask a KDC.
  bool spins_on_unavailable_kdc = false;
  /// gss_acquire_cred says that there is no credential, and not why. Guard: the error names the place that it looked
  /// at.
  bool acquire_drops_reason = false;
  /// gss_inquire_name gives an OID that the caller has to free; RFC 6680 does not say whose it is, and the
  /// others give a part of the name. Guard: inquire_name() frees it.
  bool inquire_name_copies_mechanism = false;
  /// gss_krb5_get_tkt_flags counts bits from the lowest, RFC 4120 section 5.3 from the highest. Guard: ticket_flags()
  /// turns them round.
  bool ticket_flags_are_reversed = false;
  /// gss_krb5_ccache_name and krb5_gss_register_acceptor_identity crash on nullptr, which stands for the default.
  /// Guard: set_thread_cache() refuses it, set_process_keytab() asks in another way.
  bool default_names_crash = false;
  /// A minor status that comes through SPNEGO is a number in the order of appearance, another in each process. Guard:
  /// the Error has the code of Kerberos that has the same words.
  bool minor_codes_are_mapped = false;
  /// gss_acquire_cred for SPNEGO says that there is nothing to negotiate, and not why. Guard: Kerberos alone is asked
  /// once more, and the error has what it says.
  bool spnego_drops_reason = false;
  /// An initiator that asks for ContextFlag::sequence and not for mutual expects the acceptor's messages from number 0
  /// on, and the acceptor counts from where the initiator begins: the first is refused, whoever the acceptor is. Guard:
  /// such an Initiator is unavailable.
  bool sequence_needs_mutual = false;
  /// Names have no PAC. gsskrb5_extract_authz_data_from_sec_context gives that of the ticket, and no call says whether
  /// it was verified: with check_pac = false in krb5.conf, it was not. Guard: Pac::from() takes a context only, and
  /// reads krb5.conf too.
  bool pac_check_is_optional = false;
};

GSSKEY_END_ABI
}  // namespace gsskey
