// tests/support/hostile_kdc: somebody between the library and a realm's KDC, over UDP and TCP, who answers as he likes.
// One file per program includes it: with MIT krb5 it defines poll().
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/testing/test_realm.hpp>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/environment.hpp"
#include "support/implementation.hpp"
#include "support/must.hpp"
#include "support/spnego_token.hpp"

namespace support {

/// What a client asks.
struct KdcRequest {
  std::size_t number;  ///< 0: the first since behave()
  bool is_tcp;
  std::string bytes;
  std::function<std::string(std::string_view)> kdc;  ///< what the realm's KDC says to that
  [[nodiscard]] std::string honest() const { return kdc(bytes); }
  /// An AS-REQ (RFC 4120 section 5.10), not a TGS-REQ.
  [[nodiscard]] bool is_login() const { return bytes.starts_with('\x6a'); }
};
/// What he gets to hear.
struct KdcAnswer {
  enum class Kind {
    message,  ///< over TCP with its length in front
    raw,      ///< over TCP as it is, and the connection is closed behind it
    silence,  ///< nothing, and nothing later either; a connection stays open
    lost,     ///< nothing, but the next one may be answered
  } kind = Kind::message;
  std::string bytes{};

  [[nodiscard]] bool is_nothing() const { return kind == Kind::silence || kind == Kind::lost; }

  static KdcAnswer message(std::string bytes) { return {Kind::message, std::move(bytes)}; }
  static KdcAnswer raw(std::string bytes) { return {Kind::raw, std::move(bytes)}; }
  static KdcAnswer silence() { return {Kind::silence}; }
  static KdcAnswer lost() { return {Kind::lost}; }
  static KdcAnswer honest(const KdcRequest& request) { return message(request.honest()); }
};
using KdcManner = std::function<KdcAnswer(const KdcRequest&)>;

/// Four bytes, big-endian: a message's length over TCP (RFC 4120 section 7.2.2).
inline std::string tcp_length(std::size_t size) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 0xff);
  return bytes;
}

/// A KRB-ERROR (RFC 4120 section 5.9.1), which anybody can make.
inline std::string krb_error(int code, const std::string& realm = "GSSKEY.TEST", const std::string& stime = {},
                             const std::string& e_data = {}) {
  const auto number = [](int value) { return der(0x02, std::string(1, static_cast<char>(value))); };
  const auto general = [](std::string_view text) { return der(0x1b, text); };
  const std::string krbtgt = der(0x30, der(0xa0, number(2)) + der(0xa1, der(0x30, general("krbtgt") + general(realm))));
  std::string time = stime;
  if (time.empty()) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    time.assign(text, std::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts));
  }
  std::string fields = der(0xa0, number(5)) + der(0xa1, number(30)) + der(0xa4, der(0x18, time)) +
                       der(0xa5, number(0)) + der(0xa6, number(code)) + der(0xa9, general(realm)) + der(0xaa, krbtgt);
  if (!e_data.empty()) fields += der(0xac, der(0x04, e_data));
  return der(0x7e, der(0x30, fields));
}

