// benchmarks/connections: many handshakes at once over loopback: a server of coroutines in one process of two threads
// against connections.c, which does the same in plain C, blocking, with two threads. Prints µs per handshake, the
// memory of both, and what a pending handshake takes, and a stream after it.
// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "connections.h"

using namespace gsskey;
using asio::ip::tcp;
using Krb5 = mech::Krb5;
using Key = CredentialRef<Krb5, Accept>;

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "connections: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}
template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "%s: %s\n", result.error().operation(), std::string{result.error().text()}.c_str());
  std::exit(1);
}

// Our server.

template <class Socket>
asio::awaitable<void> session(Socket socket, Key key) {
  AsioTransport wire{socket};
  auto context = co_await drive<asio::awaitable>(Acceptor<Krb5>{key}, wire);
  if (!context) std::fprintf(stderr, "%s\n", std::string{context.error().text()}.c_str());
}

/// It and the sockets that it makes name their executor: through any_io_executor each call is an indirect one.
using LoopAcceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

asio::awaitable<void> accept(LoopAcceptor& listener, Key key) {
  while (true) {
    auto socket = co_await listener.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay{true});
    asio::co_spawn(listener.get_executor(), session(std::move(socket), key), asio::detached);
  }
}

/// One thread: a loop of its own, and the same listening sockets as the other.
void run_loop(const std::vector<int>& listeners, Key key) {
  asio::io_context io{1};
  std::vector<LoopAcceptor> acceptors;
  for (const int listener : listeners) acceptors.emplace_back(io, tcp::v4(), ::dup(listener));
  for (auto& acceptor : acceptors) asio::co_spawn(io, accept(acceptor, key), asio::detached);
  io.run();
}

void serve_with_gsskey(const std::vector<int>& listeners) {
  const auto credential = must(Credential<Krb5, Accept>::acquire_default());
  std::thread second{[&] { run_loop(listeners, credential); }};
  run_loop(listeners, credential);
  second.join();
}

/// A handshake that waits for the peer, beyond what a session takes that reads a frame and answers, in bytes.
asio::awaitable<void> bare_session(asio::local::stream_protocol::socket socket, Key) {
  FrameHeader header;
  std::error_code code;
  const std::size_t size = co_await asio::async_read(socket, asio::buffer(header.bytes, FrameHeader::size),
                                                     asio::redirect_error(asio::use_awaitable, code));
  static_cast<void>(size);
}

template <class Session>
double bytes_pending(Session one, Key key) {
  constexpr int count = 1000;
  using Socket = asio::local::stream_protocol::socket;
  asio::io_context io{1};
  std::vector<Socket> peers;
  peers.reserve(count);
  std::vector<Socket> sockets;
  sockets.reserve(count);
  for (int i = 0; i < count; ++i) {
    asio::local::connect_pair(peers.emplace_back(io), sockets.emplace_back(io));
    peers.back().non_blocking(true);
  }
  const std::size_t before = ::mallinfo2().uordblks;
  for (auto& socket : sockets) asio::co_spawn(io, one(std::move(socket), key), asio::detached);
  io.poll();
  return static_cast<double>(::mallinfo2().uordblks - before) / count;
}

/// A stream that waits for a packet of its peer's.
asio::awaitable<void> reader(asio::local::stream_protocol::socket socket, SecurityContext<Krb5> context) {
  SecureStream stream{std::move(socket), std::move(context)};
  char bytes[64];
  std::error_code code;
  while (!code) {
    const std::size_t size =
        co_await stream.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, code));
    static_cast<void>(size);
  }
}

struct StreamBytes {
  double first;  ///< it waits for its first packet
  double next;   ///< it has had one
};

/// Beyond the socket and the GSS context, with the coroutine that reads.
StreamBytes bytes_of_streams(const Credential<Krb5, Initiate>& credential, Key key) {
  constexpr int count = 200;
  using Socket = asio::local::stream_protocol::socket;
  asio::io_context io{1};
  std::vector<Socket> peers, sockets;
  std::vector<SecurityContext<Krb5>> initiators, acceptors;
  for (int i = 0; i < count; ++i) {
    Initiator<Krb5> initiator{must(Name::host_service("host", "localhost")), credential};
    Acceptor<Krb5> acceptor{key};
    if (auto asked = initiator.step()) {
      if (auto answered = acceptor.step(asked->token)) static_cast<void>(initiator.step(answered->token));
    }
    initiators.push_back(must(std::move(initiator).establish()));
    acceptors.push_back(must(std::move(acceptor).establish()));
    static_cast<void>(must(acceptors.back().unwrap(must(initiators.back().wrap("for the keys, which it keeps")))));
    asio::local::connect_pair(peers.emplace_back(io), sockets.emplace_back(io));
  }
  const auto per_stream = [before = ::mallinfo2().uordblks] {
    return static_cast<double>(::mallinfo2().uordblks - before) / count;
  };
  for (std::size_t i = 0; i < count; ++i) {
    asio::co_spawn(io, reader(std::move(sockets[i]), std::move(acceptors[i])), asio::detached);
  }
  io.poll();
  const double first = per_stream();
  for (std::size_t i = 0; i < count; ++i) {
    const auto token = must(initiators[i].wrap("a packet"));
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    asio::write(peers[i], asio::buffer(header.bytes, FrameHeader::size));
    asio::write(peers[i], asio::buffer(token.data(), token.size()));
  }
  io.poll();
  return {first, per_stream()};
}

