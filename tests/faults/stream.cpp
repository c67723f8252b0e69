// tests/faults/stream: ten connections of SecureStream at once, each call failing once: nine are served.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/kdc.hpp>
#ifdef GSSKEY_FAULTS_CARES
#include <gsskey/asio/kdc_dns.hpp>
#endif
#include <gsskey/asio/prefetch.hpp>
#include <gsskey/asio/renewing.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "faults/faults.hpp"
#include "support/environment.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using mech::Krb5;

namespace {

using Socket = asio::local::stream_protocol::socket;
using Stream = SecureStream<Socket, SecurityContext<Krb5>>;

/// What a coroutine threw goes to the scenario, but for what its connection alone ends of.
struct Rethrow {
  void operator()(std::exception_ptr thrown) const {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      if (!faults::note_no_memory()) throw;
    }
  }
};

/// That the peer is gone says who has the fault's error: the peer.
bool is_the_peers(const Error& error) {
  return error.domain() == Domain::transport && error.minor_status() != static_cast<std::uint32_t>(ENOMEM);
}
void judge(const Stream& stream) {
  if (const auto& error = stream.last_error(); error && !is_the_peers(*error)) faults::note(*error);
}

/// A line there and back, by handlers: with use_awaitable Asio ends the process where there is no memory to begin an
/// operation, of whatever stream.
class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(Stream stream, bool is_client, int& done) : stream_{std::move(stream)}, is_client_{is_client}, done_{done} {}

  void start() { is_client_ ? write() : read(); }

 private:
  void write() {
    asio::async_write(stream_, asio::buffer(text_), [self = shared_from_this()](std::error_code code, std::size_t) {
      if (code) return judge(self->stream_);
      self->is_client_ ? self->read() : self->end();
    });
  }
  void read() {
    asio::async_read_until(stream_, asio::dynamic_buffer(got_), '\n',
                           [self = shared_from_this()](std::error_code code, std::size_t size) {
                             if (code) return judge(self->stream_);
                             check(self->got_.substr(0, size) == self->text_, "a line");
                             self->is_client_ ? self->end() : self->write();
                           });
  }
  void end() { ++done_; }

  Stream stream_;
  bool is_client_;
  int& done_;
  std::string text_ = std::string(20000, 'a') + "\n";
  std::string got_;
};

template <class End>
asio::awaitable<void> talk(End end, Socket socket, bool is_client, int& done) {
  AsioTransport wire{socket};
  auto context = co_await drive<asio::awaitable>(std::move(end), wire, Inline{});
  if (!context) {
    if (!is_the_peers(context.error())) faults::note(context.error());
    co_return;
  }
  std::make_shared<Line>(Stream{std::move(socket), *std::move(context)}, is_client, done)->start();
}

/// Goes on after what a handler throws, as loops do.
void run(asio::io_context& io) {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::bad_alloc&) {
      if (!faults::note_no_memory()) throw;
    }
  }
}

void ten_connections() {
  constexpr int count = 10;
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  const auto target = again([] { return Name::host_service("host", "localhost"); });
  asio::io_context io;
  int clients = 0;
  int servers = 0;
  for (int each = 0; each < count; ++each) {
    Socket client{io};
    Socket server{io};
    asio::local::connect_pair(client, server);
    Initiator<Krb5> initiator{again([&] { return target.duplicate(); }), ticket};
    asio::co_spawn(io, talk(std::move(initiator), std::move(client), true, clients), Rethrow{});
    asio::co_spawn(io, talk(Acceptor<Krb5>{key}, std::move(server), false, servers), Rethrow{});
  }
  run(io);
  const int least = count - faults::failures();
  check(clients >= least && servers >= least, "the others are served");
}

