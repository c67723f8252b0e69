// tests/faults/stream: ten connections of SecureStream at once, each call failing once: nine are served.
// SPDX-License-Identifier: MIT
#include <gsskey/asio/handshake.hpp>
#include <gsskey/asio/secure_stream.hpp>
#include <gsskey/gss.hpp>

#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>

#include <string>
#include <utility>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using mech::Krb5;

namespace {

using Socket = asio::local::stream_protocol::socket;
using Stream = SecureStream<Socket, SecurityContext<Krb5>>;

/// What a coroutine threw goes to the scenario.
struct Rethrow {
  void operator()(std::exception_ptr thrown) const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

/// That the peer is gone says who has the fault's error: the peer.
bool is_the_peers(const Error& error) {
  return error.domain() == Domain::transport && error.minor_status() != static_cast<std::uint32_t>(ENOMEM);
}
void judge(const Stream& stream) {
  if (const auto& error = stream.last_error(); error && !is_the_peers(*error)) faults::note(*error);
}

template <class End>
asio::awaitable<void> talk(End end, Socket socket, bool is_client, int& done) {
  AsioTransport wire{socket};
  auto context = co_await drive<asio::awaitable>(std::move(end), wire, Inline{});
  if (!context) {
    if (!is_the_peers(context.error())) faults::note(context.error());
    co_return;
  }
  Stream stream{std::move(socket), *std::move(context)};
  const std::string line(20000, 'a');
  std::string text = line + "\n";
  std::error_code code;
  if (is_client)
    co_await asio::async_write(stream, asio::buffer(text), asio::redirect_error(asio::use_awaitable, code));
  std::string got;
  if (!code) {
    const std::size_t size = co_await asio::async_read_until(stream, asio::dynamic_buffer(got), '\n',
                                                             asio::redirect_error(asio::use_awaitable, code));
    check(code || got.substr(0, size) == text, "a line");
  }
  if (!is_client && !code) {
    co_await asio::async_write(stream, asio::buffer(text), asio::redirect_error(asio::use_awaitable, code));
  }
  if (code) {
    judge(stream);
    co_return;
  }
  ++done;
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
  io.run();
  const int least = faults::failed().empty() ? count : count - 1;
  check(clients >= least && servers >= least, "the others are served");
}

const faults::Register registered{"stream", &ten_connections};

}  // namespace
