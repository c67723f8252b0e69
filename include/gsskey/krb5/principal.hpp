// gsskey/krb5/principal: a principal of Kerberos: its realm and its components, from text and from names.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/big_endian.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/reader.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/context/peer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/principal_text.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Names the types of principals. They are hints: two principals that differ in nothing else are equal.
/// See: RFC 4120 section 6.2, RFC 6111, RFC 8062.
enum class PrincipalType : std::int32_t {
  unknown = 0,
  principal = 1,
  service_instance = 2,  ///< krbtgt/REALM
  service_host = 3,      ///< a service on a host
  enterprise = 10,       ///< a name of another kind, "alice@example.com", in one component
  wellknown = 11,        ///< WELLKNOWN/ANONYMOUS
};

/// Names a principal: a realm and components, which are bytes and may contain any. A value: copies share the memory.
/// Empty by default and after a move: no realm, no components.
///
///     const auto principal = peer.principal();  // of context.peer()
///     if (principal && principal->realm() == "EXAMPLE.COM" && principal->component(1) == "admin") ...
///
/// Text is what krb5_parse_name(3) takes and krb5_unparse_name(3) of MIT krb5 gives: "HTTP/host@EXAMPLE.COM", with a
/// backslash before '/', '@' and '\' in a component or the realm, and \n, \t, \b and \0 for what cannot be seen. It is
/// taken apart here, without libkrb5. Heimdal's own headers have a ::Principal: there, write gsskey::Principal.
/// Errors: usage, for what is none, as text that ends with a backslash, that has no realm, or more behind it; for more
///   than 64 components, and more than limits.name; system (ENOMEM).
/// Threads: each copy one at a time, any number may read; copies at the same time.
class Principal {
 public:
  Principal() noexcept = default;

  /// Makes the principal that `text` names; `default_realm` is that of a text without one. The realm of krb5.conf comes
  /// with from_name(): Principal::from_name(*Name::principal("alice")).
  [[nodiscard]] static Result<Principal> parse(std::string_view text, std::string_view default_realm = {}) noexcept {
    return parse_as(false, text, default_realm);
  }
  /// Makes the principal of an enterprise name: "alice@example.com", of the realm that shall find out who that is.
  /// See: RFC 6806 section 5.
  [[nodiscard]] static Result<Principal> parse_enterprise(std::string_view text, std::string_view realm = {}) noexcept {
    return parse_as(true, text, realm);
  }
  /// Makes a principal of its parts, which are taken as they are: from_parts("EXAMPLE.COM", {{"HTTP", host}}). Its type
  /// is what MIT krb5 would infer from them.
  [[nodiscard]] static Result<Principal> from_parts(std::string_view realm,
                                                    std::span<const std::string_view> components) noexcept {
    constexpr const char* operation = "Principal::from_parts";
    if (components.empty() || components.size() > gss_detail::max_components) {
      return unexpected(Error::usage(operation, "no components, or more than principals have"));
    }
    return make(operation, {realm, false}, components, false);
  }
  template <std::size_t N>
  [[nodiscard]] static Result<Principal> from_parts(std::string_view realm,
                                                    const std::string_view (&components)[N]) noexcept {
    return from_parts(realm, std::span<const std::string_view>{components});
  }
  /// Makes the principal that Kerberos takes a name for: with the default realm of krb5.conf, where it has none. For a
  /// name that another mechanism gave, NTLM say, that is somebody else; a context's peer is Peer::principal().
  /// Calls: gss_canonicalize_name, gss_export_name: what is displayed has no escapes, on Heimdal.
  /// Errors: those of the class; gss.
  /// Blocks: on DNS, for a service on a host.
  [[nodiscard]] static Result<Principal> from_name(const Name& name) noexcept {
    const auto canonical = name.canonicalize<mech::Krb5>();
    if (!canonical) return unexpected(canonical.error());
    return from_name(*canonical);
  }
  [[nodiscard]] static Result<Principal> from_name(const MechName<mech::Krb5>& name) noexcept {
    const auto exported = name.export_name();
    if (!exported) return unexpected(exported.error());
    ByteView text;
    detail::Reader in{*exported};
    if (!in.skip(2) || !in.take_prefixed<2>(text) || !in.take_prefixed<4>(text)) {
      return unexpected(Error::policy("gss_export_name", 0, "the answer is no exported name"));
    }
    return parse(text.text());
  }