/// Both ends by handlers, their steps on a pool of threads.
void offloaded() {
  const auto key = again([] { return Credential<Krb5, Accept>::acquire_default(); });
  const auto ticket = again([] { return Credential<Krb5, Initiate>::acquire_default(); });
  auto target = again([] { return Name::host_service("host", "localhost"); });
  asio::thread_pool pool{1};
  asio::io_context io;
  Socket client{io};
  Socket server{io};
  asio::local::connect_pair(client, server);
  int done = 0;
  int told = 0;
  const auto end_of = [&](Socket& socket) {
    return [&](const Result<SecurityContext<Krb5>>& context) {
      ++told;
      if (context) ++done;
      if (!context && !is_the_peers(context.error())) faults::note(context.error());
      if (!context) socket.close();  // for the peer to see
    };
  };
  async_handshake(Initiator<Krb5>{std::move(target), ticket}, client, offload_to(pool), end_of(client));
  async_handshake(Acceptor<Krb5>{key}, server, offload_to(pool), end_of(server));
  run(io);
  pool.join();
  check(told == 2, ("each end is told once, and not " + std::to_string(told)).c_str());
  check(done == 2 || faults::failed(), "a handshake");
}

#ifdef GSSKEY_GSS_KDC_EXCHANGE
/// A login and a ticket for a service, whose exchanges are over when they fail.
void tickets() {
  const auto acquire = [](auto exchange, auto kdcs) {
    asio::io_context io;
    int told = 0;
    std::optional<Result<void>> result;
    const auto handler = [&](Result<void> ended) {
      ++told;
      result.emplace(std::move(ended));
    };
    async_acquire(io.get_executor(), std::move(exchange), handler, KdcPatience{}, std::move(kdcs));
    run(io);
    check(told == 1, ("who waits is told once, and not " + std::to_string(told)).c_str());
    faults::need(*std::move(result));
  };
  const auto cache = again([] { return TicketCache::in_memory(); });
  const auto alice = again([] { return Name::user("alice"); });
  acquire(again([&] { return InitialTicket::with_password(cache, alice, "secret"); }), ConfiguredKdcs{});
  const auto target = again([] { return Name::principal("host/localhost@GSSKEY.TEST"); });
  acquire(again([&] { return ServiceTicket::for_target(cache, target); }), ConfiguredKdcs{});
#ifdef GSSKEY_FAULTS_CARES
  static const std::string by_name = [] {  // a host, which c-ares finds in a file
    const faults::Pause pause;
    const auto& realm = support::realm().realm;
    std::string text = test_detail::read_file(realm.krb5_conf());
    const std::string address = "kdc = 127.0.0.1";
    text.replace(text.find(address), address.size(), "kdc = localhost");
    const std::string path = realm.folder() + "/by-name.conf";
    support::must(test_detail::write_file(path, text));
    return path;
  }();
  const support::Environment environment{"KRB5_CONFIG", by_name};
  acquire(again([&] { return InitialTicket::with_password(cache, alice, "secret"); }), DnsKdcs{});
#endif
}
const faults::Register registered_tickets{"tickets", &tickets};

/// A login that is renewed, and a handshake that fetches its ticket.
void renewing() {
  const auto alice = again([] { return Name::user("alice"); });
  const auto login = [&](const TicketCache& into) { return InitialTicket::with_password(into, alice, "secret"); };
  asio::io_context io;
  std::optional<AsyncRenewingCredential<asio::io_context::executor_type, decltype(login)>> daemon;
  again([&]() -> Result<void> {
    daemon.emplace(io.get_executor(), login);
    return {};
  });
  int told = 0;
  std::optional<Result<TicketLease>> result;
  daemon->async_lease([&](Result<TicketLease> ended) {
    ++told;
    result.emplace(std::move(ended));
  });
  run(io);
  check(told == 1, ("who waits is told once, and not " + std::to_string(told)).c_str());
  const auto lease = faults::need(*std::move(result));
  Socket client{io};
  Socket server{io};
  asio::local::connect_pair(client, server);
  server.close();
  auto target = again([] { return Name::principal("host/localhost@GSSKEY.TEST"); });
  std::optional<Result<SecurityContext<Krb5>>> context;
  async_handshake(Initiator<Krb5>{std::move(target), *lease}, client, prefetch(lease.cache()),
                  [&](Result<SecurityContext<Krb5>> ended) { context.emplace(std::move(ended)); });
  io.restart();
  run(io);
  check(context.has_value(), "who waits is told");
  if (!*context && !is_the_peers(context->error())) faults::note(context->error());
}
const faults::Register registered_renewing{"renewing", &renewing};
#endif

const faults::Register registered[] = {{"stream", &ten_connections}, {"offloaded", &offloaded}};

}  // namespace
