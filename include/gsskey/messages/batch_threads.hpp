// gsskey/messages/batch_threads: threads that are kept, and share the work of batches.
// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// Threads for MessageBatch and MessageLanes. They are kept between calls, asleep, and serve any number of contexts,
/// one call at a time: who finds them at work does without. Signals are blocked in them. Move-only; empty after a move.
/// Threads: any number may use one at once, in batches.
/// Fork: a child has none of the threads: batches do without them there.
/// Owner: of the threads, this object, which waits for them at its end; it must outlive the batches that have it.
class BatchThreads {
 public:
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  /// Starts as many threads as work with the caller's among them, that is `count` - 1.
  /// Calls: pthread_create.
  /// Errors: usage, for a count of 0; system (ENOMEM, pthread_create).
  [[nodiscard]] static Result<BatchThreads> start(unsigned count) noexcept {
    constexpr const char* operation = "BatchThreads::start";
    if (count == 0) return unexpected(Error::usage(operation, "at least one thread is needed"));
    BatchThreads made;
    made.state_.reset(new (std::nothrow) State);
    if (!made.state_) return unexpected(Error::system(operation, ENOMEM));
    if (auto started = made.state_->start(count - 1); !started) return unexpected(std::move(started).error());
    return made;
  }
  /// Returns how many work together, the caller's thread among them; 0 after a move.
  [[nodiscard]] unsigned count() const noexcept { return state_ ? state_->count + 1 : 0; }

 private:
  friend class MessageBatch;
  /// What each of them calls: `index` is 0 on the caller's thread, and less than count().
  using Work = void (*)(void* work, unsigned index) noexcept;

  struct State;
  struct Helper {
    State* state = nullptr;
    unsigned index = 0;
    ::pthread_t thread{};  // std::thread cannot say that it could not be started, but throws, or ends the program
  };
  struct State {
    ::pthread_mutex_t caller = PTHREAD_MUTEX_INITIALIZER;  // who has it, has the helpers
    ::pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;   // of all that follows
    ::pthread_cond_t begins = PTHREAD_COND_INITIALIZER;
    ::pthread_cond_t ends = PTHREAD_COND_INITIALIZER;
    Work work = nullptr;
    void* of = nullptr;
    std::uint64_t turn = 0;
    unsigned at_work = 0;
    bool is_over = false;
    ::pid_t process = ::getpid();
    std::unique_ptr<Helper[]> helpers;
    unsigned count = 0;

    [[nodiscard]] Result<void> start(unsigned wanted) noexcept {
      helpers.reset(new (std::nothrow) Helper[wanted]);
      if (!helpers) return unexpected(Error::system("BatchThreads::start", ENOMEM));
      ::sigset_t all;
      ::sigset_t before;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
      int error = 0;
      while (error == 0 && count < wanted) {
        Helper& helper = helpers[count];
        helper.state = this;
        helper.index = count + 1;
        error = ::pthread_create(&helper.thread, nullptr, &help, &helper);
        if (error == 0) ++count;
      }
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (error != 0) return unexpected(Error::system("pthread_create", error));
      return {};
    }
    /// Calls `work` on this thread, and on those that wake up before it is done here. Returns when all are done with
    /// it.
    void run(Work what, void* of_what) noexcept {
      if (count == 0 || process != ::getpid() || ::pthread_mutex_trylock(&caller) != 0) {
        what(of_what, 0);
        return;
      }
      ::pthread_mutex_lock(&mutex);
      work = what;
      of = of_what;
      ++turn;
      ::pthread_cond_broadcast(&begins);
      ::pthread_mutex_unlock(&mutex);
      what(of_what, 0);
      ::pthread_mutex_lock(&mutex);
      work = nullptr;  // whoever wakes up now is too late
      while (at_work != 0) ::pthread_cond_wait(&ends, &mutex);
      ::pthread_mutex_unlock(&mutex);
      ::pthread_mutex_unlock(&caller);
    }
    ~State() {
      if (process != ::getpid()) return;
      ::pthread_mutex_lock(&mutex);
      is_over = true;
      ::pthread_cond_broadcast(&begins);
      ::pthread_mutex_unlock(&mutex);
      for (unsigned at = 0; at < count; ++at) ::pthread_join(helpers[at].thread, nullptr);
    }
    State() noexcept = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
  };

  BatchThreads() noexcept = default;

  [[nodiscard]] static void* help(void* helper) noexcept {
    const auto& self = *static_cast<Helper*>(helper);
    State& state = *self.state;
    std::uint64_t seen = 0;
    ::pthread_mutex_lock(&state.mutex);
    while (!state.is_over) {
      if (state.work == nullptr || state.turn == seen) {
        ::pthread_cond_wait(&state.begins, &state.mutex);
        continue;
      }
      seen = state.turn;
      ++state.at_work;
      const Work work = state.work;
      void* const of = state.of;
      ::pthread_mutex_unlock(&state.mutex);
      work(of, self.index);
      ::pthread_mutex_lock(&state.mutex);
      if (--state.at_work == 0) ::pthread_cond_signal(&state.ends);
    }
    ::pthread_mutex_unlock(&state.mutex);
    return nullptr;
  }

  std::unique_ptr<State> state_;
};

GSSKEY_END_GSS_ABI
}  // namespace gsskey
