// gsskey/gss/detail/about_place: which file a failure is about, where the library does not say. Internal to credentials
// and handshakes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string_view>
#include <utility>

#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/credential_store.hpp>
#include <gsskey/gss/detail/environment.hpp>
#include <gsskey/gss/mechanism.hpp>
#include <gsskey/gss/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// Where Kerberos looks for a file: what a CredentialStore says, or a variable, or the default.
struct Place {
  const char* variable = nullptr;  ///< nullptr: no place
  const char* stored = nullptr;
  const char* otherwise = "the default";

  /// "KRB5CCNAME=FILE:/tmp/cache": how it is named, and by what.
  [[nodiscard]] const char* value() const noexcept {
    if (variable == nullptr || stored != nullptr) return stored;
    const char* set = gss_detail::variable(variable);
    return set != nullptr && *set != '\0' ? set : otherwise;
  }
  /// Whether `words` have it, without the type in front.
  [[nodiscard]] bool is_in(std::string_view words) const noexcept {
    const char* name = value();
    if (const char* path = std::strchr(name, '/')) name = path;
    return !words.empty() && ::memmem(words.data(), words.size(), name, std::strlen(name)) != nullptr;
  }
};

/// What the error of a call for M is about, by its code, of an initiator or an acceptor. (Templates, so that only
/// whoever calls these pays for them.)
template <Mechanism M>
[[nodiscard]] inline Place place_of(const Error& error, bool accepts, const CredentialStore& store) noexcept {
  if constexpr (!M::accepts(mech::Krb5::oid)) return {};  // others keep theirs elsewhere
  const Place cache{"KRB5CCNAME", store.ccache};
  const Place keytab{"KRB5_KTNAME", store.keytab};
  const OM_uint32 code = error.minor_status() - kerberos_codes[0].first;
  const auto is_one_of = [code](OM_uint32 first, OM_uint32 last) { return first <= code && code <= last; };
  const Place configuration{"KRB5_CONFIG", nullptr, "/etc/krb5.conf"};
  // KRB5_CONFIG_*, and KRB_AP_ERR_ILL_CR_TKT, for [capaths]
  if (is_one_of(0x87, 0x89) || code == 0xe0 || (accepts && code == 0x2b)) return configuration;
  if (is_one_of(0x8b, 0x8f) || is_one_of(0xc1, 0xc8) || code == 0xd4 || is_one_of(0xf6, 0xf7)) return cache;
  if (is_one_of(0xb3, 0xb8) || code == 0xd5 || code == 0xeb) return keytab;
  if (is_one_of(0x9f, 0xac) && code != 0xa3) return {"KRB5RCACHENAME", store.rcache};
  switch (routine_error(error)) {
    case RoutineError::no_cred:
      if (is_of_kerberos(error.minor_status())) return {};
      // An acceptor that has begun has its keys: what came is not for them.
      if (std::strcmp(error.operation(), "gss_accept_sec_context") == 0) return {};
      return accepts ? keytab : cache;
    case RoutineError::bad_name:
    case RoutineError::failure:
      if (!is_of_file(error.minor_status())) return {};
      return accepts ? Place{"KRB5RCACHENAME", store.rcache} : configuration;
    default:
      return {};
  }
}

/// The same error, with the file that it is about, unless its words have it already. Of an initiator without a ticket
/// that is the client keytab, too, if there may be one.
template <Mechanism M>
[[gnu::cold, gnu::noinline]] inline Error about_place(Error error, bool accepts,
                                                      const CredentialStore& store = {}) noexcept {
  const Place place = place_of<M>(error, accepts, store);
  if (place.variable == nullptr) return error;
  Place keytab;
  const OM_uint32 code = error.minor_status() - kerberos_codes[0].first;
  const bool has_no_ticket = code == 0x8d || code == 0xc3 || !is_of_kerberos(error.minor_status());
  if (has_no_ticket && std::strcmp(place.variable, "KRB5CCNAME") == 0) {
    keytab = {"KRB5_CLIENT_KTNAME", store.client_keytab, nullptr};
  }
  const bool has_keytab = keytab.value() != nullptr && !keytab.is_in(error.text());
  const bool has_place = !place.is_in(error.text());
  if (!has_place && !has_keytab) return error;
  const auto words = [](bool there, const char* text) { return detail::view_of(there ? text : ""); };
  const Error bare = error;
  return std::move(error).with_text(bare.text(), "; ", words(has_place, place.variable), words(has_place, "="),
                                    words(has_place, place.value()), words(has_place && has_keytab, ", "),
                                    words(has_keytab, "KRB5_CLIENT_KTNAME="), words(has_keytab, keytab.value()));
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
