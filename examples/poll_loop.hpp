// examples/poll_loop: an event loop of poll(), and tokens over it, each behind four bytes of length.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/io/framing.hpp>

namespace example {

/// The event loop: who waits for which socket.
class Loop {
 public:
  struct Ready {
    Loop& loop;
    pollfd wanted;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      loop.polled_.push_back(wanted);
      loop.waiting_.push_back(waiting);
    }
    void await_resume() const noexcept {}
  };
  Ready ready(int socket, short events) { return {*this, {socket, events, 0}}; }

  void run() {
    while (!polled_.empty() && ::poll(polled_.data(), polled_.size(), -1) >= 0) {
      auto polled = std::exchange(polled_, {});
      auto waiting = std::exchange(waiting_, {});
      for (std::size_t at = 0; at < polled.size(); ++at) {
        if (polled[at].revents != 0) {
          waiting[at].resume();
        } else {
          polled_.push_back(polled[at]);
          waiting_.push_back(waiting[at]);
        }
      }
    }
  }

 private:
  std::vector<pollfd> polled_;
  std::vector<std::coroutine_handle<>> waiting_;
};

/// An AwaitableTransport over a socket that does not block, for any coroutine type that may await Loop::ready().
template <template <class...> class Task>
class PollWire {
 public:
  PollWire(Loop& loop, int socket) : loop_{&loop}, socket_{socket} {}

  Task<gsskey::Result<void>> async_send(gsskey::ByteView token) {
    const auto header = gsskey::FrameHeader::of(static_cast<std::uint32_t>(token.size()));
    std::vector<unsigned char> frame{header.bytes, header.bytes + gsskey::FrameHeader::size};
    frame.insert(frame.end(), token.begin(), token.end());
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = ::send(socket_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (count > 0) sent += static_cast<std::size_t>(count);
      if (count < 0 && errno != EAGAIN)
        co_return gsskey::Result<void>{gsskey::unexpected(gsskey::Error::transport("send", errno))};
      if (count < 0) co_await loop_->ready(socket_, POLLOUT);
    }
    co_return gsskey::Result<void>{};
  }

  Task<gsskey::Result<gsskey::SecretBytes>> async_receive(std::size_t max_size) {
    using Received = gsskey::Result<gsskey::SecretBytes>;
    gsskey::FrameHeader header;
    auto read = co_await fill(header.bytes, gsskey::FrameHeader::size);
    if (!read) co_return Received{gsskey::unexpected(read.error())};
    if (header.length() > max_size) co_return Received{gsskey::unexpected(gsskey::Error::transport("recv", EMSGSIZE))};
    auto token = gsskey::SecretBytes::with_size(header.length());
    if (!token) co_return Received{gsskey::unexpected(token.error())};
    read = co_await fill(token->data(), token->size());
    if (!read) co_return Received{gsskey::unexpected(read.error())};
    co_return std::move(token);
  }

 private:
  Task<gsskey::Result<void>> fill(unsigned char* data, std::size_t size) {
    for (std::size_t filled = 0; filled < size;) {
      const ssize_t count = ::recv(socket_, data + filled, size - filled, 0);
      if (count > 0) filled += static_cast<std::size_t>(count);
      if (count == 0) co_return gsskey::Result<void>{gsskey::unexpected(gsskey::Error::transport("recv", ECONNRESET))};
      if (count < 0 && errno != EAGAIN)
        co_return gsskey::Result<void>{gsskey::unexpected(gsskey::Error::transport("recv", errno))};
      if (count < 0) co_await loop_->ready(socket_, POLLIN);
    }
    co_return gsskey::Result<void>{};
  }

  Loop* loop_;
  int socket_;
};

}  // namespace example
