// gsskey/gss/context/peer: who is at the other end of a context.
// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/name/local.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/security_context.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

class Principal;

namespace gss_detail {
/// What Peer::principal() does. If the compiler says that it is incomplete, the header was not included.
template <class P>
struct PrincipalOf;  // gsskey/krb5/principal.hpp
}  // namespace gss_detail

/// Names who is at the other end of a context, as its mechanism has authenticated it: the initiator to an acceptor, the
/// acceptor to an initiator. To an initiator without ContextFlag::mutual it is only whom it has asked for. Move-only;
/// empty by default and after a move.
///
///     const auto peer = context.peer();
///     if (!peer) return refuse(peer.error());
///     if (peer->is_anonymous().no()) greet(peer->principal());
///
/// Calls: gss_release_name, when it goes.
/// Errors: usage, if it is empty, or the mechanism does not tell who it is: of NTLM the acceptor, or who is anonymous.
/// Threads: any number may call const members at the same time; else one.
class Peer {
 public:
  Peer() noexcept = default;
  /// Makes the other end of a context of which inquire() says this.
  explicit Peer(ContextInfo info) noexcept
      : name_{std::move(info.is_initiator ? info.acceptor : info.initiator)},
        mechanism_{info.mechanism},
        is_anonymous_{!info.is_initiator && info.flags.contains(ContextFlag::anonymous)} {}

  /// Returns the name, which is empty where the mechanism does not tell it.
  /// Owner: this object.
  [[nodiscard]] const Name& name() const noexcept GSSKEY_LIFETIMEBOUND { return name_; }
  /// Returns the mechanism that was negotiated, whose name it is.
  [[nodiscard]] const Oid& mechanism() const noexcept GSSKEY_LIFETIMEBOUND { return mechanism_; }

  /// Returns the name as text, for people and logs.
  /// Calls: gss_display_name.
  /// Errors: those of the class; gss.
  [[nodiscard]] Result<DisplayedName> display() const noexcept { return name_.display(); }
  /// Returns the principal of Kerberos. Include krb5/principal.hpp.
  /// Calls: gss_canonicalize_name, gss_export_name.
  /// Errors: those of the class; policy, if what was negotiated is not Kerberos; gss; system (ENOMEM).
  template <class P = Principal>
  [[nodiscard]] Result<P> principal() const noexcept {
    return gss_detail::PrincipalOf<P>::peer(*this);  // krb5/principal.hpp
  }
  /// Returns the user of this machine that the peer is mapped to: a mapping, not a permission, as local_name().
  /// Calls: gss_localname.
  /// Errors: those of the class; those of local_name(): gss, if nothing maps it.
  [[nodiscard]] Result<Buffer> local_name() const noexcept { return gsskey::local_name<mech::Any>(name_); }
  /// Returns whether the peer has authenticated as nobody. No answer, where the mechanism does not tell who it is.
  /// Calls: gss_display_name.
  /// Errors: those of the class; gss.
  /// See: RFC 2743 section 1.2.5, RFC 8062.
  [[nodiscard]] Answer is_anonymous() const noexcept { return is_anonymous_ ? Answer::of(true) : name_.is_anonymous(); }

 private:
  Name name_;
  Oid mechanism_;
  bool is_anonymous_ = false;
};

namespace gss_detail {
[[nodiscard]] inline Result<Peer> other_end(Result<ContextInfo> info) noexcept {
  if (!info) return unexpected(std::move(info).error());
  return Peer{*std::move(info)};
}
/// What SecurityContext::peer() does.
template <Mechanism M>
struct OtherEnd {
  [[nodiscard]] static Result<Peer> of(const SecurityContext<M>& context) noexcept {
    return other_end(context.inquire());
  }
};
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
