// gsskey/asio/detail/kdc_carrier: requests to the KDCs of a realm, one after the other, until one answers.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/context_state.hpp>
#include <gsskey/asio/detail/kdc_places.hpp>
#include <gsskey/asio/detail/kdc_wire.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/krb_error.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/kdc_list.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

/// Limits how long async_acquire() waits for one address of a KDC.
struct KdcPatience {
  /// For the answer to a datagram: that, or down to a half by chance, so that many who wait do not ask again at once.
  /// It is sent twice, so that one may be lost. And twice as long for a connection, when UDP is to be tried once more.
  std::chrono::milliseconds udp{1000};
  /// For another connection, and then for the answer over it; and for the addresses of a host.
  std::chrono::milliseconds tcp{10000};
};

/// Has async_acquire() ask the KDCs that krb5.conf names, and no others.
struct ConfiguredKdcs {
  [[nodiscard]] friend auto operator<=>(const ConfiguredKdcs&, const ConfiguredKdcs&) = default;
};

namespace asio_detail {

template <class Host>
[[nodiscard]] inline Task<Result<KdcPlaces>> kdcs_of(Host&, const ConfiguredKdcs&, const std::string& realm,
                                                     KdcPatience) {
  co_return configured_kdcs(realm);
}

/// What libkrb5 sends in a datagram at most, unless krb5.conf says otherwise: more is often lost on the way.
inline constexpr std::size_t max_kdc_datagram = 1465;
/// KDC_ERR_SVC_UNAVAILABLE: this KDC cannot, another may.
inline constexpr unsigned char svc_unavailable = 29;

using Addresses = std::vector<asio::ip::address>;

template <class Host>
[[nodiscard]] inline Task<Result<Addresses>> addresses_of(Host& host, const ConfiguredKdcs&, const std::string& name,
                                                          KdcPatience patience) {
  using Executor = decltype(host.executor);
  using Resolver = asio::ip::basic_resolver<asio::ip::udp, Executor>;
  Timed<Resolver, Executor> timed{host.executor};
  auto found = std::make_shared<typename Resolver::results_type>();
  timed.limit(patience.tcp);
  timed.object.async_resolve(name, "", [arrival = timed.arrival(), found](AsioErrorCode failed, auto results) mutable {
    *found = std::move(results);
    arrival(failed);
  });
  const AsioErrorCode code = co_await outcome_of(host, *timed.wait);
  if (code) co_return Result<Addresses>{unexpected(error_of("async_resolve", code))};
  Addresses addresses;
  for (const auto& entry : *found) addresses.push_back(entry.endpoint().address());
  co_return Result<Addresses>{std::move(addresses)};
}

/// Carries requests to KDCs. `Kdcs` says which: kdcs_of() finds them, addresses_of() the addresses of their hosts.
template <class Host, class Kdcs>
class KdcCarrier {
 public:
  KdcCarrier(Host& host, KdcPatience patience, Kdcs kdcs) noexcept
      : host_{&host}, patience_{patience}, kdcs_{std::move(kdcs)} {}

  /// The reply to the request, whoever gives it.
  [[nodiscard]] Task<Result<SecretBytes>> carry(KdcStep step) {
    using Reply = Result<SecretBytes>;
    if (realm_ != step.realm) {
      realm_ = step.realm;
      whom_ = "who is a KDC of " + realm_;
      last_.reset();
      auto places = co_await kdcs_of(*host_, kdcs_, realm_, patience_);
      if (!places) co_return Reply{unexpected(about(std::move(places).error()))};
      places_ = *std::move(places);
      context_state<KdcMemory>(host_->executor)->put_first(places_, realm_);
    }
    const bool over_tcp = step.over_tcp || step.request.size() > max_kdc_datagram;
    Error failure = Error::transport("async_resolve", EADDRNOTAVAIL);
    std::optional<SecretBytes> refusal;  // "unavailable", for when nobody says more
    if (last_) {
      last_->tcp = last_->tcp || over_tcp;
      auto reply = co_await ask(*last_, step.request, true);
      if (is_final(reply)) co_return reply;
      last_.reset();
    }
    for (int round = 0; round < 4; ++round) {
      const bool tcp = round % 2 == 1;
      if (over_tcp && !tcp) continue;
      bool may_answer_yet = false;
      for (const auto& kdc : places_) {
        if (!kdc.is_over(tcp)) {
          may_answer_yet = true;
          continue;
        }
        whom_ = kdc.host + ", a KDC of " + realm_;
        auto addresses = co_await addresses_at(kdc.host);
        if (!addresses) {
          may_answer_yet = true;
          failure = about(std::move(addresses).error());
          continue;
        }
        for (const auto& address : *addresses) {
          const KdcEndpoint endpoint{address, kdc.port, tcp};
          auto reply = co_await ask(endpoint, step.request, over_tcp || round == 3);
          if (is_final(reply)) {
            if (reply) {
              last_ = endpoint;
              context_state<KdcMemory>(host_->executor)->remember(realm_, kdc);
            }
            co_return reply;
          }
          if (reply) {
            refusal.emplace(*std::move(reply));
          } else {
            may_answer_yet = true;
            failure = std::move(reply).error();
          }
        }
      }
      if (refusal && !may_answer_yet) break;
    }
    if (refusal) co_return Reply{*std::move(refusal)};
    co_return Reply{unexpected(std::move(failure))};
  }

  /// The same error, with whom it comes from.
  [[nodiscard]] Error about(Error error) const noexcept {
    if (whom_.empty()) return error;
    const Error bare = error;
    return std::move(error).with_text(bare.text(), "; asked last: ", std::string_view{whom_});
  }

 private:
  /// A reply that says more than that this KDC cannot, or no memory for one: another KDC is of no help.
  [[nodiscard]] static bool is_final(const Result<SecretBytes>& reply) noexcept {
    if (!reply) return reply.error().domain() == Domain::system;
    return !gsskey::detail::is_krb_error(*reply, svc_unavailable);
  }
  [[nodiscard]] Task<Result<Addresses>> addresses_at(const std::string& name) {
    AsioErrorCode code;
    const auto address = asio::ip::make_address(name, code);
    if (!code) co_return Result<Addresses>{Addresses{address}};
    auto found = co_await addresses_of(*host_, kdcs_, name, patience_);
    co_return found;
  }
  /// `is_last`: UDP is not tried again. Else there is little time to connect: a KDC that has just awoken refuses more
  /// than a few connections, by losing them, and has room for as many datagrams as are staggered.
  [[nodiscard]] Task<Result<SecretBytes>> ask(KdcEndpoint kdc, ByteView request, bool is_last) {
    const std::string host = kdc.address.to_string();
    whom_ = (kdc.address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(kdc.port) + " over " +
            (kdc.tcp ? "TCP" : "UDP") + ", a KDC of " + realm_;
    const auto to_connect = is_last ? patience_.tcp : std::min(patience_.tcp, 2 * patience_.udp);
    auto asking = kdc.tcp ? ask_over_tcp(*host_, kdc, request, to_connect, to_connect)
                          : ask_over_udp(*host_, kdc, request, patience_.udp);
    auto reply = co_await std::move(asking);
    if (!reply) co_return Result<SecretBytes>{unexpected(about(std::move(reply).error()))};
    co_return reply;
  }

  Host* host_;
  KdcPatience patience_;
  Kdcs kdcs_;
  std::string realm_;
  KdcPlaces places_;
  std::string whom_;                 ///< was asked last, in words
  std::optional<KdcEndpoint> last_;  ///< has answered, and is asked first
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