// The load.

sockaddr_in loopback(int last, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(last));
  return address;
}

/// Several, because the queue of one is too short for all that come at once.
constexpr int addresses = 4;

struct Listeners {
  std::vector<int> sockets;
  std::uint16_t port = 0;

  Listeners() {
    for (int i = 0; i < addresses; ++i) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      const int on = 1;  // the port may be that of a connection that has ended
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      const int seconds = 5;  // clients speak first: a connection without a token yet is nobody's work
      ::setsockopt(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
      sockaddr_in address = loopback(i, port);
      socklen_t size = sizeof address;
      if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) != 0) fail("bind");
      if (::listen(socket, 4096) != 0) fail("listen");
      if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
      port = ntohs(address.sin_port);
      sockets.push_back(socket);
    }
  }
  Listeners(const Listeners&) = delete;
  ~Listeners() {
    for (const int socket : sockets) ::close(socket);
  }
};

/// This program again, as a server; the destructor ends it.
class Server {
 public:
  Server(const char* way, const Listeners& listeners) : child_{::fork()} {
    if (child_ < 0) fail("fork");
    if (child_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    std::vector<std::string> words{"connections", way};
    for (const int socket : listeners.sockets) words.push_back(std::to_string(socket));
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(std::filesystem::read_symlink("/proc/self/exe").c_str(), arguments.data());
    ::_exit(127);
  }
  Server(const Server&) = delete;
  ~Server() {
    ::kill(child_, SIGTERM);  // callgrind writes down what it has
    ::waitpid(child_, nullptr, 0);
  }
  /// All its threads have spent so far, in the kernel too.
  [[nodiscard]] double cpu_seconds() const {
    double nanoseconds = 0;
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/" + std::to_string(child_) + "/task"}) {
      double spent = 0;
      std::ifstream{thread.path() / "schedstat"} >> spent;
      nanoseconds += spent;
    }
    return nanoseconds * 1e-9;
  }
  [[nodiscard]] double peak_mib() const {
    std::ifstream status{"/proc/" + std::to_string(child_) + "/status"};
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
    }
    return 0;
  }

 private:
  ::pid_t child_;
};

/// A client that has its first token before the clock starts, and looks at the answer after it has stopped.
struct Client {
  Initiator<Krb5> initiator;
  std::string frame{};
  int socket = -1;
  std::string answer{};
};

std::vector<Client> clients(std::size_t count, const Credential<Krb5, Initiate>& credential) {
  std::vector<Client> made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& one = made.emplace_back(Client{Initiator<Krb5>{must(Name::host_service("host", "localhost")), credential}});
    auto step = one.initiator.step();
    if (!step) std::exit(1);
    const auto header = FrameHeader::of(static_cast<std::uint32_t>(step->token.size()));
    one.frame.append(reinterpret_cast<const char*>(header.bytes), FrameHeader::size);
    one.frame.append(ByteView{step->token}.text());
  }
  return made;
}

