// gsskey/krb5/kdc_exchange: tickets from a KDC without I/O: what to send, and what to do with the reply.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/misuse.hpp>
#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/gss/buffer.hpp>
#include <gsskey/gss/limits.hpp>
#include <gsskey/gss/name.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/krb5/detail/libkrb5.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/krb5/ticket_cache.hpp>

#if defined(GSSKEY_GSS_KRB5_H) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/credential.hpp

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Says what an exchange needs next.
/// Owner: the exchange; good until its next step().
struct KdcStep {
  ByteView request;          ///< what a KDC is to get; empty when the ticket is in the cache
  std::string_view realm{};  ///< whose KDC
  bool over_tcp = false;     ///< the reply is too large for UDP: this request, and all that follow, over TCP
  /// Returns whether the ticket is in the cache, and nothing is to be sent.
  [[nodiscard]] bool is_done() const noexcept { return request.empty(); }
};

namespace gss_detail {

/// More than any real exchange has: referrals and methods of preauthentication are some.
inline constexpr unsigned max_kdc_requests = 32;
/// As long a reply as libkrb5 itself reads from a KDC.
inline constexpr std::size_t max_kdc_reply = std::size_t{1} << 20;

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
    const auto end = gsskey::detail::view_of("", 1);
    const auto text = gsskey::detail::SharedText::joined({name.text(), end});
    const auto place = gsskey::detail::SharedText::joined(
        {gsskey::detail::view_of(krb5_cc_get_type(into.context(), into.get())), ":",
         gsskey::detail::view_of(krb5_cc_get_name(into.context(), into.get())), end});
    if (!text || !place) return unexpected(Error::system("malloc", ENOMEM));
    krb5_error_code code = krb5_parse_name(context.get(), text.view().data(), &principal);
    if (code != 0) return unexpected(failed_krb5(context.get(), "krb5_parse_name", code));
    code = krb5_cc_resolve(context.get(), place.view().data(), &cache);
    if (code != 0) return unexpected(failed_krb5(context.get(), "krb5_cc_resolve", code));
    return {};
  }
};

/// The calls for a login.
struct InitialCalls {
  using Handle = krb5_init_creds_context;
  static constexpr const char* operation = "krb5_init_creds_step";
  static constexpr unsigned more = KRB5_INIT_CREDS_STEP_FLAG_CONTINUE;
  static void free(krb5_context context, Handle handle) noexcept { krb5_init_creds_free(context, handle); }
  [[nodiscard]] static krb5_error_code step(krb5_context context, Handle handle, krb5_data* in, krb5_data* out,
                                            krb5_data* realm, unsigned* flags) noexcept {
    return gss_detail::krb5_init_creds_step(context, handle, in, out, realm, flags);
  }
  [[nodiscard]] static Result<void> finish(const ExchangeParts& parts, Handle handle, bool) noexcept {
    const krb5_context context = parts.context.get();
    krb5_creds ticket{};
    krb5_error_code code = krb5_init_creds_get_creds(context, handle, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, "krb5_init_creds_get_creds", code));
    const char* storing = "krb5_cc_initialize";
    code = krb5_cc_initialize(context, parts.cache, ticket.client);
    if (code == 0) {
      storing = "krb5_cc_store_cred";
      code = krb5_cc_store_cred(context, parts.cache, &ticket);
    }
    krb5_free_cred_contents(context, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, storing, code));
    return {};
  }
};

