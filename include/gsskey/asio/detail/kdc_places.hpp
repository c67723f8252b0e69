// gsskey/asio/detail/kdc_places: which KDCs are asked, and who of them has answered last.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/core/config.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/krb5/kdc_list.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// A KDC, or several: all addresses of the host.
struct KdcPlace {
  std::string host{};
  std::uint16_t port = 88;
  KdcTransport transport = KdcTransport::any;

  [[nodiscard]] static KdcPlace of(const KdcAddress& kdc) { return {std::string{kdc.host}, kdc.port, kdc.transport}; }
  [[nodiscard]] bool is_over(bool tcp) const noexcept {
    return transport == KdcTransport::any || (transport == KdcTransport::tcp) == tcp;
  }
  [[nodiscard]] friend bool operator==(const KdcPlace&, const KdcPlace&) = default;
};
using KdcPlaces = std::vector<KdcPlace>;

[[nodiscard]] inline Result<KdcPlaces> configured_kdcs(const std::string& realm) {
  auto list = KdcList::of_realm(realm);
  if (!list) return unexpected(std::move(list).error());
  KdcPlaces places;
  for (std::size_t index = 0; index < list->size(); ++index) places.push_back(KdcPlace::of((*list)[index]));
  return places;
}
/// Who has answered last, of each realm, on an execution context: where the first KDC is dead, one exchange waits for
/// it and not each. After some minutes the first one is asked again, as the configuration wants it.
class KdcMemory {
 public:
  /// Only one that is among them: who they are is for the configuration to say, and for DNS.
  void put_first(KdcPlaces& places, const std::string& realm) {
    const std::lock_guard lock{mutex_};
    const auto found = answered_.find(realm);
    if (found == answered_.end() || Clock::now() >= found->second.until) return;
    const auto place = std::ranges::find(places, found->second.place);
    if (place != places.end()) std::rotate(places.begin(), place, place + 1);
  }
  void remember(const std::string& realm, const KdcPlace& place) {
    const std::lock_guard lock{mutex_};
    if (answered_.size() == max_realms && !answered_.contains(realm)) answered_.clear();
    Answered& answered = answered_[realm];
    if (answered.place == place && Clock::now() < answered.until) return;  // its time began with the first answer
    answered = {place, Clock::now() + std::chrono::minutes{5}};
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Answered {
    KdcPlace place{};
    Clock::time_point until{};
  };
  static constexpr std::size_t max_realms = 64;

  std::mutex mutex_;  // held for moments
  std::map<std::string, Answered> answered_;
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
