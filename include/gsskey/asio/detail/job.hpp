// gsskey/asio/detail/job: a job on a pool of threads, and its way back, which needs no memory.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <gsskey/asio/detail/asio.hpp>
#include <gsskey/asio/detail/context_state.hpp>
#include <gsskey/core/config.hpp>

namespace gsskey {
GSSKEY_BEGIN_ASIO_ABI
namespace asio_detail {

/// The door from pools to an execution context: closed when the context begins to go, so that no job comes back to what
/// is no longer there, in whatever order pool and context are destroyed.
struct HomeDoor {
  std::mutex mutex;  // of all jobs of this context: held for moments only
  bool is_closed = false;
};

/// What a job gives, as it is handed over.
template <class Job>
using JobOutcome = std::conditional_t<std::is_void_v<std::invoke_result_t<Job>>, std::monostate,
                                      std::decay_t<std::invoke_result_t<Job>>>;

/// A job that is under way, and the one who waits for it. The handler hangs at a timer of its own executor that never
/// expires: there it can be cancelled, goes when its context goes, and is woken, without memory, by the job's end.
template <class Executor, class Job, class Handler>
class PooledJob {
 public:
  using Outcome = JobOutcome<Job>;

  PooledJob(const Executor& home, Job&& job, Handler&& handler)
      : waiting_{std::in_place, home, std::chrono::steady_clock::time_point::max()},
        door_{context_state<HomeDoor>(home)},
        job_{std::move(job)},
        handler_{std::move(handler)} {}

  /// Throws, and nothing is under way; or `handler` is called with (std::exception_ptr, std::optional<Outcome>), once.
  template <class Pool>
  static void start(std::shared_ptr<PooledJob> self, const Pool& pool) {
    self->waiting_->async_wait(Arrival{self});
    self->is_waiting_ = true;
    std::exception_ptr thrown;
    try {
      asio::post(pool, Turn{self});
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock{self->door_->mutex};
    self->is_posted_ = true;
    if (self->phase_ != Phase::queued || (!thrown && !self->is_dropped_)) return;
    self->thrown_ = std::move(thrown);
    self->end();
  }

 private:
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
  enum class Phase { queued, running, ended, abandoned };

  /// What the pool calls, or destroys without a call when it is stopped.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<PooledJob> job) noexcept : job_{std::move(job)} {}
    Turn(Turn&&) noexcept = default;
    ~Turn() {
      if (job_) job_->drop();
    }
    void operator()() { std::exchange(job_, nullptr)->run(); }

   private:
    std::shared_ptr<PooledJob> job_;
  };

  /// The handler of the timer.
  class Arrival {
   public:
    using executor_type = Executor;
    using cancellation_slot_type = typename asio::associated_cancellation_slot<Handler>::type;

    explicit Arrival(std::shared_ptr<PooledJob> job) noexcept : job_{std::move(job)} {}
    Arrival(Arrival&&) noexcept = default;
    ~Arrival() {
      if (job_ && job_->is_waiting_) static_cast<void>(job_->leave());
    }
    [[nodiscard]] executor_type get_executor() const noexcept { return job_->waiting_->get_executor(); }
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
      return asio::get_associated_cancellation_slot(*job_->handler_);
    }
    void operator()(AsioErrorCode) {
      const auto job = std::exchange(job_, nullptr);
      auto last = job->leave();
      if (!job->thrown_ && !job->outcome_) {
        try {
          throw AsioSystemError{AsioErrorCode{asio::error::operation_aborted}};
        } catch (...) {
          job->thrown_ = std::current_exception();
        }
      }
      std::move (*last)(std::move(job->thrown_), std::move(job->outcome_));
    }

   private:
    std::shared_ptr<PooledJob> job_;
  };

  void run() noexcept {
    {
      const std::lock_guard lock{door_->mutex};
      if (phase_ != Phase::queued) return;
      phase_ = Phase::running;
    }
    std::optional<Outcome> outcome;
    std::exception_ptr thrown;
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Job>>) {
        (*std::move(job_))();
        outcome.emplace();
      } else {
        outcome.emplace((*std::move(job_))());
      }
    } catch (...) {
      thrown = std::current_exception();
    }
    job_.reset();
    const std::lock_guard lock{door_->mutex};
    if (phase_ != Phase::running) return;
    outcome_ = std::move(outcome);
    thrown_ = std::move(thrown);
    end();
  }
  void drop() noexcept {
    const std::lock_guard lock{door_->mutex};
    is_dropped_ = true;
    if (phase_ == Phase::queued && is_posted_) end();
  }
  /// Locked. Wakes the one who waits.
  void end() noexcept {
    phase_ = Phase::ended;
    if (!door_->is_closed) waiting_->cancel();
  }
  /// Whoever waited does so no longer. A job that has not begun goes now, and will not begin.
  [[nodiscard]] std::optional<Handler> leave() noexcept {
    std::optional<Job> unneeded;
    const std::lock_guard lock{door_->mutex};
    if (phase_ == Phase::queued) unneeded.emplace(*std::exchange(job_, std::nullopt));
    if (phase_ != Phase::ended) phase_ = Phase::abandoned;
    waiting_.reset();
    return std::exchange(handler_, std::nullopt);
  }

  std::optional<Timer> waiting_;
  std::shared_ptr<HomeDoor> door_;
  std::optional<Job> job_;
  std::optional<Handler> handler_;
  std::optional<Outcome> outcome_;
  std::exception_ptr thrown_;
  Phase phase_ = Phase::queued;
  bool is_waiting_ = false;
  bool is_posted_ = false;
  bool is_dropped_ = false;
};

/// Runs `job` on `pool`, and then `handler` on its own executor. Throws, and neither is called.
template <class Pool, class Job, class Handler>
inline void start_job(const Pool& pool, Job job, Handler handler) {
  const auto home = asio::get_associated_executor(handler, pool);
  using Pooled = PooledJob<std::remove_const_t<decltype(home)>, Job, Handler>;
  Pooled::start(std::make_shared<Pooled>(home, std::move(job), std::move(handler)), pool);
}

}  // namespace asio_detail
GSSKEY_END_ASIO_ABI
}  // namespace gsskey
