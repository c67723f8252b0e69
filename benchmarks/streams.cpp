// benchmarks/streams: bytes from one end of a stream to the other, in the clear, by SecureStream and by TLS 1.3: both
// ends on one loop, so that the CPU time of the process is that of both; each on a loop and a core of its own, the CPU
// time of the busier one; and 1,000 such streams at once. Medians of rounds in which all take turns.
// SPDX-License-Identifier: MIT
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
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
#include <gsskey/io/detail/packets.hpp>
#include <gsskey/messages/lanes.hpp>
#include <gsskey/messages/take_over.hpp>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tls_server.hpp"

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
Wire<Protocol> connect(asio::io_context& io, asio::io_context& other) {
  Wire<Protocol> wire{typename Protocol::socket{io}, typename Protocol::socket{other}};
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
    if (!make_tls_server(server_.native_handle(), suite)) fail("SSL_CTX", suite);
  }
  template <class Stream>
  static void handshake(asio::io_context& io, asio::io_context& other, Stream& from, Stream& to) {
    int done = 0;
    const auto count = [&done](std::error_code code) {
      if (code) fail("TLS", code.message());
      ++done;
    };
    from.async_handshake(asio::ssl::stream_base::client, count);
    to.async_handshake(asio::ssl::stream_base::server, count);
    while (done < 2) {
      io.restart();
      io.poll();
      other.restart();
      other.poll();
    }
    io.restart();  // each poll() that leaves no work has stopped them
    other.restart();
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
  /// There and back, one after the other.
  asio::awaitable<void> ask(const std::string& block, std::size_t count) {
    std::string answer(block.size(), '\0');
    for (std::size_t turn = 0; turn < count; ++turn) {
      static_cast<void>(co_await asio::async_write(from, asio::buffer(block), asio::use_awaitable));
      static_cast<void>(co_await asio::async_read(from, asio::buffer(answer), asio::use_awaitable));
    }
  }
  asio::awaitable<void> echo(std::string& memory, std::size_t total) {
    while (total > 0) {
      const std::size_t size = co_await to.async_read_some(asio::buffer(memory), asio::use_awaitable);
      total -= co_await asio::async_write(to, asio::buffer(memory, size), asio::use_awaitable);
    }
  }
};

[[nodiscard]] MessageLanes laned(auto end) {
  return must(MessageLanes::from_protector(must(take_over(std::move(end)))));
}

/// Makes streams of each kind, from one loop to the other.
template <class Protocol>
class Factory {
 public:
  using Socket = typename Protocol::socket;

  Factory(asio::io_context& io, asio::io_context& other) : io_{io}, other_{other} {}

  Wire<Protocol> wire() { return connect<Protocol>(io_, other_); }
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
    return std::unique_ptr<Ends<Stream>>{
        new Ends<Stream>{Stream{std::move(wire.from), laned(std::move(both.initiator))},
                         Stream{std::move(wire.to), laned(std::move(both.acceptor))}}};
  }
  auto tls(Wire<Protocol> wire, Tls& tls) {
    using Stream = asio::ssl::stream<Socket>;
    std::unique_ptr<Ends<Stream>> ends{
        new Ends<Stream>{Stream{std::move(wire.from), tls.client()}, Stream{std::move(wire.to), tls.server()}}};
    tls.handshake(io_, other_, ends->from, ends->to);
    return ends;
  }
  auto plain(Wire<Protocol> wire) {
    return std::unique_ptr<Ends<Socket>>{new Ends<Socket>{std::move(wire.from), std::move(wire.to)}};
  }
  /// Both ends' messages, without a stream.
  std::pair<MessageLanes, MessageLanes> messages() {
    Handshake both{alice_, host_};
    return {laned(std::move(both.initiator)), laned(std::move(both.acceptor))};
  }

 private:
  asio::io_context& io_;
  asio::io_context& other_;
  Credential<Krb5, Initiate> alice_ = must(Credential<Krb5, Initiate>::acquire_default());
  Credential<Krb5, Accept> host_ = must(Credential<Krb5, Accept>::acquire_default());
};

