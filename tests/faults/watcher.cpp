// tests/faults/watcher: a program in the background, each call of what watches it failing once: nothing is left of
// either, whoever of the two, or of those they watch, ends first.
// SPDX-License-Identifier: MIT
#include <gsskey/testing/detail/daemon.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "faults/faults.hpp"
#include "support/eventually.hpp"

using namespace gsskey;
using faults::again;
using faults::check;
using test_detail::Daemon;
using test_detail::TempFolder;

namespace {

/// Who is left without a parent becomes a child of this process. Returns when all have ended.
void wait_for_all() {
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}

Result<Daemon> start(const char* script, const TempFolder& folder) {
  return Daemon::start({"/bin/sh", "-c", script}, {"PATH=/bin:/usr/bin"}, folder.path() + "/log", folder.path());
}

/// The owner of the program ends, and does not clean up.
void orphaned() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::string path;
  {
    const auto folder = again([] { return TempFolder::create("gsskey-faults-"); });
    path = folder.path();
    const ::pid_t owner = ::fork();
    if (owner == 0) {
      auto started = start("exec sleep 100", folder);
      ::_exit(started ? 0 : 1);
    }
    wait_for_all();
    check(faults::failed() || ::access(path.c_str(), F_OK) != 0, "the folder of a process that ended is left");
  }
  check(faults::failed("nftw") || faults::failed("remove") || ::access(path.c_str(), F_OK) != 0, "a folder is left");
}

/// The program does not end when it is told to.
void stubborn() {
  const auto folder = again([] { return TempFolder::create("gsskey-faults-"); });
  {
    auto daemon = again([&] { return start("trap '' TERM; echo ready; exec sleep 100", folder); });
    check(daemon.running() || faults::failed(), "the program runs");
    const std::string log = folder.path() + "/log";
    support::eventually([&] { return !daemon.running() || !test_detail::read_file(log).empty(); });
  }
  wait_for_all();
}

/// Descriptors 0 to 2 are free, and must not become those of a child.
void without_streams() {
  const ::pid_t child = ::fork();
  if (child == 0) {
    for (const int fd : {0, 2}) ::close(fd);
    const auto output = again([] { return test_detail::run("sh", {"/bin/sh", "-c", "cat; echo no >&2"}, {}, "yes"); });
    ::_exit(output.output == "yes" && output.errors == "no\n" ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const bool is_unread = faults::failed("pread");  // then it is empty
  check(is_unread || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "a program that is run without streams");
}

void watcher() {
  orphaned();
  stubborn();
  without_streams();
}

const faults::Register registered{"watcher", &watcher};

}  // namespace
