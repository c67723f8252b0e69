// tests/support/system_calls: which system calls that may wait a piece of work makes, and on what: seen by a tracer.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"

namespace support {

/// How often each call was made on a file, by its path, or on "a peer".
using SystemCalls = std::map<std::string, std::map<std::string, int>>;

namespace system_calls {

constexpr int begin = -1000;  // closed, which does nothing but tell the tracer
constexpr int end = -1001;

inline std::string text_at(::pid_t pid, std::uint64_t address) {
  std::string text;
  for (char letter = 1; text.size() < PATH_MAX; text.push_back(letter), ++address) {
    ::iovec here{&letter, 1};
    ::iovec there{reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)), 1};
    if (::process_vm_readv(pid, &here, 1, &there, 1, 0) != 1 || letter == '\0') break;
  }
  return text;
}

inline std::string file_of(::pid_t pid, std::uint64_t descriptor) {
  const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(descriptor);
  char path[PATH_MAX];
  const ::ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  const std::string file{path, size < 0 ? 0 : static_cast<std::size_t>(size)};
  return file.starts_with("socket:") ? "a peer" : file;
}

/// F_SETLKW and F_OFD_SETLKW wait, but not to unlock.
inline bool waits_for_lock(::pid_t pid, const std::uint64_t* arguments) {
  if (arguments[1] != F_SETLKW && arguments[1] != F_OFD_SETLKW) return false;
  struct ::flock lock{};
  ::iovec here{&lock, sizeof lock};
  ::iovec there{reinterpret_cast<void*>(static_cast<std::uintptr_t>(arguments[2])), sizeof lock};
  return ::process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof lock || lock.l_type != F_UNLCK;
}

/// What is not known here may wait, and has its number for a name.
inline void count(::pid_t pid, std::uint64_t number, const std::uint64_t* arguments, SystemCalls& calls) {
  const auto by_path = [&](const char* name, int argument) {
    const std::string path = text_at(pid, arguments[argument]);
    if (!path.empty()) ++calls[path][name];  // an empty one is a file that is open, whose data the kernel has
  };
  const auto by_file = [&](const char* name) { ++calls[file_of(pid, arguments[0])][name]; };
  const auto by_peer = [&](const char* name) { ++calls["a peer"][name]; };
  switch (number) {
#ifdef SYS_open
    case SYS_open:
      return by_path("open", 0);
    case SYS_access:
      return by_path("access", 0);
    case SYS_stat:
      return by_path("stat", 0);
    case SYS_lstat:
      return by_path("stat", 0);
    case SYS_readlink:
      return by_path("readlink", 0);
    case SYS_mkdir:
      return by_path("mkdir", 0);
    case SYS_rename:
      return by_path("rename", 0);
    case SYS_unlink:
      return by_path("unlink", 0);
    case SYS_poll:
      return by_peer("poll");
    case SYS_select:
      return by_peer("poll");
#endif
    case SYS_openat:
      return by_path("open", 1);
    case SYS_faccessat:
      return by_path("access", 1);
    case SYS_newfstatat:
      return by_path("stat", 1);
    case SYS_statx:
      return by_path("stat", 1);
    case SYS_readlinkat:
      return by_path("readlink", 1);
    case SYS_read:
      return by_file("read");
    case SYS_pread64:
      return by_file("read");
    case SYS_readv:
      return by_file("read");
    case SYS_getdents64:
      return by_file("read");
    case SYS_write:
      return by_file("write");
    case SYS_pwrite64:
      return by_file("write");
    case SYS_writev:
      return by_file("write");
    case SYS_ftruncate:
      return by_file("truncate");
    case SYS_fsync:
      return by_file("sync");
    case SYS_fdatasync:
      return by_file("sync");
    case SYS_flock:
      return by_file("lock");
    case SYS_fcntl:
      if (waits_for_lock(pid, arguments)) by_file("lock");
      return;
    case SYS_socket:
      return by_peer("socket");
    case SYS_connect:
      return by_peer("connect");
    case SYS_sendto:
      return by_peer("send");
    case SYS_sendmsg:
      return by_peer("send");
    case SYS_sendmmsg:
      return by_peer("send");
    case SYS_recvfrom:
      return by_peer("recv");
    case SYS_recvmsg:
      return by_peer("recv");
    case SYS_ppoll:
      return by_peer("poll");
    case SYS_pselect6:
      return by_peer("poll");
    // These do not wait.
    case SYS_bind:
    case SYS_brk:
    case SYS_clock_gettime:
    case SYS_close:
    case SYS_dup:
    case SYS_fstat:
    case SYS_getegid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getpid:
    case SYS_getrandom:
    case SYS_getsockname:
    case SYS_getsockopt:
    case SYS_gettid:
    case SYS_gettimeofday:
    case SYS_getuid:
    case SYS_ioctl:
    case SYS_lseek:
    case SYS_madvise:
    case SYS_mmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_munmap:
    case SYS_rt_sigprocmask:
    case SYS_setsockopt:
    case SYS_shutdown:
      return;
    case SYS_futex:
      if ((static_cast<int>(arguments[1]) & FUTEX_CMD_MASK) != FUTEX_WAKE) ++calls["memory"]["futex"];
      return;
    default:
      ++calls["?"]["system call " + std::to_string(number)];
  }
}

}  // namespace system_calls

/// While it lives, what this thread calls is counted: in the work that is given to calls_of().
class Counted {
 public:
  Counted() noexcept { ::close(system_calls::begin); }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { ::close(system_calls::end); }
};

/// Runs `work()`, a bool, in a child, and returns what it called while there was a Counted, for each that there was.
/// nullopt: this machine has no ptrace().
template <class Work>
std::optional<std::vector<SystemCalls>> calls_of(Work work) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(78);
    ::raise(SIGSTOP);
    ::_exit(status_of([&] { return work() ? 0 : 1; }));  // no destructors: they are the parent's
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 78) return std::nullopt;
  REQUIRE(::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
  std::vector<SystemCalls> all;
  bool is_counted = false;
  for (long signal = 0; !WIFEXITED(status) && !WIFSIGNALED(status);) {
    REQUIRE(::ptrace(PTRACE_SYSCALL, child, nullptr, signal) == 0);
    REQUIRE(::waitpid(child, &status, 0) == child);
    signal = 0;
    if (!WIFSTOPPED(status)) continue;
    if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
      signal = WSTOPSIG(status);
      continue;
    }
    struct ::__ptrace_syscall_info call{};
    REQUIRE(::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof call, &call) > 0);
    if (call.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    const auto descriptor = static_cast<int>(call.entry.args[0]);
    if (call.entry.nr == SYS_close && descriptor == system_calls::begin) {
      is_counted = true;
      all.emplace_back();
    } else if (call.entry.nr == SYS_close && descriptor == system_calls::end) {
      is_counted = false;
    } else if (is_counted) {
      system_calls::count(child, call.entry.nr, call.entry.args, all.back());
    }
  }
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return all;
}

}  // namespace support