/// All connect, each sends when it can and is done with the answer; seconds.
double seconds_of(std::vector<Client>& all, std::uint16_t port) {
  const int events = ::epoll_create1(0);
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const auto address = loopback(static_cast<int>(i % addresses), port);
    if (all[i].socket < 0) fail("socket");
    if (::connect(all[i].socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno != EINPROGRESS) {
      fail("connect");
    }
    epoll_event event{};
    event.events = EPOLLOUT;
    event.data.u64 = i;
    ::epoll_ctl(events, EPOLL_CTL_ADD, all[i].socket, &event);
  }
  for (std::size_t done = 0; done < all.size();) {
    epoll_event ready[256];
    const int count = ::epoll_wait(events, ready, 256, 20'000);
    if (count <= 0) fail("a handshake is lost");
    for (int i = 0; i < count; ++i) {
      auto& one = all[ready[i].data.u64];
      if (ready[i].events & EPOLLOUT) {
        if (::send(one.socket, one.frame.data(), one.frame.size(), 0) != static_cast<ssize_t>(one.frame.size())) {
          fail("send");
        }
        ready[i].events = EPOLLIN;
        ::epoll_ctl(events, EPOLL_CTL_MOD, one.socket, &ready[i]);
        continue;
      }
      char bytes[4096];
      const ssize_t size = ::recv(one.socket, bytes, sizeof bytes, 0);
      if (size <= 0) fail("a handshake was refused");
      one.answer.append(bytes, static_cast<std::size_t>(size));
      FrameHeader header;
      if (one.answer.size() < FrameHeader::size) continue;
      std::memcpy(header.bytes, one.answer.data(), FrameHeader::size);
      if (one.answer.size() < FrameHeader::size + header.length()) continue;
      ::close(one.socket);
      ++done;
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  ::close(events);
  for (auto& one : all) {
    const auto step = one.initiator.step(ByteView{one.answer}.subview(FrameHeader::size));
    if (!step || !step->complete || !std::move(one.initiator).establish()) fail("a handshake is not complete");
  }
  return elapsed.count();
}

struct Figures {
  double per_second;
  double cpu_us;
  double peak_mib;
};

Figures measure(const char* way, std::size_t count, const Credential<Krb5, Initiate>& credential) {
  const Listeners listeners;
  const Server server{way, listeners};
  auto warm = clients(100, credential);
  static_cast<void>(seconds_of(warm, listeners.port));
  auto all = clients(count, credential);
  const double before = server.cpu_seconds();
  const double seconds = seconds_of(all, listeners.port);
  const double spent = server.cpu_seconds() - before;
  const auto handshakes = static_cast<double>(count);
  return {handshakes / seconds, 1e6 * spent / handshakes, server.peak_mib()};
}

/// Of rounds of both servers, one after the other, the one in the middle by ratio: the machine's own speed changes from
/// round to round.
void print(const char* kind, std::size_t count, const std::vector<Figures>& ours, const std::vector<Figures>& reference,
           double Figures::* figure) {
  std::vector<std::pair<double, double>> rounds;
  for (std::size_t i = 0; i < ours.size(); ++i) rounds.emplace_back(ours[i].*figure, reference[i].*figure);
  std::sort(rounds.begin(), rounds.end(), [](auto a, auto b) { return a.first * b.second < b.first * a.second; });
  const auto [one, other] = rounds[rounds.size() / 2];
  std::printf("%s\t%zu at once\t%.9g\t%.9g\n", kind, count, one, other);
}

}  // namespace

int main(int argc, char** argv) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  if (argc > 2) {
    // Where there are threads, who opens the descriptor for which the kernel makes their table larger waits some 10 ms:
    // it has its size before.
    ::close(::fcntl(STDIN_FILENO, F_DUPFD, static_cast<int>(files.rlim_cur) - 1));
    std::vector<int> listeners;
    for (int i = 2; i < argc; ++i) listeners.push_back(std::atoi(argv[i]));
    if (std::string_view{argv[1]} == "plainc") serve_in_plain_c(listeners.data(), static_cast<int>(listeners.size()));
    serve_with_gsskey(listeners);
  }

  const auto credential = must(Credential<Krb5, Initiate>::acquire_default());
  std::vector<std::size_t> counts{100, 1000, 10'000};
  if (argc == 2) counts = {static_cast<std::size_t>(std::atoi(argv[1]))};
  for (const std::size_t count : counts) {
    if (files.rlim_cur < count + 100) continue;
    std::vector<Figures> ours, reference;
    const std::size_t rounds = count <= 1000 ? 31 : 7;
    for (std::size_t turn = 0; turn < 2 * rounds; ++turn) {
      const bool is_ours = (turn + turn / 2) % 2 == 0;  // who is first takes turns too
      (is_ours ? ours : reference).push_back(measure(is_ours ? "gsskey" : "plainc", count, credential));
    }
    print("rate", count, ours, reference, &Figures::per_second);
    print("cpu", count, ours, reference, &Figures::cpu_us);
    print("peak", count, ours, reference, &Figures::peak_mib);
    std::fflush(stdout);
  }

  const auto key = must(Credential<Krb5, Accept>::acquire_default());
  const auto ours = [](auto socket, Key borrowed) { return session(std::move(socket), borrowed); };
  const auto bare = [](auto socket, Key borrowed) { return bare_session(std::move(socket), borrowed); };
  static_cast<void>(bytes_pending(bare, key));  // what Asio allocates once
  const double handshake = bytes_pending(ours, key);
  const double bare_bytes = bytes_pending(bare, key);
  std::printf("frame\tpending handshake : bare session\t%.9g\t%.9g\n", handshake, bare_bytes);
  const StreamBytes streams = bytes_of_streams(credential, key);
  std::printf("stream\tbefore its first packet\t%.9g\t%.9g\n", streams.first, bare_bytes);
  std::printf("stream\tafter it\t%.9g\t%.9g\n", streams.next, bare_bytes);
}
