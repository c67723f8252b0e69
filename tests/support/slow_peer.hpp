// tests/support/slow_peer: a process at the other end that sends byte after byte, each when the one before was taken,
// and a clock that goes on by a tenth of a second with each. One file per program includes it: it defines recv() and
// clock_gettime().
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <string>

#include "support/catch.hpp"
#include "support/socket_pair.hpp"

namespace support {

inline std::atomic<bool> time_is_played{false};
inline std::atomic<long> milliseconds_played{0};
inline std::atomic<int> was_taken{-1};  // a pipe to the peer

/// Sends `bytes` to `wire()`, and while it lives the clocks stand still but for 100 ms for each byte that is taken.
/// Then it waits until the other end is closed.
class SlowPeer {
 public:
  explicit SlowPeer(const std::string& bytes) {
    int go_on[2];
    REQUIRE(::pipe2(go_on, O_CLOEXEC) == 0);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      sockets_.close(0);
      ::close(go_on[1]);
      char mark;
      for (const char byte : bytes) {
        if (::send(sockets_.ends[1], &byte, 1, MSG_NOSIGNAL) != 1 || ::read(go_on[0], &mark, 1) != 1) break;
      }
      while (::read(sockets_.ends[1], &mark, 1) == 1) {
      }
      ::_exit(0);
    }
    sockets_.close(1);
    ::close(go_on[0]);
    was_taken = go_on[1];
    milliseconds_played = 0;
    time_is_played = true;
  }
  SlowPeer(const SlowPeer&) = delete;
  SlowPeer& operator=(const SlowPeer&) = delete;
  ~SlowPeer() {
    time_is_played = false;
    ::close(was_taken.exchange(-1));
    sockets_.close(0);
    ::waitpid(process_, nullptr, 0);
  }
  [[nodiscard]] int wire() const { return sockets_.ends[0]; }
  /// How many bytes were taken of it.
  [[nodiscard]] static long taken() { return milliseconds_played / 100; }

 private:
  SocketPair sockets_;
  ::pid_t process_ = -1;
};

}  // namespace support

extern "C" ssize_t recv(int socket, void* data, size_t size, int flags) {
  const long count = ::syscall(SYS_recvfrom, socket, data, size, flags, nullptr, nullptr);
  if (count == 1 && support::was_taken >= 0) {
    support::milliseconds_played += 100;
    static_cast<void>(!::write(support::was_taken, "!", 1));
  }
  return count;
}
extern "C" int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  if (!support::time_is_played) return result;
  out->tv_sec = 1'000'000 + support::milliseconds_played / 1000;
  out->tv_nsec = support::milliseconds_played % 1000 * 1'000'000;
  return 0;
}
