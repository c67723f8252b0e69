// gsskey/module/gsskey: the GSS-API half as a module: what gsskey/gss.hpp has.
// Macros are not in a module: include gsskey/core/try.hpp for GSSKEY_TRY, and the C header for those of GSS-API.
// SPDX-License-Identifier: MIT
module;

#include <gsskey/gss.hpp>

export module gsskey;

export namespace gsskey {
using gsskey::Accept;
using gsskey::Accepted;
using gsskey::Acceptor;
using gsskey::AcceptorOptions;
using gsskey::Answer;
using gsskey::bad_expected_access;
using gsskey::Binding;
using gsskey::BlockingStream;
using gsskey::BlockingTransport;
using gsskey::Both;
using gsskey::Buffer;
using gsskey::ByteView;
using gsskey::calling_error;
using gsskey::CallingError;
using gsskey::Capabilities;
using gsskey::capabilities;
using gsskey::ChannelBindings;
using gsskey::ContextDemand;
using gsskey::ContextFlag;
using gsskey::ContextFlags;
using gsskey::ContextInfo;
using gsskey::Credential;
using gsskey::CredentialInfo;
using gsskey::CredentialRef;
using gsskey::CredentialStore;
using gsskey::DisplayedName;
using gsskey::Domain;
using gsskey::drive;
using gsskey::DriveOptions;
using gsskey::Error;
using gsskey::expected;
using gsskey::FlagSet;
using gsskey::HandshakeHook;
using gsskey::HandshakeReport;
using gsskey::has;
using gsskey::Initiate;
using gsskey::Initiator;
using gsskey::InitiatorOptions;
using gsskey::known_faults;
using gsskey::KnownFaults;
using gsskey::Limit;
using gsskey::Limits;
using gsskey::limits;
using gsskey::Mechanism;
using gsskey::MechName;
using gsskey::MessageRoom;
using gsskey::Name;
using gsskey::NoDemand;
using gsskey::Oid;
using gsskey::OidSet;
using gsskey::OidText;
using gsskey::operator|;
using gsskey::OrderedMessage;
using gsskey::Ordering;
using gsskey::Peer;
using gsskey::raw_oid_set;
using gsskey::Result;
using gsskey::routine_error;
using gsskey::RoutineError;
using gsskey::Seconds;
using gsskey::SecretBytes;
using gsskey::SecurityContext;
using gsskey::set_handshake_hook;
using gsskey::Step;
using gsskey::StepFailure;
using gsskey::SteppedHandshake;
using gsskey::Supplementary;
using gsskey::unexpected;
using gsskey::UniqueHandle;
using gsskey::Unwrapped;
using gsskey::Usage;
}  // namespace gsskey

export namespace gsskey::mech {
using gsskey::mech::Any;
using gsskey::mech::Iakerb;
using gsskey::mech::Krb5;
using gsskey::mech::Negotiate;
using gsskey::mech::Ntlmssp;
using gsskey::mech::Spnego;
}  // namespace gsskey::mech

export namespace gsskey::name_type {
using gsskey::name_type::anonymous;
using gsskey::name_type::composite_export;
using gsskey::name_type::exported;
using gsskey::name_type::host_service;
using gsskey::name_type::host_service_x;
using gsskey::name_type::krb5_principal;
using gsskey::name_type::machine_uid;
using gsskey::name_type::string_uid;
using gsskey::name_type::user;
}  // namespace gsskey::name_type
