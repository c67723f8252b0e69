// gsskey/krb5/detail/kdc_exchange: what logins and tickets for services have in common: requests and replies. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/exchange_cache.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

/// More than any real exchange has: referrals and methods of preauthentication are some.
inline constexpr unsigned max_kdc_requests = 32;
/// As long a reply as libkrb5 itself reads from a KDC.
inline constexpr std::size_t max_kdc_reply = std::size_t{1} << 20;

/// Opens the cache in another context.
[[nodiscard]] inline Result<void> open_again(krb5_context context, const TicketCache& cache,
                                             krb5_ccache* opened) noexcept {
  const auto place = gsskey::detail::SharedText::joined(
      {gsskey::detail::view_of(krb5_cc_get_type(cache.context(), cache.get())), ":",
       gsskey::detail::view_of(krb5_cc_get_name(cache.context(), cache.get())), gsskey::detail::view_of("", 1)});
  if (!place) return unexpected(Error::system("malloc", ENOMEM));
  const krb5_error_code code = krb5_cc_resolve(context, place.view().data(), opened);
  if (code != 0) return unexpected(failed_krb5(context, "krb5_cc_resolve", code));
  return {};
}

/// What both kinds of exchange are made of, in a context of its own: exchanges of several threads have nothing in
/// common but the cache.
struct ExchangeParts {
  Krb5Context context;
  Principal name;  ///< whom the ticket is for, or which service
  krb5_principal principal = nullptr;
  krb5_ccache cache = nullptr;
  krb5_keytab keytab = nullptr;

  ExchangeParts() noexcept = default;
  ExchangeParts(const ExchangeParts&) = delete;
  ExchangeParts& operator=(const ExchangeParts&) = delete;
  ~ExchangeParts() {
    if (principal != nullptr) krb5_free_principal(context.get(), principal);
    if (keytab != nullptr) static_cast<void>(krb5_kt_close(context.get(), keytab));
    if (cache != nullptr) static_cast<void>(krb5_cc_close(context.get(), cache));
  }

  [[nodiscard]] Result<void> open(const char* operation, const TicketCache& into, const Name& of) noexcept {
    if (!into) return unexpected(Error::usage(operation, "the cache is empty: moved from, or never set"));
    if (!of) return unexpected(gsskey::detail::empty_name(operation));
    auto found = Principal::from_name(of);
    if (!found) return unexpected(std::move(found).error());
    name = *std::move(found);
    auto made = new_krb5_context();
    if (!made) return unexpected(std::move(made).error());
    context = *std::move(made);
    const auto text = gsskey::detail::SharedText::joined({name.text(), gsskey::detail::view_of("", 1)});
    if (!text) return unexpected(Error::system("malloc", ENOMEM));
    const krb5_error_code code = krb5_parse_name(context.get(), text.view().data(), &principal);
    if (code != 0) return unexpected(failed_krb5(context.get(), "krb5_parse_name", code));
    return open_again(context.get(), into, &cache);
  }
};

/// The calls for a ticket of a service. libkrb5 could put it into the cache, but does not say whether it could.
struct ServiceCalls {
  using Handle = krb5_tkt_creds_context;
  using Needs = ExchangeCache;
  static constexpr const char* operation = "krb5_tkt_creds_step";
  static constexpr unsigned more = 1;  // KRB5_TKT_CREDS_STEP_FLAG_CONTINUE
  static void free(krb5_context context, Handle handle) noexcept { gss_detail::krb5_tkt_creds_free(context, handle); }
  [[nodiscard]] static krb5_error_code step(krb5_context context, Handle handle, krb5_data* in, krb5_data* out,
                                            krb5_data* realm, unsigned* flags) noexcept {
    return gss_detail::krb5_tkt_creds_step(context, handle, in, out, realm, flags);
  }
  [[nodiscard]] static Error failure(const ExchangeParts& parts, const Needs&, krb5_error_code code) noexcept {
    return failed_krb5(parts.context.get(), operation, code);
  }
  [[nodiscard]] static Result<void> finish(const ExchangeParts& parts, const Needs& few, Handle handle,
                                           bool was_asked) noexcept {
    if (!was_asked) return {};  // it was in the cache
    const krb5_context context = parts.context.get();
    krb5_creds ticket{};
    const krb5_error_code code = krb5_tkt_creds_get_creds(context, handle, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, "krb5_tkt_creds_get_creds", code));
    auto stored = few.give_back(parts.cache);
    if (stored) stored = few.store(parts.cache, ticket);
    krb5_free_cred_contents(context, &ticket);
    return stored;
  }
};

