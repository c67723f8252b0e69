// gsskey/testing/detail/files: files and folders that go with a test. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <gsskey/core/detail/process_mark.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/unique_handle.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI
namespace test_detail {

struct FdTraits {
  using Handle = int;
  static constexpr Handle none = -1;
  static void close(Handle fd) noexcept { ::close(fd); }
};
using Fd = UniqueHandle<FdTraits>;

/// `operation` on `object` failed with errno.
[[nodiscard]] inline Error errno_error(const char* operation, std::string_view object) noexcept {
  const int failure = errno;
  return Error::system(operation, failure).with_text(object, ": ", std::string_view{std::strerror(failure)});
}

/// Owns `fd`, which `operation` on `object` gave or errno says why not; or a copy of it out of the way of 0, 1 and 2,
/// which every child gets replaced.
[[nodiscard]] inline Result<Fd> adopt_above_stderr(const char* operation, std::string_view object, int fd) noexcept {
  if (fd < 0) return unexpected(errno_error(operation, object));
  Fd owner = Fd::adopt(fd);
  if (fd > 2) return owner;
  Fd copy = Fd::adopt(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return unexpected(errno_error("fcntl", object));
  return copy;
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
    if (path_.empty() || owner_ != detail::this_process()) return;
    const auto remove = [](const char* path, const struct ::stat*, int, struct ::FTW*) noexcept {
      ::remove(path);
      return 0;
    };
    ::nftw(path_.c_str(), remove, 8, FTW_DEPTH | FTW_PHYS);  // std::filesystem's throws when memory is short
  }

  /// Absolute if TMPDIR is; empty when moved from.
  [[nodiscard]] const std::string& path() const noexcept GSSKEY_LIFETIMEBOUND { return path_; }
  /// Gives ownership up.
  [[nodiscard]] std::string release() noexcept { return std::exchange(path_, {}); }

 private:
  std::string path_;
  std::uint32_t owner_ = 0;
};

}  // namespace test_detail
GSSKEY_END_ABI
}  // namespace gsskey