/// A KDC's place, on loopback, until the object ends.
class HostileKdc {
 public:
  explicit HostileKdc(const gsskey::TestRealm& realm)
      : folder_{realm.folder()}, realm_conf_{realm.krb5_conf()}, real_{loopback(realm.port())} {
    for (int attempts = 20;; --attempts) {  // the same port for both
      listener_ = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      datagrams_ = Fd::adopt(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in name = loopback(0);
      ::socklen_t size = sizeof name;
      if (::bind(listener_.get(), at(name), size) == 0 && ::listen(listener_.get(), 16) == 0 &&
          ::getsockname(listener_.get(), at(name), &size) == 0 && ::bind(datagrams_.get(), at(name), size) == 0) {
        port_ = ntohs(name.sin_port);
        break;
      }
      if (attempts == 0) throw std::runtime_error{"no port for a KDC"};
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error{"pipe2"};
    wake_ = Fd::adopt(ends[1]);
    thread_ = std::thread{[this, woken = Fd::adopt(ends[0])] { run(woken.get()); }};
  }
  HostileKdc(const HostileKdc&) = delete;
  HostileKdc& operator=(const HostileKdc&) = delete;
  ~HostileKdc() {
    wake_ = {};
    thread_.join();
  }

  /// From here on.
  void behave(KdcManner manner) {
    const std::lock_guard lock{mutex_};
    manner_ = std::move(manner);
    requests_ = 0;
    silent_.clear();
    poll_speed() = 1;
  }
  /// Since behave().
  [[nodiscard]] std::size_t requests() const {
    const std::lock_guard lock{mutex_};
    return requests_;
  }

  /// `work()` with a configuration that leads here, in a thread of its own: Heimdal reads it once per thread. `tcp`:
  /// and not UDP first.
  template <class Work>
  auto ask(bool tcp, Work work) {
    const std::string path = folder_ + (tcp ? "/hostile-tcp.conf" : "/hostile-udp.conf");
    std::ifstream file{realm_conf_};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto replace = [&](std::string_view old, const std::string& now) {
      const auto found = text.find(old);
      if (found == std::string::npos) throw std::runtime_error{"not in krb5.conf: " + std::string{old}};
      text.replace(found, old.size(), now);
    };
    replace("127.0.0.1:" + std::to_string(ntohs(real_.sin_port)),
            (tcp && is_heimdal ? "tcp/127.0.0.1:" : "127.0.0.1:") + std::to_string(port_));
    // The last two are Heimdal's.
    replace("udp_preference_limit = 1\n",
            std::string{"udp_preference_limit = "} + (tcp ? "1" : "32700") + "\n kdc_timeout = 1\n max_retries = 1\n");
    std::ofstream{path} << text << std::flush;
    const Environment environment{"KRB5_CONFIG", path};
    decltype(work()) result;
    std::thread{[&] { result = work(); }}.join();
    return result;
  }

  /// How fast time goes by for poll(): who waits for what never comes shall not wait for long.
  static std::atomic<int>& poll_speed() {
    static std::atomic<int> speed = 1;
    return speed;
  }

 private:
  using Fd = gsskey::test_detail::Fd;

  static sockaddr_in loopback(std::uint16_t port) { return gsskey::test_detail::loopback("127.0.0.1", port); }
  static sockaddr* at(sockaddr_in& name) { return reinterpret_cast<sockaddr*>(&name); }
  /// Short of `size` at the end of the connection.
  static std::string read(int socket, std::size_t size) {
    std::string bytes(size, '\0');
    const auto got = ::recv(socket, bytes.data(), size, MSG_WAITALL);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }
  static std::string read_message(int socket) {
    const std::string length = read(socket, 4);
    if (length.size() < 4) return {};
    std::size_t size = 0;
    for (const char byte : length) size = size << 8 | static_cast<unsigned char>(byte);
    return read(socket, size < 1'000'000 ? size : 0);
  }
  static void send(int socket, std::string_view bytes) {
    static_cast<void>(::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL));  // who is gone does not listen
  }

  [[nodiscard]] std::string ask_kdc(std::string_view request) {
    const Fd socket = Fd::adopt(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), at(real_), sizeof real_) != 0) return {};
    send(socket.get(), tcp_length(request.size()) + std::string{request});
    return read_message(socket.get());
  }
  [[nodiscard]] KdcAnswer answer_to(std::string bytes, bool is_tcp) {
    KdcManner manner;
    std::size_t number = 0;
    {
      const std::lock_guard lock{mutex_};
      manner = manner_;
      number = requests_++;
    }
    auto answer =
        manner({number, is_tcp, std::move(bytes), [this](std::string_view request) { return ask_kdc(request); }});
    if (answer.kind == KdcAnswer::Kind::silence) poll_speed() = 100;
    if (answer.kind == KdcAnswer::Kind::lost) poll_speed() = 10;
    return answer;
  }
  void serve_datagram() {
    std::string bytes(65536, '\0');
    sockaddr_in client{};
    ::socklen_t size = sizeof client;
    const auto got = ::recvfrom(datagrams_.get(), bytes.data(), bytes.size(), 0, at(client), &size);
    if (got < 0) return;
    bytes.resize(static_cast<std::size_t>(got));
    const KdcAnswer answer = answer_to(std::move(bytes), false);
    if (answer.is_nothing()) return;
    static_cast<void>(::sendto(datagrams_.get(), answer.bytes.data(), answer.bytes.size(), 0, at(client), size));
  }
  void serve_connection() {
    Fd socket = Fd::adopt(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string request = read_message(socket.get());
    if (request.empty()) return;
    const KdcAnswer answer = answer_to(std::move(request), true);
    if (answer.is_nothing()) {
      const std::lock_guard lock{mutex_};
      silent_.push_back(std::move(socket));
      return;
    }
    const bool is_message = answer.kind == KdcAnswer::Kind::message;
    send(socket.get(), (is_message ? tcp_length(answer.bytes.size()) : "") + answer.bytes);
  }
  void run(int woken) {
    while (true) {
      ::pollfd waiting[] = {{woken, POLLIN, 0}, {datagrams_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      if (::poll(waiting, 3, -1) < 0) continue;
      if (waiting[0].revents != 0) return;
      if (waiting[1].revents != 0) serve_datagram();
      if (waiting[2].revents != 0) serve_connection();
    }
  }

  std::string folder_;
  std::string realm_conf_;
  sockaddr_in real_;
  std::uint16_t port_ = 0;
  Fd listener_;
  Fd datagrams_;
  Fd wake_;
  mutable std::mutex mutex_;
  KdcManner manner_ = KdcAnswer::honest;
  std::size_t requests_ = 0;
  std::vector<Fd> silent_;  ///< connections that nobody answers
  std::thread thread_;      ///< last: it uses the others
};

}  // namespace support

#if defined(GSSKEY_GSS_MIT)
/// libkrb5 1.20 waits 27 s for a KDC that says nothing, which no configuration shortens. The program exports its
/// symbols.
inline int hurried_poll(pollfd* waiting, nfds_t count, int milliseconds) {
  static const auto real = reinterpret_cast<int (*)(pollfd*, nfds_t, int)>(::dlsym(RTLD_NEXT, "poll"));
  constexpr int slice = 10;
  while (milliseconds > slice) {
    if (const int ready = real(waiting, count, slice); ready != 0) return ready;
    milliseconds -= slice * support::HostileKdc::poll_speed();
    if (milliseconds < 0) return 0;
  }
  return real(waiting, count, milliseconds);
}
extern "C" int poll(pollfd* waiting, nfds_t count, int milliseconds) {
  return hurried_poll(waiting, count, milliseconds);
}
extern "C" int checked_poll(pollfd*, nfds_t, int, std::size_t) __asm__("__poll_chk");  // what fortified code calls
extern "C" int checked_poll(pollfd* waiting, nfds_t count, int milliseconds, std::size_t) {
  return hurried_poll(waiting, count, milliseconds);
}
#endif
