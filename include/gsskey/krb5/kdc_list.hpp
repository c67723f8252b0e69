// gsskey/krb5/kdc_list: where the KDCs of a realm are, as krb5.conf says: for who carries requests to them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // nothing of this exists without

#include <profile.h>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says where a KDC is, over UDP and TCP.
struct KdcAddress {
  std::string_view host{};  ///< a name, or an address, that of IPv6 without brackets
  std::uint16_t port = 88;
};

namespace gss_detail {
/// "host", "host:port", "[address]:port". False for all else: a proxy (https://…), a socket's path.
[[nodiscard]] inline bool parse_kdc(std::string_view text, KdcAddress& found) noexcept {
  detail::TextReader in{text};
  KdcAddress kdc;
  if (in.skip_only('[')) {
    if (!in.take_field(']', kdc.host)) return false;
  } else {
    kdc.host = in.take_until_any(":/");
  }
  if (kdc.host.empty()) return false;
  const bool has_more = !in.at_end();
  if (has_more && (!in.skip_only(':') || !detail::parse_number(in.rest(), 10, kdc.port) || kdc.port == 0)) return false;
  found = kdc;
  return true;
}

struct ProfileTraits {
  using Handle = profile_t;
  static constexpr Handle none = nullptr;
  static void close(Handle profile) noexcept { ::profile_release(profile); }
};
struct ProfileListTraits {
  using Handle = char**;
  static constexpr Handle none = nullptr;
  static void close(Handle list) noexcept { ::profile_free_list(list); }
};
}  // namespace gss_detail

/// Holds the KDCs that krb5.conf names for a realm, in its order: `kdc = kdc.example.com:88` in [realms]. Names of
/// hosts stay names; what is only in DNS (SRV and URI records), and proxies of HTTPS, are left out. Move-only; empty by
/// default and after a move.
/// Calls: profile_free_list, when it goes.
/// Threads: one at a time; any number may read.
class KdcList {
 public:
  KdcList() noexcept = default;

  /// Reads krb5.conf.
  /// Calls: krb5_init_context, krb5_get_profile, profile_get_values.
  /// Errors: usage, for a realm with a NUL, and for more than limits.name; gss, Krb5Status::realm_unknown, where
  ///   krb5.conf names no KDC of it; system (ENOMEM).
  /// Blocks: on the disk that krb5.conf is on.
  [[nodiscard]] static Result<KdcList> of_realm(std::string_view realm) noexcept {
    constexpr const char* operation = "profile_get_values";
    if (gss_detail::contains(realm, '\0')) return unexpected(Error::usage(operation, "the realm contains a NUL byte"));
    if (!limits.name.admits(realm.size())) return unexpected(gss_detail::too_long(operation, limits.name));
    const auto terminated = detail::SharedText::joined({realm, detail::view_of("", 1)});
    if (!terminated) return unexpected(Error::system("malloc", ENOMEM));
    auto context = gss_detail::new_krb5_context();
    if (!context) return unexpected(std::move(context).error());
    UniqueHandle<gss_detail::ProfileTraits> profile;
    krb5_error_code code = krb5_get_profile(context->get(), profile.put());
    if (code != 0) return unexpected(gss_detail::failed_krb5(context->get(), "krb5_get_profile", code));
    const char* const place[] = {"realms", terminated.view().data(), "kdc", nullptr};
    KdcList made;
    code = static_cast<krb5_error_code>(::profile_get_values(profile.get(), place, made.entries_.put()));
    const bool names_none = code == PROF_NO_RELATION || code == PROF_NO_SECTION;
    if (code != 0 && !names_none) return unexpected(gss_detail::failed_krb5(context->get(), operation, code));
    if (made.size() == 0) return unexpected(gss_detail::failed_krb5(context->get(), operation, KRB5_REALM_UNKNOWN));
    return made;
  }

  /// Returns how many there are.
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t count = 0;
    while (!(*this)[count].host.empty()) ++count;
    return count;
  }
  /// Returns the KDC that is to be asked when `index` others have not answered; none, without a host, beyond the last.
  /// Owner: this object.
  [[nodiscard]] KdcAddress operator[](std::size_t index) const noexcept GSSKEY_LIFETIMEBOUND {
    KdcAddress kdc;
    for (char** entry = entries_.get(); entry != nullptr && *entry != nullptr; ++entry) {
      if (gss_detail::parse_kdc(detail::view_of(*entry), kdc) && index-- == 0) return kdc;
    }
    return {};
  }

 private:
  UniqueHandle<gss_detail::ProfileListTraits> entries_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
