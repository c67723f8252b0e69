// gsskey/gss/fwd: declarations without definitions, for headers that only name our types.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/fwd.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

class Buffer;
class Name;
class OidSet;
struct ContextInfo;
struct CredentialInfo;
struct CredentialStore;
struct InitiatorOptions;
struct Step;
struct StepFailure;
template <Mechanism M, class Usual = M>
struct AcceptorOptions;
template <Mechanism M>
class Acceptor;
template <Mechanism M, Usage U>
class Credential;
template <Mechanism M, Usage U>
class CredentialRef;
template <Mechanism M>
class Initiator;
template <Mechanism M>
class MechName;
template <Mechanism M>
class SecurityContext;

GSSKEY_END_GSS_ABI
}  // namespace gsskey
