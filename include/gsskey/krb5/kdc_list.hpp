// gsskey/krb5/kdc_list: where the KDCs of a realm are, as krb5.conf says: for who carries requests to them.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
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

/// Says over what a KDC is asked.
enum class KdcTransport : unsigned char { any, udp, tcp };

/// Says where a KDC is.
struct KdcAddress {
  std::string_view host{};  ///< a name, or an address, that of IPv6 without brackets
  std::uint16_t port = 88;
  KdcTransport transport = KdcTransport::any;
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

/// Whether `text` is `word`, which has small letters only.
[[nodiscard]] inline bool is_word(std::string_view text, std::string_view word) noexcept {
  return std::ranges::equal(text, word, [](char letter, char wanted) {
    return (letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter) == wanted;
  });
}
/// What a URI record says: "krb5srv:flags:udp:host:port", or tcp. False for all else: a proxy (kkdcp).
[[nodiscard]] inline bool parse_kdc_uri(std::string_view text, KdcAddress& found) noexcept {
  detail::TextReader in{text};
  std::string_view scheme;
  std::string_view flags;
  std::string_view transport;
  if (!in.take_field(':', scheme) || !in.take_field(':', flags) || !in.take_field(':', transport)) return false;
  const bool is_tcp = is_word(transport, "tcp");
  KdcAddress kdc;
  if (!is_word(scheme, "krb5srv") || (!is_tcp && !is_word(transport, "udp")) || !parse_kdc(in.rest(), kdc))
    return false;
  kdc.transport = is_tcp ? KdcTransport::tcp : KdcTransport::udp;
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

/// krb5.conf, and a context for what is said of its faults.
struct OpenProfile {
  Krb5Context context;
  UniqueHandle<ProfileTraits> profile;

  [[nodiscard]] static Result<OpenProfile> open() noexcept {
    auto context = new_krb5_context();
    if (!context) return unexpected(std::move(context).error());
    OpenProfile made{*std::move(context), {}};
    const krb5_error_code code = krb5_get_profile(made.context.get(), made.profile.put());
    if (code != 0) return unexpected(failed_krb5(made.context.get(), "krb5_get_profile", code));
    return made;
  }
  /// Takes over what [libdefaults] says: "yes", "no" and the like.
  [[nodiscard]] Result<void> read(const char* name, bool& value) const noexcept {
    int read = 0;
    const auto code = ::profile_get_boolean(profile.get(), "libdefaults", name, nullptr, value ? 1 : 0, &read);
    if (code != 0) {
      return unexpected(failed_krb5(context.get(), "profile_get_boolean", static_cast<krb5_error_code>(code)));
    }
    value = read != 0;
    return {};
  }
};
}  // namespace gss_detail

/// Holds the KDCs that krb5.conf names for a realm, in its order: `kdc = kdc.example.com:88` in [realms]. Names of
/// hosts stay names; what is only in DNS (asio/kdc_dns looks there), and proxies of HTTPS, are left out. Move-only;
/// empty by default and after a move.
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
    auto conf = gss_detail::OpenProfile::open();
    if (!conf) return unexpected(std::move(conf).error());
    const krb5_context context = conf->context.get();
    const char* const place[] = {"realms", terminated.view().data(), "kdc", nullptr};
    KdcList made;
    const long code = ::profile_get_values(conf->profile.get(), place, made.entries_.put());
    const bool names_none = code == PROF_NO_RELATION || code == PROF_NO_SECTION;
    if (code != 0 && !names_none) {
      return unexpected(gss_detail::failed_krb5(context, operation, static_cast<krb5_error_code>(code)));
    }
    if (made.size() == 0) return unexpected(gss_detail::failed_krb5(context, operation, KRB5_REALM_UNKNOWN));
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

/// Says whether the KDCs of a realm that has none in krb5.conf are looked for in DNS.
struct KdcDnsPolicy {
  bool is_asked = true;  ///< dns_lookup_kdc, else dns_fallback
  bool has_uris = true;  ///< dns_uri_lookup: URI records first, then SRV

  /// Reads krb5.conf.
  /// Calls: krb5_init_context, krb5_get_profile, profile_get_boolean.
  /// Errors: gss, where krb5.conf has something else than yes or no; system (ENOMEM).
  /// Blocks: on the disk that krb5.conf is on.
  [[nodiscard]] static Result<KdcDnsPolicy> of_profile() noexcept {
    auto conf = gss_detail::OpenProfile::open();
    if (!conf) return unexpected(std::move(conf).error());
    KdcDnsPolicy made;
    for (const auto& [name, value] :
         {std::pair{"dns_fallback", &made.is_asked}, std::pair{"dns_lookup_kdc", &made.is_asked},
          std::pair{"dns_uri_lookup", &made.has_uris}}) {
      if (auto read = conf->read(name, *value); !read) return unexpected(std::move(read).error());
    }
    return made;
  }
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
