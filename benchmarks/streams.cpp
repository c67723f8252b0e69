// benchmarks/streams: bytes from one end of a stream to the other, in the clear, by SecureStream and by TLS 1.3: both
// ends on one loop, so that the CPU time of the process is that of both. And 1,000 such streams at once. Medians of
// rounds in which all take turns. SPDX-License-Identifier: MIT
#include <malloc.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/resource.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>
#include <gsskey/messages/lanes.hpp>
#include <gsskey/messages/take_over.hpp>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace gsskey;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;
using Krb5 = mech::Krb5;

namespace {

[[noreturn]] void fail(const char* operation, const std::string& text) {
  std::fprintf(stderr, "streams: %s: %s\n", operation, text.c_str());
  std::exit(1);
}
void must(Error error) { fail(error.operation(), std::string{error.text()}); }
void must(StepFailure failure) { must(std::move(failure.error)); }
void must(TakeOverFailure<Krb5> failure) { must(std::move(failure.error)); }
template <class R>
  requires requires(R result) { result.has_value(); }
auto must(R result) {
  if (!result) must(std::move(result).error());
  return *std::move(result);
}

template <class Protocol>
struct Wire {
  typename Protocol::socket from, to;
};
template <class Protocol>
Wire<Protocol> connect(asio::io_context& io) {
  Wire<Protocol> wire{typename Protocol::socket{io}, typename Protocol::socket{io}};
  if constexpr (std::same_as<Protocol, Local>) {
    asio::local::connect_pair(wire.from, wire.to);
  } else {
    tcp::acceptor listener{io, {asio::ip::address_v4::loopback(), 0}};
    wire.from.connect(listener.local_endpoint());
    listener.accept(wire.to);
    wire.from.set_option(tcp::no_delay{true});
  }
  return wire;
}

struct Handshake {
  Initiator<Krb5> initiator;
  Acceptor<Krb5> acceptor;

  Handshake(const Credential<Krb5, Initiate>& alice, const Credential<Krb5, Accept>& host)
      : initiator{must(Name::host_service("host", "localhost")), alice}, acceptor{host} {
    const auto request = must(initiator.step());
    const auto reply = must(acceptor.step(request.token));
    static_cast<void>(must(initiator.step(reply.token)));
  }
};

/// Both sides of TLS 1.3, with one cipher suite and a certificate made for it.
class Tls {
 public:
  explicit Tls(const char* suite) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    if (X509_sign(certificate, key, EVP_sha256()) == 0) fail("X509_sign", suite);
    SSL_CTX* const native = server_.native_handle();
    if (SSL_CTX_use_certificate(native, certificate) != 1 || SSL_CTX_use_PrivateKey(native, key) != 1 ||
        SSL_CTX_set_ciphersuites(native, suite) != 1) {
      fail("SSL_CTX", suite);
    }
    SSL_CTX_set_num_tickets(native, 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  template <class Stream>
  void handshake(asio::io_context& io, Stream& from, Stream& to) {
    int done = 0;
    const auto count = [&done](std::error_code code) {
      if (code) fail("TLS", code.message());
      ++done;
    };
    from.async_handshake(asio::ssl::stream_base::client, count);
    to.async_handshake(asio::ssl::stream_base::server, count);
    while (done < 2) io.run_one();
    io.restart();
  }
  asio::ssl::context& client() { return client_; }
  asio::ssl::context& server() { return server_; }

 private:
  asio::ssl::context client_{asio::ssl::context::tlsv13_client};
  asio::ssl::context server_{asio::ssl::context::tlsv13_server};
};

constexpr auto to_code = [](std::error_code& code) { return asio::redirect_error(asio::use_awaitable, code); };

void end(std::exception_ptr thrown) {
  if (thrown) std::terminate();
}

/// The two ends of one stream.
template <class Stream>
struct Ends {
  Stream from, to;

  asio::awaitable<void> send(const std::string& block, std::size_t count) {
    for (std::size_t turn = 0; turn < count; ++turn) {
      static_cast<void>(co_await asio::async_write(from, asio::buffer(block), asio::use_awaitable));
    }
  }
  asio::awaitable<void> receive(std::string& memory, std::size_t total) {
    while (total > 0) total -= co_await to.async_read_some(asio::buffer(memory), asio::use_awaitable);
  }
};

/// Makes streams of each kind out of sockets that are connected.
template <class Protocol>
class Factory {
 public:
  using Socket = typename Protocol::socket;

