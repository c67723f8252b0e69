// gsskey/asio/kdc: tickets from KDCs in Asio: logins and tickets for services, with any completion token.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/completion.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/task.hpp>
#include <gsskey/krb5/kdc_exchange.hpp>
#include <gsskey/krb5/kdc_list.hpp>

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

/// Limits how long async_acquire() waits for one address of a KDC.
struct KdcPatience {
  /// For the answer to a datagram. It is sent twice, so that one may be lost: each address is waited for twice as long.
  std::chrono::milliseconds udp{1000};
  /// For an answer over TCP, from the connection to the last byte; and for the addresses of a host.
  std::chrono::milliseconds tcp{10000};
};

namespace asio_detail {

/// What libkrb5 sends in a datagram at most, unless krb5.conf says otherwise: more is often lost on the way.
inline constexpr std::size_t max_kdc_datagram = 1465;

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

  void limit(std::chrono::milliseconds patience) { wait->timer.expires_after(patience); }
  [[nodiscard]] Arrival<Executor> arrival() const noexcept { return Arrival<Executor>{wait}; }
};

/// How the operation ended that has begun, timed_out if it has not. Throws after a cancellation.
template <class Host, class Object, class Executor>
[[nodiscard]] inline Task<AsioErrorCode> outcome_of(Host& host, Timed<Object, Executor>& timed) {
  auto& wait = *timed.wait;
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
      code = co_await outcome_of(*host, *timed);
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
    timed.limit(patience);
    while (true) {
      code = co_await outcome_of(host, timed);
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
                                                            std::chrono::milliseconds patience) {
  using Reply = Result<SecretBytes>;
  using Executor = decltype(host.executor);
  using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
  Timed<Socket, Executor> timed{host.executor};
  timed.limit(patience);
  timed.object.async_connect(kdc.of<asio::ip::tcp>(), timed.arrival());
  AsioErrorCode code = co_await outcome_of(host, timed);
  if (!code) timed.object.non_blocking(true, code);
  if (code) co_return Reply{unexpected(error_of("async_connect", code))};
  const TimedIo<Host, Socket, Executor> io{&host, &timed};
  auto sent = co_await send_frame<Task>(io, request);
  if (!sent) co_return Reply{unexpected(std::move(sent).error())};
  auto reply = co_await receive_frame<Task>(io, gss_detail::max_kdc_reply);
  co_return reply;
}

/// The addresses of a host, of which nobody is asked that is one itself.
template <class Host>
[[nodiscard]] inline Task<Result<std::vector<asio::ip::address>>> addresses_of(Host& host, std::string_view name,
                                                                               std::chrono::milliseconds patience) {
  using Addresses = std::vector<asio::ip::address>;
  using Executor = decltype(host.executor);
  using Resolver = asio::ip::basic_resolver<asio::ip::udp, Executor>;
  AsioErrorCode code;
  const std::string text{name};
  const auto address = asio::ip::make_address(text, code);
  if (!code) co_return Result<Addresses>{Addresses{address}};
  Timed<Resolver, Executor> timed{host.executor};
  auto found = std::make_shared<typename Resolver::results_type>();
  timed.limit(patience);
  timed.object.async_resolve(text, "", [arrival = timed.arrival(), found](AsioErrorCode failed, auto results) mutable {
    *found = std::move(results);
    arrival(failed);
  });
  code = co_await outcome_of(host, timed);
  if (code) co_return Result<Addresses>{unexpected(error_of("async_resolve", code))};
  Addresses addresses;
  for (const auto& entry : *found) addresses.push_back(entry.endpoint().address());
  co_return Result<Addresses>{std::move(addresses)};
}

/// Carries requests to the KDCs of krb5.conf.
template <class Host>
class KdcCarrier {
 public:
  KdcCarrier(Host& host, KdcPatience patience) noexcept : host_{&host}, patience_{patience} {}

  /// The reply to the request, whoever gives it.
  [[nodiscard]] Task<Result<SecretBytes>> carry(KdcStep step) {
    using Reply = Result<SecretBytes>;
    if (realm_ != step.realm) {
      realm_ = step.realm;
      whom_ = "who is a KDC of " + realm_;
      last_.reset();
      auto kdcs = KdcList::of_realm(realm_);
      if (!kdcs) co_return Reply{unexpected(about(std::move(kdcs).error()))};
      kdcs_ = *std::move(kdcs);
    }
    const bool over_tcp = step.over_tcp || step.request.size() > max_kdc_datagram;
    Error failure = Error::transport("async_resolve", EADDRNOTAVAIL);
    if (last_) {
      last_->tcp = last_->tcp || over_tcp;
      auto reply = co_await ask(*last_, step.request);
      if (is_final(reply)) co_return reply;
      last_.reset();
    }
    for (int round = 0; round < 4; ++round) {
      const bool tcp = round % 2 == 1;
      if (over_tcp && !tcp) continue;
      for (std::size_t index = 0; index < kdcs_.size(); ++index) {
        const KdcAddress kdc = kdcs_[index];
        whom_ = std::string{kdc.host} + ", a KDC of " + realm_;
        auto addresses = co_await addresses_of(*host_, kdc.host, patience_.tcp);
        if (!addresses) {
          failure = about(std::move(addresses).error());
          continue;
        }
        for (const auto& address : *addresses) {
          const KdcEndpoint endpoint{address, kdc.port, tcp};
          auto reply = co_await ask(endpoint, step.request);
          if (reply) last_ = endpoint;
          if (is_final(reply)) co_return reply;
          failure = std::move(reply).error();
        }
      }
    }
    co_return Reply{unexpected(std::move(failure))};
  }

  /// The same error, with whom it comes from.
  [[nodiscard]] Error about(Error error) const noexcept {
    if (whom_.empty()) return error;
    const Error bare = error;
    return std::move(error).with_text(bare.text(), "; asked last: ", std::string_view{whom_});
  }

 private:
  /// A reply, or no memory for one: another KDC is of no help.
  [[nodiscard]] static bool is_final(const Result<SecretBytes>& reply) noexcept {
    return reply || reply.error().domain() == Domain::system;
  }
  [[nodiscard]] Task<Result<SecretBytes>> ask(KdcEndpoint kdc, ByteView request) {
    const std::string host = kdc.address.to_string();
    whom_ = (kdc.address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(kdc.port) + " over " +
            (kdc.tcp ? "TCP" : "UDP") + ", a KDC of " + realm_;
    auto asking =
        kdc.tcp ? ask_over_tcp(*host_, kdc, request, patience_.tcp) : ask_over_udp(*host_, kdc, request, patience_.udp);
    auto reply = co_await std::move(asking);
    if (!reply) co_return Result<SecretBytes>{unexpected(about(std::move(reply).error()))};
    co_return reply;
  }

  Host* host_;
  KdcPatience patience_;
  std::string realm_;
  KdcList kdcs_;
  std::string whom_;                 ///< was asked last, in words
  std::optional<KdcEndpoint> last_;  ///< has answered, and is asked first
};

/// An exchange that an operation carries out.
template <class Exchange>
struct ExchangeWork {
  using Outcome = Result<void>;
  static constexpr const char* operation = "async_acquire";

  Exchange exchange;
  KdcPatience patience;

  template <class Host>
  [[nodiscard]] Task<Outcome> run(Host& host) {
    Exchange running = std::move(exchange);  // ends with this task
    KdcCarrier<Host> carrier{host, patience};
    auto next = running.step();
    while (next && !next->is_done()) {
      auto reply = co_await carrier.carry(*next);
      if (!reply) co_return Outcome{unexpected(std::move(reply).error())};
      next = running.step(*reply);
    }
    if (!next) co_return Outcome{unexpected(carrier.about(std::move(next).error()))};
    co_return Outcome{};
  }
};

}  // namespace asio_detail

/// Carries out an exchange, an InitialTicket or a ServiceTicket, for any completion token: until the ticket is in the
/// cache. A handler gets void(Result<void>), and asio::use_future, use_awaitable, deferred, cancel_after do as with
/// async_handshake(). A cancellation of the token's slot (terminal) ends the exchange at once: nothing goes on but the
/// look-up of a host.
///
///     auto logged_in = co_await async_acquire(executor, std::move(login), asio::use_awaitable);
///
/// The KDCs are those that krb5.conf names (KdcList), in its order: each over UDP, with a datagram that is sent twice,
/// then, if none has answered, each over TCP, and all that once more; over TCP only what is too large for UDP, by the
/// KDC's word or with more than 1,465 bytes. Who has answered is asked first from then on. Where a host has several
/// addresses, each is asked. What comes from elsewhere than the address that was asked is not heard. What comes from
/// there is the reply, whatever it is: it may end the exchange.
///
/// The handler is called exactly once, on its associated executor, else on `executor`, unless its execution context is
/// destroyed before. Where memory is so short that nothing can be posted to an executor, it is called in place.
/// Errors: those of step() and of KdcList; transport, when nobody has answered, of the one asked last: ETIMEDOUT,
///   ECONNREFUSED, ECONNRESET for an answer that is cut, EMSGSIZE for one of more than 1 MiB; ECANCELED after a
///   cancellation; system (ENOMEM). The text names the realm and the KDC. Where Asio finds no memory for the addresses
///   of a host, its exception comes out of the run() of the loop too.
/// Blocks: where step() does, on disks, and on the disk that krb5.conf is on. Hosts that are named, not by their
///   addresses, are looked up with getaddrinfo(3) in a thread that Asio has for that, one for each execution context:
///   one after the other, in a call that nothing can cut short and that the context's destruction waits for.
/// Threads: `executor` is of one thread, or a strand; a cancellation is emitted there.
/// Owner: of `exchange`, the operation.
/// See: RFC 4120 section 7.2.
template <class Executor, class Exchange, class Token>
inline auto async_acquire(const Executor& executor, Exchange exchange, Token&& token, KdcPatience patience = {}) {
  return asio::async_initiate<Token, void(Result<void>)>(
      asio_detail::StartWork{executor}, token, asio_detail::ExchangeWork<Exchange>{std::move(exchange), patience});
}

GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
