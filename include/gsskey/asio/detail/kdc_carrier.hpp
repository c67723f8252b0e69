// gsskey/asio/detail/kdc_carrier: requests to the KDCs of a realm, one after the other, until one answers.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
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
  /// For the answer to a datagram. It is sent twice, so that one may be lost: each address is waited for twice as long.
  std::chrono::milliseconds udp{1000};
  /// For an answer over TCP, from the connection to the last byte; and for the addresses of a host.
  std::chrono::milliseconds tcp{10000};
};

namespace asio_detail {

/// What libkrb5 sends in a datagram at most, unless krb5.conf says otherwise: more is often lost on the way.
inline constexpr std::size_t max_kdc_datagram = 1465;
/// KDC_ERR_SVC_UNAVAILABLE: this KDC cannot, another may.
inline constexpr unsigned char svc_unavailable = 29;

/// Carries requests to the KDCs of krb5.conf.
template <class Host>
class KdcCarrier {
 public:
  KdcCarrier(Host& host, KdcPatience patience) noexcept : host_{&host}, patience_{patience} {}

  /// The reply to the request, whoever gives it.
  [[nodiscard]] Task<Result<SecretBytes>> carry(KdcStep step) {
    using Reply = Result<SecretBytes>;
    if (realm_ != step.realm) {
      realm_ = step.realm;
      whom_ = "who is a KDC of " + realm_;
      last_.reset();
      auto kdcs = KdcList::of_realm(realm_);
      if (!kdcs) co_return Reply{unexpected(about(std::move(kdcs).error()))};
      kdcs_ = *std::move(kdcs);
    }
    const bool over_tcp = step.over_tcp || step.request.size() > max_kdc_datagram;
    Error failure = Error::transport("async_resolve", EADDRNOTAVAIL);
    std::optional<SecretBytes> refusal;  // "unavailable", for when nobody says more
    if (last_) {
      last_->tcp = last_->tcp || over_tcp;
      auto reply = co_await ask(*last_, step.request);
      if (is_final(reply)) co_return reply;
      last_.reset();
    }
    for (int round = 0; round < 4; ++round) {
      const bool tcp = round % 2 == 1;
      if (over_tcp && !tcp) continue;
      bool may_answer_yet = false;
      for (std::size_t index = 0; index < kdcs_.size(); ++index) {
        const KdcAddress kdc = kdcs_[index];
        whom_ = std::string{kdc.host} + ", a KDC of " + realm_;
        auto addresses = co_await addresses_of(*host_, kdc.host, patience_.tcp);
        if (!addresses) {
          may_answer_yet = true;
          failure = about(std::move(addresses).error());
          continue;
        }
        for (const auto& address : *addresses) {
          const KdcEndpoint endpoint{address, kdc.port, tcp};
          auto reply = co_await ask(endpoint, step.request);
          if (is_final(reply)) {
            if (reply) last_ = endpoint;
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
  [[nodiscard]] Task<Result<SecretBytes>> ask(KdcEndpoint kdc, ByteView request) {
    const std::string host = kdc.address.to_string();
    whom_ = (kdc.address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(kdc.port) + " over " +
            (kdc.tcp ? "TCP" : "UDP") + ", a KDC of " + realm_;
    auto asking =
        kdc.tcp ? ask_over_tcp(*host_, kdc, request, patience_.tcp) : ask_over_udp(*host_, kdc, request, patience_.udp);
    auto reply = co_await std::move(asking);
    if (!reply) co_return Result<SecretBytes>{unexpected(about(std::move(reply).error()))};
    co_return reply;
  }

  Host* host_;
  KdcPatience patience_;
  std::string realm_;
  KdcList kdcs_;
  std::string whom_;                 ///< was asked last, in words
  std::optional<KdcEndpoint> last_;  ///< has answered, and is asked first
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
