// tests/support/child: work that may crash or hang, in a child process; and large memory that is not there.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <exception>

#include "support/catch.hpp"

namespace support {

/// Runs `work()`, which returns an int, in a child process, and returns that; 128 and the number of the signal that the
/// child died of, SIGALRM after `seconds`. Catch's assertions count in their own process only: what `work` finds goes
/// into the number.
template <class Work>
int in_child(unsigned seconds, Work work) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int status = 127;
    ::alarm(seconds);
    try {
      status = work();
    } catch (const std::exception& thrown) {
      std::fprintf(stderr, "in the child: %s\n", thrown.what());
    } catch (...) {  // a REQUIRE that failed: nothing of Catch goes on here
    }
    ::_exit(status);  // no destructors: they are the parent's
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

}  // namespace support
