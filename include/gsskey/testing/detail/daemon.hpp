// gsskey/testing/detail/daemon: a program that runs for as long as a test lives. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/files.hpp>
#include <gsskey/testing/detail/program.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

/// A program that runs in the background and never outlives this process: a second child watches both. When this
/// process dies, by SIGKILL too, the watcher ends the program and removes the folder that nobody else is left to
/// remove. Neither inherits descriptors. (PR_SET_PDEATHSIG alone would end the program with the thread that started
/// it.)
class Daemon {
 public:
  Daemon() = default;
  /// Standard output and error are appended to the file `log`; `folder` is removed only when this process dies first.
  [[nodiscard]] static Result<Daemon> start(const std::vector<std::string>& command,
                                            const std::vector<std::string>& environment, const std::string& log,
                                            const std::string& folder) {
    const auto arguments = c_strings(command);
    const auto variables = c_strings(environment);
    const char* const cleanup[] = {"/bin/rm", "-rf", "--", folder.c_str(), nullptr};
    const char* const nothing = "/dev/null";
    const auto input = adopt_above_stderr("open", nothing, ::open(nothing, O_RDONLY | O_CLOEXEC));
    if (!input) return unexpected(input.error());
    const auto output =
        adopt_above_stderr("open", log, ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!output) return unexpected(output.error());

    const pid_t owner = ::getpid();
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of this process runs in the watcher
    const pid_t pid = ::fork();
    const int failure = errno;
    if (pid == 0) {
      if (::dup2(input->get(), 0) < 0 || ::dup2(output->get(), 1) < 0 || ::dup2(output->get(), 2) < 0) ::_exit(126);
      ::closefrom(3);
      watch(owner, arguments.data(), variables.data(), const_cast<char* const*>(cleanup));
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return unexpected(Error::system("fork", failure));
    Daemon daemon;
    daemon.watcher_ = pid;
    daemon.owner_ = detail::this_process();
    return daemon;
  }

  Daemon(Daemon&& other) noexcept : watcher_{std::exchange(other.watcher_, 0)}, owner_{other.owner_} {}
  Daemon& operator=(Daemon&& other) noexcept {
    if (this != &other) {
      stop();
      watcher_ = std::exchange(other.watcher_, 0);
      owner_ = other.owner_;
    }
    return *this;
  }
  ~Daemon() { stop(); }

  /// Whether the program still runs.
  [[nodiscard]] bool running() noexcept {
    if (watcher_ == 0) return false;
    if (owner_ != detail::this_process()) return true;
    const pid_t gone = ::waitpid(watcher_, nullptr, WNOHANG);
    if (gone > 0 || (gone < 0 && errno == ECHILD)) watcher_ = 0;
    return watcher_ != 0;
  }
  /// SIGTERM, after a second SIGKILL; returns when the program is gone. Nothing in a forked child.
  void stop() noexcept {
    const pid_t watcher = std::exchange(watcher_, 0);
    if (watcher == 0 || owner_ != detail::this_process()) return;
    ::kill(watcher, SIGTERM);
    while (::waitpid(watcher, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  // The watcher, from fork to its end: only what is allowed there (no allocation, no locks), with every signal blocked.
  // SIGHUP comes with the end of each thread of `owner` that is its parent; its parent changes with the last one.
  [[noreturn]] static void watch(pid_t owner, char* const* arguments, char* const* variables,
                                 char* const* cleanup) noexcept {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    if (::prctl(PR_SET_PDEATHSIG, SIGHUP) != 0) ::_exit(126);
    ::setpgid(0, 0);  // Ctrl-C is for the test
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    sigset_t signals;
    ::sigemptyset(&signals);
    if (child == 0) {
      // Should the watcher itself be killed.
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != self) ::_exit(127);
      ::sigprocmask(SIG_SETMASK, &signals, nullptr);
      ::execve(arguments[0], arguments, variables);
      ::_exit(127);
    }
    if (child < 0) ::_exit(126);
    ::sigaddset(&signals, SIGCHLD);
    sigset_t wakes = signals;
    ::sigaddset(&wakes, SIGTERM);
    ::sigaddset(&wakes, SIGHUP);
    bool ended = false;
    bool orphaned = ::getppid() != owner;
    while (!ended && !orphaned && ::sigwaitinfo(&wakes, nullptr) != SIGTERM) {
      ended = ::waitpid(child, nullptr, WNOHANG) == child;
      orphaned = ::getppid() != owner;
    }
    if (!ended) {
      const timespec grace{1, 0};
      ::kill(child, SIGTERM);  // it was not waited for, so the number is still its own
      ::sigtimedwait(&signals, nullptr, &grace);
      if (::waitpid(child, nullptr, WNOHANG) != child) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
      }
    }
    if (orphaned) ::execve(cleanup[0], cleanup, variables);
    ::_exit(0);
  }

  pid_t watcher_ = 0;
  std::uint32_t owner_ = 0;
};

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
