// gsskey/asio/detail/turns: what takes long on a loop is done by one coroutine at a time, and the loop sees to all else
// in between.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/operation.hpp>
#include <gsskey/core/config.hpp>
#include <gsskey/io/task.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// One who waits for its turn, in a list that needs no memory.
class TurnWaiter {
 public:
  TurnWaiter() noexcept = default;
  TurnWaiter(const TurnWaiter&) = delete;
  TurnWaiter& operator=(const TurnWaiter&) = delete;

 protected:
  ~TurnWaiter() = default;

 private:
  friend struct TurnState;
  virtual void wake() = 0;

  TurnWaiter* before_ = nullptr;
  TurnWaiter* after_ = nullptr;
};

/// Whose turn it is. Locked, but for the mutex itself.
struct TurnState {
  std::mutex mutex;
  bool is_taken = false;
  bool closed = false;
  TurnWaiter* first = nullptr;
  TurnWaiter* last = nullptr;

  void add(TurnWaiter& waiter) noexcept {
    waiter.before_ = last;
    (last == nullptr ? first : last->after_) = &waiter;
    last = &waiter;
  }
  void remove(TurnWaiter& waiter) noexcept {
    (waiter.before_ == nullptr ? first : waiter.before_->after_) = waiter.after_;
    (waiter.after_ == nullptr ? last : waiter.after_->before_) = waiter.before_;
  }
  /// To the next: its handler goes behind what the loop has found ready meanwhile.
  void pass() {
    TurnWaiter* const next = first;
    is_taken = next != nullptr;
    if (next == nullptr) return;
    remove(*next);
    if (!closed) next->wake();
  }
};

/// The turns of an execution context, until it begins to go.
class GSSKEY_HIDDEN Turns : public asio::execution_context::service {
 public:
  GSSKEY_HIDDEN inline static asio::execution_context::id id;
  explicit Turns(asio::execution_context& context)
      : asio::execution_context::service{context}, state_{std::make_shared<TurnState>()} {}

  [[nodiscard]] const std::shared_ptr<TurnState>& state() const noexcept { return state_; }

 private:
  void shutdown() override {
    const std::lock_guard lock{state_->mutex};
    state_->closed = true;
  }

  std::shared_ptr<TurnState> state_;
};

/// Has the turn, or waits for it, until it goes. Lives in the frame of the coroutine whose turn it is.
template <class Host>
class Turn final : private TurnWaiter {
 public:
  explicit Turn(Host& host)
      : host_{&host}, state_{asio::use_service<Turns>(asio::query(host.executor, asio::execution::context)).state()} {}
  ~Turn() {
    const std::lock_guard lock{state_->mutex};
    if (is_waiting_) state_->remove(*this);
    if (has_it_) state_->pass();
  }

  /// Takes the turn, when it comes. Throws after a cancellation.
  [[nodiscard]] Task<Nothing> take() {
    bool waits = false;
    {
      const std::lock_guard lock{state_->mutex};
      waits = std::exchange(state_->is_taken, true);
      has_it_ = !waits;
      if (waits) {
        timer_.emplace(host_->executor, std::chrono::steady_clock::time_point::max());
        state_->add(*this);
        is_waiting_ = true;
      }
    }
    if (waits) {
      auto start = [this](auto resume) {
        const std::lock_guard lock{state_->mutex};
        timer_->async_wait(std::move(resume));
      };
      auto ended = co_await awaiting<Transferred>(*host_, start);
      static_cast<void>(ended);
      if (host_->cancellation.cancelled() != asio::cancellation_type::none) {
        throw AsioSystemError{AsioErrorCode{asio::error::operation_aborted}};
      }
    }
    co_return Nothing{};
  }
  /// Gives the turn to the next.
  void pass() {
    const std::lock_guard lock{state_->mutex};
    has_it_ = false;
    state_->pass();
  }

 private:
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                           decltype(Host::executor)>;

  /// Locked. Who has not begun to wait yet then does not.
  void wake() override {
    is_waiting_ = false;
    has_it_ = true;
    timer_->expires_at(std::chrono::steady_clock::time_point::min());
  }

  Host* host_;
  std::shared_ptr<TurnState> state_;
  std::optional<Timer> timer_;
  bool is_waiting_ = false;
  bool has_it_ = false;
};

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
