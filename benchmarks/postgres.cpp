// benchmarks/postgres: PostgreSQL's libpq sends queries and reads rows of the same length, with GSSENC and with
// TLS 1.3; a client of gsskey does the same. CPU time of the client's thread alone: the server, which answers a query
// with itself, has a thread of its own. Medians of rounds in which all take turns. Prints lines of: name, MB per CPU
// second there and back, and those of libpq with TLS. SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <gsskey/gss.hpp>
#include <gsskey/io/establish_as.hpp>
#include <gsskey/io/secure_fd_stream.hpp>
#include <gsskey/messages/lanes.hpp>
#include <gsskey/messages/take_over.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "handshakes.hpp"
#include "tls_server.hpp"

using namespace gsskey;
using mech::Krb5;

namespace {

constexpr std::uint32_t protocol_3 = 3u << 16, gss_request = 80877104, tls_request = 80877103;
constexpr std::size_t longest = std::size_t{64} << 10;

[[noreturn]] void give_up(const char* operation, const char* text) {
  std::fprintf(stderr, "postgres: %s: %s\n", operation, text);
  std::exit(1);
}

std::string number(std::size_t value) {
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(value));
  return std::string{ByteView{header.bytes}.text()};
}
/// The length counts itself.
std::string message(std::string_view type, std::string_view body) {
  return std::string{type} + number(FrameHeader::size + body.size()) + std::string{body};
}

class TlsStream {
 public:
  TlsStream(SSL_CTX* context, int descriptor) : ssl_{SSL_new(context)} {
    SSL_set_fd(ssl_, descriptor);
    if (SSL_accept(ssl_) != 1) give_up("SSL_accept", "refused");
  }
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream() { SSL_free(ssl_); }

  Result<void> read(void* data, std::size_t size) {
    for (std::size_t done = 0, count = 0; done < size; done += count) {
      if (SSL_read_ex(ssl_, static_cast<char*>(data) + done, size - done, &count) != 1) give_up("SSL_read", "ended");
    }
    return {};
  }
  Result<void> write(ByteView bytes) {
    std::size_t count = 0;
    if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count) != 1) give_up("SSL_write", "refused");
    return {};
  }

 private:
  SSL* ssl_;
};

/// What comes behind a length that counts itself.
template <class Stream>
std::size_t read_body(Stream& stream, std::string& memory) {
  FrameHeader header;
  value(stream.read(header.bytes, sizeof header.bytes));
  const std::size_t size = header.length() - FrameHeader::size;
  if (size > memory.size()) give_up("read", "a length that cannot be");
  value(stream.read(memory.data(), size));
  return size;
}

SecureFdStream<MessageLanes> secured(int descriptor, Result<MessageProtector> protector) {
  return {descriptor, value(MessageLanes::from_protector(value(std::move(protector))))};
}

/// After the login: every query is answered with itself, in a row of one text.
template <class Stream>
void answer(Stream& stream) {
  using namespace std::string_literals;
  const std::string ready = message("Z", "I");
  const std::string fields = message("T", "\0\1query\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"s);
  const std::string end = message("C", "SELECT 1\0"s) + ready;
  std::string query(longest + 100, '\0');
  static_cast<void>(read_body(stream, query));
  value(stream.write(message("R", number(0)) + ready));
  while (true) {
    char type = 0;
    value(stream.read(&type, 1));
    const std::size_t size = read_body(stream, query);
    if (type == 'X') return;
    value(stream.write(fields + message("D", "\0\1"s + number(size - 1) + query.substr(0, size - 1)) + end));
  }
}
void serve(int descriptor, SSL_CTX* tls) {
  FdStream socket{descriptor};
  FrameHeader asked[2];
  value(socket.read(asked, sizeof asked));
  if (asked[1].length() == tls_request) {
    value(socket.write(ByteView{"S"}));
    TlsStream stream{tls, descriptor};
    answer(stream);
  } else {
    value(socket.write(ByteView{"G"}));
    FramedTransport wire{socket};
    auto stream = secured(descriptor, drive(establish_as<MessageProtector>(Acceptor<Krb5>{}), wire));
    answer(stream);
  }
}

class Libpq {
 public:
  Libpq(int port, const char* how) {
    const auto options =
        "host=localhost hostaddr=127.0.0.1 user=alice krbsrvname=host port=" + std::to_string(port) + how;
    connection_ = PQconnectdb(options.c_str());
    if (PQstatus(connection_) != CONNECTION_OK) give_up("PQconnectdb", PQerrorMessage(connection_));
  }
  Libpq(const Libpq&) = delete;
  Libpq& operator=(const Libpq&) = delete;
  ~Libpq() { PQfinish(connection_); }

  [[nodiscard]] bool is_encrypted_by_gss() const { return PQgssEncInUse(connection_) == 1; }
  [[nodiscard]] bool is_encrypted_by_tls() const { return PQsslInUse(connection_) == 1; }
  void ask(const std::string& query) {
    PGresult* const result = PQexec(connection_, query.c_str());
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQgetvalue(result, 0, 0) != query) {
      give_up("PQexec", PQerrorMessage(connection_));
    }
    PQclear(result);
  }

 private:
  PGconn* connection_;
};

