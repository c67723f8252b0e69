// gsskey/gss/name: names of principals and services: as given (Name), and as a mechanism writes them (MechName<M>).
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <gsskey/core/answer.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/der.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/oid.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// The types of names.
/// See: RFC 2744 section 4; RFC 1964 section 2.1.1, for the Kerberos principal.
namespace GSSKEY_HIDDEN name_type {
inline constexpr Oid user{"1.2.840.113554.1.2.1.1"};
inline constexpr Oid machine_uid{"1.2.840.113554.1.2.1.2"};
inline constexpr Oid string_uid{"1.2.840.113554.1.2.1.3"};
inline constexpr Oid host_service{"1.2.840.113554.1.2.1.4"};
inline constexpr Oid host_service_x{"1.3.6.1.5.6.2"};  ///< deprecated form of host_service
inline constexpr Oid anonymous{"1.3.6.1.5.6.3"};
inline constexpr Oid exported{"1.3.6.1.5.6.4"};
inline constexpr Oid composite_export{"1.3.6.1.5.6.6"};  ///< RFC 6680: with attributes
inline constexpr Oid krb5_principal{"1.2.840.113554.1.2.2.1"};
}  // namespace GSSKEY_HIDDEN name_type

namespace gss_detail {
struct NameTraits {
  using Handle = gss_name_t;
  static constexpr Handle none = nullptr;
  static void close(Handle name) noexcept {
    OM_uint32 minor = 0;
    (void)gss_release_name(&minor, &name);
  }
};
[[nodiscard]] inline bool contains(std::string_view text, char character) noexcept {
  return !text.empty() && std::memchr(text.data(), character, text.size()) != nullptr;
}

/// The attributes of a composite name of Kerberos, as MIT krb5 writes them: how many, and each a name, and then what
/// its module likes. That of the PAC copies as many bytes as it is told, whether they are there or not.
[[nodiscard]] inline bool are_whole_attributes(ByteView attributes) noexcept {
  detail::Reader in{attributes};
  std::uint32_t count = 0;
  if (in.at_end()) return true;
  if (!in.take_big_endian(count)) return false;
  for (; count != 0; --count) {
    ByteView module;
    ByteView value;
    if (!in.take_prefixed<4>(module)) return false;
    if (module == ByteView{"mspac"}) {
      if (!in.take_prefixed<4>(value) || !in.skip(4)) return false;  // and whether it was verified
    } else if (module == ByteView{"authentication-indicators"}) {
      std::uint32_t indicators = 0;
      if (!in.take_big_endian(indicators)) return false;
      for (; indicators != 0; --indicators) {
        if (!in.take_prefixed<4>(value)) return false;
      }
    } else {
      return false;
    }
  }
  return in.at_end();
}

/// The mechanism of an exported name (RFC 2743 section 3.2) whose lengths fill it exactly; empty if it is none. With
/// attributes (RFC 6680): what follows the name is the mechanism's, of Kerberos a length and as many bytes. Where the
/// lengths do not fill it, MIT krb5 ends the process; behind a NUL in the name it reads nothing.
[[nodiscard]] inline ByteView mechanism_of_exported(ByteView exported, bool is_composite) noexcept {
  detail::Reader in{exported};
  ByteView framed;
  ByteView mechanism;
  ByteView name;
  if (!in.skip_only(is_composite ? ByteView{"\4\2"} : ByteView{"\4\1"}) || !in.take_prefixed<2>(framed) ||
      !detail::DerReader{framed}.take_last(0x06, mechanism) || !in.take_prefixed<4>(name)) {
    return {};
  }
  const bool is_krb5 = mechanism == ByteView{mech::Krb5::oid};
  if (is_composite && is_krb5 && (!in.take_prefixed<4>(framed) || !are_whole_attributes(framed))) return {};
  if ((!is_composite || is_krb5) && !in.at_end()) return {};
  return is_krb5 && contains(name.text(), '\0') ? ByteView{} : mechanism;
}
}  // namespace gss_detail