double seconds_by(clockid_t clock) {
  ::timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}
double cpu_seconds() { return seconds_by(CLOCK_PROCESS_CPUTIME_ID); }

/// The loops of both ends: one, or two, each with a thread of its own.
struct Loops {
  asio::io_context first{1}, second{1};
  bool are_two = false;

  asio::io_context& from() { return first; }
  asio::io_context& to() { return are_two ? second : first; }
};

struct Load {
  std::string block;
  bool comes_back = false;
};

/// CPU seconds for a load that is sent `count` times: of both ends, or, where each has a core, of the busier one.
template <class Stream>
double seconds_of(Loops& loops, Ends<Stream>& ends, const Load& load, std::size_t count) {
  static std::string memory(std::size_t{64} << 10, '\0');
  const std::string& block = load.block;
  asio::co_spawn(loops.from(), load.comes_back ? ends.ask(block, count) : ends.send(block, count), end);
  asio::co_spawn(loops.to(),
                 load.comes_back ? ends.echo(memory, block.size() * count) : ends.receive(memory, block.size() * count),
                 end);
  const auto run = [](asio::io_context& io) {
    const double start = seconds_by(CLOCK_THREAD_CPUTIME_ID);
    io.restart();
    io.run();
    return seconds_by(CLOCK_THREAD_CPUTIME_ID) - start;
  };
  if (!loops.are_two) return run(loops.first);
  double other = 0;
  std::thread second{[&] { other = run(loops.second); }};
  const double seconds = run(loops.first);
  second.join();
  return std::max(seconds, other);
}

/// The same messages in memory, cut as by a SecureStream under asio::async_write: what a stream in the clear and this
/// take together is what one of them takes at least.
class Messages {
 public:
  explicit Messages(std::pair<MessageLanes, MessageLanes> ends) : ends_{std::move(ends)} {}

  double seconds(const std::string& block, std::size_t count) {
    constexpr std::size_t at_once = 65536;  // of asio::async_write
    const MessageRoom room = must(ends_.first.room());
    const std::size_t limit = must(ends_.first.wrap_size_limit(RecordOptions{}.max_sent - 4));
    const double start = cpu_seconds();
    for (std::size_t turn = 0; turn < count; ++turn) {
      for (std::size_t done = 0; done < block.size();) {
        const auto rest = ByteView{block}.subview(done, at_once);
        const auto cut = detail::CutMessage::of(rest, limit, room);
        BatchMessage parts[detail::packets_at_once];
        BatchToken tokens[detail::packets_at_once];
        unsigned char* to = memory_.data();
        for (std::size_t at = 0; at < cut.count(); ++at) {
          const ByteView part = cut.message.subview(at * cut.share, cut.share);
          parts[at] = {part, {to, cut.around() + part.size()}};
          tokens[at].token = parts[at].memory;
          to += parts[at].memory.size();
        }
        if (!ends_.first.wrap(std::span<const BatchMessage>{parts, cut.count()})) fail("wrap", "refused");
        ends_.second.unwrap(std::span<BatchToken>{tokens, cut.count()});
        if (!tokens[cut.count() - 1].message) fail("unwrap", "refused");
        done += cut.message.size();
      }
    }
    return cpu_seconds() - start;
  }

 private:
  std::pair<MessageLanes, MessageLanes> ends_;
  std::vector<unsigned char> memory_ = std::vector<unsigned char>(std::size_t{256} << 10);
};

std::string text_of(std::size_t size) {
  return size < std::size_t{1} << 20 ? std::to_string(size >> 10) + " KiB" : std::to_string(size >> 20) + " MiB";
}

void print_middle(const char* kind, const std::string& name, std::vector<std::pair<double, double>>& rates) {
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end(),
                   [](auto a, auto b) { return a.first * b.second < b.first * a.second; });
  std::printf("%s\t%s\t%.9g\t%.9g\n", kind, name.c_str(), middle->first, middle->second);
}

