// tests/faults/played: keyctl() for libkeyutils and the headers, the kernel's own but for what is played. In a file of
// its own, so that the linker sees who calls it.
// SPDX-License-Identifier: MIT
#include "faults/played.hpp"

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
