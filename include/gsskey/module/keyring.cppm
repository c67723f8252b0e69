// gsskey/module/keyring: the half of the kernel's keys as a module: what gsskey/keyring.hpp has.
// Macros are not in a module: include gsskey/core/try.hpp for GSSKEY_TRY.
// SPDX-License-Identifier: MIT
module;

#include <gsskey/keyring.hpp>

export module gsskey.keyring;

export namespace gsskey {
using gsskey::all_rights;
using gsskey::Answer;
using gsskey::AnyKeyRef;
using gsskey::AnyText;
using gsskey::Authority;
using gsskey::bad_expected_access;
using gsskey::ByteView;
using gsskey::CalloutInfo;
using gsskey::check_request_key_conf;
using gsskey::check_ring;
using gsskey::Description;
using gsskey::Destination;
using gsskey::DestroyHook;
using gsskey::diagnose;
using gsskey::diffie_hellman;
using gsskey::Domain;
using gsskey::EncryptedFormat;
using gsskey::EncryptedPayload;
using gsskey::EncryptedUpdate;
using gsskey::Error;
using gsskey::every_namespace;
using gsskey::expected;
using gsskey::explanation;
using gsskey::Finding;
using gsskey::Findings;
using gsskey::FlagSet;
using gsskey::handle_upcall;
using gsskey::Instantiation;
using gsskey::is_possessed;
using gsskey::Key;
using gsskey::key_quota;
using gsskey::KeyEvent;
using gsskey::KeyEventKind;
using gsskey::KeyHandle;
using gsskey::KeyInfo;
using gsskey::KeyList;
using gsskey::KeyOperations;
using gsskey::KeyOptions;
using gsskey::KeyQuota;
using gsskey::KeyRef;
using gsskey::KeyRequest;
using gsskey::Keyring;
using gsskey::keyring_capabilities;
using gsskey::KeyringCapability;
using gsskey::KeyringRef;
using gsskey::KeyType;
using gsskey::KeyUpdate;
using gsskey::KeyWatch;
using gsskey::log_upcall;
using gsskey::MasterKey;
using gsskey::Namespace;
using gsskey::Namespaces;
using gsskey::no_timeout;
using gsskey::NonEmptyText;
using gsskey::OnDestroy;
using gsskey::operator|;
using gsskey::parse_key_quota;
using gsskey::Permissions;
using gsskey::PrefixedText;
using gsskey::ProcKey;
using gsskey::ProcKeys;
using gsskey::PublicKey;
using gsskey::PublicKeyInfo;
using gsskey::PublicKeyOperation;
using gsskey::Rejection;
using gsskey::request_key;
using gsskey::request_key_line;
using gsskey::request_key_ring;
using gsskey::Requester;
using gsskey::RequestKeyFault;
using gsskey::RequestKeyRing;
using gsskey::RequestKeyRule;
using gsskey::Result;
using gsskey::Right;
using gsskey::Rights;
using gsskey::RingOperations;
using gsskey::RingTerms;
using gsskey::Risk;
using gsskey::Risks;
using gsskey::Seconds;
using gsskey::SecretBytes;
using gsskey::set_destroy_hook;
using gsskey::set_request_key_ring;
using gsskey::Timeout;
using gsskey::TrustedOptions;
using gsskey::TrustedPayload;
using gsskey::unexpected;
using gsskey::UniqueHandle;
using gsskey::UpcallLog;
using gsskey::UpcallOptions;
using gsskey::wait_for_quota;
}  // namespace gsskey

export namespace gsskey::key_type {
using gsskey::key_type::Any;
using gsskey::key_type::Asymmetric;
using gsskey::key_type::BigKey;
using gsskey::key_type::Encrypted;
using gsskey::key_type::Keyring;
using gsskey::key_type::Logon;
using gsskey::key_type::Trusted;
using gsskey::key_type::User;
}  // namespace gsskey::key_type
