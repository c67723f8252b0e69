// examples/poll_echo_server: an echo service in one thread, by poll(): the handshakes, packets and echoes of all
// clients take turns, and none waits for another. Its clients are those of examples/co_echo_server.
//
//   poll_echo_server [--allow PRINCIPAL]... PORT SERVICE HOST      port 0: a free one
//
// Without --allow: whoever has authenticated. An acceptor's step reads files and asks no KDC: here it may run in the
// loop. SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gsskey/gss.hpp>
#include <gsskey/io/record_layer.hpp>

#include "allow.hpp"
#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;
using example::AllowList;
using example::in_words;
using example::Socket;
using Krb5 = mech::Krb5;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t max_clients = 500;  // and those who come then wait to be accepted

/// A client: first a handshake, whose tokens come in frames, then packets of messages.
class Connection {
 public:
  Connection(Socket socket, CredentialRef<Krb5, Accept> credential)
      : socket_{std::move(socket)}, acceptor_{credential} {}

  [[nodiscard]] int descriptor() const { return socket_.get(); }
  /// What it waits for. While something is to be sent nothing more is received.
  [[nodiscard]] short events() const {
    const bool has_more = layer_ && (layer_->has_unsent() || !layer_->opened().empty());
    return has_more || !reply_.empty() ? POLLOUT : POLLIN;
  }
  /// When it must have authenticated.
  [[nodiscard]] Clock::time_point deadline() const { return layer_ ? Clock::time_point::max() : deadline_; }
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  void end() { has_ended_ = true; }

  /// As far as it goes without waiting, but not so far that the others would.
  [[nodiscard]] Result<void> go_on(const AllowList& allowed) {
    for (int turn = 0; turn < 16 && !has_ended_; ++turn) {
      const auto count = events() == POLLOUT ? send() : receive(allowed);
      if (!count) return unexpected(count.error());
      if (*count == 0) break;
    }
    return {};
  }

 private:
  /// How many bytes, 0 if it has to wait.
  [[nodiscard]] Result<std::size_t> send() {
    if (!reply_.empty()) {
      const auto count = send({ByteView{reply_}, {}});
      if (count) reply_.erase(0, *count);
      return count;
    }
    if (!layer_->has_unsent()) {  // what came goes back
      const auto sealed = layer_->seal(layer_->opened());
      if (!sealed) return unexpected(sealed.error());
      layer_->consume(*sealed);
    }
    const auto count = send(layer_->unsent());
    if (count) layer_->sent(*count);
    return count;
  }
  [[nodiscard]] Result<std::size_t> send(std::array<ByteView, 2> bytes) const {
    iovec parts[2];
    for (std::size_t i = 0; i < 2; ++i) {
      parts[i] = {const_cast<unsigned char*>(bytes[i].data()), bytes[i].size()};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return counted("send", ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL));
  }

  [[nodiscard]] Result<std::size_t> receive(const AllowList& allowed) {
    const auto room = layer_ ? layer_->room() : Result<IncomingFrame::Room>{frame_.room()};
    if (!room) return unexpected(room.error());
    const ssize_t received = ::recv(socket_.get(), room->data, room->size, 0);
    if (received == 0) {
      end();
      if (auto ended = layer_ ? layer_->ended() : Result<void>{}; !ended) return unexpected(ended.error());
    }
    const auto count = counted("recv", received);
    if (!count) return count;
    auto done = layer_ ? layer_->received(*count) : frame_.came(*count);
    if (done && frame_.is_complete()) done = step(allowed);
    if (!done) return unexpected(done.error());
    return count;
  }

  /// With the client's token, which is whole.
  [[nodiscard]] Result<void> step(const AllowList& allowed) {
    auto step = acceptor_.step(frame_.token());
    frame_.restart();
    const ByteView token = step ? ByteView{step->token} : ByteView{step.error().token};
    if (!token.empty()) {
      const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
      reply_.append(ByteView{header.bytes}.text()).append(token.text());
    }
    if (!step) {
      if (!reply_.empty()) static_cast<void>(send());  // tells the client why, if it can be told at once
      return unexpected(std::move(step).error().error);
    }
    if (!step->complete) return {};
    auto context = std::move(acceptor_).establish();
    if (!context) return unexpected(context.error());
    example::print(*context);
    if (auto admitted = allowed.admit(*context); !admitted) return admitted;
    layer_.emplace(*std::move(context));
    return {};
  }

