// examples/job: a coroutine type of one's own, and in it one connection for each message, over a Loop of one's own.
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/core/error.hpp>

#include "print.hpp"
#include "socket.hpp"
#include "talk.hpp"

namespace example {

/// A coroutine that starts at once; who awaits it goes on when it has ended. All that drive() asks of its host.
template <class T>
class Job {
 public:
  struct promise_type {
    std::optional<T> value;
    std::exception_ptr thrown;
    std::coroutine_handle<> waiting = std::noop_coroutine();

    Job get_return_object() { return Job{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct Resume {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
          return ended.promise().waiting;
        }
        void await_resume() const noexcept {}
      };
      return Resume{};
    }
    void return_value(T result) { value.emplace(std::move(result)); }
    void unhandled_exception() noexcept { thrown = std::current_exception(); }
  };

  Job(Job&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
  ~Job() {
    if (handle_) handle_.destroy();
  }
  bool await_ready() const noexcept { return handle_.done(); }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { handle_.promise().waiting = waiting; }
  [[nodiscard]] T await_resume() const {
    if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
    return *std::move(handle_.promise().value);
  }

 private:
  explicit Job(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

  std::coroutine_handle<promise_type> handle_;
};

template <class Loop>
Job<gsskey::Result<void>> connection(Loop& loop, const Talks& talks, std::string_view message) {
  const auto deadline = std::chrono::steady_clock::now() + talks.limit;
  auto socket = connect_to(talks.host, talks.port);
  if (!socket) co_return gsskey::Result<void>{gsskey::unexpected(socket.error())};
  typename Loop::Stream stream{loop, socket->get(), deadline};
  auto talked = co_await talk<Job>(stream, talks.service, talks.host, message);
  co_return talked;
}

/// Ends the program while jobs wait. Their destructors are not for that: the kernel may have addresses within them.
[[noreturn]] inline void end_at_once(const char* program, std::string_view why) {
  std::cerr << program << ": " << why << std::endl;
  std::_Exit(1);
}

/// All connections at once, in this thread: the program's status.
template <class Loop>
int talk_all(const char* program, int argc, char** argv) try {
  const auto talks = Talks::of(program, argc, argv);
  Loop loop;
  std::vector<Job<gsskey::Result<void>>> jobs;
  try {
    for (const auto message : talks.messages) jobs.push_back(connection(loop, talks, message));
  } catch (const std::exception& failure) {  // memory is short, and some have begun
    end_at_once(program, failure.what());
  }
  if (auto ended = loop.run(); !ended) end_at_once(program, in_words(ended.error()));
  std::vector<gsskey::Result<void>> talked;
  for (const auto& job : jobs) talked.push_back(job.await_resume());
  return status_of(program, talked);
} catch (const std::exception& failure) {  // memory is short
  std::cerr << program << ": " << failure.what() << '\n';
  return 1;
}

}  // namespace example
