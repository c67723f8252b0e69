// gsskey/io/fd_stream: a blocking byte stream over a file descriptor: a connected socket, a socketpair.
// SPDX-License-Identifier: MIT
#pragma once

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/io/framing.hpp>  // IWYU pragma: export

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Reads and writes a connected stream socket in blocking mode: a BlockingStream. Never raises SIGPIPE.
///
/// expires_after() limits the time that it waits. Without it the limits are the socket's own (SO_RCVTIMEO and
/// SO_SNDTIMEO: EAGAIN comes back as an Error), which each byte of a slow peer starts anew.
/// Calls: sendmsg(2), recv(2), poll(2).
/// Errors: transport, with errno; ETIMEDOUT once the time of expires_after() is over.
/// Blocks: until the socket takes or has what was asked for, or the time is over.
/// Threads: one reader and one writer at a time; expires_after() and expires_never() while there is neither.
/// Owner: the descriptor is borrowed, and is not closed.
class FdStream {
 public:
  /// Takes a connected socket.
  explicit FdStream(int descriptor) noexcept : descriptor_{descriptor} {}

  /// Sets how long all that follows may take together, a whole drive() or all of a read: after that it is ETIMEDOUT,
  /// also where some bytes have come or gone. Holds until it is set anew.
  /// Units: milliseconds of CLOCK_MONOTONIC, rounded up: the time that the machine sleeps does not count.
  template <detail::DurationLike D>
  void expires_after(D duration) noexcept {
    using Period = typename D::period;
    const long double wanted = static_cast<long double>(duration.count()) * Period::num * 1000 / Period::den;
    if (wanted >= static_cast<long double>(never - now())) return expires_never();
    auto milliseconds = wanted > 0 ? static_cast<std::int64_t>(wanted) : 0;
    if (static_cast<long double>(milliseconds) < wanted) ++milliseconds;
    deadline_ = now() + milliseconds;
  }
  /// Takes the limit of expires_after() away.
  void expires_never() noexcept { deadline_ = never; }

  /// Writes all of `header` and then all of `body`, with one system call where the socket takes them at once.
  /// Errors: transport; some bytes may have gone then.
  [[nodiscard]] Result<void> write(ByteView header, ByteView body = {}) noexcept {
    while (!header.empty() || !body.empty()) {
      ::iovec parts[] = {{const_cast<unsigned char*>(header.data()), header.size()},
                         {const_cast<unsigned char*>(body.data()), body.size()}};
      ::msghdr message{};
      message.msg_iov = parts;
      message.msg_iovlen = 2;
      if (auto in_time = check("send"); !in_time) return in_time;
      const ::ssize_t count = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL | flags());
      if (count < 0) {
        if (auto again = wait("send", POLLOUT); !again) return again;
        continue;
      }
      const auto sent = static_cast<std::size_t>(count);
      if (sent > header.size()) body = body.subview(sent - header.size());
      header = header.subview(sent);
    }
    return {};
  }
  /// Reads as many bytes as have come, at least one and at most `size`, and returns how many; 0 when the stream has
  /// ended, and for a size of 0.
  /// Errors: transport; nothing was read then.
  [[nodiscard]] Result<std::size_t> read_some(void* data, std::size_t size) noexcept {
    if (size == 0) return std::size_t{0};
    while (true) {
      if (auto in_time = check("recv"); !in_time) return unexpected(in_time.error());
      const ::ssize_t count = ::recv(descriptor_, data, size, flags());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (auto again = wait("recv", POLLIN); !again) return unexpected(again.error());
    }
  }
  /// Reads `size` bytes.
  /// Errors: transport; ECONNRESET when the stream ends before all have come. Some bytes may be lost then.
  [[nodiscard]] Result<void> read(void* data, std::size_t size) noexcept {
    auto* out = static_cast<unsigned char*>(data);
    while (size != 0) {
      const auto count = read_some(out, size);
      if (!count) return unexpected(count.error());
      if (*count == 0) return unexpected(Error::transport("recv", ECONNRESET, "the peer closed the connection"));
      out += *count;
      size -= *count;
    }
    return {};
  }

 private:
  static constexpr std::int64_t never = INT64_MAX;

  [[nodiscard]] static std::int64_t now() noexcept {
    ::timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
  }
  [[nodiscard]] int flags() const noexcept { return deadline_ == never ? 0 : MSG_DONTWAIT; }
  [[nodiscard]] static unexpected<Error> expired(const char* operation) noexcept {
    return unexpected<Error>(Error::transport(operation, ETIMEDOUT, "it was not done within the time that was given"));
  }
  [[nodiscard]] Result<void> check(const char* operation) const noexcept {
    if (deadline_ != never && now() >= deadline_) return expired(operation);
    return {};
  }
  /// After a call that failed with errno: when it may be tried again.
  [[nodiscard]] Result<void> wait(const char* operation, short events) const noexcept {
    if (errno == EINTR) return {};
    if (deadline_ == never || (errno != EAGAIN && errno != EWOULDBLOCK)) {
      return unexpected(Error::transport(operation, errno));
    }
    while (true) {
      const std::int64_t left = deadline_ - now();
      if (left <= 0) return expired(operation);
      ::pollfd ready{descriptor_, events, 0};
      const int count = ::poll(&ready, 1, left < INT32_MAX ? static_cast<int>(left) : INT32_MAX);
      if (count > 0) return {};
      if (count < 0 && errno != EINTR) return unexpected(Error::transport("poll", errno));
    }
  }

  int descriptor_;
  std::int64_t deadline_ = never;
};

GSSKEY_END_ABI
}  // namespace gsskey
