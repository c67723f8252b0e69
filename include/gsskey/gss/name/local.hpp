// gsskey/gss/name/local: which user of this machine a name stands for, and which users it may act as.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string_view>

#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {
[[nodiscard]] inline Error no_local_names(const char* operation) noexcept {
  return Error::unavailable(operation, GSSKEY_GSS_NAME " has no local names");
}
/// "alice@EXAMPLE.COM may not act as the local user root"
[[nodiscard]] inline Error may_not_act_as(const char* operation, const Name& name, std::string_view user) noexcept {
  Error refusal = Error::policy(operation, 0, "the name may not act as that local user");
  const auto shown = name.display();
  if (!shown) return refusal;
  return std::move(refusal).with_text(shown->text(), " may not act as the local user ", user);
}
}  // namespace gss_detail

/// Returns the user that M maps `name` to: for Kerberos by auth_to_local and auth_to_local_names of krb5.conf. The user
/// need not exist. It is a mapping, not a permission: may_act_as() is that.
/// Calls: gss_localname.
/// Errors: usage, for an empty name; unavailable, without Capabilities::local_names; gss, if nothing maps it.
template <Mechanism M>
[[nodiscard]] inline Result<Buffer> local_name(const Name& name) noexcept {
  constexpr const char* operation = "gss_localname";
  if (!name) return unexpected(gsskey::detail::empty_name(operation));
  if constexpr (!capabilities.local_names) return unexpected(gss_detail::no_local_names(operation));
  OM_uint32 minor = 0;
  Buffer user;
  const OM_uint32 major = gss_detail::gss_localname(&minor, name.get(), gss_detail::raw_oid<M::oid>(), user.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return user;
}

/// Returns the number of the user that M maps `name` to, who must exist.
/// Calls: gss_pname_to_uid.
/// Errors: those of local_name().
/// Blocks: on the user database.
template <Mechanism M>
[[nodiscard]] inline Result<uid_t> local_uid(const Name& name) noexcept {
  constexpr const char* operation = "gss_pname_to_uid";
  if (!name) return unexpected(gsskey::detail::empty_name(operation));
  if constexpr (!capabilities.local_names) return unexpected(gss_detail::no_local_names(operation));
  OM_uint32 minor = 0;
  auto uid = static_cast<uid_t>(-1);
  const OM_uint32 major = gss_detail::gss_pname_to_uid(&minor, name.get(), gss_detail::raw_oid<M::oid>(), &uid);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return uid;
}

/// Checks that `name` may act as the local user `user`: for Kerberos by that user's .k5login, or where there is none,
/// by whether local_name() is that user. `name` must be an authenticated one, the peer's of an acceptor: anybody can
/// write Name::user("root"). `user` is a Name::user(), not canonical.
///
///     if (auto allowed = may_act_as(peer, "www-data"); !allowed) return refuse(allowed.error());
///
/// The implementations answer GSS_S_UNAUTHORIZED or GSS_S_UNAVAILABLE, and both mean no: MIT krb5 and Heimdal say the
/// latter of every refusal. MIT krb5 says no of a name that is not a mechanism's (MechName), and Heimdal 7.8 does not
/// ask whether the user exists.
/// Calls: gss_authorize_localname.
/// Errors: policy, if it may not, with both names in its words; usage, for an empty name; unavailable, without
///   Capabilities::local_names; gss.
/// Blocks: on files and the user database.
[[nodiscard]] inline Result<void> may_act_as(const Name& name, const Name& user) noexcept {
  constexpr const char* operation = "gss_authorize_localname";
  if (!name || !user) return unexpected(Error::usage(operation, "a name is empty: moved from, or never set"));
  if constexpr (!capabilities.local_names) return unexpected(gss_detail::no_local_names(operation));
  OM_uint32 minor = 0;
  const OM_uint32 major = gss_detail::gss_authorize_localname(&minor, name.get(), user.get());
  const OM_uint32 routine = major & 0x00ff0000u;
  if (routine == GSS_S_UNAUTHORIZED || routine == GSS_S_UNAVAILABLE) {
    const auto shown = user.display();
    return unexpected(gss_detail::may_not_act_as(operation, name, shown ? shown->text() : "that was asked for"));
  }
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return {};
}
/// Checks that `name` may act as the local user who is called `user`: "www-data", NUL-terminated.
/// Calls: gss_userok, which tells no error from a no.
/// Errors: policy, if it may not, with both names in its words; usage, for an empty name or user; unavailable, without
///   Capabilities::local_names.
/// Blocks: on files and the user database.
[[nodiscard]] inline Result<void> may_act_as(const Name& name, const char* user) noexcept {
  constexpr const char* operation = "gss_userok";
  if (!name) return unexpected(gsskey::detail::empty_name(operation));
  if (user == nullptr || *user == '\0') return unexpected(Error::usage(operation, "the user is empty"));
  if constexpr (!capabilities.local_names) return unexpected(gss_detail::no_local_names(operation));
  if (gss_detail::gss_userok(name.get(), user) != 1)
    return unexpected(gss_detail::may_not_act_as(operation, name, user));
  return {};
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
