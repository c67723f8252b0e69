// gsskey/gss/name/attributes: what is known of a name besides the name: the PAC, authentication indicators (RFC 6680).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/buffer_set.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What inquire_name() says of a name.
struct NameInfo {
  bool is_mechanism_name = false;
  Oid mechanism;         ///< of a mechanism name: the one that was asked for, SPNEGO say; else empty
  BufferSet attributes;  ///< what name_attribute() can be asked for: "urn:mspac:", "auth-indicators"
};

/// One value of an attribute.
struct AttributeValue {
  Buffer value;
  Buffer display;                 ///< for people; empty where the implementation has none
  bool is_authenticated = false;  ///< the mechanism vouches for it: anything else is only what the peer says
  bool is_complete = false;       ///< no value was left out of the attribute
};

namespace gss_detail {
[[nodiscard]] inline Error name_is_empty(const char* operation) noexcept {
  return gsskey::detail::empty_name(operation);
}
[[nodiscard]] inline Error no_name_attributes(const char* operation) noexcept {
  return Error::unavailable(operation, GSSKEY_GSS_NAME " has no name attributes");
}
}  // namespace gss_detail

/// Returns the mechanism and the attributes of a name, which only the peer's name of an acceptor is likely to have.
/// Calls: gss_inquire_name.
/// Errors: usage, for an empty name; unavailable, without Capabilities::name_attributes; gss. Heimdal 7.8 has all calls
///   of this header, and no mechanism that answers them: RoutineError::unavailable.
/// See: RFC 6680.
[[nodiscard]] inline Result<NameInfo> inquire_name(const Name& name) noexcept {
  constexpr const char* operation = "gss_inquire_name";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  OM_uint32 minor = 0;
  int is_mechanism_name = 0;
  gss_OID mechanism = GSS_C_NO_OID;
  NameInfo info;
  const OM_uint32 major =
      gss_detail::gss_inquire_name(&minor, name.get(), &is_mechanism_name, &mechanism, info.attributes.put());
  info.mechanism = Oid::copy_of(mechanism);
  if constexpr (known_faults.inquire_name_copies_mechanism) {
    OM_uint32 ignored = 0;
    static_cast<void>(gss_detail::gss_release_oid(&ignored, &mechanism));
  }
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  info.is_mechanism_name = is_mechanism_name != 0;
  return info;
}

/// The most values that for_each_attribute_value() visits: an implementation may say for ever that there is more.
inline constexpr std::size_t max_attribute_values = 4096;

/// Calls `visit(AttributeValue&&)` for every value of an attribute, in the mechanism's order, and returns their number.
/// Calls: gss_get_name_attribute, as often as it says that there is more.
/// Errors: usage, for an empty name, and if `attribute` exceeds limits.name; unavailable, without
///   Capabilities::name_attributes; policy, after max_attribute_values; gss, RoutineError::unavailable if the name has
///   no such attribute. Values before an error have been visited.
/// See: RFC 6680.
template <class Visit>
[[nodiscard]] inline Result<std::size_t> for_each_attribute_value(const Name& name, ByteView attribute, Visit visit) {
  constexpr const char* operation = "gss_get_name_attribute";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  if (!limits.name.admits(attribute.size())) return unexpected(gss_detail::too_long(operation, limits.name));
  gss_buffer_desc raw_attribute = gss_detail::borrow(attribute);
  int more = -1;
  for (std::size_t count = 0; count < max_attribute_values;) {
    OM_uint32 minor = 0;
    int authenticated = 0;
    int complete = 0;
    AttributeValue found;
    const OM_uint32 major = gss_detail::gss_get_name_attribute(
        &minor, name.get(), &raw_attribute, &authenticated, &complete, found.value.put(), found.display.put(), &more);
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
    found.is_authenticated = authenticated != 0;
    found.is_complete = complete != 0;
    visit(std::move(found));
    ++count;
    if (more == 0) return count;
  }
  return unexpected(Error::policy(operation, 0, "more values than any attribute has: the list does not end"));
}