  /// Returns the text, with realm. Equal principals have equal texts, and nobody else has that text.
  /// Owner: this object, or a copy of it. So of realm() and component().
  [[nodiscard]] std::string_view text() const noexcept GSSKEY_LIFETIMEBOUND {
    return block_ ? block_.view().substr(parts_size_) : std::string_view{};
  }
  /// Returns the realm, without escapes.
  [[nodiscard]] std::string_view realm() const noexcept GSSKEY_LIFETIMEBOUND { return part(0); }
  /// Returns how many components there are.
  [[nodiscard]] std::size_t size() const noexcept { return block_ ? size_ : 0; }
  /// Returns a component, the first of which is 0, without escapes; empty beyond the last.
  [[nodiscard]] std::string_view component(std::size_t index) const noexcept GSSKEY_LIFETIMEBOUND {
    return index < size() ? part(index + 1) : std::string_view{};
  }
  [[nodiscard]] PrincipalType type() const noexcept { return block_ ? type_ : PrincipalType::unknown; }
  /// Returns whether this is WELLKNOWN/ANONYMOUS, of whatever realm.
  /// See: RFC 8062 section 3.
  [[nodiscard]] bool is_anonymous() const noexcept {
    return size() == 2 && component(0) == "WELLKNOWN" && component(1) == "ANONYMOUS";
  }

  /// Makes the name of this principal. Of an enterprise name it is one of type principal.
  /// Calls: gss_import_name.
  /// Errors: usage, if it is empty, or contains a NUL, which Heimdal takes for the end; gss.
  [[nodiscard]] Result<Name> name() const noexcept {
    for (std::size_t at = 0; at <= size(); ++at) {
      if (gss_detail::contains(part(at), '\0')) {
        return unexpected(Error::usage("Principal::name", "a part of the principal contains a NUL byte"));
      }
    }
    return Name::principal(text());
  }

  /// Compares realm and components, as krb5_principal_compare(3).
  [[nodiscard]] friend bool operator==(const Principal& one, const Principal& other) noexcept {
    return one.text() == other.text();
  }
  [[nodiscard]] friend std::strong_ordering operator<=>(const Principal& one, const Principal& other) noexcept {
    return one.text() <=> other.text();
  }

 private:
  [[nodiscard]] static Result<Principal> parse_as(bool is_enterprise, std::string_view text,
                                                  std::string_view default_realm) noexcept {
    constexpr const char* operation = "Principal::parse";
    gss_detail::PrincipalParts parts;
    if (!limits.name.admits(text.size())) return unexpected(gss_detail::too_long(operation, limits.name));
    if (const char* const fault = gss_detail::split_principal(text, is_enterprise, parts)) {
      return unexpected(Error::usage(operation, fault));
    }
    if (!parts.has_realm && default_realm.empty()) {
      return unexpected(Error::usage(operation, "the text has no realm, and no default one was given"));
    }
    auto made = make(operation, {parts.has_realm ? parts.realm : default_realm, parts.has_realm},
                     {parts.components, parts.count}, true);
    if (made && is_enterprise) made->type_ = PrincipalType::enterprise;
    return made;
  }
  /// As MIT krb5 infers it.
  [[nodiscard]] PrincipalType inferred_type() const noexcept {
    if (size_ == 2 && component(0) == "krbtgt") return PrincipalType::service_instance;
    return size_ >= 2 && component(0) == "WELLKNOWN" ? PrincipalType::wellknown : PrincipalType::principal;
  }

