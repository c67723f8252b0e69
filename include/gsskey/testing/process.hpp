// gsskey/testing/process: programs that a test needs: found, run to their end, or kept for as long as the test lives.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

/// What testing/ is made of. Not for users.
namespace gsskey::inline GSSKEY_ABI::test_detail {

struct FdTraits {
  using Handle = int;
  static constexpr Handle none = -1;
  static void close(Handle fd) noexcept { ::close(fd); }
};
using Fd = UniqueHandle<FdTraits>;

/// Owns `fd`, or a copy of it out of the way of 0, 1 and 2, which every child gets replaced.
[[nodiscard]] inline Fd adopt_above_stderr(int fd) noexcept {
  Fd owner = Fd::adopt(fd);
  if (fd < 0 || fd > 2) return owner;
  return Fd::adopt(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

/// `operation` on `object` failed with errno.
[[nodiscard]] inline Error errno_error(const char* operation, std::string_view object) noexcept {
  const int failure = errno;
  return Error::system(operation, failure).with_text(object, ": ", std::string_view{std::strerror(failure)});
}

[[nodiscard]] inline Result<void> write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unexpected(Error::system("write", errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

/// A file of its own mode 0600; what was there is lost.
[[nodiscard]] inline Result<void> write_file(const std::string& path, std::string_view text) noexcept {
  const Fd file = Fd::adopt(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return unexpected(errno_error("open", path));
  return write_all(file.get(), text);
}

/// All of it, from the beginning; empty if it cannot be read.
[[nodiscard]] inline std::string read_all(int fd) {
  std::string text;
  char block[4096];
  for (;;) {
    const ssize_t count = ::pread(fd, block, sizeof block, static_cast<off_t>(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(block, static_cast<std::size_t>(count));
  }
}
[[nodiscard]] inline std::string read_file(const std::string& path) {
  const Fd file = Fd::adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? read_all(file.get()) : std::string{};
}

/// A folder of mode 0700 that goes with its owner, whatever is in it by then; in a forked child nothing happens to it.
class TempFolder {
 public:
  TempFolder() = default;
  [[nodiscard]] static Result<TempFolder> create(std::string_view prefix) {
    std::error_code failure;
    std::string path = std::filesystem::temp_directory_path(failure).string();
    if (failure) path = "/tmp";
    return create_in(path, prefix);
  }
  [[nodiscard]] static Result<TempFolder> create_in(const std::string& parent, std::string_view prefix) {
    std::string path = parent + "/" + std::string{prefix} + "XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) return unexpected(errno_error("mkdtemp", path));
    TempFolder folder;
    folder.path_ = std::move(path);
    folder.owner_ = detail::this_process();
    return folder;
  }

  TempFolder(TempFolder&& other) noexcept : path_{std::exchange(other.path_, {})}, owner_{other.owner_} {}
  TempFolder& operator=(TempFolder&& other) noexcept {
    TempFolder moved{std::move(other)};
    std::swap(path_, moved.path_);
    std::swap(owner_, moved.owner_);
    return *this;
  }
  ~TempFolder() {
    std::error_code ignored;
    if (!path_.empty() && owner_ == detail::this_process()) std::filesystem::remove_all(path_, ignored);
  }

  /// Absolute if TMPDIR is; empty when moved from.
  [[nodiscard]] const std::string& path() const noexcept GSSKEY_LIFETIMEBOUND { return path_; }
  /// Gives ownership up.
  [[nodiscard]] std::string release() noexcept { return std::exchange(path_, {}); }

 private:
  std::string path_;
  std::uint32_t owner_ = 0;
};

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
    std::string path = std::string{folder} + "/" + name;
    if (!folder.empty() && ::access(path.c_str(), X_OK) == 0) return path;
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
    stream = adopt_above_stderr(::memfd_create("gsskey", MFD_CLOEXEC));
    if (!stream) return unexpected(Error::system("memfd_create", errno));
  }
  if (auto written = write_all(streams[0].get(), input); !written) return unexpected(written.error());
  if (::lseek(streams[0].get(), 0, SEEK_SET) != 0) return unexpected(Error::system("lseek", errno));

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

  const auto arguments = c_strings(command);
  const auto variables = c_strings(environment);
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

/// A program that runs in the background and never outlives this process: a second child watches both. When this
/// process dies, by SIGKILL too, the watcher ends the program and removes the folder that nobody else is left to
/// remove. Neither inherits descriptors. (PR_SET_PDEATHSIG alone would end the program with the thread that started
/// it.)
class Daemon {
 public:
  Daemon() = default;
  /// Standard output and error are appended to the file `log`; `folder` is removed only when this process dies first.
  [[nodiscard]] static Result<Daemon> start(const std::vector<std::string>& command,
                                            const std::vector<std::string>& environment, const std::string& log,
                                            const std::string& folder) {
    const auto arguments = c_strings(command);
    const auto variables = c_strings(environment);
    const char* const cleanup[] = {"/bin/rm", "-rf", "--", folder.c_str(), nullptr};
    const Fd input = adopt_above_stderr(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const Fd output = adopt_above_stderr(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!input || !output) return unexpected(errno_error("open", input ? log : "/dev/null"));

    const pid_t owner = ::getpid();
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of this process runs in the watcher
    const pid_t pid = ::fork();
    const int failure = errno;
    if (pid == 0) {
      if (::dup2(input.get(), 0) < 0 || ::dup2(output.get(), 1) < 0 || ::dup2(output.get(), 2) < 0) ::_exit(126);
      ::closefrom(3);
      watch(owner, arguments.data(), variables.data(), const_cast<char* const*>(cleanup));
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return unexpected(Error::system("fork", failure));
    Daemon daemon;
    daemon.watcher_ = pid;
    daemon.owner_ = detail::this_process();
    return daemon;
  }

  Daemon(Daemon&& other) noexcept : watcher_{std::exchange(other.watcher_, 0)}, owner_{other.owner_} {}
  Daemon& operator=(Daemon&& other) noexcept {
    if (this != &other) {
      stop();
      watcher_ = std::exchange(other.watcher_, 0);
      owner_ = other.owner_;
    }
    return *this;
  }
  ~Daemon() { stop(); }

  /// Whether the program still runs.
  [[nodiscard]] bool running() noexcept {
    if (watcher_ == 0) return false;
    if (owner_ != detail::this_process()) return true;
    const pid_t gone = ::waitpid(watcher_, nullptr, WNOHANG);
    if (gone > 0 || (gone < 0 && errno == ECHILD)) watcher_ = 0;
    return watcher_ != 0;
  }
  /// SIGTERM, after a second SIGKILL; returns when the program is gone. Nothing in a forked child.
  void stop() noexcept {
    const pid_t watcher = std::exchange(watcher_, 0);
    if (watcher == 0 || owner_ != detail::this_process()) return;
    ::kill(watcher, SIGTERM);
    while (::waitpid(watcher, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  // The watcher, from fork to its end: only what is allowed there (no allocation, no locks), with every signal blocked.
  // SIGHUP comes with the end of each thread of `owner` that is its parent; its parent changes with the last one.
  [[noreturn]] static void watch(pid_t owner, char* const* arguments, char* const* variables,
                                 char* const* cleanup) noexcept {
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::prctl(PR_SET_PDEATHSIG, SIGHUP);
    ::setpgid(0, 0);  // Ctrl-C is for the test
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    sigset_t signals;
    ::sigemptyset(&signals);
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should the watcher itself be killed
      if (::getppid() != self) ::_exit(127);
      ::sigprocmask(SIG_SETMASK, &signals, nullptr);
      ::execve(arguments[0], arguments, variables);
      ::_exit(127);
    }
    if (child < 0) ::_exit(126);
    ::sigaddset(&signals, SIGCHLD);
    sigset_t wakes = signals;
    ::sigaddset(&wakes, SIGTERM);
    ::sigaddset(&wakes, SIGHUP);
    bool ended = false;
    bool orphaned = ::getppid() != owner;
    while (!ended && !orphaned && ::sigwaitinfo(&wakes, nullptr) != SIGTERM) {
      ended = ::waitpid(child, nullptr, WNOHANG) == child;
      orphaned = ::getppid() != owner;
    }
    if (!ended) {
      const timespec grace{1, 0};
      ::kill(child, SIGTERM);  // it was not waited for, so the number is still its own
      ::sigtimedwait(&signals, nullptr, &grace);
      if (::waitpid(child, nullptr, WNOHANG) != child) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
      }
    }
    if (orphaned) ::execve(cleanup[0], cleanup, variables);
    ::_exit(0);
  }

  pid_t watcher_ = 0;
  std::uint32_t owner_ = 0;
};

}  // namespace gsskey::inline GSSKEY_ABI::test_detail