  explicit Factory(asio::io_context& io) : io_{io} {}

  auto context(Wire<Protocol> wire) {
    Handshake both{alice_, host_};
    using Stream = SecureStream<Socket, SecurityContext<Krb5>>;
    return std::unique_ptr<Ends<Stream>>{
        new Ends<Stream>{Stream{std::move(wire.from), must(std::move(both.initiator).establish())},
                         Stream{std::move(wire.to), must(std::move(both.acceptor).establish())}}};
  }
  auto protector(Wire<Protocol> wire) {
    Handshake both{alice_, host_};
    using Stream = SecureStream<Socket, MessageProtector>;
    return std::unique_ptr<Ends<Stream>>{
        new Ends<Stream>{Stream{std::move(wire.from), must(take_over(std::move(both.initiator)))},
                         Stream{std::move(wire.to), must(take_over(std::move(both.acceptor)))}}};
  }
  auto lanes(Wire<Protocol> wire) {
    Handshake both{alice_, host_};
    using Stream = SecureStream<Socket, MessageLanes>;
    const auto laned = [](auto end) { return must(MessageLanes::from_protector(must(take_over(std::move(end))))); };
    return std::unique_ptr<Ends<Stream>>{
        new Ends<Stream>{Stream{std::move(wire.from), laned(std::move(both.initiator))},
                         Stream{std::move(wire.to), laned(std::move(both.acceptor))}}};
  }
  auto tls(Wire<Protocol> wire, Tls& tls) {
    using Stream = asio::ssl::stream<Socket>;
    std::unique_ptr<Ends<Stream>> ends{
        new Ends<Stream>{Stream{std::move(wire.from), tls.client()}, Stream{std::move(wire.to), tls.server()}}};
    tls.handshake(io_, ends->from, ends->to);
    return ends;
  }
  auto plain(Wire<Protocol> wire) {
    return std::unique_ptr<Ends<Socket>>{new Ends<Socket>{std::move(wire.from), std::move(wire.to)}};
  }