/// The calls for a ticket of a service. libkrb5 could put it into the cache, but does not say whether it could.
struct ServiceCalls {
  using Handle = krb5_tkt_creds_context;
  static constexpr const char* operation = "krb5_tkt_creds_step";
  static constexpr unsigned more = 1;  // KRB5_TKT_CREDS_STEP_FLAG_CONTINUE
  static void free(krb5_context context, Handle handle) noexcept { gss_detail::krb5_tkt_creds_free(context, handle); }
  [[nodiscard]] static krb5_error_code step(krb5_context context, Handle handle, krb5_data* in, krb5_data* out,
                                            krb5_data* realm, unsigned* flags) noexcept {
    return gss_detail::krb5_tkt_creds_step(context, handle, in, out, realm, flags);
  }
  [[nodiscard]] static Result<void> finish(const ExchangeParts& parts, Handle handle, bool was_asked) noexcept {
    if (!was_asked) return {};  // it was in the cache
    const krb5_context context = parts.context.get();
    krb5_creds ticket{};
    krb5_error_code code = krb5_tkt_creds_get_creds(context, handle, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, "krb5_tkt_creds_get_creds", code));
    code = krb5_cc_store_cred(context, parts.cache, &ticket);
    krb5_free_cred_contents(context, &ticket);
    if (code != 0) return unexpected(failed_krb5(context, "krb5_cc_store_cred", code));
    return {};
  }
};

/// The order of requests and replies.
template <class Calls>
class KdcExchange {
 public:
  ExchangeParts parts;
  typename Calls::Handle handle = nullptr;

  KdcExchange() noexcept = default;
  KdcExchange(const KdcExchange&) = delete;
  KdcExchange& operator=(const KdcExchange&) = delete;
  ~KdcExchange() {
    free_data(parts.context.get(), request_);
    free_data(parts.context.get(), realm_);
    if (handle != nullptr) Calls::free(parts.context.get(), handle);
  }

  [[nodiscard]] Result<KdcStep> step(ByteView reply) noexcept {
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
      auto stored = Calls::finish(parts, handle, requests_ != 0);
      if (!stored) return unexpected(std::move(stored).error());
      return KdcStep{};
    }
    if (code != 0) {
      const bool is_too_large = code == KRB5KRB_ERR_RESPONSE_TOO_BIG && !over_tcp_;
      if (!is_too_large) return unexpected(failed_krb5(parts.context.get(), operation, code));
      over_tcp_ = true;
    }
    ++requests_;
    is_over_ = false;
    const std::string_view named = ByteView{realm_.data, realm_.length}.text();
    return KdcStep{{request_.data, request_.length}, named.empty() ? parts.name.realm() : named, over_tcp_};
  }

 private:
  krb5_data request_{};
  krb5_data realm_{};
  unsigned requests_ = 0;
  bool over_tcp_ = false;
  bool is_over_ = false;
};

template <class Calls>
[[nodiscard]] inline Result<KdcStep> step_exchange(const std::unique_ptr<KdcExchange<Calls>>& exchange,
                                                   ByteView reply) noexcept {
  if (!exchange) return unexpected(Error::usage(Calls::operation, "the exchange is empty: moved from, or never set"));
  return exchange->step(reply);
}

}  // namespace gss_detail

/// A login, without I/O: step() says what a KDC is to get, and takes what came back, until the ticket-granting ticket
/// is in the cache. Move-only; empty by default and after a move. krb5.conf says what is asked for, as for kinit.
///
///     auto login = InitialTicket::with_password(cache, client, password);
///     auto next = login->step();
///     while (next && !next->is_done()) next = login->step(exchange_with_kdc(next->realm, next->request));
///     auto credential = cache.credential();
///
/// Calls: krb5_init_creds_free, when it goes.
/// Errors: usage, if it, the cache or the name is empty; those of Principal::from_name(); gss, with the code of libkrb5
///   as minor status; system (ENOMEM); unavailable, without Capabilities::kdc_exchange.
/// Blocks: on no network, and on files only: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 section 3.1.
class InitialTicket {
  using Exchange = gss_detail::KdcExchange<gss_detail::InitialCalls>;

 public:
  InitialTicket() noexcept = default;

