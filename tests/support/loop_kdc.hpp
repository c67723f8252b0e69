// tests/support/loop_kdc: what stands before a realm's KDC in a loop of Asio, counts requests, and keeps them back.
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "support/asio.hpp"
#include "support/environment.hpp"
#include "support/kdc_client.hpp"
#include "support/realm.hpp"

namespace support {

/// The KDC of krb5.conf, as long as this lives.
class LoopKdc {
 public:
  explicit LoopKdc(asio::io_context& io)
      : socket_{io, {asio::ip::address_v4::loopback(), 0}}, environment_{"KRB5_CONFIG", configuration()} {
    receive();
  }

  /// Nobody gets an answer until release().
  void hold() { holds_ = true; }
  void release() {
    holds_ = false;
    for (const auto& [request, from] : std::exchange(held_, {})) answer(request, from);
  }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  /// So many requests came for logins, and for tickets of services.
  [[nodiscard]] int logins() const { return logins_; }
  [[nodiscard]] int services() const { return services_; }
  void close() { socket_.close(); }

 private:
  [[nodiscard]] std::string configuration() const {
    auto& realm = realm_of_two_requests();
    std::string text = gsskey::test_detail::read_file(realm.krb5_conf());
    const std::string there = "kdc = 127.0.0.1:" + std::to_string(realm.port());
    text.replace(text.find(there), there.size(), "kdc = 127.0.0.1:" + std::to_string(socket_.local_endpoint().port()));
    const std::string path = realm.folder() + "/loop.conf";
    must(gsskey::test_detail::write_file(path, text));
    return path;
  }
  void receive() {
    socket_.async_receive_from(asio::buffer(room_), from_, [this](auto code, std::size_t size) {
      if (code) return;
      const std::string request = room_.substr(0, size);
      ++(request.front() == '\x6a' ? logins_ : services_);  // RFC 4120 section 5.4.1: [APPLICATION 10] AS-REQ
      if (holds_) {
        held_.emplace_back(request, from_);
      } else {
        answer(request, from_);
      }
      receive();
    });
  }
  void answer(const std::string& request, const asio::ip::udp::endpoint& to) {
    const std::string reply = ask_kdc(realm_of_two_requests().port(), true, request);
    socket_.send_to(asio::buffer(reply), to);
  }

  asio::ip::udp::socket socket_;
  Environment environment_;
  std::string room_ = std::string(65536, '\0');
  asio::ip::udp::endpoint from_;
  std::vector<std::pair<std::string, asio::ip::udp::endpoint>> held_;
  bool holds_ = false;
  int logins_ = 0;
  int services_ = 0;
};

}  // namespace support
