// gsskey/krb5/pac: Pac, what Active Directory says of the initiator in its ticket: its SID, its groups, its names.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/name/attributes.hpp>
#include <gsskey/gss/platform/pac_guard.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/security_context.hpp>
#include <gsskey/krb5/detail/pac_reader.hpp>
#include <gsskey/krb5/pac_info.hpp>
#include <gsskey/krb5/sid.hpp>
#include <gsskey/krb5/ticket.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Holds what the KDC of a domain said of the initiator: who it is, and in which groups. It is made of verified tickets
/// alone, never of bytes: the GSS implementation has compared the PAC's server checksum, with the acceptor's key, and
/// its client with that of the ticket. The other checksums are under the key of krbtgt, which only KDCs have: that the
/// domain made the PAC is true as far as nobody else has the acceptor's key.
///
/// The KDC of MIT krb5 puts a small one into its tickets, without logon(). Move-only; empty by default and after a
/// move: then nothing is known, and nobody is a member of anything.
///
///     const auto pac = Pac::from(context);
///     if (pac && pac->is_member_of(Sid{"S-1-5-21-1-2-3-512"}).yes()) ...
///
/// Errors: policy, for a PAC that nobody vouches for, and for one that is malformed; gss, where there is none, or MIT
///   krb5 has found it not genuine: RoutineError::unavailable, failure on Heimdal; unavailable, without
///   Capabilities::verified_pac, and for Heimdal with check_pac = false in krb5.conf; system (ENOMEM).
/// Threads: one at a time; any number may read.
/// Owner: of all text and spans that it gives.
/// See: [MS-PAC].
class Pac {
 public:
  Pac() noexcept = default;

  /// Makes that of an acceptor's peer. An imported context still has it, but on Heimdal.
  /// Calls: gss_inquire_context, gss_get_name_attribute; gsskrb5_extract_authz_data_from_sec_context on Heimdal.
  /// Errors: those of the class; usage, if the context is empty.
  template <Mechanism M>
    requires(M::accepts(mech::Krb5::oid))
  [[nodiscard]] static Result<Pac> from(const SecurityContext<M>& context) noexcept {
    if (!context) return unexpected(gsskey::detail::empty_context(operation));
    if constexpr (!capabilities.verified_pac) return unexpected(not_verified());
    if constexpr (known_faults.pac_check_is_optional) {
      if (auto verified = gss_detail::pacs_are_verified(operation); !verified) return unexpected(verified.error());
      const auto found = authorization_data(context, pac_type);
      if (!found) return unexpected(found.error());
      return read(*found);
    } else {
      const auto info = context.inquire();
      if (!info) return unexpected(info.error());
      return from(info->initiator);
    }
  }
  /// Makes that of a name which a context gave: Accepted::peer. Of no imported name: MIT krb5 vouches for those of
  /// export_name_composite(), whoever made them.
  /// Calls: gss_get_name_attribute.
  /// Errors: those of the class; usage, for an empty name; unavailable, on Heimdal, whose contexts have it.
  [[nodiscard]] static Result<Pac> from(const Name& peer) noexcept {
    if constexpr (!capabilities.verified_pac) return unexpected(not_verified());
    if constexpr (known_faults.pac_check_is_optional) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME "'s names have no PAC, its contexts have"));
    }
    const auto found = name_attribute(peer, "urn:mspac:");
    if (!found) return unexpected(found.error());
    return read(found->value);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return contents_ != nullptr; }

  /// Returns what the domain knows of the logon; nullptr where the PAC does not say it.
  [[nodiscard]] const PacLogonInfo* logon() const noexcept GSSKEY_LIFETIMEBOUND {
    return contents_ && contents_->logon ? &*contents_->logon : nullptr;
  }
  /// Returns whom the ticket is for; nullptr where the PAC does not say it.
  [[nodiscard]] const PacClient* client() const noexcept GSSKEY_LIFETIMEBOUND {
    return contents_ && contents_->client ? &*contents_->client : nullptr;
  }
  /// Returns the user's names in the directory; nullptr where the PAC does not say them.
  [[nodiscard]] const PacUpn* upn() const noexcept GSSKEY_LIFETIMEBOUND {
    return contents_ && contents_->upn ? &*contents_->upn : nullptr;
  }
  /// Returns who asked for the ticket; empty in most, as it is meant for KDCs.
  /// See: [MS-PAC] section 2.15.
  [[nodiscard]] Sid requestor() const noexcept { return contents_ ? contents_->requestor : Sid{}; }
  /// Returns the bits of PAC_ATTRIBUTES_INFO; none in most, as they are meant for KDCs.
  /// See: [MS-PAC] section 2.14.
  [[nodiscard]] std::optional<std::uint32_t> attributes() const noexcept {
    return contents_ ? contents_->attributes : std::nullopt;
  }
  /// Returns the checksums, and which of them was verified.
  [[nodiscard]] std::span<const PacChecksum> checksums() const noexcept GSSKEY_LIFETIMEBOUND {
    if (!contents_) return {};
    return {contents_->checksums, contents_->checksum_count};
  }

  /// Answers whether the initiator is the user `sid`, or in the group `sid` in a way that grants() access: in one of
  /// its domain, of another, or of the service's domain. Groups of this machine, S-1-5-32-544 say, are no concern of
  /// the KDC's. The answer is a failure where the PAC has no logon().
  /// Errors: policy; usage, if the Pac is empty.
  [[nodiscard]] Answer is_member_of(const Sid& sid) const noexcept {
    constexpr const char* asked = "Pac::is_member_of";
    if (!contents_) return Answer::failure(Error::usage(asked, "the PAC is empty"));
    const PacLogonInfo* const known = logon();
    if (known == nullptr) return Answer::failure(Error::policy(asked, 0, "the PAC does not say the groups"));
    if (sid.empty()) return Answer::of(false);
    if (sid == known->user) return Answer::of(true);
    for (const auto groups : {known->groups, known->extra, known->resource_groups}) {
      for (const PacGroup& group : groups) {
        if (group.sid == sid && group.grants()) return Answer::of(true);
      }
    }
    return Answer::of(false);
  }

 private:
  static constexpr const char* operation = "Pac::from";
  static constexpr std::int32_t pac_type = 128;  // AD-WIN2K-PAC, RFC 4120 section 7.5.4
  [[nodiscard]] static Result<Pac> read(ByteView verified) noexcept {
    auto contents = gsskey::detail::read_pac(verified);
    if (!contents) return unexpected(std::move(contents).error());
    Pac pac;
    pac.contents_ = *std::move(contents);
    return pac;
  }
  [[nodiscard]] static Error not_verified() noexcept {
    return Error::unavailable(operation, GSSKEY_GSS_NAME " does not tell whether it has verified a PAC");
  }

  std::unique_ptr<const gsskey::detail::PacContents> contents_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
