// examples/own_task: drive() in a coroutine type and an event loop of one's own, without Asio: several clients of
// examples/co_echo_server at once in one thread.
//
//   own_task HOST PORT SERVICE MESSAGE...      one connection per message
//
// SPDX-License-Identifier: MIT
#include <cerrno>
#include <coroutine>
#include <exception>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <gsskey/gss.hpp>
#include <gsskey/io/co_drive.hpp>

#include "poll_loop.hpp"
#include "print.hpp"
#include "socket.hpp"

using namespace gsskey;

namespace {

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

Job<Result<void>> talk(example::Loop& loop, const char* host, const char* port, const char* service,
                       std::string_view message) {
  auto socket = example::connect_to(host, port);
  if (!socket) co_return Result<void>{unexpected(socket.error())};
  static_cast<void>(::fcntl(socket->get(), F_SETFL, O_NONBLOCK));
  auto target = Name::host_service(service, host);
  if (!target) co_return Result<void>{unexpected(target.error())};

  example::PollWire<Job> wire{loop, socket->get()};
  // Steps run in this thread: good enough where tickets are there already. Otherwise give drive() an offload.
  Initiator<mech::Krb5> initiator{*std::move(target)};
  auto context = co_await drive<Job>(std::move(initiator), wire);
  if (!context) co_return Result<void>{unexpected(context.error())};

  auto sealed = context->wrap(message);
  if (!sealed) co_return Result<void>{unexpected(sealed.error())};
  auto sent = co_await wire.async_send(*sealed);
  if (!sent) co_return Result<void>{unexpected(sent.error())};
  auto token = co_await wire.async_receive(16384);
  if (!token) co_return Result<void>{unexpected(token.error())};
  auto answer = context->unwrap(*token);
  if (!answer) co_return Result<void>{unexpected(answer.error())};
  std::cout << "echo " << example::quoted(answer->text()) << '\n';
  co_return Result<void>{};
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 5) {
    std::cerr << "usage: own_task HOST PORT SERVICE MESSAGE...\n";
    return 2;
  }
  example::Loop loop;
  std::vector<Job<Result<void>>> jobs;
  for (int at = 4; at < argc; ++at) jobs.push_back(talk(loop, argv[1], argv[2], argv[3], argv[at]));
  loop.run();
  int status = 0;
  for (const auto& job : jobs) {
    const auto talked = job.await_ready() ? job.await_resume() : unexpected(Error::system("poll", errno));
    if (talked) continue;
    std::cerr << "own_task: " << example::in_words(talked.error()) << '\n';
    status = 1;
  }
  return status;
} catch (const std::exception& failure) {  // memory is short
  std::cerr << "own_task: " << failure.what() << '\n';
  return 1;
}