  /// Begins the login of `client` with a password. What is in the cache `into` is replaced when there is a ticket. It
  /// says that the KDC knows the password, and no more: whoever gave it may have made the KDC up. Who lets users in by
  /// it has a service of its own look at a ticket, with a key from a keytab.
  /// Calls: krb5_init_context, krb5_init_creds_init, krb5_init_creds_set_password.
  /// Errors: those of the class; usage too, for no password, one with a NUL, and more than limits.password.
  /// Blocks: on the disk that krb5.conf is on.
  /// Owner: of `password`, the caller, who is to wipe it; the library wipes its copy when this goes.
  [[nodiscard]] static Result<InitialTicket> with_password(const TicketCache& into, const Name& client,
                                                           ByteView password) noexcept {
    constexpr const char* operation = "krb5_init_creds_set_password";
    if (password.empty()) return unexpected(Error::usage(operation, "the password is empty"));
    if (!limits.password.admits(password.size())) return unexpected(gss_detail::too_long(operation, limits.password));
    if (gss_detail::contains(password.text(), '\0')) {
      return unexpected(Error::usage(operation, "the password contains a NUL byte"));
    }
    auto terminated = SecretBytes::with_size(password.size() + 1);
    if (!terminated) return unexpected(std::move(terminated).error());
    std::memcpy(terminated->data(), password.data(), password.size());
    return begin(into, client, [&](Exchange& exchange) -> Result<void> {
      const krb5_context context = exchange.parts.context.get();
      const krb5_error_code code =
          krb5_init_creds_set_password(context, exchange.handle, reinterpret_cast<const char*>(terminated->data()));
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, operation, code));
      return {};
    });
  }
  /// Begins the login of `client` with its key in a keytab, "FILE:/etc/daemon.keytab". What is in the cache `into` is
  /// replaced when there is a ticket.
  /// Calls: krb5_init_context, krb5_init_creds_init, krb5_kt_resolve, krb5_init_creds_set_keytab.
  /// Errors: those of the class; usage too, for a keytab without a name.
  /// Blocks: on the disks that krb5.conf and the keytab are on; step() on the keytab's, too.
  [[nodiscard]] static Result<InitialTicket> with_keytab(const TicketCache& into, const Name& client,
                                                         const char* keytab) noexcept {
    constexpr const char* operation = "krb5_init_creds_set_keytab";
    if (keytab == nullptr || *keytab == '\0') return unexpected(Error::usage(operation, "the keytab has no name"));
    return begin(into, client, [&](Exchange& exchange) -> Result<void> {
      const krb5_context context = exchange.parts.context.get();
      krb5_error_code code = krb5_kt_resolve(context, keytab, &exchange.parts.keytab);
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, "krb5_kt_resolve", code));
      code = krb5_init_creds_set_keytab(context, exchange.handle, exchange.parts.keytab);
      if (code != 0) return unexpected(gss_detail::failed_krb5(context, operation, code));
      return {};
    });
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next. After an error,
  /// and when the ticket is in the cache, the exchange is over. A reply that somebody on the way has forged can end it,
  /// or make a ticket that the service refuses.
  /// Calls: krb5_init_creds_step; at the end krb5_init_creds_get_creds, krb5_cc_initialize, krb5_cc_store_cred.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty (EBADMSG) or longer
  ///   than 1 MiB (EMSGSIZE); policy, after 32 requests without a ticket.
  /// Blocks: on the disks that the cache and the keytab are on.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    return gss_detail::step_exchange(exchange_, reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return exchange_ != nullptr; }

 private:
  template <class Prove>
  [[nodiscard]] static Result<InitialTicket> begin(const TicketCache& into, const Name& client, Prove prove) noexcept {
    constexpr const char* operation = "krb5_init_creds_init";
    if constexpr (!capabilities.kdc_exchange) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no krb5_init_creds_step"));
    }
    InitialTicket made;
    made.exchange_.reset(new (std::nothrow) Exchange);
    if (!made.exchange_) return unexpected(Error::system("malloc", ENOMEM));
    auto& parts = made.exchange_->parts;
    if (auto opened = parts.open(operation, into, client); !opened) return unexpected(std::move(opened).error());
    const krb5_error_code code = krb5_init_creds_init(parts.context.get(), parts.principal, nullptr, nullptr, 0,
                                                      nullptr, &made.exchange_->handle);
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), operation, code));
    if (auto proven = prove(*made.exchange_); !proven) return unexpected(std::move(proven).error());
    return made;
  }

  std::unique_ptr<Exchange> exchange_;
};

