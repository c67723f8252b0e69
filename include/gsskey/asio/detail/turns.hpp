// gsskey/asio/detail/turns: what takes a loop long is done one at a time, and in between the loop does all else.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/context_state.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/config.hpp>
#include <gsskey/io/task.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// A ring of those who wait, which needs no memory: one that nobody else is in stands for an empty queue.
class Ring {
 public:
  Ring() noexcept = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  [[nodiscard]] bool is_alone() const noexcept { return after_ == this; }
  [[nodiscard]] Ring& after() const noexcept { return *after_; }
  void leave() noexcept {
    before_->after_ = after_;
    after_->before_ = before_;
    before_ = after_ = this;
  }
  /// All who are in `other` come in, as the last ones, and `other` is alone.
  void take(Ring& other) noexcept {
    if (other.is_alone()) return;
    before_->after_ = other.after_;
    other.after_->before_ = before_;
    other.before_->after_ = this;
    before_ = other.before_;
    other.before_ = other.after_ = &other;
  }
  void join(Ring& queue) noexcept {
    before_ = queue.before_;
    after_ = &queue;
    before_->after_ = this;
    queue.before_ = this;
  }

 protected:
  ~Ring() = default;

 private:
  Ring* before_ = this;
  Ring* after_ = this;
};
class Queue final : public Ring {
 public:
  Queue() noexcept = default;
};

/// One who waits until its turn comes.
struct Waiter : Ring {
  virtual void wake() = 0;

  bool is_called = false;

 protected:
  Waiter() noexcept = default;
  ~Waiter() = default;
};

/// Whose turn it is, of those on an execution context. All with the lock. At most one has been called and has not come
/// yet: so the loop, which runs all that is ready before it looks at timers and sockets again, never finds two of them.
struct TurnState {
  std::mutex mutex;  // held for moments
  bool is_closed = false;
  bool has_called = false;
  Queue queue{};

  /// Who has come, or does not want any more.
  void leave(Waiter& waiter) noexcept {
    waiter.Ring::leave();
    if (std::exchange(waiter.is_called, false)) call_next();
  }
  void line_up(Waiter& waiter) noexcept {
    waiter.join(queue);
    if (!has_called) call_next();
  }
  void line_up(Ring& waiters) noexcept {
    queue.take(waiters);
    if (!has_called) call_next();
  }

 private:
  void call_next() noexcept {
    has_called = !is_closed && !queue.is_alone();
    if (!has_called) return;
    auto& next = static_cast<Waiter&>(queue.after());
    next.Ring::leave();
    next.is_called = true;
    next.wake();
  }
};

/// Waits in a fiber, in whose frame it lives.
template <class Host>
class Waiting final : public Waiter {
 public:
  explicit Waiting(Host& host)
      : host_{&host},
        timer_{host.executor, std::chrono::steady_clock::time_point::max()},
        state_{context_state<TurnState>(host.executor)} {}
  ~Waiting() {
    const std::lock_guard lock{state_->mutex};
    state_->leave(*this);
  }

  [[nodiscard]] const std::shared_ptr<TurnState>& state() const noexcept { return state_; }

  /// Until it is called, who is in a queue already, and then once around the loop: what is due by then comes first.
  /// Throws after a cancellation.
  [[nodiscard]] Task<Nothing> called() {
    bool waits = false;
    {
      const std::lock_guard lock{state_->mutex};
      waits = !is_called;
    }
    if (waits) {  // else without the timer, which the kernel would have to set
      auto until_called = [this](auto resume) {
        const std::lock_guard lock{state_->mutex};
        timer_.async_wait(std::move(resume));
      };
      auto woken = co_await awaiting<Transferred>(*host_, until_called);
      static_cast<void>(woken);
      end_if_cancelled();
    }
    auto last = co_await moved_to(*host_, host_->executor);
    static_cast<void>(last);
    end_if_cancelled();
    const std::lock_guard lock{state_->mutex};
    state_->leave(*this);
    co_return Nothing{};
  }

 private:
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                           decltype(Host::executor)>;

  void end_if_cancelled() const {
    if (host_->cancellation.cancelled() == asio::cancellation_type::none) return;
    throw AsioSystemError{AsioErrorCode{asio::error::operation_aborted}};
  }
  /// Locked. Who has not begun to wait yet then does not. A timer that is there can be set: nothing is thrown.
  void wake() override { timer_.expires_at(std::chrono::steady_clock::time_point::min()); }

  Host* host_;
  Timer timer_;
  std::shared_ptr<TurnState> state_;  // of a service that is newer than the timers', and so is shut down before
};

/// Waits until it is the fiber's turn to do what takes long, up to its next wait. Throws after a cancellation.
template <class Host>
[[nodiscard]] inline Task<Nothing> turn(Host& host) {
  Waiting<Host> waiting{host};
  {
    const std::lock_guard lock{waiting.state()->mutex};
    waiting.state()->line_up(waiting);
  }
  auto called = co_await waiting.called();
  co_return called;
}

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
