// examples/socket: TCP sockets for the examples: connect, listen on the loopback interface, accept.
// SPDX-License-Identifier: MIT
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <thread>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

namespace example {

struct SocketTraits {
  using Handle = int;
  static constexpr Handle none = -1;
  static void close(Handle descriptor) noexcept { (void)::close(descriptor); }
};
using Socket = gsskey::UniqueHandle<SocketTraits>;

/// A peer that is silent for ten seconds is an error (EAGAIN) in gsskey::FdStream. TCP_NODELAY: what is written leaves
/// at once, and does not wait until the peer has confirmed what came before.
inline void prepare(const Socket& socket) {
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  const int on = 1;
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// Tries every address of the host.
inline gsskey::Result<Socket> connect_to(const char* host, const char* port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (const int code = ::getaddrinfo(host, port, &hints, &addresses); code != 0) {
    return gsskey::unexpected(gsskey::Error::system("getaddrinfo", errno).with_text(::gai_strerror(code)));
  }
  int error = 0;
  Socket socket;
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    socket = Socket::adopt(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket && ::connect(socket.get(), address->ai_addr, address->ai_addrlen) == 0) break;
    error = errno;
    socket.reset();
  }
  ::freeaddrinfo(addresses);
  if (!socket) return gsskey::unexpected(gsskey::Error::system("connect", error));
  prepare(socket);
  return socket;
}

/// On 127.0.0.1. Port 0: one that is free; `port_of` tells which.
inline gsskey::Result<Socket> listen_on_loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto socket = Socket::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return gsskey::unexpected(gsskey::Error::system("socket", errno));
  const int on = 1;
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return gsskey::unexpected(gsskey::Error::system("bind", errno));
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) return gsskey::unexpected(gsskey::Error::system("listen", errno));
  return socket;
}

inline gsskey::Result<std::uint16_t> port_of(const Socket& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return gsskey::unexpected(gsskey::Error::system("getsockname", errno));
  }
  return ntohs(address.sin_port);
}

/// Whether accept() has failed for want of what comes back when others are done: descriptors, memory. A server waits
/// for them, a moment at a time: the listener stays readable.
inline bool is_short_of(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }
inline constexpr std::chrono::milliseconds a_moment{100};

inline gsskey::Result<Socket> accept_from(const Socket& listener) {
  while (true) {
    auto socket = Socket::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int error = errno;
    if (socket) {
      prepare(socket);
      return socket;
    }
    if (is_short_of(error)) {
      std::cerr << "accept: " << std::strerror(error) << std::endl;
      std::this_thread::sleep_for(a_moment);
    } else if (error != EINTR && error != ECONNABORTED) {
      return gsskey::unexpected(gsskey::Error::system("accept", error));
    }
  }
}

}  // namespace example