/// The same messages.
class Ours {
 public:
  explicit Ours(int descriptor) : stream_{begin(descriptor)} {
    value(stream_.write(message("", number(protocol_3) + std::string(1, '\0'))));
    read_until_ready();
  }
  void end() { value(stream_.write(message("X", ""))); }
  void ask(const std::string& query) {
    value(stream_.write(message("Q", query + '\0')));
    read_until_ready();
    if (row_.compare(6, query.size(), query) != 0) give_up("ask", "another row");
  }

 private:
  static SecureFdStream<MessageLanes> begin(int descriptor) {
    FdStream socket{descriptor};
    value(socket.write(message("", number(gss_request))));
    char yes = 0;
    value(socket.read(&yes, 1));
    FramedTransport wire{socket};
    return secured(
        descriptor,
        drive(establish_as<MessageProtector>(Initiator<Krb5>{value(Name::host_service("host", "localhost"))}), wire));
  }
  void read_until_ready() {
    for (char type = 0; type != 'Z';) {
      value(stream_.read(&type, 1));
      static_cast<void>(read_body(stream_, type == 'D' ? row_ : other_));
    }
  }

  SecureFdStream<MessageLanes> stream_;
  std::string row_ = std::string(longest + 100, '\0');
  std::string other_ = std::string(100, '\0');
};

int listening(int& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::socklen_t size = sizeof address;
  auto* const to = reinterpret_cast<::sockaddr*>(&address);
  if (::bind(listener, to, size) != 0 || ::listen(listener, 8) != 0 || ::getsockname(listener, to, &size) != 0) {
    give_up("listen", "refused");
  }
  port = ntohs(address.sin_port);
  return listener;
}
int without_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}
int connected(int port) {
  const int descriptor = without_delay(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::connect(descriptor, reinterpret_cast<::sockaddr*>(&address), sizeof address) != 0)
    give_up("connect", "refused");
  return descriptor;
}

double seconds_for(const std::function<void(const std::string&)>& ask, const std::string& query, int count) {
  const auto now = [] {
    ::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  for (int turn = 0; turn < count; ++turn) ask(query);
  return now() - start;
}

}  // namespace

int main() {
  ::cpu_set_t one;  // for both threads: how long another processor takes to wake up is no figure
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  if (::sched_setaffinity(0, sizeof one, &one) != 0) give_up("sched_setaffinity", "refused");
  int port = 0;
  const int listener = listening(port);
  SSL_CTX* const tls = SSL_CTX_new(TLS_server_method());
  if (!make_tls_server(tls, "TLS_AES_256_GCM_SHA384")) give_up("SSL_CTX", "refused");
  constexpr std::size_t ways = 3;
  std::vector<std::thread> servers;
  std::thread accepting{[&] {
    for (std::size_t count = 0; count < ways; ++count) {
      servers.emplace_back([descriptor = without_delay(::accept(listener, nullptr, nullptr)), tls] {
        serve(descriptor, tls);
        ::close(descriptor);
      });
    }
  }};
  {
    Libpq by_tls{port, " sslmode=require gssencmode=disable"};
    Libpq by_gss{port, " sslmode=disable gssencmode=require"};
    const int descriptor = connected(port);
    Ours ours{descriptor};
    accepting.join();
    if (!by_tls.is_encrypted_by_tls() || !by_gss.is_encrypted_by_gss()) give_up("PQconnectdb", "not encrypted");
    const std::array<std::function<void(const std::string&)>, ways> asks{
        [&](const std::string& query) { by_tls.ask(query); }, [&](const std::string& query) { by_gss.ask(query); },
        [&](const std::string& query) { ours.ask(query); }};
    const char* const names[ways] = {"", "libpq, GSSENC", "MessageLanes"};
    for (const std::size_t size : {std::size_t{1} << 10, std::size_t{16} << 10, longest}) {
      const std::string query(size, 'm');
      const int count = size < 10'000 ? 400 : 60;
      std::vector<std::pair<double, double>> rates[ways];
      for (std::size_t round = 0; round < 15; ++round) {
        double rate[ways];
        for (std::size_t at = 0; at < ways; ++at) {
          const std::size_t way = (at + round) % ways;
          rate[way] = 2e-6 * static_cast<double>(size) * count / seconds_for(asks[way], query, count);
        }
        for (std::size_t way = 1; way < ways; ++way) rates[way].emplace_back(rate[way], rate[0]);
      }
      for (std::size_t way = 1; way < ways; ++way) {
        const auto middle = rates[way].begin() + 7;
        std::nth_element(rates[way].begin(), middle, rates[way].end(),
                         [](auto a, auto b) { return a.first * b.second < b.first * a.second; });
        std::printf("%zu KiB: %s\t%.9g\t%.9g\n", size >> 10, names[way], middle->first, middle->second);
      }
    }
    ours.end();
    ::close(descriptor);
  }
  for (auto& server : servers) server.join();
  SSL_CTX_free(tls);
  ::close(listener);
}