  [[nodiscard]] static Result<std::size_t> counted(const char* operation, ssize_t count) {
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
    return unexpected(Error::transport(operation, errno));
  }

  Socket socket_;
  Acceptor<Krb5> acceptor_;
  IncomingFrame frame_{65536};
  std::string reply_;  // tokens of the handshake that are to be sent
  std::optional<RecordLayer<SecurityContext<Krb5>>> layer_;
  Clock::time_point deadline_ = Clock::now() + std::chrono::seconds{10};
  bool has_ended_ = false;
};

/// All that are there. Returns when to look again: at once, or later, where descriptors or memory are short.
Result<Clock::time_point> accept_all(const Socket& listener, CredentialRef<Krb5, Accept> credential,
                                     std::vector<Connection>& connections) {
  while (connections.size() < max_clients) {
    auto socket = Socket::adopt(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      example::prepare(socket);
      connections.emplace_back(std::move(socket), credential);
    } else if (errno == EAGAIN) {
      break;
    } else if (example::is_short_of(errno)) {
      std::cerr << "accept: " << std::strerror(errno) << std::endl;
      return Clock::now() + example::a_moment;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return unexpected(Error::system("accept", errno));
    }
  }
  return Clock::time_point{};
}

/// Until a signal comes.
Result<void> serve(std::uint16_t port, const char* service, const char* host, const AllowList& allowed) {
  auto name = Name::host_service(service, host);
  if (!name) return unexpected(name.error());
  auto credential = Credential<Krb5, Accept>::acquire(*name);
  if (!credential) return unexpected(credential.error());

  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
  const auto signals = Socket::adopt(::signalfd(-1, &ending, SFD_CLOEXEC));
  if (!signals) return unexpected(Error::system("signalfd", errno));
  auto listener = example::listen_on_loopback(port);
  if (!listener) return unexpected(listener.error());
  static_cast<void>(::fcntl(listener->get(), F_SETFL, O_NONBLOCK));
  auto actual = example::port_of(*listener);
  if (!actual) return unexpected(actual.error());
  std::cout << "listening on 127.0.0.1:" << *actual << std::endl;

  std::vector<Connection> connections;
  std::size_t most = 0;
  Clock::time_point accepts_at{};  // not before
  while (true) {
    const bool is_short = Clock::now() < accepts_at;
    const short accepts = !is_short && connections.size() < max_clients ? POLLIN : 0;
    std::vector<pollfd> polled{{signals.get(), POLLIN, 0}, {listener->get(), accepts, 0}};
    auto next = is_short ? accepts_at : Clock::time_point::max();
    for (const auto& connection : connections) {
      polled.push_back({connection.descriptor(), connection.events(), 0});
      next = std::min(next, connection.deadline());
    }
    const bool has_deadline = next != Clock::time_point::max();
    const auto left = has_deadline ? std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count() : -1;
    const int timeout = has_deadline ? static_cast<int>(std::max<long>(left, 0)) : -1;
    if (::poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) {
      return unexpected(Error::system("poll", errno));
    }
    if (polled[0].revents != 0) break;

    for (std::size_t at = 0; at < connections.size(); ++at) {
      auto& connection = connections[at];
      if (polled[at + 2].revents != 0) {
        if (auto gone_on = connection.go_on(allowed); !gone_on) {
          std::cerr << "poll_echo_server: " << in_words(gone_on.error()) << '\n';
          connection.end();
        }
      } else if (connection.deadline() <= Clock::now()) {
        std::cerr << "poll_echo_server: a client was too slow\n";
        connection.end();
      }
    }
    if (accepts_at <= Clock::now()) {
      auto accepted = accept_all(*listener, *credential, connections);
      if (!accepted) return unexpected(std::move(accepted).error());
      accepts_at = *accepted;
    }
    most = std::max(most, connections.size());
    std::erase_if(connections, [](const Connection& connection) { return connection.has_ended(); });
  }
  std::cout << most << " clients at once\n";
  return {};
}

}  // namespace

int main(int argc, char** argv) try {
  const AllowList allowed = example::allow_list("poll_echo_server", argc, argv);
  if (argc != 4) {
    std::cerr << "usage: poll_echo_server [--allow PRINCIPAL]... PORT SERVICE HOST\n";
    return 2;
  }
  const auto served = serve(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], argv[3], allowed);
  if (!served) std::cerr << "poll_echo_server: " << in_words(served.error()) << '\n';
  return served ? 0 : 1;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "poll_echo_server: " << failure.what() << '\n';
  return 1;
}
