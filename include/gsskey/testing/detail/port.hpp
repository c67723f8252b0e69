// gsskey/testing/detail/port: loopback ports for a KDC: one that nobody else gets, and whether it answers there.
// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/files.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

[[nodiscard]] inline sockaddr_in loopback(const std::string& address, std::uint16_t port) noexcept {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) name.sin_addr.s_addr = INADDR_ANY;
  return name;
}

/// A TCP port that is bound but does not listen: a KDC, which sets SO_REUSEADDR, can still have it, while bind() and
/// connect() of everybody else choose other ports (a connect() to a free port of the ephemeral range may even reach
/// itself).
struct ReservedPort {
  Fd socket;
  std::uint16_t number;

  [[nodiscard]] static Result<ReservedPort> reserve(const std::string& address, std::uint16_t port) {
    auto socket = adopt_above_stderr("socket", address, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return unexpected(socket.error());
    const int on = 1;
    sockaddr_in name = loopback(address, port);
    socklen_t size = sizeof name;
    if (::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
      return unexpected(Error::system("setsockopt", errno));
    }
    if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&name), size) != 0) {
      return unexpected(errno_error("bind", address + ":" + std::to_string(port)));
    }
    if (::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
      return unexpected(Error::system("getsockname", errno));
    }
    return ReservedPort{*std::move(socket), ntohs(name.sin_port)};
  }
};

[[nodiscard]] inline bool accepts_connections(const std::string& address, std::uint16_t port) noexcept {
  const Fd socket = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = loopback(address, port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