/// A name as it is shown to people and in logs. Decide by comparing Names or exported names, not by this text.
struct DisplayedName {
  Buffer buffer;
  Oid type;  ///< empty where the implementation gives none
  /// Returns the text, of a const object or of one that is made in the same expression. Of others it does not compile:
  /// `name.display()->text()` would be the text of an object that is gone, of a result at which nobody has looked.
  /// Owner: this object.
  [[nodiscard]] std::string_view text() const& noexcept GSSKEY_LIFETIMEBOUND {
    const std::string_view text = buffer.text();
    return text.substr(0, text.size() - text.ends_with('\0'));  // gss-ntlmssp counts one; of Kerberos it would be "\0"
  }
  [[nodiscard]] std::string_view text() & = delete;
};

namespace gss_detail {
/// gss_display_name. No Result<DisplayedName>, for which only who calls Name::display() pays.
[[nodiscard]] inline Result<void> display(gss_name_t name, DisplayedName& shown) noexcept {
  if (name == GSS_C_NO_NAME) return unexpected(detail::empty_name("gss_display_name"));
  OM_uint32 minor = 0;
  gss_OID type = GSS_C_NO_OID;
  const OM_uint32 major = gss_display_name(&minor, name, shown.buffer.put(), &type);
  if (major != GSS_S_COMPLETE) return unexpected(failed_call("gss_display_name", major, minor));
  shown.type = Oid::copy_of(type);
  return {};
}
}  // namespace gss_detail

template <Mechanism M>
class MechName;

/// Owns a name, of a user or a service. Move-only; empty by default and after a move.
/// Calls: gss_release_name, when it goes.
/// Errors: usage, if it is empty, or what it is made of is not a name of its type; gss.
/// Threads: any number may call const members at the same time; else one.
/// Owner: of the gss_name_t, until release().
class Name {
  // What makes a Name is a template: only who calls it pays for a Result<Name>.
 public:
  Name() noexcept = default;

