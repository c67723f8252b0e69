// gsskey/asio/kdc_dns: KDCs that are found in DNS, on Asio's loop, by c-ares.
// SPDX-License-Identifier: MIT
#pragma once

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/dns_channel.hpp>
#include <gsskey/asio/detail/kdc_carrier.hpp>
#include <gsskey/asio/kdc.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_list.hpp>

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI

/// Has async_acquire() ask the KDCs that krb5.conf names, and where it names none of a realm, those in DNS, as libkrb5
/// does: of URI records at _kerberos.REALM, unless dns_uri_lookup = false; else of SRV records at _kerberos._udp.REALM
/// and _kerberos._tcp.REALM; none with dns_lookup_kdc = false. The lowest priority comes first, and among equals chance
/// decides by their weights. Addresses of hosts are looked up in the same way, without a thread. No domain of
/// resolv.conf is put behind what DNS is asked for, but for hosts of krb5.conf.
///
///     auto result = co_await async_acquire(executor, std::move(login), asio::use_awaitable, {}, DnsKdcs{});
///
/// Who answers for DNS says who is asked. What a KDC proves depends on none of it: see InitialTicket::step().
/// Errors: transport, where DNS tells no KDC: EADDRNOTAVAIL for none, ETIMEDOUT, ECONNREFUSED, EBADMSG for all else,
///   with the text of c-ares.
/// Blocks: on the disks that krb5.conf, resolv.conf and hosts are on.
/// See: RFC 4120 section 7.2.3.2, for SRV; RFC 2782; ares_set_servers_ports_csv(3), for `servers`.
struct DnsKdcs {
  std::string servers{};  ///< "192.0.2.1,[2001:db8::1]:5353"; none: those of resolv.conf

  [[nodiscard]] friend auto operator<=>(const DnsKdcs&, const DnsKdcs&) = default;
};