/// The order of requests and replies. `Step` is KdcStep.
template <class Calls, class Step>
class KdcExchange {
 public:
  ExchangeParts parts;
  typename Calls::Needs needs;  // outlive the handle
  typename Calls::Handle handle = nullptr;

  KdcExchange() noexcept = default;
  KdcExchange(const KdcExchange&) = delete;
  KdcExchange& operator=(const KdcExchange&) = delete;
  ~KdcExchange() {
    free_data(parts.context.get(), request_);
    free_data(parts.context.get(), realm_);
    if (handle != nullptr) Calls::free(parts.context.get(), handle);
  }

  [[nodiscard]] Result<Step> step(ByteView reply) noexcept {
    constexpr const char* operation = Calls::operation;
    if (std::exchange(is_over_, true)) return unexpected(Error::usage(operation, "the exchange is over"));
    if (requests_ == 0 && !reply.empty()) return unexpected(Error::usage(operation, "a reply to no request"));
    if (requests_ != 0 && reply.empty()) return unexpected(Error::transport(operation, EBADMSG, "the reply is empty"));
    if (reply.size() > max_kdc_reply) {
      return unexpected(Error::transport(operation, EMSGSIZE, "the reply is longer than 1 MiB"));
    }
    if (requests_ == max_kdc_requests) {
      return unexpected(Error::policy(operation, 0, "after 32 requests there is no ticket"));
    }
    krb5_data in{};
    in.data = const_cast<char*>(reply.text().data());  // is only read
    in.length = static_cast<unsigned>(reply.size());
    krb5_data out{};
    krb5_data realm{};
    unsigned flags = 0;
    const krb5_error_code code = Calls::step(parts.context.get(), handle, &in, &out, &realm, &flags);
    const bool has_request = code == 0 && (flags & Calls::more) != 0;
    if (has_request) {
      std::swap(request_, out);
      std::swap(realm_, realm);
    }
    free_data(parts.context.get(), out);
    free_data(parts.context.get(), realm);
    if (code == 0 && !has_request) {
      auto stored = Calls::finish(parts, needs, handle, requests_ != 0);
      if (!stored) return unexpected(std::move(stored).error());
      return Step{};
    }
    if (code != 0) {
      const bool is_too_large = code == KRB5KRB_ERR_RESPONSE_TOO_BIG && !over_tcp_;
      if (!is_too_large) return unexpected(Calls::failure(parts, needs, code));
      over_tcp_ = true;
    }
    ++requests_;
    is_over_ = false;
    const std::string_view named = ByteView{realm_.data, realm_.length}.text();
    return Step{{request_.data, request_.length}, named.empty() ? parts.name.realm() : named, over_tcp_};
  }

 private:
  krb5_data request_{};
  krb5_data realm_{};
  unsigned requests_ = 0;
  bool over_tcp_ = false;
  bool is_over_ = false;
};

template <class Calls, class Step>
[[nodiscard]] inline Result<Step> step_exchange(const std::unique_ptr<KdcExchange<Calls, Step>>& exchange,
                                                ByteView reply) noexcept {
  if (!exchange) return unexpected(Error::usage(Calls::operation, "the exchange is empty: moved from, or never set"));
  return exchange->step(reply);
}

}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
