// tests/support/loop: what a host brings: an event loop in one thread, pipes for tokens, threads to offload to.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/error.hpp>

#include <cerrno>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>
#include <utility>
#include <vector>

namespace support {

/// What is ready to go on. Other threads may post.
class Loop {
 public:
  void post(std::coroutine_handle<> ready) {
    const std::lock_guard lock{mutex_};
    ready_.push_back(ready);
    posted_.notify_one();
  }
  /// Resumes one, if there is one.
  bool run_one() {
    std::unique_lock lock{mutex_};
    if (ready_.empty()) return false;
    resume_next(lock);
    return true;
  }
  /// Resumes one, when there is one.
  void wait_one() {
    std::unique_lock lock{mutex_};
    posted_.wait(lock, [this] { return !ready_.empty(); });
    resume_next(lock);
  }

 private:
  void resume_next(std::unique_lock<std::mutex>& lock) {
    const auto next = ready_.front();
    ready_.pop_front();
    lock.unlock();
    next.resume();
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::coroutine_handle<>> ready_;
};

/// One direction of a connection: the tokens that wait, or the one who waits for them.
struct Pipe {
  Loop& loop;
  std::deque<gsskey::SecretBytes> tokens{};
  std::coroutine_handle<> waiting{};
  bool closed = false;

  void push(gsskey::ByteView token) {
    tokens.push_back(std::move(*gsskey::SecretBytes::copy_of(token)));
    wake();
  }
  void close() {
    closed = true;
    wake();
  }
  void wake() {
    if (waiting) loop.post(std::exchange(waiting, nullptr));
  }
};

/// An AwaitableTransport over two pipes. Both calls suspend, as those of a socket do.
struct PipeEnd {
  Pipe& in;
  Pipe& out;

  struct Sending {
    Pipe& pipe;
    gsskey::ByteView token;
    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { pipe.loop.post(waiting); }
    gsskey::Result<void> await_resume() const {
      if (pipe.closed) return gsskey::unexpected(gsskey::Error::transport("send", EPIPE));
      pipe.push(token);
      return {};
    }
  };
  struct Receiving {
    Pipe& pipe;
    std::size_t max_size;
    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      pipe.waiting = waiting;
      if (!pipe.tokens.empty() || pipe.closed) pipe.wake();
    }
    gsskey::Result<gsskey::SecretBytes> await_resume() const {
      if (pipe.tokens.empty()) return gsskey::unexpected(gsskey::Error::transport("receive", ECONNRESET));
      auto token = std::move(pipe.tokens.front());
      pipe.tokens.pop_front();
      if (token.size() > max_size) return gsskey::unexpected(gsskey::Error::transport("receive", EMSGSIZE));
      return token;
    }
  };
  Sending async_send(gsskey::ByteView token) { return {out, token}; }
  Receiving async_receive(std::size_t max_size) { return {in, max_size}; }
};

/// Runs each job on a thread of its own, which waits for `gate` first if there is one.
class Threads {
 public:
  explicit Threads(Loop& loop, std::binary_semaphore* gate = nullptr) : loop_{&loop}, gate_{gate} {}
  ~Threads() { join(); }
  Threads(const Threads&) = delete;

  void join() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  template <class Job>
  struct Running {
    struct Shared {
      Job job;
      std::optional<std::invoke_result_t<Job>> outcome{};
    };
    Threads& threads;
    std::shared_ptr<Shared> shared;

    [[nodiscard]] bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      // Owns what it works on: the one who waits may be gone before it ends.
      threads.threads_.emplace_back([owned = shared, loop = threads.loop_, gate = threads.gate_, waiting]() mutable {
        if (gate != nullptr) gate->acquire();
        owned->outcome.emplace(owned->job());
        owned.reset();
        loop->post(waiting);
      });
    }
    std::invoke_result_t<Job> await_resume() const { return std::move(*shared->outcome); }
  };
  template <class Job>
  Running<Job> run(Job job) {
    return {*this, std::make_shared<typename Running<Job>::Shared>(std::move(job))};
  }

 private:
  Loop* loop_;
  std::binary_semaphore* gate_;
  std::vector<std::thread> threads_;
};

/// The offload of drive() to `threads`.
class OffloadTo {
 public:
  explicit OffloadTo(Threads& threads) : threads_{&threads} {}
  template <class Job>
  auto operator()(Job job) const {
    return threads_->run(std::move(job));
  }

 private:
  Threads* threads_;
};

}  // namespace support