 private:
  asio::io_context& io_;
  Credential<Krb5, Initiate> alice_ = must(Credential<Krb5, Initiate>::acquire_default());
  Credential<Krb5, Accept> host_ = must(Credential<Krb5, Accept>::acquire_default());
};

double cpu_seconds() {
  ::timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// CPU seconds for `count` writes of `block`, both ends.
template <class Stream>
double seconds_of(asio::io_context& io, Ends<Stream>& ends, const std::string& block, std::size_t count) {
  static std::string memory(std::size_t{64} << 10, '\0');
  const double start = cpu_seconds();
  asio::co_spawn(io, ends.send(block, count), end);
  asio::co_spawn(io, ends.receive(memory, block.size() * count), end);
  io.run();
  io.restart();
  return cpu_seconds() - start;
}

std::string text_of(std::size_t size) {
  return size < std::size_t{1} << 20 ? std::to_string(size >> 10) + " KiB" : std::to_string(size >> 20) + " MiB";
}

/// MB per CPU second of each, beside TLS with AES-256-GCM.
template <class Protocol>
void measure_one(const char* wire, Tls& tls256, Tls& tls128) {
  asio::io_context io{1};
  Factory<Protocol> make{io};
  const auto all = std::make_tuple(make.tls(connect<Protocol>(io), tls256), make.tls(connect<Protocol>(io), tls128),
                                   make.plain(connect<Protocol>(io)), make.context(connect<Protocol>(io)),
                                   make.protector(connect<Protocol>(io)), make.lanes(connect<Protocol>(io)));
  constexpr std::size_t ways = 6;
  const char* const names[ways] = {
      "", "TLS, AES-128-GCM", "in the clear", "SecurityContext", "MessageProtector", "MessageLanes"};
  for (const std::size_t size :
       {std::size_t{1} << 10, std::size_t{16} << 10, std::size_t{64} << 10, std::size_t{1} << 20}) {
    const std::string block(size, 'm');
    const auto run = [&](std::size_t way, std::size_t count) {
      std::size_t at = 0;
      double seconds = 0;
      std::apply([&](auto&... ends) { ((at++ == way ? seconds = seconds_of(io, *ends, block, count) : 0), ...); }, all);
      return seconds;
    };
    std::size_t counts[ways];
    for (std::size_t way = 0; way < ways; ++way) {
      for (counts[way] = 2; run(way, counts[way]) < 0.008;) counts[way] *= 2;
    }
    constexpr std::size_t rounds = 15;
    std::vector<std::pair<double, double>> rates[ways];
    for (std::size_t round = 0; round < rounds; ++round) {
      double rate[ways];
      for (std::size_t at = 0; at < ways; ++at) {
        const std::size_t way = (at + round) % ways;
        rate[way] = 1e-6 * static_cast<double>(size * counts[way]) / run(way, counts[way]);
      }
      for (std::size_t way = 1; way < ways; ++way) rates[way].emplace_back(rate[way], rate[0]);
    }
    for (std::size_t way = 1; way < ways; ++way) {
      const auto middle = rates[way].begin() + rounds / 2;
      std::nth_element(rates[way].begin(), middle, rates[way].end(),
                       [](auto a, auto b) { return a.first * b.second < b.first * a.second; });
      std::printf("rate\t%s, %s: %s\t%.9g\t%.9g\n", wire, text_of(size).c_str(), names[way], middle->first,
                  middle->second);
    }
    std::fflush(stdout);
  }
}

std::size_t heap_bytes() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// 1,000 streams, on each of which one end writes 4 KiB again and again.
template <class Make>
void measure_crowd(const char* name, Make make) {
  constexpr std::size_t count = 1000;
  constexpr std::size_t size = 4096;
  constexpr std::size_t limit = count * size * 16;
  asio::io_context io{1};
  Factory<Local> factory{io};
  std::vector<Wire<Local>> wires;
  for (std::size_t i = 0; i < count; ++i) wires.push_back(connect<Local>(io));
  std::vector<decltype(make(factory, std::move(wires[0])))> all;
  all.reserve(count);
  const std::string block(size, 'm');
  std::string memory(std::size_t{64} << 10, '\0');
  std::vector<std::size_t> received(count);
  std::size_t sum = 0;

  const std::size_t before = heap_bytes();
  for (auto& wire : wires) all.push_back(make(factory, std::move(wire)));
  const auto send = [&](auto& stream) -> asio::awaitable<void> {
    std::error_code code;
    while (sum < limit && !code)
      static_cast<void>(co_await asio::async_write(stream, asio::buffer(block), to_code(code)));
  };
  const auto receive = [&](auto& stream, std::size_t& bytes) -> asio::awaitable<void> {
    for (std::error_code code; !code;) {
      const std::size_t got = co_await stream.async_read_some(asio::buffer(memory), to_code(code));
      if (sum < limit) bytes += got;
      sum += got;
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    asio::co_spawn(io, send(all[i]->from), end);
    asio::co_spawn(io, receive(all[i]->to, received[i]), end);
  }
  const auto per_end = [before] { return static_cast<double>(heap_bytes() - before) / (2 * count); };
  const double start = cpu_seconds();
  while (sum < limit / 2) io.run_one();
  const double busy = per_end();
  while (sum < limit) io.run_one();
  const double rate = 1e-6 * static_cast<double>(sum) / (cpu_seconds() - start);
  while (io.poll() > 0) {
  }
  const double idle = per_end();
  for (auto& ends : all) {
    ends->from.lowest_layer().close();
    ends->to.lowest_layer().close();
  }
  io.run();
  const auto [least, most] = std::minmax_element(received.begin(), received.end());
  std::printf("crowd\t%s\t%.9g\t%.9g\t%.9g\t%.9g\n", name, rate,
              static_cast<double>(*least) / static_cast<double>(*most), busy, idle);
  std::fflush(stdout);
}

}  // namespace

int main() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  Tls tls256{"TLS_AES_256_GCM_SHA384"};
  Tls tls128{"TLS_AES_128_GCM_SHA256"};
  measure_one<tcp>("TCP", tls256, tls128);
  measure_one<Local>("socketpair", tls256, tls128);
  measure_crowd("in the clear", [](auto& make, auto wire) { return make.plain(std::move(wire)); });
  measure_crowd("TLS, AES-256-GCM", [&](auto& make, auto wire) { return make.tls(std::move(wire), tls256); });
  measure_crowd("SecurityContext", [](auto& make, auto wire) { return make.context(std::move(wire)); });
  measure_crowd("MessageProtector", [](auto& make, auto wire) { return make.protector(std::move(wire)); });
  measure_crowd("MessageLanes", [](auto& make, auto wire) { return make.lanes(std::move(wire)); });
}
