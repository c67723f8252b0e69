// gsskey/asio/detail/kdc_wire: a request to one address of a KDC, over UDP or TCP, and the wait for its reply.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>

#ifdef GSSKEY_ASIO_BOOST
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#else
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#endif

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// How the fiber waits for an operation of Asio: for a timer, which the end of the operation cancels, as a cancellation
/// does, whatever the operation does then.
template <class Executor>
struct Wait {
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

  Timer timer;
  std::optional<AsioErrorCode> outcome{};

  explicit Wait(const Executor& executor) : timer{executor} {}
  void end(AsioErrorCode code) {
    outcome = code;
    timer.cancel();
  }
};

/// The handler of the operation. Asio destroys it without a call where it has no memory for what it gives.
template <class Executor>
class Arrival {
 public:
  explicit Arrival(std::shared_ptr<Wait<Executor>> wait) noexcept : wait_{std::move(wait)} {}
  Arrival(Arrival&&) noexcept = default;
  ~Arrival() {
    if (wait_) wait_->end(asio::error::no_memory);
  }
  void operator()(AsioErrorCode code) { std::exchange(wait_, nullptr)->end(code); }

 private:
  std::shared_ptr<Wait<Executor>> wait_;
};

/// A socket or a resolver, of which one operation at a time is waited for. It ends them when it goes.
template <class Object, class Executor>
struct Timed {
  Object object;
  std::shared_ptr<Wait<Executor>> wait;

  explicit Timed(const Executor& executor) : object{executor}, wait{std::make_shared<Wait<Executor>>(executor)} {}

  void limit(std::chrono::nanoseconds patience) { wait->timer.expires_after(patience); }
  [[nodiscard]] Arrival<Executor> arrival() const noexcept { return Arrival<Executor>{wait}; }
};

/// How the operation ended that has begun, timed_out if it has not. Throws after a cancellation.
template <class Host, class Executor>
[[nodiscard]] inline Task<AsioErrorCode> outcome_of(Host& host, Wait<Executor>& wait) {
  if (!wait.outcome) {
    auto start = [&wait](auto resume) { wait.timer.async_wait(std::move(resume)); };
    auto ended = co_await awaiting<Transferred>(host, start);
    static_cast<void>(ended);
    if (host.cancellation.cancelled() != asio::cancellation_type::none) {
      throw AsioSystemError{AsioErrorCode{asio::error::operation_aborted}};
    }
  }
  AsioErrorCode outcome = asio::error::timed_out;
  if (wait.outcome) outcome = *std::exchange(wait.outcome, std::nullopt);
  co_return outcome;
}

/// For send_frame() and receive_frame(). A socket is ready before bytes are moved, so that no operation holds memory.
template <class Host, class Socket, class Executor>
struct TimedIo {
  Host* host;
  Timed<Socket, Executor>* timed;

  [[nodiscard]] Task<Transferred> read_some(asio::mutable_buffer room) const {
    return when_ready(Socket::wait_read, [room](Socket& socket, AsioErrorCode& code) {
      return socket.read_some(asio::buffer(room), code);
    });
  }
  [[nodiscard]] Task<Transferred> write_some(std::array<asio::const_buffer, 2> rest) const {
    return when_ready(Socket::wait_write,
                      [rest](Socket& socket, AsioErrorCode& code) { return socket.write_some(rest, code); });
  }

 private:
  template <class Move>
  [[nodiscard]] Task<Transferred> when_ready(typename Socket::wait_type what, Move move) const {
    AsioErrorCode code;
    std::size_t count = move(timed->object, code);
    while (code == asio::error::would_block) {
      timed->object.async_wait(what, timed->arrival());
      code = co_await outcome_of(*host, *timed->wait);
      if (!code) count = move(timed->object, code);
    }
    co_return Transferred::of(code, count);
  }
};

/// Where a KDC is asked.
struct KdcEndpoint {
  asio::ip::address address;
  std::uint16_t port = 0;
  bool tcp = false;

  template <class Protocol>
  [[nodiscard]] typename Protocol::endpoint of() const {
    return {address, port};
  }
};

/// Between a half and all of it, by the clock's last digits: who began together does not come back together, more than
/// a KDC that was asleep has room for.
[[nodiscard]] inline std::chrono::nanoseconds staggered(std::chrono::nanoseconds patience) noexcept {
  const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  const auto part = static_cast<std::int64_t>(now * 0x9e3779b97f4a7c15u >> 54);  // below 1024
  return patience - patience / 2048 * part;
}

/// The socket is connected: what other addresses send does not come to it.
template <class Host>
[[nodiscard]] inline Task<Result<SecretBytes>> ask_over_udp(Host& host, KdcEndpoint kdc, ByteView request,
                                                            std::chrono::milliseconds patience) {
  using Reply = Result<SecretBytes>;
  using Executor = decltype(host.executor);
  using Socket = asio::basic_datagram_socket<asio::ip::udp, Executor>;
  Timed<Socket, Executor> timed{host.executor};
  AsioErrorCode code;
  auto& socket = timed.object;
  socket.open(kdc.of<asio::ip::udp>().protocol(), code);
  if (!code) socket.non_blocking(true, code);
  if (!code) socket.connect(kdc.of<asio::ip::udp>(), code);
  if (code) co_return Reply{unexpected(error_of("connect", code))};
  socket.async_wait(Socket::wait_read, timed.arrival());
  for (int sent = 0; sent < 2; ++sent) {
    socket.send(asio::buffer(request.data(), request.size()), 0, code);
    if (code && code != asio::error::would_block) co_return Reply{unexpected(error_of("send", code))};
    timed.limit(staggered(patience));
    while (true) {
      code = co_await outcome_of(host, *timed.wait);
      if (code == asio::error::timed_out) break;
      std::size_t size = 0;
      if (!code) size = socket.available(code);
      auto reply = SecretBytes::with_size(size);
      if (!reply) co_return reply;
      if (!code) size = socket.receive(asio::buffer(reply->data(), size), 0, code);
      if (code == asio::error::would_block) {  // the checksum was wrong
        socket.async_wait(Socket::wait_read, timed.arrival());
        continue;
      }
      if (code) co_return Reply{unexpected(error_of("receive", code))};
      co_return reply;
    }
  }
  co_return Reply{unexpected(Error::transport("receive", ETIMEDOUT))};
}

template <class Host>
[[nodiscard]] inline Task<Result<SecretBytes>> ask_over_tcp(Host& host, KdcEndpoint kdc, ByteView request,
                                                            std::chrono::milliseconds to_connect,
                                                            std::chrono::milliseconds patience) {
  using Reply = Result<SecretBytes>;
  using Executor = decltype(host.executor);
  using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
  Timed<Socket, Executor> timed{host.executor};
  timed.limit(to_connect);
  timed.object.async_connect(kdc.of<asio::ip::tcp>(), timed.arrival());
  AsioErrorCode code = co_await outcome_of(host, *timed.wait);
  if (!code) timed.object.non_blocking(true, code);
  if (code) co_return Reply{unexpected(error_of("async_connect", code))};
  timed.limit(patience);
  const TimedIo<Host, Socket, Executor> io{&host, &timed};
  auto sent = co_await send_frame<Task>(io, request);
  if (!sent) co_return Reply{unexpected(std::move(sent).error())};
  auto reply = co_await receive_frame<Task>(io, gss_detail::max_kdc_reply);
  co_return reply;
}

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