  /// Makes the name of a service on a host (GSS_C_NT_HOSTBASED_SERVICE): host_service("imap", "mail.example.com").
  /// Letter case makes no difference, a port does; so does a dot at the end, for Heimdal 7.8: take it off.
  /// Calls: gss_import_name.
  /// Errors: usage, if a part is empty, contains '@' or a NUL, or both are longer than any host name; gss.
  template <class Self = Name>
  [[nodiscard]] static Result<Self> host_service(std::string_view service, std::string_view host) noexcept {
    char joined[1280];  // more than NI_MAXHOST, far more than a DNS name
    const std::string_view parts[] = {service, host};
    if (!gss_detail::admits_all(Limit{sizeof joined - 1, nullptr}, parts)) {
      return unexpected(Error::usage("Name::host_service", "longer than any host name"));
    }
    if (service.empty() || host.empty() || gss_detail::contains(service, '@') || gss_detail::contains(host, '@')) {
      return unexpected(Error::usage("Name::host_service", "service and host are needed, without '@'"));
    }
    const std::size_t size = service.size() + 1 + host.size();
    std::memcpy(joined, service.data(), service.size());
    joined[service.size()] = '@';
    std::memcpy(joined + service.size() + 1, host.data(), host.size());
    return import_text<name_type::host_service, Self>(ByteView{joined, size});
  }
  /// Makes the name of a service wherever it runs, for an acceptor that answers to every host name in its keytab. For
  /// Heimdal 7.8 it is the service on this machine's host name.
  /// Calls: gss_import_name.
  /// Errors: usage, if it is empty, contains '@' or a NUL, or exceeds limits.name; gss.
  template <class Self = Name>
  [[nodiscard]] static Result<Self> service(std::string_view service) noexcept {
    if (!limits.name.admits(service.size())) return unexpected(gss_detail::too_long("Name::service", limits.name));
    if (service.empty() || gss_detail::contains(service, '@')) {
      return unexpected(Error::usage("Name::service", "a service is needed, without '@'"));
    }
    return import_text<name_type::host_service, Self>(service);
  }
  /// Makes the name of a user as the mechanism writes users: "alice", "alice@EXAMPLE.COM" (GSS_C_NT_USER_NAME).
  /// Calls: gss_import_name.
  /// Errors: those of import_name().
  template <class Self = Name>
  [[nodiscard]] static Result<Self> user(std::string_view user) noexcept {
    return import_text<name_type::user, Self>(user);
  }
  /// Makes the name of a Kerberos principal: "HTTP/www.example.com@EXAMPLE.COM" (GSS_KRB5_NT_PRINCIPAL_NAME). Heimdal
  /// 7.8 looks for a target host/... in the client's realm, whatever realm is named here.
  template <class Self = Name>
  [[nodiscard]] static Result<Self> principal(std::string_view principal) noexcept {
    return import_text<name_type::krb5_principal, Self>(principal);
  }
  /// Makes a name of any type: import_name<name_type::string_uid>("1000"). `Type`, a constant because some
  /// implementations keep the pointer, decides what `bytes` mean; they are copied.
  /// Calls: gss_import_name.
  /// Errors: usage, for an empty name, more than limits.name, a NUL in one of the textual types (implementations would
  ///   read up to it and take the rest for nothing), an exported name that is not whole, and a machine_uid that is no
  ///   uid_t; gss.
  /// See: RFC 2744 section 5.16.
  template <const Oid& Type, class Self = Name>
  [[nodiscard]] static Result<Self> import_name(ByteView bytes) noexcept {
    constexpr bool is_composite = Type == name_type::composite_export;
    if constexpr (is_composite || Type == name_type::exported) {
      if (!limits.name.admits(bytes.size())) return unexpected(gss_detail::too_long("gss_import_name", limits.name));
      if (!bytes.empty() && gss_detail::mechanism_of_exported(bytes, is_composite).empty()) {
        return unexpected(Error::usage("gss_import_name", "not an exported name, or its lengths do not fill it"));
      }
    }
    if constexpr (Type == name_type::machine_uid) {
      if (bytes.size() != sizeof(uid_t)) return unexpected(Error::usage("gss_import_name", "not a uid_t"));
    }
    constexpr bool is_text = !is_composite && Type != name_type::exported && Type != name_type::machine_uid;
    return import_raw<Self>(bytes, gss_detail::raw_oid<Type>(), is_text, Type == name_type::anonymous);
  }

