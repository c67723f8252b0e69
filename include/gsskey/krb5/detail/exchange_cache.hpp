// gsskey/krb5/detail/exchange_cache: the few tickets of a cache that an exchange with a KDC needs. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

#ifdef GSSKEY_GSS_KDC_EXCHANGE
/// Has copies of the ticket-granting tickets of a cache, of those for one service, and of its settings. libkrb5
/// searches a cache from end to end, three times for an exchange; with 1,000 tickets that is most of its time. This
/// looks at each of them once.
class ExchangeCache {
 public:
  ExchangeCache() noexcept = default;
  ExchangeCache(const ExchangeCache&) = delete;
  ExchangeCache& operator=(const ExchangeCache&) = delete;
  ~ExchangeCache() {
    if (few_ != nullptr) static_cast<void>(krb5_cc_destroy(context_, few_));
  }

  /// The context outlives this.
  [[nodiscard]] Result<void> copy(krb5_context context, krb5_ccache all, krb5_principal client,
                                  krb5_const_principal service) noexcept {
    context_ = context;
    krb5_error_code code = krb5_cc_new_unique(context, "MEMORY", nullptr, &few_);
    if (code != 0) return failed("krb5_cc_new_unique", code);
    code = krb5_cc_initialize(context, few_, client);
    if (code != 0) return failed("krb5_cc_initialize", code);
    return each_of(all, [&](krb5_creds& ticket) -> Result<void> {
      const bool is_needed = is_granting(ticket) || krb5_principal_compare_any_realm(context, ticket.server, service) ||
                             krb5_is_config_principal(context, ticket.server);
      return is_needed ? store(few_, ticket) : Result<void>{};
    });
  }
  /// The ticket-granting tickets of other realms that the exchange got on its way.
  [[nodiscard]] Result<void> give_back(krb5_ccache all) const noexcept {
    return each_of(few_, [&](krb5_creds& ticket) -> Result<void> {
      krb5_creds same{};
      if (!is_granting(ticket)) return {};
      if (krb5_cc_retrieve_cred(context_, all, KRB5_TC_MATCH_TIMES_EXACT, &ticket, &same) != 0) {
        return store(all, ticket);
      }
      krb5_free_cred_contents(context_, &same);
      return {};
    });
  }
  [[nodiscard]] Result<void> store(krb5_ccache into, krb5_creds& ticket) const noexcept {
    const krb5_error_code code = krb5_cc_store_cred(context_, into, &ticket);
    if (code != 0) return failed("krb5_cc_store_cred", code);
    return {};
  }
  [[nodiscard]] krb5_ccache get() const noexcept { return few_; }

 private:
  [[nodiscard]] static bool is_granting(const krb5_creds& ticket) noexcept {
    return ticket.server->length == 2 && text_of(ticket.server->data[0]) == "krbtgt";
  }
  template <class Take>
  [[nodiscard]] Result<void> each_of(krb5_ccache cache, Take take) const noexcept {
    krb5_cc_cursor cursor = nullptr;
    krb5_error_code code = krb5_cc_start_seq_get(context_, cache, &cursor);
    if (code != 0) return failed("krb5_cc_start_seq_get", code);
    Result<void> taken;
    krb5_creds ticket{};
    while (taken && (code = krb5_cc_next_cred(context_, cache, &cursor, &ticket)) == 0) {
      taken = take(ticket);
      krb5_free_cred_contents(context_, &ticket);
    }
    static_cast<void>(krb5_cc_end_seq_get(context_, cache, &cursor));
    if (taken && code != KRB5_CC_END) return failed("krb5_cc_next_cred", code);
    return taken;
  }
  [[nodiscard]] gsskey::unexpected<Error> failed(const char* call, krb5_error_code code) const noexcept {
    return unexpected<Error>(failed_krb5(context_, call, code));
  }

  krb5_context context_ = nullptr;
  krb5_ccache few_ = nullptr;
};
#else
class ExchangeCache {
 public:
  [[nodiscard]] Result<void> copy(krb5_context, krb5_ccache, krb5_principal, krb5_const_principal) noexcept {
    return {};
  }
  [[nodiscard]] Result<void> give_back(krb5_ccache) const noexcept { return {}; }
  [[nodiscard]] Result<void> store(krb5_ccache, krb5_creds&) const noexcept { return {}; }
  [[nodiscard]] krb5_ccache get() const noexcept { return nullptr; }
};
#endif

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
