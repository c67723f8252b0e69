// gsskey/keyring/detail/upcall_deadline: ends a handler of request_key() that takes too long.
// SPDX-License-Identifier: MIT
#pragma once

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <limits>

#include <gsskey/core/error.hpp>
#include <gsskey/keyring/timeout.hpp>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace keyring_detail {

/// While it lives, a clock runs. When the time is over `passed(context)` is called on the thread that started it, in a
/// signal handler (SIGRTMAX), and should not return; a second later the kernel kills the process (SIGKILL), whatever it
/// does by then, with which signals blocked. Timers of their own: alarm() and its like stay the handler's. Neither
/// fork() nor exec take them along. One at a time.
class UpcallDeadline {
 public:
  using Passed = void (*)(void* context) noexcept;

  UpcallDeadline(Timeout timeout, Passed passed, void* context) noexcept : is_wanted_{!timeout.is_none()} {
    if (!is_wanted_) return;
    passed_ = passed;
    context_ = context;
    struct ::sigaction action{};
    action.sa_handler = [](int) { passed_(context_); };
    ::sigfillset(&action.sa_mask);
    sigset_t signal;
    ::sigemptyset(&signal);
    ::sigaddset(&signal, SIGRTMAX);
    if (::sigaction(SIGRTMAX, &action, &action_before_) != 0) return;
    has_action_ = true;
    if (::pthread_sigmask(SIG_UNBLOCK, &signal, nullptr) == 0 && start(SIGRTMAX, timeout.count(), timers_[0])) {
      count_ = start(SIGKILL, std::int64_t{timeout.count()} + 1, timers_[1]) ? 2 : 1;
    }
  }
  UpcallDeadline(const UpcallDeadline&) = delete;
  UpcallDeadline& operator=(const UpcallDeadline&) = delete;
  ~UpcallDeadline() {
    for (int number = 0; number < count_; ++number) ::timer_delete(timers_[number]);
    if (has_action_) ::sigaction(SIGRTMAX, &action_before_, nullptr);
  }

  /// Whether a clock runs that was asked for.
  [[nodiscard]] bool is_good() const noexcept { return !is_wanted_ || count_ == 2; }

 private:
  [[nodiscard]] static bool start(int signal, std::int64_t seconds, ::timer_t& timer) noexcept {
    ::sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;  // the thread that has the authority
    event.sigev_notify_thread_id = ::gettid();
    event.sigev_signo = signal;
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return false;
    ::itimerspec when{};
    constexpr std::int64_t longest = std::numeric_limits<::time_t>::max();  // 68 years, where it has 32 bits
    when.it_value.tv_sec = static_cast<::time_t>(seconds < longest ? seconds : longest);
    if (::timer_settime(timer, 0, &when, nullptr) == 0) return true;
    ::timer_delete(timer);
    return false;
  }

  GSSKEY_HIDDEN static inline Passed passed_ = nullptr;
  GSSKEY_HIDDEN static inline void* context_ = nullptr;

  ::timer_t timers_[2]{};
  int count_ = 0;
  bool is_wanted_;
  bool has_action_ = false;
  struct ::sigaction action_before_{};
};

}  // namespace keyring_detail
GSSKEY_END_ABI
}  // namespace gsskey
