// examples/uring_loop: an event loop of io_uring, and the stream of a socket on it, for any coroutine type.
// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <system_error>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

namespace example {

class UringLoop {
 public:
  using Clock = std::chrono::steady_clock;  // the clock of io_uring's timeouts, CLOCK_MONOTONIC

  UringLoop() {
    if (const int code = ::io_uring_queue_init(256, &ring_, 0); code != 0) {
      throw std::system_error{-code, std::generic_category(), "io_uring_queue_init"};
    }
  }
  UringLoop(const UringLoop&) = delete;
  UringLoop& operator=(const UringLoop&) = delete;
  ~UringLoop() { ::io_uring_queue_exit(&ring_); }

  /// What a coroutine awaits: recvmsg or sendmsg of a socket. Must not be destroyed while it is awaited: the kernel has
  /// its address, and that of the bytes. The deadline ends it.
  class Operation {
   public:
    Operation(UringLoop& loop, int socket, bool sends, Clock::time_point deadline, iovec first, iovec second)
        : loop_{&loop}, socket_{socket}, sends_{sends}, deadline_{deadline}, parts_{first, second} {}
    Operation(Operation&&) = default;  // before it is awaited: some coroutine types do
    Operation& operator=(Operation&&) = delete;

    bool await_ready() const { return deadline_ <= Clock::now(); }  // also where bytes come one after the other
    bool await_suspend(std::coroutine_handle<> waiting) {
      waiting_ = waiting;
      message_.msg_iov = parts_;
      message_.msg_iovlen = 2;
      const auto limit = deadline_.time_since_epoch();
      const auto seconds = std::chrono::floor<std::chrono::seconds>(limit);
      limit_ = {seconds.count(), std::chrono::nanoseconds{limit - seconds}.count()};
      return loop_->start(*this);
    }
    [[nodiscard]] gsskey::Result<std::size_t> await_resume() const {
      if (result_ >= 0) return static_cast<std::size_t>(result_);
      const int error = result_ == -ECANCELED ? ETIMEDOUT : -result_;
      return gsskey::unexpected(gsskey::Error::transport(sends_ ? "sendmsg" : "recvmsg", error));
    }

   private:
    friend UringLoop;

    UringLoop* loop_;
    int socket_;
    bool sends_;
    Clock::time_point deadline_;
    iovec parts_[2];
    msghdr message_{};
    __kernel_timespec limit_{};
    int result_ = -ECANCELED;
    std::coroutine_handle<> waiting_;
  };

  /// An AwaitableStream, which borrows the socket. After its deadline everything is ETIMEDOUT.
  class Stream {
   public:
    Stream(UringLoop& loop, int socket, Clock::time_point deadline)
        : loop_{&loop}, socket_{socket}, deadline_{deadline} {}
    Operation async_write_some(gsskey::ByteView header, gsskey::ByteView body) {
      return {*loop_, socket_, true, deadline_, part(header), part(body)};
    }
    Operation async_read_some(void* data, std::size_t size) {
      return {*loop_, socket_, false, deadline_, {data, size}, {}};
    }

   private:
    static iovec part(gsskey::ByteView bytes) { return {const_cast<unsigned char*>(bytes.data()), bytes.size()}; }

    UringLoop* loop_;
    int socket_;
    Clock::time_point deadline_;
  };

  /// Until nobody waits.
  [[nodiscard]] gsskey::Result<void> run() {
    while (running_ != 0) {
      const int submitted = ::io_uring_submit_and_wait(&ring_, 1);
      if (submitted < 0 && submitted != -EINTR) {
        return gsskey::unexpected(gsskey::Error::system("io_uring_enter", -submitted));
      }
      io_uring_cqe* completed = nullptr;
      while (::io_uring_peek_cqe(&ring_, &completed) == 0) {
        auto* operation = static_cast<Operation*>(::io_uring_cqe_get_data(completed));
        const int result = completed->res;
        ::io_uring_cqe_seen(&ring_, completed);
        if (operation == nullptr) continue;  // its timeout
        --running_;
        operation->result_ = result;
        operation->waiting_.resume();
      }
    }
    return {};
  }

 private:
  [[nodiscard]] bool start(Operation& operation) {
    if (::io_uring_sq_space_left(&ring_) < 2) {  // the two entries must be submitted together
      const int submitted = ::io_uring_submit(&ring_);
      if (submitted < 0 || ::io_uring_sq_space_left(&ring_) < 2) {  // the kernel may take fewer than there are
        operation.result_ = submitted < 0 ? submitted : -EBUSY;
        return false;
      }
    }
    auto* entry = ::io_uring_get_sqe(&ring_);
    if (operation.sends_) {
      ::io_uring_prep_sendmsg(entry, operation.socket_, &operation.message_, MSG_NOSIGNAL);
    } else {
      ::io_uring_prep_recvmsg(entry, operation.socket_, &operation.message_, 0);
    }
    entry->flags |= IOSQE_IO_LINK;
    ::io_uring_sqe_set_data(entry, &operation);
    auto* timeout = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_link_timeout(timeout, &operation.limit_, IORING_TIMEOUT_ABS);
    ::io_uring_sqe_set_data(timeout, nullptr);
    ++running_;
    return true;
  }

  io_uring ring_{};
  std::size_t running_ = 0;
};

}  // namespace example