  /// Takes a name over that a gss_* call returned.
  [[nodiscard]] static Name adopt(gss_name_t raw) noexcept {
    Name name;
    name.handle_ = decltype(handle_)::adopt(raw);
    return name;
  }
  [[nodiscard]] gss_name_t get() const noexcept GSSKEY_LIFETIMEBOUND { return handle_.get(); }
  /// Gives the name up: the caller owns it.
  [[nodiscard]] gss_name_t release() noexcept { return handle_.release(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// Returns the name as text, with its type.
  /// Calls: gss_display_name.
  /// Errors: those of the class.
  /// See: RFC 2744 section 5.10.
  template <class Shown = DisplayedName>  // a template, so that only who calls it pays for a Result of it
  [[nodiscard]] Result<Shown> display() const noexcept {
    Shown shown;
    if (auto done = gss_detail::display(handle_.get(), shown); !done) return unexpected(std::move(done).error());
    return shown;
  }
  /// Returns whether this names nobody: a name of type GSS_C_NT_ANONYMOUS, or Kerberos' WELLKNOWN/ANONYMOUS of whatever
  /// realm, which Heimdal calls a principal like any other.
  /// Calls: gss_display_name.
  /// Errors: those of the class.
  /// See: RFC 8062 section 3.
  [[nodiscard]] Answer is_anonymous() const noexcept {
    DisplayedName shown;
    if (auto done = gss_detail::display(handle_.get(), shown); !done) return Answer::failure(std::move(done).error());
    const std::string_view text = std::as_const(shown).text();
    return Answer::of(shown.type == name_type::anonymous || text.starts_with("WELLKNOWN/ANONYMOUS@"));
  }
  /// Returns whether both name one entity. Anonymous names never do, nor do names of two mechanisms: compare a
  /// negotiated peer with Name::principal(), not with its Kerberos form (canonicalize()).
  /// Calls: gss_compare_name.
  /// Errors: those of the class.
  /// Blocks: on DNS, for a service on a host and a MechName.
  /// See: RFC 2743 section 2.4.3.
  [[nodiscard]] Answer equals(const Name& other) const noexcept {
    if (!handle_ || !other.handle_) return Answer::failure(empty("gss_compare_name"));
    OM_uint32 minor = 0;
    int equal = 0;
    const OM_uint32 major = gss_compare_name(&minor, handle_.get(), other.handle_.get(), &equal);
    if (major != GSS_S_COMPLETE) return Answer::failure(gss_detail::failed_call("gss_compare_name", major, minor));
    return Answer::of(equal != 0);
  }
  /// Makes a copy.
  /// Calls: gss_duplicate_name.
  /// Errors: those of the class.
  template <class Self = Name>
  [[nodiscard]] Result<Self> duplicate() const noexcept {
    if (!handle_) return unexpected(empty("gss_duplicate_name"));
    OM_uint32 minor = 0;
    Self copy;
    const OM_uint32 major = gss_duplicate_name(&minor, handle_.get(), copy.handle_.put());
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_duplicate_name", major, minor));
    return copy;
  }
  /// Makes the name as M writes it: only that can be exported.
  /// Calls: gss_canonicalize_name.
  /// Errors: those of the class.
  /// Blocks: on DNS, for a service on a host.
  /// See: RFC 2744 section 5.5.
  template <Mechanism M>
  [[nodiscard]] Result<MechName<M>> canonicalize() const noexcept;

 protected:
  [[nodiscard]] static Error empty(const char* operation) noexcept { return gsskey::detail::empty_name(operation); }

 private:
  /// import_name() of a type of text, which takes fewer instructions to compile.
  template <const Oid& Type, class Self>
  [[nodiscard]] static Result<Self> import_text(ByteView text) noexcept {
    return import_raw<Self>(text, gss_detail::raw_oid<Type>(), true, false);
  }
  template <class Self>
  [[nodiscard]] static Result<Self> import_raw(ByteView bytes, gss_OID type, bool is_text, bool may_be_empty) noexcept {
    if (!limits.name.admits(bytes.size())) return unexpected(gss_detail::too_long("gss_import_name", limits.name));
    if (bytes.empty() && !may_be_empty) return unexpected(Error::usage("gss_import_name", "the name is empty"));
    if (is_text && gss_detail::contains(bytes.text(), '\0')) {
      return unexpected(Error::usage("gss_import_name", "the name contains a NUL byte"));
    }
    OM_uint32 minor = 0;
    gss_buffer_desc in = gss_detail::borrow(bytes);
    Self name;
    OM_uint32 major = gss_import_name(&minor, &in, type, name.handle_.put());
    // What Heimdal 7.8 says of a type that it does not know would send the reader the wrong way.
    if (major == GSS_S_NAME_NOT_MN) major = GSS_S_BAD_NAMETYPE;
    if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call("gss_import_name", major, minor));
    return name;
  }

  UniqueHandle<gss_detail::NameTraits> handle_;
};
static_assert(sizeof(Name) == sizeof(gss_name_t));

namespace gss_detail {
/// Returns `error` with the name that it is about, unless its words have it already.
[[gnu::cold, gnu::noinline]] inline Error about(const Name& name, Error error) noexcept {
  DisplayedName shown;
  if (!display(name.get(), shown)) return error;
  const std::string_view text = std::as_const(shown).text();
  const std::string_view words = error.text();  // none, where memory was short
  if (text.empty()) return error;
  if (!words.empty() && ::memmem(words.data(), words.size(), text.data(), text.size()) != nullptr) return error;
  const Error bare = error;
  return std::move(error).with_text(bare.text(), " (", text, ")");
}

template <Mechanism M>
[[nodiscard]] inline detail::Dependent<Result<Buffer>, M> export_raw(gss_name_t name) noexcept {
  OM_uint32 minor = 0;
  Buffer exported;
  const OM_uint32 major = gss_export_name(&minor, name, exported.put());
  if (major != GSS_S_COMPLETE) return unexpected(failed_call_of<M>("gss_export_name", major, minor));
  return exported;
}
}  // namespace gss_detail

/// A name of mechanism M ("MN"): there is one per entity, so its exported form can be stored and compared as bytes, in
/// access control lists for instance.
/// Threads: as of Name.
/// See: RFC 2743 section 1.1.5.
template <Mechanism M>
class MechName : public Name {
  static_assert(!M::oid.empty(), "a mechanism name belongs to one mechanism");
  template <class T>
  using Result = detail::Dependent<gsskey::Result<T>, M>;  // the same type; only who calls a function pays for it