namespace asio_detail {

struct KdcName {
  const char* prefix;
  KdcTransport transport;  ///< any: of URI records, which say it themselves
};
inline constexpr KdcName kdc_names[] = {
    {"_kerberos.", KdcTransport::any}, {"_kerberos._udp.", KdcTransport::udp}, {"_kerberos._tcp.", KdcTransport::tcp}};

/// More than that are not asked: who answers for DNS may say anything.
inline constexpr std::size_t max_kdcs_of_dns = 64;

template <class Record>
struct AresDataTraits {
  using Handle = Record*;
  static constexpr Handle none = nullptr;
  static void close(Handle records) noexcept { ares_free_data(records); }
};
struct AresAddressTraits {
  using Handle = ares_addrinfo*;
  static constexpr Handle none = nullptr;
  static void close(Handle addresses) noexcept { ares_freeaddrinfo(addresses); }
};

/// What a callback of c-ares writes.
template <class Traits>
struct DnsAnswer {
  bool has_come = false;
  int status = ARES_SUCCESS;
  UniqueHandle<Traits> records{};
};

struct DnsKdc {
  unsigned short priority;
  unsigned short weight;
  KdcPlace place;
};

/// False for what is no KDC that can be asked.
[[nodiscard]] inline bool read_record(const ares_srv_reply& record, KdcTransport transport, KdcPlace& place) {
  const auto host = detail::view_of(record.host);
  if (host.empty() || host == "." || record.port == 0) return false;
  place = {std::string{host} + '.', record.port, transport};
  return true;
}
[[nodiscard]] inline bool read_record(const ares_uri_reply& record, KdcTransport, KdcPlace& place) {
  KdcAddress kdc;
  if (!gss_detail::parse_kdc_uri(detail::view_of(record.uri), kdc)) return false;
  place = KdcPlace::of(kdc);
  return true;
}

/// RFC 2782: the chance to be the next one of a priority is in proportion to the weight; 0 has a very small one.
template <class Random>
inline void put_in_order(std::vector<DnsKdc>& kdcs, Random&& random) {
  std::vector<std::pair<double, DnsKdc>> drawn;
  for (auto& kdc : kdcs) {
    const double chance = (static_cast<double>(random()) + 1.0) / (static_cast<double>(random.max()) + 1.0);
    drawn.emplace_back(-std::log(chance) / (kdc.weight + 0.001), std::move(kdc));
  }
  std::stable_sort(drawn.begin(), drawn.end(), [](const auto& left, const auto& right) {
    if (left.second.priority != right.second.priority) return left.second.priority < right.second.priority;
    return left.first < right.first;
  });
  for (std::size_t index = 0; index < kdcs.size(); ++index) kdcs[index] = std::move(drawn[index].second);
}

/// Adds the KDCs of one name's records, of type ares_uri_reply or ares_srv_reply.
template <class Record, class Host>
[[nodiscard]] inline Task<Result<void>> add_kdcs(Host& host, const DnsKdcs& dns, std::string name, KdcPatience patience,
                                                 KdcTransport transport, KdcPlaces& places) {
  constexpr bool is_uri = std::is_same_v<Record, ares_uri_reply>;
  DnsAnswer<AresDataTraits<Record>> answer;
  DnsChannel<Host> channel{host};
  auto opened = channel.open(dns.servers, patience.udp, false);
  if (!opened) co_return opened;
  const auto take = [](void* to, int status, int, unsigned char* bytes, int size) {
    auto& taken = *static_cast<DnsAnswer<AresDataTraits<Record>>*>(to);
    taken.has_come = true;
    taken.status = status;
    if (status != ARES_SUCCESS) return;
    if constexpr (is_uri) {
      taken.status = ares_parse_uri_reply(bytes, size, taken.records.put());
    } else {
      taken.status = ares_parse_srv_reply(bytes, size, taken.records.put());
    }
  };
  constexpr int type = is_uri ? 256 : 33;  // ns_t_uri, which glibc does not name, and ns_t_srv
  ares_query(channel.get(), name.c_str(), 1, type, take, &answer);
  auto ran = co_await channel.run_until(answer.has_come);
  if (!ran) co_return ran;
  if (answer.status != ARES_SUCCESS) co_return Result<void>{unexpected(dns_error("ares_query", answer.status))};
  std::vector<DnsKdc> found;
  for (const Record* record = answer.records.get(); record != nullptr; record = record->next) {
    KdcPlace place;
    if (read_record(*record, transport, place)) found.push_back({record->priority, record->weight, std::move(place)});
  }
  put_in_order(found, std::random_device{});
  for (auto& kdc : found) {
    if (places.size() < max_kdcs_of_dns) places.push_back(std::move(kdc.place));
  }
  co_return Result<void>{};
}

template <class Host>
[[nodiscard]] inline Task<Result<KdcPlaces>> kdcs_of(Host& host, const DnsKdcs& dns, const std::string& realm,
                                                     KdcPatience patience) {
  using Found = Result<KdcPlaces>;
  auto configured = configured_kdcs(realm);
  const bool is_over =
      configured || configured.error().minor_status() != static_cast<std::uint32_t>(KRB5_REALM_UNKNOWN);
  if (is_over) co_return configured;
  const auto policy = KdcDnsPolicy::of_profile();
  if (!policy) co_return Found{unexpected(Error{policy.error()})};
  if (!policy->is_asked) co_return configured;
  KdcPlaces places;
  Error failure = Error::transport("ares_query", EADDRNOTAVAIL);
  for (const auto& [prefix, transport] : kdc_names) {
    const bool is_uri = transport == KdcTransport::any;
    if (is_uri && !policy->has_uris) continue;
    auto asking = is_uri ? add_kdcs<ares_uri_reply>(host, dns, prefix + realm, patience, transport, places)
                         : add_kdcs<ares_srv_reply>(host, dns, prefix + realm, patience, transport, places);
    auto added = co_await std::move(asking);
    if (!added) failure = std::move(added).error();
    if (failure.domain() == Domain::system || (is_uri && !places.empty())) break;
  }
  if (places.empty()) co_return Found{unexpected(std::move(failure))};
  co_return Found{std::move(places)};
}

template <class Host>
[[nodiscard]] inline Task<Result<Addresses>> addresses_of(Host& host, const DnsKdcs& dns, std::string name,
                                                          KdcPatience patience) {
  using Found = Result<Addresses>;
  const bool is_whole = name.ends_with('.');
  if (is_whole) name.pop_back();
  DnsAnswer<AresAddressTraits> answer;
  DnsChannel<Host> channel{host};
  auto opened = channel.open(dns.servers, patience.udp, !is_whole);
  if (!opened) co_return Found{unexpected(std::move(opened).error())};
  const auto take = [](void* to, int status, int, ares_addrinfo* addresses) {
    auto& taken = *static_cast<DnsAnswer<AresAddressTraits>*>(to);
    taken.has_come = true;
    taken.status = status;
    taken.records = UniqueHandle<AresAddressTraits>::adopt(addresses);
  };
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  ares_getaddrinfo(channel.get(), name.c_str(), nullptr, &hints, take, &answer);
  auto ran = co_await channel.run_until(answer.has_come);
  if (!ran) co_return Found{unexpected(std::move(ran).error())};
  if (answer.status != ARES_SUCCESS) co_return Found{unexpected(dns_error("ares_getaddrinfo", answer.status))};
  Addresses addresses;
  for (const auto* node = answer.records.get()->nodes; node != nullptr; node = node->ai_next) {
    asio::ip::udp::endpoint endpoint;
    if (node->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), node->ai_addr, node->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  co_return Found{std::move(addresses)};
}

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
