// gsskey/gss/inquiry: what the implementation that is loaded right now says of its mechanisms and their names.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI {

/// The mechanisms that are there, plugins included. gss_indicate_mechs.
[[nodiscard]] inline Result<OidSet> indicate_mechanisms() noexcept {
  OM_uint32 minor = 0;
  OidSet mechanisms;
  const OM_uint32 major = gss_indicate_mechs(&minor, mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_indicate_mechs", major, minor));
  return mechanisms;
}

/// The name types that M takes. gss_inquire_names_for_mech.
template <Mechanism M>
[[nodiscard]] Result<OidSet> name_types_of() noexcept {
  static_assert(!M::oid.empty(), "name types belong to one mechanism");
  OM_uint32 minor = 0;
  OidSet types;
  const OM_uint32 major = gss_inquire_names_for_mech(&minor, gss_detail::raw_oid<M::oid>(), types.put());
  if (major != GSS_S_COMPLETE) {
    return unexpected(gss_detail::failed_call_of<M>("gss_inquire_names_for_mech", major, minor));
  }
  return types;
}

/// The mechanisms that might take `name`. gss_inquire_mechs_for_name.
[[nodiscard]] inline Result<OidSet> mechanisms_for(const Name& name) noexcept {
  if (!name)
    return unexpected(Error::usage("gss_inquire_mechs_for_name", "the name is empty: moved from, or never set"));
  OM_uint32 minor = 0;
  OidSet mechanisms;
  const OM_uint32 major = gss_inquire_mechs_for_name(&minor, name.get(), mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_inquire_mechs_for_name", major, minor));
  return mechanisms;
}

}  // namespace gsskey::inline GSSKEY_ABI::inline GSSKEY_GSS_ABI
