// tests/faults/played: keyctl() for libkeyutils and the headers, pipe2() and ioctl(), the kernel's own but for what is
// played. In a file of its own, so that the linker sees who calls them.
// SPDX-License-Identifier: MIT
#include "faults/played.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>

using faults::Played;

// In place of libkeyutils' weak one.
extern "C" long keyctl(int command, ...) {
  unsigned long words[4];
  std::va_list list;
  va_start(list, command);
  for (unsigned long& word : words) word = va_arg(list, unsigned long);
  va_end(list);
  long result = 0;
  if (Played::is_on && Played::takes(command, words, result)) return result;
  return ::syscall(SYS_keyctl, command, words[0], words[1], words[2], words[3]);
}

extern "C" int pipe2(int ends[2], int flags) noexcept {
  const bool is_played = Played::is_on && (flags & O_EXCL) != 0;
  const long result = ::syscall(SYS_pipe2, ends, is_played ? flags & ~O_EXCL : flags);
  if (is_played && result == 0) Played::events = ends[1];
  return static_cast<int>(result);
}

extern "C" int ioctl(int descriptor, unsigned long request, ...) noexcept {
  std::va_list list;
  va_start(list, request);
  const unsigned long word = va_arg(list, unsigned long);
  va_end(list);
  if (Played::is_on && request == _IO('W', 0x60)) return 0;
  return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, word));
}
