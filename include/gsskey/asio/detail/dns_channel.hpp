// gsskey/asio/detail/dns_channel: c-ares on Asio's loop: its sockets and its timer, for one question at a time.
// SPDX-License-Identifier: MIT
#pragma once

#include <ares.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/kdc_wire.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>
#include <gsskey/io/task.hpp>

#ifdef GSSKEY_ASIO_BOOST
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#else
#include <asio/posix/basic_stream_descriptor.hpp>
#endif

#if defined(GSSKEY_GSS_KDC_EXCHANGE) && !defined(GSSKEY_GSS_DLOPEN)  // as in krb5/kdc_list.hpp

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

[[nodiscard]] inline Error dns_error(const char* operation, int status) noexcept {
  if (status == ARES_ENOMEM) return Error::system(operation, ENOMEM);
  const int code = status == ARES_ETIMEOUT                              ? ETIMEDOUT
                   : status == ARES_ECONNREFUSED                        ? ECONNREFUSED
                   : status == ARES_ENODATA || status == ARES_ENOTFOUND ? EADDRNOTAVAIL
                                                                        : EBADMSG;
  return Error::transport(operation, code).with_text("DNS: ", ares_strerror(status));
}

/// A socket of c-ares, which closes it.
template <class Executor>
struct DnsSocket {
  asio::posix::basic_stream_descriptor<Executor> descriptor;
  /// One of the two things that c-ares may wait for.
  struct Readiness {
    bool is_wanted = false;
    bool is_waited_for = false;
    bool has_come = false;
  } read{}, write{};

  DnsSocket(const Executor& executor, int number) : descriptor{executor, number} {}
  DnsSocket(const DnsSocket&) = delete;
  DnsSocket& operator=(const DnsSocket&) = delete;
  ~DnsSocket() { static_cast<void>(descriptor.release()); }
};

struct AresChannelTraits {
  using Handle = ares_channel;
  static constexpr Handle none = nullptr;
  static void close(Handle channel) noexcept { ares_destroy(channel); }
};

/// Lives in the frame of who asks. What a callback of c-ares writes to must outlive it: it ends what is under way.
template <class Host>
class DnsChannel {
  using Executor = decltype(Host::executor);
  using Socket = DnsSocket<Executor>;

 public:
  explicit DnsChannel(Host& host) : host_{&host}, wait_{std::make_shared<Wait<Executor>>(host.executor)} {}
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  /// `servers`: for ares_set_servers_ports_csv(); none: those of resolv.conf. Each is asked twice. No name is completed
  /// with a domain of resolv.conf unless `completes`.
  [[nodiscard]] Result<void> open(const std::string& servers, std::chrono::milliseconds patience, bool completes) {
    ares_options options{};
    options.flags = ARES_FLAG_EDNS;
    options.ednspsz = 1232;  // what no network cuts
    options.timeout = static_cast<int>(std::clamp<long long>(patience.count(), 1, INT_MAX));
    options.tries = 2;
    options.sock_state_cb = [](void* self, ares_socket_t number, int reads, int writes) {
      static_cast<DnsChannel*>(self)->watch(number, reads != 0, writes != 0);
    };
    options.sock_state_cb_data = this;
    int given = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (!completes) given |= ARES_OPT_DOMAINS;
    int status = ares_init_options(channel_.put(), &options, given);
    if (status != ARES_SUCCESS) return unexpected(dns_error("ares_init_options", status));
    if (!servers.empty()) status = ares_set_servers_ports_csv(channel_.get(), servers.c_str());
    if (status != ARES_SUCCESS) return unexpected(dns_error("ares_set_servers_ports_csv", status));
    return {};
  }
  [[nodiscard]] ares_channel get() const noexcept { return channel_.get(); }

  /// Runs c-ares until a callback has set `has_come`.
  [[nodiscard]] Task<Result<void>> run_until(const bool& has_come) {
    while (!has_come) {
      for (const auto& socket : sockets_) wait_for(socket);
      timeval room{};
      const timeval* const left = ares_timeout(channel_.get(), nullptr, &room);
      wait_->timer.expires_after(left == nullptr
                                     ? std::chrono::microseconds{0}
                                     : std::chrono::seconds{left->tv_sec} + std::chrono::microseconds{left->tv_usec});
      const AsioErrorCode ended = co_await outcome_of(*host_, *wait_);
      static_cast<void>(ended);
      while (const auto ready = next_ready()) process(*ready);
      ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // who is out of time
      if (has_failed_) co_return Result<void>{unexpected(Error::system("sock_state_cb", ENOMEM))};
    }
    co_return Result<void>{};
  }

 private:
  using Sockets = std::vector<std::shared_ptr<Socket>>;

  /// A callback: what is thrown stays here.
  void watch(ares_socket_t number, bool reads, bool writes) noexcept {
    try {
      auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                [number](const auto& socket) { return socket->descriptor.native_handle() == number; });
      if (!reads && !writes) {
        if (found == sockets_.end()) return;
        static_cast<void>((*found)->descriptor.release());
        sockets_.erase(found);
        return;
      }
      if (found == sockets_.end()) {
        found = sockets_.insert(found, std::make_shared<Socket>(host_->executor, number));
      }
      (*found)->read.is_wanted = reads;
      (*found)->write.is_wanted = writes;
    } catch (...) {
      has_failed_ = true;
    }
  }
  void wait_for(const std::shared_ptr<Socket>& socket) {
    using Descriptor = decltype(socket->descriptor);
    wait_for(socket, socket->read, Descriptor::wait_read);
    wait_for(socket, socket->write, Descriptor::wait_write);
  }
  template <class What>
  void wait_for(const std::shared_ptr<Socket>& socket, typename Socket::Readiness& readiness, What what) {
    if (!readiness.is_wanted || readiness.is_waited_for) return;
    socket->descriptor.async_wait(what, [socket, &readiness, wait = wait_](AsioErrorCode code) {
      readiness.is_waited_for = false;
      if (code) return;
      readiness.has_come = true;
      wait->end({});
    });
    readiness.is_waited_for = true;
  }
  [[nodiscard]] std::shared_ptr<Socket> next_ready() const noexcept {
    for (const auto& socket : sockets_) {
      if (socket->read.has_come || socket->write.has_come) return socket;
    }
    return nullptr;
  }
  void process(Socket& socket) noexcept {
    const ares_socket_t number = socket.descriptor.native_handle();
    const bool reads = std::exchange(socket.read.has_come, false);
    const bool writes = std::exchange(socket.write.has_come, false);
    ares_process_fd(channel_.get(), reads ? number : ARES_SOCKET_BAD, writes ? number : ARES_SOCKET_BAD);
  }

  Host* host_;
  std::shared_ptr<Wait<Executor>> wait_;
  Sockets sockets_;
  bool has_failed_ = false;
  UniqueHandle<AresChannelTraits> channel_;  ///< last: as it goes, it calls watch()
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey

#endif
