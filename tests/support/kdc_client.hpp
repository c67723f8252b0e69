// tests/support/kdc_client: what carries a request to a KDC on loopback and brings the reply: one datagram, or TCP.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/testing/detail/port.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "support/must.hpp"
#include "support/realm.hpp"

namespace support {

/// bob must prove that he knows his password before the KDC answers: two requests.
inline gsskey::TestRealm& realm_of_two_requests() {
  static gsskey::TestRealm& shared = []() -> gsskey::TestRealm& {
    auto& made = support::realm().realm;
    must(made.kadmin("modprinc +requires_preauth bob"));
    return made;
  }();
  return shared;
}

inline std::string ask_kdc(std::uint16_t port, bool tcp, gsskey::ByteView request) {
  using gsskey::test_detail::Fd;
  const Fd socket = Fd::adopt(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  const sockaddr_in address = gsskey::test_detail::loopback("127.0.0.1", port);
  const timeval patience{10, 0};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error{"no way to the KDC"};
  }
  if (tcp) {  // RFC 4120 section 7.2.2: behind their lengths
    gsskey::FdStream stream{socket.get()};
    gsskey::FramedTransport wire{stream};
    must(wire.send(request));
    return std::string{must(wire.receive(std::size_t{1} << 20)).text()};
  }
  std::string reply(65536, '\0');
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) throw std::runtime_error{"send"};
  const auto size = ::recv(socket.get(), reply.data(), reply.size(), 0);
  if (size < 0) throw std::runtime_error{"no reply of the KDC"};
  reply.resize(static_cast<std::size_t>(size));
  return reply;
}

/// Carries an exchange to its end. `carry` gets each KdcStep, and gives the reply.
template <class Exchange, class Carry>
gsskey::Result<void> carry_out(Exchange& exchange, Carry carry) {
  auto next = exchange.step();
  while (next && !next->is_done()) {
    const std::string reply = carry(*next);
    next = exchange.step(reply);
  }
  if (!next) return gsskey::unexpected(next.error());
  return {};
}

}  // namespace support
