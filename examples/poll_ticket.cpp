// examples/poll_ticket: a login and a ticket for a service by poll(), without a thread that waits for a KDC: the
// handshake then asks nobody. MIT krb5. poll_ticket USER SERVICE HOST < PASSWORD
// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>

#include <gsskey/core/try.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/io/framing.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/kdc_list.hpp>

#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Here a program with a loop lets others take their turns. A signal ends it too: who reads then comes back.
Result<void> wait_for(const example::Socket& socket, short events, Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd ready{socket.get(), events, 0};
  if (left > 0 && ::poll(&ready, 1, static_cast<int>(left)) != 0) return {};
  return unexpected(Error::transport("poll", ETIMEDOUT));
}

/// One KDC is asked once.
Result<std::string> ask(KdcAddress kdc, bool tcp, ByteView request, Clock::time_point deadline) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(kdc.port);
  if (::inet_pton(AF_INET, std::string{kdc.host}.c_str(), &name.sin_addr) != 1) {
    return unexpected(Error::transport("inet_pton", EAFNOSUPPORT));  // a name: for the program's resolver
  }
  const int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
  const auto socket = example::Socket::adopt(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 && errno != EINPROGRESS) {
    return unexpected(Error::transport("connect", errno));
  }
  std::string out;
  if (tcp) out = ByteView{FrameHeader::of(static_cast<std::uint32_t>(request.size())).bytes}.text();
  out += request.text();
  while (!out.empty()) {
    GSSKEY_TRY_VOID(wait_for(socket, POLLOUT, deadline));
    const auto sent = ::send(socket.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return unexpected(Error::transport("send", errno));
    if (sent > 0) out.erase(0, static_cast<std::size_t>(sent));
  }
  IncomingFrame frame{1 << 20};
  std::string datagram(65536, '\0');
  while (true) {
    GSSKEY_TRY_VOID(wait_for(socket, POLLIN, deadline));
    IncomingFrame::Room room{reinterpret_cast<unsigned char*>(datagram.data()), datagram.size()};
    if (tcp) room = frame.room();
    const auto received = ::recv(socket.get(), room.data, room.size, 0);
    if (received < 0 && errno == EAGAIN) continue;
    if (received <= 0) return unexpected(Error::transport("recv", received < 0 ? errno : ECONNRESET));
    if (!tcp) return datagram.substr(0, static_cast<std::size_t>(received));
    GSSKEY_TRY_VOID(frame.came(static_cast<std::size_t>(received)));
    if (frame.is_complete()) return std::string{frame.token().text()};
  }
}

/// All KDCs of the realm, by UDP, which a reply may be too large for, and then by TCP.
Result<std::string> carry(const KdcStep& step) {
  GSSKEY_TRY(const auto kdcs, KdcList::of_realm(step.realm));
  Result<std::string> reply;
  for (std::size_t turn = step.over_tcp ? kdcs.size() : 0; turn < 2 * kdcs.size(); ++turn) {
    const bool tcp = turn >= kdcs.size();
    reply = ask(kdcs[turn % kdcs.size()], tcp, step.request, Clock::now() + (tcp ? 5s : 1s));
    if (reply) break;
  }
  return reply;
}

template <class Exchange>
Result<void> carry_out(Exchange exchange) {
  GSSKEY_TRY(auto next, exchange.step());
  while (!next.is_done()) {
    GSSKEY_TRY(const auto reply, carry(next));
    GSSKEY_TRY(next, exchange.step(reply));
  }
  return {};
}

Result<void> log_in(const char* user, const char* service, const char* host, ByteView password) {
  GSSKEY_TRY(const auto client, Name::user(user));
  GSSKEY_TRY(auto target, Name::host_service(service, host));
  GSSKEY_TRY(const auto cache, TicketCache::in_memory());
  GSSKEY_TRY(auto login, InitialTicket::with_password(cache, client, password));
  GSSKEY_TRY_VOID(carry_out(std::move(login)));
  GSSKEY_TRY(auto ticket, ServiceTicket::for_target(cache, target));
  GSSKEY_TRY_VOID(carry_out(std::move(ticket)));
  GSSKEY_TRY(const auto credential, cache.credential());
  Initiator<mech::Krb5> initiator{std::move(target), credential};
  const auto step = initiator.step();  // finds its ticket
  if (!step) return unexpected(step.error().error);
  std::cout << "a token of " << step->token.size() << " bytes\n";
  return {};
}

int main(int argc, char** argv) {
  std::string password;
  if (argc != 4 || !std::getline(std::cin, password)) return 2;
  const auto done = log_in(argv[1], argv[2], argv[3], password);
  explicit_bzero(password.data(), password.size());
  if (!done) std::cerr << "poll_ticket: " << example::in_words(done.error()) << '\n';
  return done ? 0 : 1;
}
