// gsskey/io/task: a minimal lazy coroutine and sync_wait(), for programs without an event loop of their own.
// SPDX-License-Identifier: MIT
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <semaphore>
#include <type_traits>
#include <utility>

#include <gsskey/core/error.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Runs a coroutine that starts when it is awaited, once, and gives a T. The coroutine may await any awaitable.
/// Move-only.
/// Errors: co_await throws what the coroutine threw. For a task that was moved from it gives usage where T is a Result,
///   and else calls std::terminate().
/// Threads: the coroutine that awaits the task is resumed on the thread where the task's own ended.
/// Owner: of the coroutine's frame. Destroy it only while nothing is about to resume the coroutine.
template <class T>
class [[nodiscard]] Task {
 public:
  class promise_type {
   public:
    [[nodiscard]] Task get_return_object() noexcept { return Task{Handle::from_promise(*this)}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] auto final_suspend() const noexcept { return ResumeWaiting{}; }
    template <class Value>
    void return_value(Value&& value) {
      value_.emplace(std::forward<Value>(value));
    }
    void unhandled_exception() noexcept { exception_ = std::current_exception(); }

   private:
    friend class Task;

    std::coroutine_handle<> waiting_ = std::noop_coroutine();
    std::optional<T> value_;
    std::exception_ptr exception_;
  };

  Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // What co_await calls; once per task.
  [[nodiscard]] bool await_ready() const noexcept { return !handle_; }
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
    handle_.promise().waiting_ = waiting;
    return handle_;
  }
  [[nodiscard]] T await_resume() {
    if (!handle_) {  // moved from
      if constexpr (std::is_constructible_v<T, unexpected<Error>>) {
        return T{unexpected(Error::usage("Task", "the task is empty: moved from"))};
      } else {
        std::terminate();
      }
    }
    auto& promise = handle_.promise();
    if (promise.exception_) std::rethrow_exception(std::move(promise.exception_));
    return *std::move(promise.value_);
  }

 private:
  using Handle = std::coroutine_handle<promise_type>;

  struct ResumeWaiting {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    [[nodiscard]] std::coroutine_handle<> await_suspend(Handle ended) const noexcept {
      return ended.promise().waiting_;
    }
    void await_resume() const noexcept {}
  };

  explicit Task(Handle handle) noexcept : handle_{handle} {}

  Handle handle_;
};

namespace detail {

/// The coroutine that sync_wait() hands a task to.
struct SyncWaiter {
  struct promise_type {
    [[nodiscard]] SyncWaiter get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] auto final_suspend() const noexcept {
      // Only after the coroutine is suspended: release() lets the other thread destroy it.
      struct Release {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<promise_type> done) const noexcept { done.promise().ended.release(); }
        void await_resume() const noexcept {}
      };
      return Release{};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {}

    std::binary_semaphore ended{0};
  };

  std::coroutine_handle<promise_type> handle;
};

template <class T>
[[nodiscard]] inline SyncWaiter await_for_sync(Task<T>& task) {
  // Only until the task has ended; its result is fetched by the thread that waits.
  struct Ended {
    Task<T>& task;
    [[nodiscard]] bool await_ready() const noexcept { return task.await_ready(); }
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) const noexcept {
      return task.await_suspend(waiting);
    }
    void await_resume() const noexcept {}
  };
  Ended ended{task};
  co_await ended;
}

}  // namespace detail

/// Starts `task` on this thread and returns its result.
/// Errors: throws what the coroutine throws.
/// Blocks: until the coroutine has ended, here or on another thread.
template <class T>
[[nodiscard]] inline T sync_wait(Task<T> task) {
  const auto waiter = detail::await_for_sync(task);
  waiter.handle.resume();
  waiter.handle.promise().ended.acquire();
  waiter.handle.destroy();
  return task.await_resume();
}

GSSKEY_END_ABI
}  // namespace gsskey