 public:
  MechName() noexcept = default;

  /// Makes a name of the bytes of export_name().
  /// Calls: gss_import_name.
  /// Errors: usage, if they are not those of a name of M; gss.
  /// See: RFC 2743 section 3.2.
  [[nodiscard]] static Result<MechName> import_exported(ByteView exported) noexcept {
    if (gss_detail::mechanism_of_exported(exported, false) != ByteView{M::oid}) {
      return unexpected(Error::usage("MechName::import_exported", "not an exported name of this mechanism"));
    }
    auto name = import_name<name_type::exported, detail::Dependent<Name, M>>(exported);
    if (!name) return unexpected(name.error());
    return MechName{*std::move(name)};
  }

  /// Returns the bytes that name this entity and no other.
  /// Calls: gss_export_name.
  /// Errors: usage, if it is empty; gss.
  /// See: RFC 2743 section 3.2.
  [[nodiscard]] Result<Buffer> export_name() const noexcept {
    if (!*this) return unexpected(empty("gss_export_name"));
    return gss_detail::export_raw<M>(get());
  }

 private:
  friend class Name;
  explicit MechName(Name&& name) noexcept : Name{std::move(name)} {}
};

template <Mechanism M>
inline Result<MechName<M>> Name::canonicalize() const noexcept {
  if (!handle_) return unexpected(empty("gss_canonicalize_name"));
  OM_uint32 minor = 0;
  Name canonical;
  const OM_uint32 major =
      gss_canonicalize_name(&minor, handle_.get(), gss_detail::raw_oid<M::oid>(), canonical.handle_.put());
  if (major != GSS_S_COMPLETE) return unexpected(gss_detail::failed_call_of<M>("gss_canonicalize_name", major, minor));
  return MechName<M>{std::move(canonical)};
}

namespace gss_detail {
/// Takes a name over that a context of M gave, and makes it whole.
/// Errors: gss.
template <Mechanism M>
[[nodiscard]] inline Result<detail::Dependent<Name, M>> adopt_name_of(gss_name_t raw) noexcept {
  Name name = Name::adopt(raw);
  if constexpr (known_faults.negotiated_names_crash && (M::negotiates || M::oid.empty())) {
    if (!name) return name;
    const auto exported = export_raw<M>(raw);  // what it displays has no escapes: somebody else may display the same
    if (!exported) return unexpected(exported.error());
    if (mechanism_of_exported(*exported, false) != ByteView{mech::Krb5::oid}) return name;
    auto whole = MechName<detail::Dependent<mech::Krb5, M>>::import_exported(*exported);
    if (!whole) return unexpected(std::move(whole).error());
    return Name{*std::move(whole)};
  }
  return name;
}
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
