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

/// What gss_inquire_name says.
struct NameInfo {
  bool is_mechanism_name = false;
  Oid mechanism;         ///< of a mechanism name: the one that was asked for, SPNEGO say; empty otherwise
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

/// The mechanism and the attributes of a name, which only the peer's name of an acceptor is likely to have.
/// Heimdal 7.8 has this call and the others here, and no mechanism that answers them: RoutineError::unavailable.
/// gss_inquire_name.
///
/// Errors: usage, if the name is empty; unavailable, without Capabilities::name_attributes; gss.
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

/// Where for_each_attribute_value() gives up: an implementation may say for ever that there is more.
inline constexpr std::size_t max_attribute_values = 4096;

/// Calls `visit(AttributeValue&&)` for every value of an attribute, in the mechanism's order; the result is their
/// number. gss_get_name_attribute, as often as it says that there is more.
///
/// Errors: usage, if the name is empty or `attribute` exceeds limits.name; unavailable, without
/// Capabilities::name_attributes; policy, after
/// max_attribute_values; gss, RoutineError::unavailable if the name has no such attribute. Values before an error have
/// been visited.
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

/// The value of an attribute that has one which the mechanism vouches for. gss_get_name_attribute. Errors as of
/// for_each_attribute_value(), which has the others too, and policy if there are several or nobody vouches for it.
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
/// that the KDC or the peer vouches for cannot. gss_set_name_attribute. Errors: usage, if the name is empty,
/// `attribute` exceeds limits.name or `value` limits.token;
/// unavailable, without Capabilities::name_attributes; gss.
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

/// Takes an attribute with all its values from this name. gss_delete_name_attribute. Errors as of set_name_attribute().
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

/// The exported name with its attributes (RFC 6680 section 7.8), for Name::import_name<name_type::composite_export>.
/// Not protected: who can write to it can make it say anything, and MIT krb5 1.20 calls what comes back from it
/// authenticated all the same. Take it from nobody but yourself.
/// gss_export_name_composite. Errors: usage, if the name is empty; unavailable, without
/// Capabilities::name_attributes; gss.
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

/// The name as names of `Type` are written. gss_display_name_ext. Errors as of export_name_composite().
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
