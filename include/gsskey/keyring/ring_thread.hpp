// gsskey/keyring/ring_thread: a thread that owns a ring, and runs what works with its keys. Not in the umbrella: it
// needs -pthread.
//
// Possession, and with it nearly every right, is a matter of the calling thread. Four ways to use keys from several:
//   - Keyring::install_process() first thing in main(): threads that are started later share it; fork() drops it.
//   - a private ring in the session: Keyring::session()->create(key_type::Keyring{"mine"}): all threads, and children
//     after fork() and exec(), possess it; so do other programs of the session.
//   - permissions for the user: set_permissions(Permissions{}.possessor(all_rights).user(all_rights)): every process of
//     the user, possession or not.
//   - RingThread, below: one thread possesses the keys, everybody else asks it.
// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <gsskey/keyring/keyring.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

namespace keyring_detail {
template <class Value>
struct AsResult {
  using Type = Result<Value>;
};
template <class Value>
struct AsResult<Result<Value>> {
  using Type = Result<Value>;
};
}  // namespace keyring_detail

/// A thread with a thread ring, which dies with it, and its keys too. Move-only.
/// Blocks: at its end, until the thread has ended.
/// Threads: any number call run(); whoever moves or destroys it does so while no run() is under way.
/// Fork: a child does not have the thread; its copy's end is nothing, and run() says so. exec ends the thread.
class RingThread {
 public:
  /// Starts a thread and gives it a ring.
  /// Calls: pthread_create; keyctl_get_keyring_ID on the new thread.
  /// Errors: system (pthread_create, ENOMEM); those of Keyring::install_thread().
  [[nodiscard]] static Result<RingThread> start() noexcept;

  /// Returns the ring, which is possessed on that thread only.
  [[nodiscard]] KeyringRef ring() const noexcept { return ring_; }

  /// Calls `work()` on that thread, one at a time, in no order. Returns the value that it returned, as a Result if it
  /// is none, or throws what it threw.
  /// Errors: those of `work`; usage, on a moved-from object, on that thread itself, and in a forked child.
  /// Blocks: until `work` has returned, and what was called before it.
  /// Owner: of `work`, the caller.
  template <class Work>
  [[nodiscard]] auto run(Work&& work) const {
    using Value = std::invoke_result_t<Work&>;
    using Returned = typename keyring_detail::AsResult<Value>::Type;
    if (!state_)
      return Returned{unexpected(Error::usage("RingThread::run", "the thread is another object's: moved from"))};
    if (const char* fault = state_.get()->fault()) return Returned{unexpected(Error::usage("RingThread::run", fault))};
    Task<Value, std::remove_reference_t<Work>> task{work};
    state_.get()->perform(task);
    if constexpr (std::is_void_v<Value>) {
      return Returned{};
    } else {
      return Returned{*std::move(task.result)};
    }
  }

 private:
  struct Job {
    void (*call)(Job&) = nullptr;
    bool done = false;
    std::exception_ptr thrown;
  };

  template <class Value, class Work>
  struct Task : Job {
    explicit Task(Work& work_) noexcept : work{work_} {
      call = [](Job& job) {
        auto& task = static_cast<Task&>(job);
        if constexpr (std::is_void_v<Value>) {
          task.work();
        } else {
          task.result.emplace(task.work());
        }
      };
    }

    Work& work;
    std::optional<std::conditional_t<std::is_void_v<Value>, char, Value>> result;
  };

  struct State {
    ::pthread_t thread{};  // std::thread cannot say that it could not be started, but throws, or ends the program
    std::uint32_t process = 0;
    std::mutex mutex;
    std::condition_variable changed;
    Job* job = nullptr;
    bool ending = false;

    [[nodiscard]] const char* fault() const noexcept {
      if (process != detail::this_process()) return "a forked child does not have the thread";
      if (::pthread_equal(thread, ::pthread_self()) != 0) return "on the thread itself, which would wait for itself";
      return nullptr;
    }
    void perform(Job& job_) {
      std::unique_lock lock{mutex};
      changed.wait(lock, [&] { return job == nullptr; });
      job = &job_;
      changed.notify_all();
      changed.wait(lock, [&] { return job_.done; });
#if defined(__cpp_exceptions)
      if (job_.thrown) std::rethrow_exception(job_.thrown);
#endif
    }
    [[nodiscard]] static void* loop(void* argument) noexcept {
      State& state = *static_cast<State*>(argument);
      std::unique_lock lock{state.mutex};
      while (true) {
        state.changed.wait(lock, [&] { return state.job != nullptr || state.ending; });
        if (state.job == nullptr) return nullptr;
        Job& job = *state.job;
        lock.unlock();
#if defined(__cpp_exceptions)
        try {
          job.call(job);
        } catch (...) {
          job.thrown = std::current_exception();
        }
#else
        job.call(job);
#endif
        lock.lock();
        job.done = true;
        state.job = nullptr;
        state.changed.notify_all();
      }
    }
  };
  struct Traits {
    using Handle = State*;
    static constexpr Handle none = nullptr;
    static void close(Handle state) noexcept {
      if (state->process != detail::this_process()) return;  // its mutex may be locked for ever
      {
        const std::lock_guard lock{state->mutex};
        state->ending = true;
      }
      state->changed.notify_all();
      ::pthread_join(state->thread, nullptr);
      delete state;
    }
  };

  RingThread() noexcept = default;

  UniqueHandle<Traits> state_;
  KeyringRef ring_;
};

inline Result<RingThread> RingThread::start() noexcept {
  auto* state = new (std::nothrow) State;
  if (state == nullptr) return unexpected(Error::system("malloc", ENOMEM));
  RingThread made;
  if (const int error = ::pthread_create(&state->thread, nullptr, &State::loop, state); error != 0) {
    delete state;
    return unexpected(Error::system("pthread_create", error));
  }
  state->process = detail::this_process();
  *made.state_.put() = state;
  auto ring = made.run([] { return Keyring::install_thread(); });
  if (!ring) return unexpected(ring.error());
  made.ring_ = *ring;
  return made;
}

GSSKEY_END_ABI
}  // namespace gsskey