/// MB per CPU second of each, beside TLS with AES-256-GCM; and of MessageLanes, on one loop, beside its floor.
template <class Protocol>
void measure_one(const char* wire, Tls& tls256, Tls& tls128, Loops& loops) {
  Factory<Protocol> make{loops.from(), loops.to()};
  const auto all =
      std::make_tuple(make.tls(make.wire(), tls256), make.tls(make.wire(), tls128), make.plain(make.wire()),
                      make.context(make.wire()), make.protector(make.wire()), make.lanes(make.wire()));
  Messages messages{make.messages()};
  constexpr std::size_t streams = 6, ways = 7, plain = 2, lanes = 5;
  const char* const names[streams] = {
      "", "TLS, AES-128-GCM", "in the clear", "SecurityContext", "MessageProtector", "MessageLanes"};
  std::vector<Load> loads;
  for (const int bits : {10, 14, 16, 20}) loads.push_back({std::string(std::size_t{1} << bits, 'm')});
  if (!loops.are_two) loads.push_back({std::string(16'000, 'm'), true});
  for (const Load& load : loads) {
    const std::string& block = load.block;
    const std::size_t size = block.size();
    const auto run = [&](std::size_t way, std::size_t count) {
      if (way == streams) return messages.seconds(block, count);
      std::size_t at = 0;
      double seconds = 0;
      std::apply([&](auto&... ends) { ((at++ == way ? seconds = seconds_of(loops, *ends, load, count) : 0), ...); },
                 all);
      return seconds;
    };
    std::size_t counts[ways];
    for (std::size_t way = 0; way < ways; ++way) {
      for (counts[way] = 2; run(way, counts[way]) < 0.008;) counts[way] *= 2;
    }
    constexpr std::size_t rounds = 15;
    std::vector<std::pair<double, double>> rates[streams], beside_floor;
    for (std::size_t round = 0; round < rounds; ++round) {
      double rate[ways];
      for (std::size_t at = 0; at < ways; ++at) {
        const std::size_t way = (at + round) % ways;
        rate[way] = 1e-6 * static_cast<double>(size * counts[way]) / run(way, counts[way]);
      }
      for (std::size_t way = 1; way < streams; ++way) rates[way].emplace_back(rate[way], rate[0]);
      beside_floor.emplace_back(rate[lanes], 1 / (1 / rate[plain] + 1 / rate[streams]));
    }
    const std::string name = wire + (load.comes_back ? ", echo of 16,000 B" : ", " + text_of(size));
    const char* const kind = loops.are_two ? "cores" : "rate";
    for (std::size_t way = 1; way < streams; ++way) print_middle(kind, name + ": " + names[way], rates[way]);
    if (!loops.are_two && !load.comes_back) print_middle("floor", name, beside_floor);
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
  Factory<Local> factory{io, io};
  std::vector<Wire<Local>> wires;
  for (std::size_t i = 0; i < count; ++i) wires.push_back(factory.wire());
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
  Loops one;
  measure_one<tcp>("TCP", tls256, tls128, one);
  measure_one<Local>("socketpair", tls256, tls128, one);
  Loops two;
  two.are_two = true;
  measure_one<tcp>("TCP", tls256, tls128, two);
  measure_crowd("in the clear", [](auto& make, auto wire) { return make.plain(std::move(wire)); });
  measure_crowd("TLS, AES-256-GCM", [&](auto& make, auto wire) { return make.tls(std::move(wire), tls256); });
  measure_crowd("SecurityContext", [](auto& make, auto wire) { return make.context(std::move(wire)); });
  measure_crowd("MessageProtector", [](auto& make, auto wire) { return make.protector(std::move(wire)); });
  measure_crowd("MessageLanes", [](auto& make, auto wire) { return make.lanes(std::move(wire)); });
}