/// A ticket for a service, without I/O: step() says which realm's KDC is to get what, and takes what came back, until
/// the ticket is in the cache, beside the ticket-granting ticket that it is asked for with. A handshake with a
/// credential() of that cache then asks nobody. The way may go through several realms. Move-only; empty by default and
/// after a move.
///
/// Calls: krb5_tkt_creds_free, when it goes.
/// Errors: usage, if it, the cache or the name is empty; those of Principal::from_name(); gss, with the code of libkrb5
///   as minor status; system (ENOMEM); unavailable, without Capabilities::kdc_exchange.
/// Blocks: on no network but DNS, where krb5.conf says so: see each function.
/// Threads: one at a time, whichever; see TicketCache.
/// Owner: of all that it needs but the tickets: the cache may be closed, and its tickets go with it.
/// See: RFC 4120 section 3.3; RFC 6806, for referrals.
class ServiceTicket {
  using Exchange = gss_detail::KdcExchange<gss_detail::ServiceCalls>;

 public:
  ServiceTicket() noexcept = default;

  /// Begins the exchange for `target`: give the handshake the same name.
  /// Calls: krb5_init_context, krb5_cc_get_principal, krb5_tkt_creds_init.
  /// Blocks: on the disks that krb5.conf and the cache are on; on DNS, for a service on a host, unless krb5.conf has
  ///   dns_canonicalize_hostname = false: Name::principal() asks nobody.
  [[nodiscard]] static Result<ServiceTicket> for_target(const TicketCache& cache, const Name& target) noexcept {
    constexpr const char* operation = "krb5_tkt_creds_init";
    if constexpr (!capabilities.kdc_exchange) {
      return unexpected(Error::unavailable(operation, GSSKEY_GSS_NAME " has no krb5_tkt_creds_step"));
    }
    ServiceTicket made;
    made.exchange_.reset(new (std::nothrow) Exchange);
    if (!made.exchange_) return unexpected(Error::system("malloc", ENOMEM));
    auto& parts = made.exchange_->parts;
    if (auto opened = parts.open(operation, cache, target); !opened) return unexpected(std::move(opened).error());
    krb5_creds wanted{};
    wanted.server = parts.principal;
    krb5_error_code code = krb5_cc_get_principal(parts.context.get(), parts.cache, &wanted.client);
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), "krb5_cc_get_principal", code));
    code = gss_detail::krb5_tkt_creds_init(parts.context.get(), parts.cache, &wanted, KRB5_GC_NO_STORE,
                                           &made.exchange_->handle);
    krb5_free_principal(parts.context.get(), wanted.client);
    if (code != 0) return unexpected(gss_detail::failed_krb5(parts.context.get(), operation, code));
    return made;
  }

  /// Takes the reply of a KDC to the last request, nothing the first time, and returns what is next: nothing, at once,
  /// if the ticket is there already. After an error, and when the ticket is in the cache, the exchange is over. A reply
  /// that somebody on the way has forged can end it, or make a ticket that the service refuses.
  /// Calls: krb5_tkt_creds_step; at the end krb5_tkt_creds_get_creds, krb5_cc_store_cred.
  /// Errors: those of the class; usage too, when it is over; transport, for a reply that is empty (EBADMSG) or longer
  ///   than 1 MiB (EMSGSIZE); policy, after 32 requests without a ticket.
  /// Blocks: on the disk that the cache is on; on DNS, for a host of no known realm where krb5.conf has
  ///   dns_lookup_realm = true.
  [[nodiscard]] Result<KdcStep> step(ByteView reply = {}) noexcept {
    return gss_detail::step_exchange(exchange_, reply);
  }
  [[nodiscard]] explicit operator bool() const noexcept { return exchange_ != nullptr; }

 private:
  std::unique_ptr<Exchange> exchange_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey

#endif
