// gsskey/gss/credential/report: one hook for the log of a program, which is told of each credential that it acquires.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential.hpp>
#include <gsskey/gss/handshake_report.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/usage.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
/// Result<Credential<M, U>>, taken apart.
template <class R>
struct CredentialOf;
template <Mechanism M_, Usage U_>
struct CredentialOf<Result<Credential<M_, U_>>> {
  using M = M_;
  using U = U_;
};
}  // namespace gss_detail

/// Describes a credential that was acquired, or was not. It has no key, password or ticket.
/// Owner: whoever acquires; the references are good until the hook returns.
struct CredentialReport {
  const char* mechanism;       ///< that it was to be acquired for: "krb5", "spnego". Static
  gss_cred_usage_t usage;      ///< GSS_C_INITIATE, GSS_C_ACCEPT or GSS_C_BOTH
  std::string_view wanted;     ///< what was asked for, in the program's words: "alice, from FILE:/etc/alice.keytab"
  const CredentialInfo& info;  ///< whose it is, and how long; empty if there is an error
  std::uint64_t nanoseconds;   ///< which it took, with its waiting for KDC, DNS and disk
  const Error* error;          ///< why there is none, or why it does not say whose it is; nullptr: there is one
};

/// A function that is told of each credential that reported() acquires, before that returns.
/// Threads: called on the thread that acquires, on several at the same time.
using CredentialHook = void (*)(const CredentialReport& report) noexcept;

namespace gss_detail {
GSSKEY_SHARED CredentialHook credential_hook = nullptr;
}  // namespace gss_detail

/// Sets the hook for the program and what it is linked with, or, called within a plug-in, for that plug-in. nullptr, as
/// in the beginning: nobody is told, no clock is read, and no credential is asked whose it is.
/// Threads: any, at any time.
inline void set_credential_hook(CredentialHook hook) noexcept {
  __atomic_store_n(&gss_detail::credential_hook, hook, __ATOMIC_RELAXED);
}

namespace gss_detail {
/// Tells the hook of what took so long to acquire.
template <Mechanism M, Usage U>
inline void tell(CredentialHook hook, std::string_view wanted, std::uint64_t nanoseconds,
                 const Result<Credential<M, U>>& acquired) noexcept {
  const auto say = [&](const CredentialInfo& info, const Error* error) {
    hook({M::name, U::usage, wanted, info, nanoseconds, error});
  };
  if (!acquired) {
    say({}, &acquired.error());
  } else if (const auto info = acquired->inquire()) {
    say(*info, nullptr);
  } else {
    say({}, &info.error());
  }
}
}  // namespace gss_detail

/// Returns what `acquire` returns, a Result<Credential<M, U>>, and tells the hook of it. `wanted` says whose credential
/// that is and where it is from, for the log: of one that was refused nobody else can. RenewingCredential does so with
/// each renewal; elsewhere:
///
///     const auto acquire = [] { return Credential<mech::Krb5, Accept>::acquire_default(); };
///     auto credential = reported(acquire, "the default keytab");
///
/// Calls: gss_inquire_cred, where there is a hook.
/// Blocks: in `acquire`, and as Credential::inquire() does. Exceptions of `acquire` pass through, and are not told.
template <class Acquire>
[[nodiscard]] inline auto reported(Acquire&& acquire, std::string_view wanted = {})
    -> decltype(std::forward<Acquire>(acquire)()) {
  const CredentialHook hook = __atomic_load_n(&gss_detail::credential_hook, __ATOMIC_RELAXED);
  if (hook == nullptr) return std::forward<Acquire>(acquire)();
  const std::uint64_t begin = gss_detail::nanoseconds_now();
  auto credential = std::forward<Acquire>(acquire)();
  gss_detail::tell(hook, wanted, gss_detail::nanoseconds_now() - begin, credential);
  return credential;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
