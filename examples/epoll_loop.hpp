// examples/epoll_loop: an event loop of epoll, and the stream of a socket on it, for any coroutine type.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

#include "socket.hpp"

namespace example {

class EpollLoop {
 public:
  using Clock = std::chrono::steady_clock;

  /// What a coroutine awaits: recvmsg or sendmsg of a socket, once it is ready. May be destroyed at any time.
  class Operation {
   public:
    Operation(EpollLoop& loop, int socket, std::uint32_t event, Clock::time_point deadline, iovec first, iovec second)
        : loop_{&loop}, socket_{socket}, event_{event}, deadline_{deadline}, parts_{first, second} {}
    Operation(Operation&&) = default;  // before it is awaited: some coroutine types do
    Operation& operator=(Operation&&) = delete;
    ~Operation() { stop(); }

    bool await_ready() { return attempt(); }
    bool await_suspend(std::coroutine_handle<> waiting) {
      loop_->waiting_.push_back(this);  // before the kernel has the address: there may be no memory for it
      epoll_event wanted{event_, {.ptr = this}};
      if (::epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_ADD, socket_, &wanted) != 0) {
        result_ = gsskey::unexpected(gsskey::Error::transport("epoll_ctl", errno));
        loop_->waiting_.pop_back();
        return false;
      }
      waiting_ = waiting;
      return true;
    }
    [[nodiscard]] gsskey::Result<std::size_t> await_resume() const { return result_; }

   private:
    friend EpollLoop;

    /// Says whether it is over: otherwise the socket is not ready.
    [[nodiscard]] bool attempt() {
      const bool sends = event_ == EPOLLOUT;
      const char* const name = sends ? "sendmsg" : "recvmsg";
      if (deadline_ <= Clock::now()) {  // also where bytes come one after the other
        result_ = gsskey::unexpected(gsskey::Error::transport(name, ETIMEDOUT));
        return true;
      }
      msghdr message{};
      message.msg_iov = parts_;
      message.msg_iovlen = 2;
      const ssize_t count = sends ? ::sendmsg(socket_, &message, MSG_NOSIGNAL) : ::recvmsg(socket_, &message, 0);
      if (count < 0 && errno == EAGAIN) return false;
      if (count < 0) {
        result_ = gsskey::unexpected(gsskey::Error::transport(name, errno));
      } else {
        result_ = static_cast<std::size_t>(count);
      }
      return true;
    }
    void stop() {
      if (std::erase(loop_->waiting_, this) != 0) ::epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, socket_, nullptr);
    }

    EpollLoop* loop_;
    int socket_;
    std::uint32_t event_;
    Clock::time_point deadline_;
    iovec parts_[2];
    gsskey::Result<std::size_t> result_ = std::size_t{0};
    std::coroutine_handle<> waiting_;
  };

  /// An AwaitableStream, which borrows the socket. After its deadline everything is ETIMEDOUT.
  class Stream {
   public:
    Stream(EpollLoop& loop, int socket, Clock::time_point deadline)
        : loop_{&loop}, socket_{socket}, deadline_{deadline} {
      static_cast<void>(::fcntl(socket, F_SETFL, O_NONBLOCK));
    }
    Operation async_write_some(gsskey::ByteView header, gsskey::ByteView body) {
      return {*loop_, socket_, EPOLLOUT, deadline_, part(header), part(body)};
    }
    Operation async_read_some(void* data, std::size_t size) {
      return {*loop_, socket_, EPOLLIN, deadline_, {data, size}, {}};
    }

   private:
    static iovec part(gsskey::ByteView bytes) { return {const_cast<unsigned char*>(bytes.data()), bytes.size()}; }

    EpollLoop* loop_;
    int socket_;
    Clock::time_point deadline_;
  };

  /// Until nobody waits.
  [[nodiscard]] gsskey::Result<void> run() {
    const auto earlier = [](const Operation* one, const Operation* other) { return one->deadline_ < other->deadline_; };
    while (!waiting_.empty()) {
      auto* operation = *std::min_element(waiting_.begin(), waiting_.end(), earlier);
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(operation->deadline_ - Clock::now()).count();
      if (left > 0) {
        epoll_event ready{};
        const int count = ::epoll_wait(epoll_.get(), &ready, 1, static_cast<int>(left));
        if (count < 0 && errno != EINTR) return gsskey::unexpected(gsskey::Error::system("epoll_wait", errno));
        if (count <= 0) continue;
        operation = static_cast<Operation*>(ready.data.ptr);
      }
      if (!operation->attempt()) continue;
      operation->stop();
      operation->waiting_.resume();
    }
    return {};
  }

 private:
  Socket epoll_ = Socket::adopt(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<Operation*> waiting_;
};

}  // namespace example
