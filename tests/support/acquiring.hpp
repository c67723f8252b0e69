// tests/support/acquiring: async_acquire() in a test's loop, krb5.conf with other KDCs, a port that answers as it
// likes. For both Asios. SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/asio/kdc.hpp>
#include <gsskey/testing/test_realm.hpp>

#ifdef GSSKEY_ASIO_BOOST
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#else
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#endif

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/kdc_client.hpp"
#include "support/must.hpp"

namespace support {

using namespace gsskey;

/// krb5.conf with these KDCs of the realm.
inline std::string configuration(const std::vector<std::string>& kdcs) {
  std::string text = test_detail::read_file(realm_of_two_requests().krb5_conf());
  const std::string there = "kdc = 127.0.0.1:" + std::to_string(realm_of_two_requests().port());
  const auto found = text.find(there);
  REQUIRE(found != std::string::npos);
  std::string lines;
  for (const auto& kdc : kdcs) lines += "kdc = " + kdc + "\n  ";
  text.replace(found, there.size(), lines);
  const std::string path = realm_of_two_requests().folder() + "/loop.conf";
  must(test_detail::write_file(path, text));
  return path;
}
inline std::string at(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// Who waits as long waits for ever.
inline constexpr KdcPatience endless{std::chrono::hours{24}, std::chrono::hours{24}};

inline InitialTicket login(const TicketCache& into, std::string_view password = "hunter2") {
  return must(InitialTicket::with_password(into, must(Name::user("bob")), password));
}

/// An operation, and what it ended with.
struct Acquiring {
  asio::io_context& io;
  asio::cancellation_signal signal{};
  std::optional<Result<void>> result{};
  int calls = 0;

  template <class Exchange, class Kdcs = ConfiguredKdcs>
  void begin(Exchange exchange, KdcPatience patience = {}, Kdcs kdcs = {}) {
    auto handler = [this](Result<void> ended) {
      ++calls;
      result.emplace(std::move(ended));
    };
    async_acquire(io.get_executor(), std::move(exchange),
                  asio::bind_cancellation_slot(signal.slot(), std::move(handler)), patience, std::move(kdcs));
  }
  /// What is not there by the end of run() never comes.
  [[nodiscard]] Result<void> end() {
    io.run();
    REQUIRE(calls == 1);
    return *std::exchange(result, std::nullopt);
  }
};
template <class Exchange, class Kdcs = ConfiguredKdcs>
Result<void> acquire(Exchange exchange, KdcPatience patience = {}, Kdcs kdcs = {}) {
  asio::io_context io;
  Acquiring acquiring{io};
  acquiring.begin(std::move(exchange), patience, std::move(kdcs));
  return acquiring.end();
}

/// A port for datagrams in the test's loop. `on` is told of each.
class Port {
 public:
  using On = std::function<void(Port&, const std::string&, const asio::ip::udp::endpoint&)>;

  Port(asio::io_context& io, On on) : socket_{io, {asio::ip::address_v4::loopback(), 0}}, on_{std::move(on)} {
    receive();
  }
  [[nodiscard]] std::uint16_t number() const { return socket_.local_endpoint().port(); }
  void send(const std::string& bytes, const asio::ip::udp::endpoint& to) { socket_.send_to(asio::buffer(bytes), to); }
  void close() { socket_.close(); }

 private:
  void receive() {
    socket_.async_receive_from(asio::buffer(room_), from_, [this](AsioErrorCode code, std::size_t size) {
      if (code) return;
      on_(*this, room_.substr(0, size), from_);
      if (socket_.is_open()) receive();
    });
  }

  asio::ip::udp::socket socket_;
  On on_;
  std::string room_ = std::string(65536, '\0');
  asio::ip::udp::endpoint from_;
};
inline std::string honest(const std::string& request) {
  return support::ask_kdc(realm_of_two_requests().port(), true, request);
}

inline std::size_t open_files() {
  using Iterator = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(std::distance(Iterator{"/proc/self/fd"}, Iterator{}));
}
inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace support
