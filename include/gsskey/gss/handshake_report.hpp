// gsskey/gss/handshake_report: one hook for the log of a program, which is told of each handshake as it ends.
// SPDX-License-Identifier: MIT
#pragma once

#include <time.h>

#include <cstdint>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/fwd.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Describes a handshake that has ended: established, or failed. It has no key, password or token.
/// Owner: whoever runs the handshake; the references are good until the hook returns.
struct HandshakeReport {
  bool is_initiator;
  const char* mechanism;      ///< that the handshake was made for: "krb5", "spnego". Static
  Oid negotiated;             ///< the mechanism of the last step that succeeded; empty if none did
  const Name& peer;           ///< of an initiator the target; of an acceptor the initiator, empty before it is known
  ContextFlags flags;         ///< granted; none if a step failed, or did not come
  std::uint32_t steps;        ///< calls of step(), of which a failed one is the last
  std::uint64_t nanoseconds;  ///< within step(), which waits for KDC, DNS and disk, but not for the peer
  /// The context, to be asked: inquire() has both names, enctype() of krb5/enctype.hpp the encryption type. Empty if
  /// the handshake failed.
  const SecurityContext<mech::Any>& context;
  const Error* error;  ///< why the handshake failed; nullptr: it is established
};

/// A function that is told of each handshake as it ends, once: by establish() or accept(), or by a step() that fails,
/// before they return. drive(), HttpAcceptor and the others that run handshakes call these. One that ends half-way is
/// told with the Error of the transport, by drive() and by abandon(); if it has begun and is destroyed, or another is
/// assigned to it, with ECANCELED, as of a cancelled coroutine.
///
/// What Kerberos itself does meanwhile (which caches, keys and KDCs it tries) is in the library's own trace: MIT krb5
/// writes it to the file that KRB5_TRACE names in the environment, Heimdal 7.8 to what `krb5 = 0-/FILE:...` in the
/// section [logging] of krb5.conf names.
/// Threads: called on the thread that runs the handshake, on several at the same time.
using HandshakeHook = void (*)(const HandshakeReport& report) noexcept;

namespace gss_detail {
GSSKEY_SHARED HandshakeHook handshake_hook = nullptr;

[[nodiscard]] inline HandshakeHook current_handshake_hook() noexcept {
  return __atomic_load_n(&handshake_hook, __ATOMIC_RELAXED);
}
/// Of a clock that nobody sets.
[[nodiscard]] inline std::uint64_t nanoseconds_now() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}
}  // namespace gss_detail

/// Sets the hook for the program and what it is linked with, or, called within a plug-in, for that plug-in. nullptr, as
/// in the beginning: nobody is told, and no clock is read. Steps that ran before are not counted.
/// Threads: any, at any time.
inline void set_handshake_hook(HandshakeHook hook) noexcept {
  __atomic_store_n(&gss_detail::handshake_hook, hook, __ATOMIC_RELAXED);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
