// Preloaded under valgrind 3.19, which does not know that a lock of an open file can be waited for: the thread that
// waits keeps all others from running, also the one that has the lock. libkrb5 locks its replay cache so.
// SPDX-License-Identifier: MIT
#undef _FILE_OFFSET_BITS  // libkrb5 of Debian calls fcntl, not fcntl64
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

extern "C" int fcntl(int fd, int command, ...) {
  std::va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  if (command != F_OFD_SETLKW) return static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
  while (true) {
    const long locked = ::syscall(SYS_fcntl, fd, F_OFD_SETLK, argument);
    if (locked == 0 || (errno != EAGAIN && errno != EACCES)) return static_cast<int>(locked);
    ::poll(nullptr, 0, 1);
  }
}
