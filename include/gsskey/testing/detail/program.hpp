// gsskey/testing/detail/program: programs that a test needs, found and run to their end. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <gsskey/core/error.hpp>
#include <gsskey/testing/detail/files.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

/// $PATH, then where Debian keeps what only root usually runs.
[[nodiscard]] inline std::string program_folders() {
  const char* path = std::getenv("PATH");
  return std::string{path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin"} + ":/usr/local/sbin:/usr/sbin:/sbin";
}

/// The path of `name`, a literal. ENOENT names the Debian package that has it.
[[nodiscard]] inline Result<std::string> find_program(const char* name, const char* package, std::string_view folders) {
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(folder.size() == folders.size() ? folder.size() : folder.size() + 1);
    if (folder.empty()) continue;
    std::string path = std::string{folder} + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {  // it may be there: of ENOMEM, for one
      return unexpected(Error::system("access", errno));
    }
  }
  return unexpected(Error::system(name, ENOENT)
                        .with_text(name, " is not installed; Debian and Ubuntu have it in the package ", package));
}

/// `name`, a literal, ended badly: EIO, and the last of its words.
[[nodiscard]] inline Error program_error(const char* name, std::string_view how, std::string_view words) {
  constexpr std::size_t most = 600;
  if (words.size() > most) words.remove_prefix(words.size() - most);
  while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.remove_suffix(1);
  return Error::system(name, EIO).with_text(name, " ", how, words.empty() ? "" : ": ", words);
}

/// argv or envp; valid as long as `strings` is.
[[nodiscard]] inline std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

struct ProgramOutput {
  std::string output;
  std::string errors;
};

/// Runs `command` (a path and its arguments; no shell) to its end with `input` on stdin. An exit status other than 0 is
/// a program_error with what it wrote to stderr. `name` must be a literal.
[[nodiscard]] inline Result<ProgramOutput> run(const char* name, const std::vector<std::string>& command,
                                               const std::vector<std::string>& environment,
                                               std::string_view input = {}) {
  Fd streams[3];  // files in memory: no pipe that fills up while the other end waits
  for (Fd& stream : streams) {
    auto file = adopt_above_stderr("memfd_create", name, ::memfd_create("gsskey", MFD_CLOEXEC));
    if (!file) return unexpected(file.error());
    stream = *std::move(file);
  }
  if (auto written = write_all(streams[0].get(), input); !written) return unexpected(written.error());
  if (::lseek(streams[0].get(), 0, SEEK_SET) != 0) return unexpected(Error::system("lseek", errno));

  const auto arguments = c_strings(command);  // may throw: while there is nothing yet to free
  const auto variables = c_strings(environment);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  posix_spawnattr_t attributes;
  if (const int failure = ::posix_spawnattr_init(&attributes); failure != 0) {
    return unexpected(Error::system("posix_spawnattr_init", failure));
  }
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t actions;
  const char* operation = "posix_spawn_file_actions_init";
  int failure = ::posix_spawn_file_actions_init(&actions);
  const bool has_actions = failure == 0;
  for (int fd = 0; fd < 3 && failure == 0; ++fd) {  // without them the child would have this process's streams
    operation = "posix_spawn_file_actions_adddup2";
    failure = ::posix_spawn_file_actions_adddup2(&actions, streams[fd].get(), fd);
  }
  if (failure == 0) {
    operation = "posix_spawn_file_actions_addclosefrom_np";
    failure = ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  }

  pid_t child = 0;
  if (failure == 0) {
    operation = "posix_spawn";
    failure = ::posix_spawn(&child, arguments[0], &actions, &attributes, arguments.data(), variables.data());
  }
  if (has_actions) ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  errno = failure;
  if (failure != 0) return unexpected(errno_error(operation, command[0]));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return unexpected(Error::system("waitpid", errno));
  }
  ProgramOutput result{read_all(streams[1].get()), read_all(streams[2].get())};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return result;
  const std::string how = WIFEXITED(status) ? "ended with status " + std::to_string(WEXITSTATUS(status))
                                            : "was ended by signal " + std::to_string(WTERMSIG(status));
  return unexpected(program_error(name, how, result.errors));
}

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
