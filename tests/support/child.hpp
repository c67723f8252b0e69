// tests/support/child: work that may crash or hang, in a child process; and large memory that is not there.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <utility>

#include "support/catch.hpp"

namespace support {

/// What `work()` returns, an int; 127, if it throws: nothing of Catch goes on in a child.
template <class Work>
int status_of(Work work) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "in the child: %s\n", thrown.what());
  } catch (...) {  // a REQUIRE that failed
  }
  return 127;
}

/// Runs `work()`, which returns an int, in a child process, and returns that; 128 and the number of the signal that the
/// child died of, SIGALRM after `seconds`. Catch's assertions count in their own process only: what `work` finds goes
/// into the number.
template <class Work>
int in_child(unsigned seconds, Work work) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(seconds);
    ::_exit(status_of(std::move(work)));  // no destructors: they are the parent's
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// Address space without memory behind it until it is written to. With `access` PROT_NONE whoever touches it dies.
class Mapping {
 public:
  Mapping(std::size_t size, int access)
      : memory_{::mmap(nullptr, size, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)}, size_{size} {
    REQUIRE(memory_ != MAP_FAILED);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, size_); }

  [[nodiscard]] unsigned char* data() const noexcept { return static_cast<unsigned char*>(memory_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void* memory_;
  std::size_t size_;
};

/// Values, zeros at first, that children write and their parent reads.
template <class T>
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t count)
      : memory_{::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)},
        size_{count * sizeof(T)} {
    REQUIRE(memory_ != MAP_FAILED);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(memory_, size_); }

  [[nodiscard]] T& operator[](std::size_t at) const noexcept { return static_cast<T*>(memory_)[at]; }

 private:
  void* memory_;
  std::size_t size_;
};

}  // namespace support
