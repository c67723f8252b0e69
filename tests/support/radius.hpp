// tests/support/radius: a RADIUS server on loopback that knows passwords of one time, for a KDC that asks it (OTP).
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/detail/files.hpp>
#include <gsskey/testing/detail/port.hpp>

#include <krb5.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace support {

/// Accepts one user with one password, until the object ends (RFC 2865).
class RadiusServer {
 public:
  static constexpr const char* secret = "between us";

  RadiusServer(std::string user, std::string password) : user_{std::move(user)}, password_{std::move(password)} {
    socket_ = Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in name = gsskey::test_detail::loopback("127.0.0.1", 0);
    ::socklen_t size = sizeof name;
    int ends[2];
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
        ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error{"no port for RADIUS"};
    }
    port_ = ntohs(name.sin_port);
    wake_ = Fd::adopt(ends[1]);
    thread_ = std::thread{[this, woken = Fd::adopt(ends[0])] {
      while (true) {
        ::pollfd waiting[] = {{woken.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        if (::poll(waiting, 2, -1) < 0) continue;
        if (waiting[0].revents != 0) return;
        answer();
      }
    }};
  }
  RadiusServer(const RadiusServer&) = delete;
  RadiusServer& operator=(const RadiusServer&) = delete;
  ~RadiusServer() {
    wake_ = {};
    thread_.join();
  }

  /// The section of kdc.conf, or of krb5.conf, which the KDC reads too. `secret_file` has the secret.
  [[nodiscard]] std::string section(const std::string& secret_file) const {
    return "[otp]\n DEFAULT = {\n  server = 127.0.0.1:" + std::to_string(port_) + "\n  secret = " + secret_file +
           "\n }";
  }

 private:
  using Fd = gsskey::test_detail::Fd;

  static std::string md5(std::string_view bytes) {
    krb5_checksum sum{};
    krb5_data data{};
    data.data = const_cast<char*>(bytes.data());
    data.length = static_cast<unsigned>(bytes.size());
    krb5_context context = nullptr;
    if (krb5_init_context(&context) != 0 ||
        krb5_c_make_checksum(context, CKSUMTYPE_RSA_MD5, nullptr, 0, &data, &sum) != 0) {
      throw std::runtime_error{"MD5"};
    }
    std::string digest{reinterpret_cast<const char*>(sum.contents), sum.length};
    krb5_free_checksum_contents(context, &sum);
    krb5_free_context(context);
    return digest;
  }
  /// Section 5.2, of at most 128 bytes.
  static std::string unhidden(std::string_view hidden, std::string_view authenticator) {
    std::string password;
    std::string before{authenticator};
    for (; hidden.size() >= 16; hidden.remove_prefix(16)) {
      const std::string mask = md5(secret + before);
      for (std::size_t at = 0; at < 16; ++at) password += static_cast<char>(hidden[at] ^ mask[at]);
      before = hidden.substr(0, 16);
    }
    return password.substr(0, password.find('\0'));
  }
  void answer() const {
    std::string request(4096, '\0');
    sockaddr_in client{};
    ::socklen_t size = sizeof client;
    const auto got =
        ::recvfrom(socket_.get(), request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&client), &size);
    if (got < 20) return;
    request.resize(static_cast<std::size_t>(got));
    const std::string authenticator = request.substr(4, 16);
    std::string user;
    std::string password;
    for (std::size_t at = 20; at + 2 <= request.size();) {
      const auto length = static_cast<unsigned char>(request[at + 1]);
      if (length < 2) return;
      const std::string value = request.substr(at + 2, length - 2u);
      if (request[at] == 1) user = value;
      if (request[at] == 2) password = unhidden(value, authenticator);
      at += length;
    }
    const bool is_known = user == user_ && password == password_;
    const std::string head{is_known ? '\2' : '\3', request[1], '\0', '\x14'};
    const std::string reply = head + md5(head + authenticator + secret);
    static_cast<void>(
        ::sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&client), size));
  }

  std::string user_;
  std::string password_;
  std::uint16_t port_ = 0;
  Fd socket_;
  Fd wake_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace support