  /// A part as it is, or as it is written in a text.
  struct Written {
    std::string_view part;
    bool is_escaped;
  };
  [[nodiscard]] static unsigned char* append_part(unsigned char* out, Written written) noexcept {
    unsigned char* const begin = out + 4;
    unsigned char* end = begin;
    detail::TextReader in{written.part};
    char letter = 0;
    bool escaped = false;
    if (written.is_escaped) {
      while (gss_detail::take_letter(in, letter, escaped)) *end++ = static_cast<unsigned char>(letter);
    } else if (!written.part.empty()) {
      std::memcpy(end, written.part.data(), written.part.size());
      end += written.part.size();
    }
    detail::to_big_endian(static_cast<std::uint64_t>(end - begin), out, 4);
    return end;
  }
  [[nodiscard]] static unsigned char* append_text(unsigned char* out, std::string_view part) noexcept {
    for (const char letter : part) {
      const char escape = gss_detail::escape_of(letter);
      if (escape != '\0') *out++ = '\\';
      *out++ = static_cast<unsigned char>(escape != '\0' ? escape : letter);
    }
    return out;
  }

  [[nodiscard]] static Result<Principal> make(const char* operation, Written realm,
                                              std::span<const std::string_view> components, bool are_escaped) noexcept {
    std::size_t size = realm.part.size();
    bool fits = limits.name.admits(size);
    for (const std::string_view component : components) {
      fits = fits && limits.name.admits(component.size()) && limits.name.admits(size += component.size());
    }
    if (!fits) return unexpected(gss_detail::too_long(operation, limits.name));
    // Each part behind its length, then the text, a separator for each part and two bytes a letter.
    const std::size_t room = 5 * (components.size() + 1) + 3 * size;
    const std::unique_ptr<unsigned char[]> memory{new (std::nothrow) unsigned char[room]};
    if (!memory) return unexpected(Error::system(operation, ENOMEM));
    unsigned char* end = append_part(memory.get(), realm);
    for (const std::string_view component : components) end = append_part(end, {component, are_escaped});
    const ByteView parts{memory.get(), static_cast<std::size_t>(end - memory.get())};
    for (std::size_t at = 1; at <= components.size(); ++at) {
      end = append_text(end, part_of(parts, at));
      *end++ = at < components.size() ? '/' : '@';
    }
    end = append_text(end, part_of(parts, 0));

    Principal made;
    const ByteView all{memory.get(), static_cast<std::size_t>(end - memory.get())};
    made.block_ = detail::SharedText::joined({all.text()});
    if (!made.block_) return unexpected(Error::system(operation, ENOMEM));
    made.parts_size_ = static_cast<std::uint32_t>(parts.size());
    made.size_ = static_cast<std::uint32_t>(components.size());
    made.type_ = made.inferred_type();
    return made;
  }
  [[nodiscard]] static std::string_view part_of(ByteView parts, std::size_t index) noexcept {
    detail::Reader in{parts};
    ByteView part;
    for (std::size_t at = 0; at <= index; ++at) {
      if (!in.take_prefixed<4>(part)) return {};
    }
    return part.text();
  }
  [[nodiscard]] std::string_view part(std::size_t index) const noexcept {
    return block_ ? part_of(ByteView{block_.view().substr(0, parts_size_)}, index) : std::string_view{};
  }

  detail::SharedText block_;  // realm and components, each behind its length, then the text
  std::uint32_t parts_size_ = 0;
  std::uint32_t size_ = 0;
  PrincipalType type_ = PrincipalType::unknown;
};

namespace gss_detail {
template <>
struct PrincipalOf<Principal> {
  [[nodiscard]] static Result<Principal> peer(const Peer& peer) noexcept {
    if (!peer.name()) return unexpected(detail::empty_name("Peer::principal"));
    if (!mech::Iakerb::accepts(peer.mechanism())) {  // else Kerberos would take NTLM's alice for its own
      return unexpected(Error::policy("Peer::principal", 0, "the peer is no principal: it did not use Kerberos"));
    }
    return Principal::from_name(peer.name());
  }
};
}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
