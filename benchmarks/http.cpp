// benchmarks/http: requests to one server that a session's cookie logs in, that Negotiate logs in each anew, and that
// need no login; over one connection, and over a new one for each. `name  cookie  Negotiate  none`, requests per
// second. SPDX-License-Identifier: MIT
#include <gsskey/gss.hpp>
#include <gsskey/http/negotiate.hpp>
#include <gsskey/http/session.hpp>
#include <gsskey/keyring.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace gsskey;
using mech::Spnego;

namespace {

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "bench_http: %s %s\n", result.error().operation(), std::string{result.error().text()}.c_str());
  std::exit(1);
}

/// The head of a message; empty: the other end has closed.
std::string head_from(int socket) {
  std::string head;
  char part[8192];
  while (!head.ends_with("\r\n\r\n")) {
    const auto size = ::recv(socket, part, sizeof part, 0);
    if (size <= 0) return {};
    head.append(part, static_cast<std::size_t>(size));
  }
  return head;
}
void send_all(int socket, const std::string& text) {
  if (::send(socket, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) std::exit(1);
}
std::string_view field_in(std::string_view head, std::string_view name) {
  const auto at = head.find(name);
  if (at == std::string_view::npos) return {};
  const auto begin = at + name.size();
  return head.substr(begin, head.find('\r', begin) - begin);
}

void serve(int listener, const Credential<Spnego, Accept>& key, const HttpSessions& sessions) {
  for (int socket; (socket = ::accept(listener, nullptr, nullptr)) >= 0; ::close(socket)) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    HttpAcceptor<Spnego> acceptor{key};
    for (std::string head; !(head = head_from(socket)).empty();) {
      std::string reply = "HTTP/1.1 401 Unauthorized\r\n";
      if (head.starts_with("GET /open") || sessions.open(field_in(head, "Cookie: "))) {
        reply = "HTTP/1.1 200 OK\r\n";
      } else if (const auto answer = acceptor.step(field_in(head, "Authorization: "))) {
        reply = "HTTP/1.1 200 OK\r\nWWW-Authenticate: " + answer->www_authenticate +
                "\r\nSet-Cookie: " + must(sessions.issue(*answer)) + "\r\n";
      }
      send_all(socket, reply + "\r\n");
    }
  }
}

int connected(const sockaddr_in& address) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::exit(1);
  return socket;
}

std::string get(int socket, const std::string& field, const std::string& path = "/") {
  send_all(socket, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + field + "\r\n\r\n");
  auto head = head_from(socket);
  if (!head.starts_with("HTTP/1.1 200")) std::exit(1);
  return head;
}

}  // namespace

int main() {
  const auto key = must(Credential<Spnego, Accept>::acquire_default());
  const auto ticket = must(Credential<Spnego, Initiate>::acquire_default());
  const auto sessions =
      must(HttpSessions::from_ring(must(Keyring::join_session()), "bench", {.over_plain_http = true}));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 8) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 1;
  }
  std::thread server{[&] { serve(listener, key, sessions); }};

  const auto negotiate = [&](int socket) {
    HttpInitiator<Spnego> login{Initiator<Spnego>{must(Name::host_service("host", "localhost")), ticket}};
    const auto head = get(socket, "Authorization: " + must(login.authorize()));
    must(std::move(login).establish(field_in(head, "WWW-Authenticate: ")));
    return head;
  };
  std::string cookie;
  {
    const int socket = connected(address);
    const auto head = negotiate(socket);
    const auto set = field_in(head, "Set-Cookie: ");
    cookie = "Cookie: " + std::string{set.substr(0, set.find(';'))};
    ::close(socket);
  }
  const auto with_cookie = [&](int socket) { return get(socket, cookie); };
  const auto without_login = [&](int socket) { return get(socket, cookie, "/open"); };
  /// Requests per second.
  const auto rate = [&](int count, bool keeps, const auto& request) {
    int socket = keeps ? connected(address) : -1;
    const auto begin = std::chrono::steady_clock::now();
    for (int at = 0; at < count; ++at) {
      if (!keeps) socket = connected(address);
      request(socket);
      if (!keeps) ::close(socket);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    if (keeps) ::close(socket);
    return count / took.count();
  };
  for (const bool keeps : {true, false}) {
    struct Round {
      double cookie, negotiate, none;
    };
    std::vector<Round> rounds;
    for (int round = 0; round < 9; ++round) {
      rounds.push_back({rate(2000, keeps, with_cookie), rate(100, keeps, negotiate), rate(2000, keeps, without_login)});
    }
    std::sort(rounds.begin(), rounds.end(),
              [](const Round& a, const Round& b) { return a.cookie / a.negotiate < b.cookie / b.negotiate; });
    const Round& middle = rounds[rounds.size() / 2];
    std::printf("%s\t%f\t%f\t%f\n", keeps ? "one connection" : "a connection each", middle.cookie, middle.negotiate,
                middle.none);
  }
  ::shutdown(listener, SHUT_RDWR);
  server.join();
}
