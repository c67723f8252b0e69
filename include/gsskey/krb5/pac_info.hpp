// gsskey/krb5/pac_info: what a PAC says, piece by piece: logon, groups, names, checksums.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>
#include <span>
#include <string_view>

#include <gsskey/core/config.hpp>
#include <gsskey/core/flag_set.hpp>
#include <gsskey/krb5/sid.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// A time as Windows counts it, in units of 100 ns; none where it is not set, or never.
using PacTime = std::optional<std::chrono::sys_time<std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>>>;

/// Names what a group is good for.
/// See: [MS-PAC] section 2.2.1.
enum class GroupAttribute : std::uint32_t {
  mandatory = 1u << 0,  ///< cannot be disabled
  enabled_by_default = 1u << 1,
  enabled = 1u << 2,    ///< counts where access is granted
  owner = 1u << 3,      ///< may own what its members make
  deny_only = 1u << 4,  ///< counts where access is denied, and nowhere else
  integrity = 1u << 5,  ///< no group: how far the initiator is trusted
  integrity_enabled = 1u << 6,
  resource = 1u << 29,  ///< a group of the service's own domain
};
/// Holds attributes of a group.
using GroupAttributes = FlagSet<GroupAttribute>;

/// One group of the initiator's.
struct PacGroup {
  Sid sid;
  GroupAttributes attributes;
  /// Returns whether its members are let in where it is.
  [[nodiscard]] bool grants() const noexcept {
    return attributes.contains(GroupAttribute::enabled) && !attributes.contains(GroupAttribute::deny_only);
  }
};

/// What the domain knows of a logon. Text is UTF-8.
/// See: [MS-PAC] section 2.5.
struct PacLogonInfo {
  Sid user;
  Sid primary_group;
  Sid domain;                                 ///< that of the user and of `groups`
  std::span<const PacGroup> groups;           ///< of the user's domain, also those that he is in through others
  std::span<const PacGroup> extra;            ///< of other domains, and well-known ones
  std::span<const PacGroup> resource_groups;  ///< of the service's domain
  std::string_view name;                      ///< "alice"
  std::string_view full_name;
  std::string_view domain_name;  ///< NetBIOS: "EXAMPLE"
  std::string_view server;       ///< the domain controller, NetBIOS
  PacTime logon;
  PacTime logoff;   ///< when the logon ends
  PacTime kickoff;  ///< when the user is to be logged off
  PacTime password_set;
  PacTime password_can_change;
  PacTime password_must_change;
  std::uint32_t account_control = 0;  ///< [MS-SAMR] section 2.2.1.12
};

/// Whom the ticket is for, as its KDC writes it.
/// See: [MS-PAC] section 2.7.
struct PacClient {
  std::string_view name;
  PacTime authenticated;  ///< authtime of the ticket
};

/// The user's names in the directory.
/// See: [MS-PAC] section 2.10.
struct PacUpn {
  std::string_view upn;         ///< "alice@example.com"
  std::string_view dns_domain;  ///< "EXAMPLE.COM"
  std::string_view name;        ///< sAMAccountName; empty where the KDC is older than 2021
  Sid sid;                      ///< likewise
  bool is_constructed = false;  ///< the user has no UPN, and this is made of name and domain
};

/// Names the checksums of a PAC.
/// See: [MS-PAC] sections 2.8.
enum class PacChecksumType : std::uint32_t {
  server = 6,   ///< under the key of the service
  kdc = 7,      ///< of that, under the key of krbtgt
  ticket = 16,  ///< of the ticket, under the key of krbtgt
  full = 19,    ///< of the PAC, under the key of krbtgt
};

/// A checksum that the PAC has.
struct PacChecksum {
  PacChecksumType type;
  std::int32_t algorithm;    ///< RFC 3961's number of it
  bool is_verified = false;  ///< by the GSS implementation, with the key of the acceptor
};

GSSKEY_END_ABI
}  // namespace gsskey
