// benchmarks/offload: how late a loop that ticks every millisecond gets while a handshake waits two seconds for the
// KDC, with the step on a pool and with the step in the loop. In a realm of its own, behind a proxy that answers late.
// SPDX-License-Identifier: MIT
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gsskey/asio/handshake.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/testing/test_realm.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

using namespace gsskey;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;
using Socket = asio::local::stream_protocol::socket;
using Krb5 = mech::Krb5;

namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  const auto text = result.error().text();
  std::fprintf(stderr, "offload: %s: %.*s\n", result.error().operation(), static_cast<int>(text.size()), text.data());
  std::exit(1);
}

asio::awaitable<void> relay(tcp::socket& from, tcp::socket& to) {
  char bytes[4096];
  while (true) {
    std::error_code code;
    const std::size_t size =
        co_await from.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, code));
    if (code) break;
    const std::size_t sent = co_await asio::async_write(to, asio::buffer(bytes, size), asio::use_awaitable);
    static_cast<void>(sent);
  }
  to.shutdown(tcp::socket::shutdown_send);
}

/// One request to the KDC, two seconds late.
asio::awaitable<void> delay(tcp::socket client, std::uint16_t kdc) {
  const auto executor = client.get_executor();
  asio::steady_timer timer{executor, std::chrono::seconds{2}};
  co_await timer.async_wait(asio::use_awaitable);
  tcp::socket server{executor};
  co_await server.async_connect({asio::ip::address_v4::loopback(), kdc}, asio::use_awaitable);
  // Both ways, until either ends.
  asio::co_spawn(executor, relay(client, server), asio::detached);
  co_await relay(server, client);
  client.close();
}

asio::awaitable<void> accept(tcp::acceptor& listener, std::uint16_t kdc) {
  while (true) {
    auto client = co_await listener.async_accept(asio::use_awaitable);
    asio::co_spawn(listener.get_executor(), delay(std::move(client), kdc), asio::detached);
  }
}

/// A process of its own, which the destructor ends.
class SlowKdc {
 public:
  explicit SlowKdc(std::uint16_t kdc) {
    asio::io_context io;
    tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), 0}};
    port_ = listener.local_endpoint().port();
    io.notify_fork(asio::io_context::fork_prepare);
    child_ = ::fork();
    io.notify_fork(child_ == 0 ? asio::io_context::fork_child : asio::io_context::fork_parent);
    if (child_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also where the benchmark ends early
    asio::co_spawn(io, accept(listener, kdc), asio::detached);
    io.run();
    ::_exit(0);
  }
  SlowKdc(const SlowKdc&) = delete;
  ~SlowKdc() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  ::pid_t child_ = -1;
};

/// Ticks until `stop()`; how late the worst tick was.
class Ticks {
 public:
  explicit Ticks(asio::io_context& io) : timer_{io} { next(Clock::now()); }
  void stop() { stopped_ = true; }
  [[nodiscard]] double worst_ms() const { return std::chrono::duration<double, std::milli>(worst_).count(); }

 private:
  void next(Clock::time_point now) {
    timer_.expires_at(now + std::chrono::milliseconds{1});
    timer_.async_wait([this](std::error_code) {
      const auto at = Clock::now();
      worst_ = std::max(worst_, at - timer_.expiry());
      if (!stopped_) next(at);
    });
  }
  asio::steady_timer timer_;
  Clock::duration worst_{};
  bool stopped_ = false;
};

/// A handshake whose ticket is not in the cache yet.
template <class Offload>
double worst_tick(asio::io_context& io, const char* service, Offload offload) {
  Socket client{io};
  Socket server{io};
  asio::local::connect_pair(client, server);
  Ticks ticks{io};
  int ended = 0;
  const auto count = [&](auto established) {
    static_cast<void>(must(std::move(established)));
    if (++ended == 2) ticks.stop();
  };
  const auto start = Clock::now();
  async_handshake(Acceptor<Krb5>{}, server, offload, count);
  async_handshake(Initiator<Krb5>{must(Name::host_service(service, "localhost"))}, client, offload, count);
  io.run();
  io.restart();
  if (Clock::now() - start < std::chrono::seconds{2}) {
    std::fputs("offload: the KDC answered too early\n", stderr);
    std::exit(1);
  }
  return ticks.worst_ms();
}

}  // namespace

int main() {
  const auto realm =
      must(TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/localhost", "other/localhost"}}));
  const auto cache = must(realm.login("alice"));
  const auto environment = must(realm.enter(cache));
  const SlowKdc slow{realm.port()};

  // The realm's configuration, with the proxy in the KDC's place.
  std::ostringstream text;
  text << std::ifstream{realm.krb5_conf()}.rdbuf();
  std::string configuration = text.str();
  const auto address = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
  const std::string kdc = address(realm.port());
#if defined(GSSKEY_GSS_HEIMDAL)
  const std::string protocol = "tcp/";  // it would try UDP, and give up when nobody is there
#else
  const std::string protocol;  // udp_preference_limit says so
#endif
  configuration.replace(configuration.find(kdc), kdc.size(), protocol + address(slow.port()));
  const std::string path = realm.folder() + "/slow.conf";
  std::ofstream{path} << configuration;
  ::setenv("KRB5_CONFIG", path.c_str(), 1);

  asio::io_context io;
  asio::thread_pool pool{2};
  const double with = worst_tick(io, "host", offload_to(pool));
  const double without = worst_tick(io, "other", Inline{});
  pool.join();
  std::printf("worst tick, steps on a pool : in the loop\t%.9g\t%.9g\n", with, without);
}