/// Returns the one value of an attribute, if the mechanism vouches for it. for_each_attribute_value() has all others.
/// Calls: gss_get_name_attribute.
/// Errors: those of for_each_attribute_value(); policy too, if there are several, or nobody vouches for the one.
[[nodiscard]] inline Result<AttributeValue> name_attribute(const Name& name, ByteView attribute) noexcept {
  AttributeValue only;
  const auto count =
      for_each_attribute_value(name, attribute, [&only](AttributeValue&& value) noexcept { only = std::move(value); });
  if (!count) return unexpected(count.error());
  if (*count != 1) return unexpected(Error::policy("gss_get_name_attribute", 0, "the attribute has several values"));
  if (!only.is_authenticated) {
    return unexpected(Error::policy("gss_get_name_attribute", 0, "nobody vouches for the attribute's value"));
  }
  return only;
}

/// Adds a value to an attribute of this name, `is_complete` if it is the last one. Few attributes can be set: those
/// that the KDC or the peer vouches for cannot.
/// Calls: gss_set_name_attribute.
/// Errors: usage, for an empty name, and if `attribute` exceeds limits.name or `value` limits.token; unavailable,
///   without Capabilities::name_attributes; gss.
/// See: RFC 6680.
[[nodiscard]] inline Result<void> set_name_attribute(Name& name, ByteView attribute, ByteView value,
                                                     bool is_complete = true) noexcept {
  constexpr const char* operation = "gss_set_name_attribute";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  if (!limits.name.admits(attribute.size())) return unexpected(gss_detail::too_long(operation, limits.name));
  if (!limits.token.admits(value.size())) return unexpected(gss_detail::too_long(operation, limits.token));
  OM_uint32 minor = 0;
  gss_buffer_desc raw_attribute = gss_detail::borrow(attribute);
  gss_buffer_desc raw_value = gss_detail::borrow(value);
  const OM_uint32 major =
      gss_detail::gss_set_name_attribute(&minor, name.get(), is_complete ? 1 : 0, &raw_attribute, &raw_value);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return {};
}

/// Takes an attribute with all its values from this name.
/// Calls: gss_delete_name_attribute.
/// Errors: those of set_name_attribute().
/// See: RFC 6680.
[[nodiscard]] inline Result<void> delete_name_attribute(Name& name, ByteView attribute) noexcept {
  constexpr const char* operation = "gss_delete_name_attribute";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  if (!limits.name.admits(attribute.size())) return unexpected(gss_detail::too_long(operation, limits.name));
  OM_uint32 minor = 0;
  gss_buffer_desc raw_attribute = gss_detail::borrow(attribute);
  const OM_uint32 major = gss_detail::gss_delete_name_attribute(&minor, name.get(), &raw_attribute);
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return {};
}

/// Returns the exported name with its attributes, for Name::import_name<name_type::composite_export>(). It is not
/// protected: whoever can write to it can make it say anything, and MIT krb5 1.20 calls what comes back from it
/// authenticated all the same. Take it from nobody but yourself.
/// Calls: gss_export_name_composite.
/// Errors: usage, for an empty name; unavailable, without Capabilities::name_attributes; gss.
/// See: RFC 6680 section 7.8.
[[nodiscard]] inline Result<Buffer> export_name_composite(const Name& name) noexcept {
  constexpr const char* operation = "gss_export_name_composite";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  OM_uint32 minor = 0;
  Buffer exported;
  const OM_uint32 major = gss_detail::gss_export_name_composite(&minor, name.get(), exported.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return exported;
}

/// Returns the name as names of `Type` are written.
/// Calls: gss_display_name_ext.
/// Errors: those of export_name_composite().
/// See: RFC 6680.
template <const Oid& Type>
[[nodiscard]] inline Result<Buffer> display_name_as(const Name& name) noexcept {
  constexpr const char* operation = "gss_display_name_ext";
  if (!name) return unexpected(gss_detail::name_is_empty(operation));
  if constexpr (!capabilities.name_attributes) return unexpected(gss_detail::no_name_attributes(operation));
  OM_uint32 minor = 0;
  Buffer shown;
  const OM_uint32 major =
      gss_detail::gss_display_name_ext(&minor, name.get(), gss_detail::raw_oid<Type>(), shown.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call(operation, major, minor));
  return shown;
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey
