// gsskey/gss/mechanism_inquiry: which mechanisms there are, what they can do (RFC 5587), which names they take, and how
// SASL calls them (RFC 5801).
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Returns the mechanisms that are there, plugins included.
/// Calls: gss_indicate_mechs.
/// Errors: gss.
/// See: RFC 2744 section 5.18.
[[nodiscard]] inline Result<OidSet> indicate_mechanisms() noexcept {
  OM_uint32 minor = 0;
  OidSet mechanisms;
  const OM_uint32 major = gss_indicate_mechs(&minor, mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_indicate_mechs", major, minor));
  return mechanisms;
}

/// Returns the name types that M takes.
/// Calls: gss_inquire_names_for_mech.
/// Errors: gss.
/// See: RFC 2744 section 5.24.
template <Mechanism M>
[[nodiscard]] inline Result<OidSet> name_types_of() noexcept {
  static_assert(!M::oid.empty(), "name types belong to one mechanism");
  OM_uint32 minor = 0;
  OidSet types;
  const OM_uint32 major = gss_inquire_names_for_mech(&minor, gss_detail::raw_oid<M::oid>(), types.put());
  if (major != GSS_S_COMPLETE) {
    return unexpected(gss_detail::failed_call_of<M>("gss_inquire_names_for_mech", major, minor));
  }
  return types;
}

/// Returns the mechanisms that might take `name`.
/// Calls: gss_inquire_mechs_for_name.
/// Errors: usage, for an empty name; gss.
/// See: RFC 2744 section 5.23.
[[nodiscard]] inline Result<OidSet> mechanisms_for(const Name& name) noexcept {
  if (!name) return unexpected(gsskey::detail::empty_name("gss_inquire_mechs_for_name"));
  OM_uint32 minor = 0;
  OidSet mechanisms;
  const OM_uint32 major = gss_inquire_mechs_for_name(&minor, name.get(), mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_inquire_mechs_for_name", major, minor));
  return mechanisms;
}

/// What mechanisms can be, and can do: GSS_C_MA_*.
/// See: RFC 5587 section 3.4.
namespace GSSKEY_HIDDEN mech_attribute {
inline constexpr Oid concrete{"1.3.6.1.5.5.13.1"};  ///< neither pseudo nor composite
inline constexpr Oid pseudo{"1.3.6.1.5.5.13.2"};
inline constexpr Oid composite{"1.3.6.1.5.5.13.3"};
inline constexpr Oid negotiates{"1.3.6.1.5.5.13.4"};
inline constexpr Oid glue{"1.3.6.1.5.5.13.5"};
inline constexpr Oid not_mechanism{"1.3.6.1.5.5.13.6"};
inline constexpr Oid deprecated{"1.3.6.1.5.5.13.7"};
inline constexpr Oid not_default{"1.3.6.1.5.5.13.8"};
inline constexpr Oid framed{"1.3.6.1.5.5.13.9"};  ///< first tokens are framed as of RFC 2743 section 3.1
inline constexpr Oid authenticates_initiator{"1.3.6.1.5.5.13.10"};
inline constexpr Oid authenticates_target{"1.3.6.1.5.5.13.11"};
inline constexpr Oid authenticates_initiator_initially{"1.3.6.1.5.5.13.12"};
inline constexpr Oid authenticates_target_initially{"1.3.6.1.5.5.13.13"};
inline constexpr Oid anonymous_initiator{"1.3.6.1.5.5.13.14"};
inline constexpr Oid anonymous_target{"1.3.6.1.5.5.13.15"};
inline constexpr Oid delegation{"1.3.6.1.5.5.13.16"};
inline constexpr Oid integrity{"1.3.6.1.5.5.13.17"};
inline constexpr Oid confidentiality{"1.3.6.1.5.5.13.18"};
inline constexpr Oid mic{"1.3.6.1.5.5.13.19"};
inline constexpr Oid wrap{"1.3.6.1.5.5.13.20"};
inline constexpr Oid protection_ready{"1.3.6.1.5.5.13.21"};
inline constexpr Oid replay{"1.3.6.1.5.5.13.22"};
inline constexpr Oid sequence{"1.3.6.1.5.5.13.23"};
inline constexpr Oid channel_bindings{"1.3.6.1.5.5.13.24"};
inline constexpr Oid forward_secrecy{"1.3.6.1.5.5.13.25"};
inline constexpr Oid compression{"1.3.6.1.5.5.13.26"};
inline constexpr Oid context_transfer{"1.3.6.1.5.5.13.27"};  ///< export_context()
}  // namespace GSSKEY_HIDDEN mech_attribute

namespace gss_detail {
[[nodiscard]] inline Error no_mechanism_attributes(const char* operation) noexcept {
  return Error::unavailable(operation, GSSKEY_GSS_NAME " has no mechanism attributes");
}
}  // namespace gss_detail

/// What attributes_of() says of a mechanism.
struct MechanismAttributes {
  OidSet attributes;  ///< that the mechanism has
  OidSet known;       ///< that it could have: of any other, nothing is said
};

/// Returns what M can do.
/// Calls: gss_inquire_attrs_for_mech.
/// Errors: unavailable, without Capabilities::mechanism_attributes; gss, RoutineError::bad_mech if the implementation
///   lacks M.
/// See: RFC 5587.
template <Mechanism M>
[[nodiscard]] inline Result<MechanismAttributes> attributes_of() noexcept {
  static_assert(!M::oid.empty(), "attributes belong to one mechanism");
  constexpr const char* operation = "gss_inquire_attrs_for_mech";
  if constexpr (!capabilities.mechanism_attributes) {
    return unexpected(gss_detail::no_mechanism_attributes(operation));
  }
  OM_uint32 minor = 0;
  MechanismAttributes found;
  const OM_uint32 major = gss_detail::gss_inquire_attrs_for_mech(&minor, gss_detail::raw_oid<M::oid>(),
                                                                 found.attributes.put(), found.known.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>(operation, major, minor));
  return found;
}

/// What indicate_mechanisms_by() looks for: raw_oid_set<mech_attribute::wrap>(), or OidSet::get().
/// Owner: the sets are borrowed.
struct MechanismQuery {
  gss_OID_set desired = GSS_C_NO_OID_SET;   ///< all of these
  gss_OID_set except = GSS_C_NO_OID_SET;    ///< none of these
  gss_OID_set critical = GSS_C_NO_OID_SET;  ///< the mechanism must know of all of these whether it has them
};

/// Returns the mechanisms with these attributes.
/// Calls: gss_indicate_mechs_by_attrs.
/// Errors: unavailable, without Capabilities::mechanism_attributes; gss.
/// See: RFC 5587.
[[nodiscard]] inline Result<OidSet> indicate_mechanisms_by(const MechanismQuery& query) noexcept {
  constexpr const char* operation = "gss_indicate_mechs_by_attrs";
  if constexpr (!capabilities.mechanism_attributes) {
    return unexpected(gss_detail::no_mechanism_attributes(operation));
  }
  OM_uint32 minor = 0;
  OidSet mechanisms;
  const OM_uint32 major =
      gss_detail::gss_indicate_mechs_by_attrs(&minor, query.desired, query.except, query.critical, mechanisms.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return mechanisms;
}

/// An attribute in words.
struct AttributeText {
  Buffer name;  ///< "GSS_C_MA_WRAP"
  Buffer short_description;
  Buffer long_description;
};

/// Returns an attribute in words.
/// Calls: gss_display_mech_attr.
/// Errors: unavailable, without Capabilities::mechanism_attributes; gss, RoutineError::bad_mech_attr if the
///   implementation does not know it.
/// See: RFC 5587.
[[nodiscard]] inline Result<AttributeText> display_attribute(const Oid& attribute) noexcept {
  constexpr const char* operation = "gss_display_mech_attr";
  if constexpr (!capabilities.mechanism_attributes) {
    return unexpected(gss_detail::no_mechanism_attributes(operation));
  }
  gss_OID_desc raw{static_cast<OM_uint32>(attribute.size()), const_cast<unsigned char*>(attribute.data())};
  OM_uint32 minor = 0;
  AttributeText text;
  const OM_uint32 major = gss_detail::gss_display_mech_attr(&minor, &raw, text.name.put(), text.short_description.put(),
                                                            text.long_description.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return text;
}

/// What SASL knows a mechanism by, and what the implementation says of it.
struct SaslName {
  Buffer sasl_name;       ///< "GS2-KRB5", without "-PLUS"
  Buffer mechanism_name;  ///< "kerberos", whatever the implementation likes
  Buffer description;
};

/// Returns what SASL knows M by.
/// Calls: gss_inquire_saslname_for_mech.
/// Errors: gss.
/// See: RFC 5801 section 10.
template <Mechanism M>
[[nodiscard]] inline Result<SaslName> sasl_name_of() noexcept {
  static_assert(!M::oid.empty(), "a SASL name belongs to one mechanism");
  OM_uint32 minor = 0;
  SaslName name;
  const OM_uint32 major = gss_detail::gss_inquire_saslname_for_mech(
      &minor, gss_detail::raw_oid<M::oid>(), name.sasl_name.put(), name.mechanism_name.put(), name.description.put());
  if (major != GSS_S_COMPLETE) {
    return unexpected(gss_detail::failed_call_of<M>("gss_inquire_saslname_for_mech", major, minor));
  }
  return name;
}

/// Returns the mechanism of a SASL name, without "-PLUS".
/// Calls: gss_inquire_mech_for_saslname.
/// Errors: usage, for more than limits.name; gss, RoutineError::bad_mech if there is none of that name.
/// See: RFC 5801 section 11.
[[nodiscard]] inline Result<Oid> mechanism_for_sasl_name(ByteView sasl_name) noexcept {
  if (!limits.name.admits(sasl_name.size())) {
    return unexpected(gss_detail::too_long("gss_inquire_mech_for_saslname", limits.name));
  }
  OM_uint32 minor = 0;
  gss_buffer_desc in = gss_detail::borrow(sasl_name);
  gss_OID mechanism = GSS_C_NO_OID;
  const OM_uint32 major = gss_detail::gss_inquire_mech_for_saslname(&minor, &in, &mechanism);
  if (major != GSS_S_COMPLETE)
    return unexpected(gss_detail::failed_call("gss_inquire_mech_for_saslname", major, minor));
  return Oid::copy_of(mechanism);
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
