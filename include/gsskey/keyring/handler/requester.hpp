// gsskey/keyring/handler/requester: which process asked for a key, and whether it lives in other namespaces.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/flag_set.hpp>
#include <gsskey/keyring/detail/proc_file.hpp>
#include <gsskey/keyring/detail/syscall.hpp>
#include <gsskey/keyring/proc_keys.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// A kind of namespace in which paths, process ids or user ids mean something else.
/// See: namespaces(7).
enum class Namespace : std::uint32_t {
  mount = 1,    ///< other files behind the same paths: containers, but also services with systemd's PrivateTmp
  process = 2,  ///< other process ids
  user = 4,     ///< root there is not root here
};
using Namespaces = FlagSet<Namespace>;
GSSKEY_HIDDEN inline constexpr Namespaces every_namespace{Namespace::mount, Namespace::process, Namespace::user};

/// Who asked for a key, by the numbers of the initial process id namespace; in a chain of upcalls who began it. That
/// thread waits in the kernel until its handler has ended, so the numbers are nobody else's meanwhile. Its user and
/// group are those of the KeyRequest.
struct Requester {
  pid_t thread = 0;
  pid_t process = 0;
  Namespaces elsewhere;  ///< the namespaces of that thread that are not the handler's
};

namespace keyring_detail {

/// The thread in the line of an authorisation key, "key:2af3 pid:123 ci:5". Anybody may have a key whose description
/// looks like lines of /proc/keys: of two lines with that number one is a lie, and none is believed.
[[nodiscard]] inline bool find_thread(const ProcKeys& keys, key_serial_t authorisation, pid_t& thread) noexcept {
  int lines = 0;
  pid_t found = 0;
  keys.for_each([&](const ProcKey& entry) {
    if (entry.key.serial() != authorisation) return;
    ++lines;
    detail::TextReader in{entry.text};
    std::string_view before;
    if (!in.take_field(':', before) || !in.take_field(':', before) || !before.ends_with(" pid") ||
        !detail::parse_number(take_column(in), 10, found)) {
      found = 0;
    }
  });
  if (lines != 1 || found <= 0) return false;
  thread = found;
  return true;
}

/// The process in /proc/THREAD/status, "Tgid:\t123".
[[nodiscard]] inline bool find_process(std::string_view status, pid_t& process) noexcept {
  constexpr std::string_view label = "Tgid:\t";
  detail::TextReader in{status};
  std::string_view line;
  while (in.take_line(line)) {
    if (line.starts_with(label)) return detail::parse_number(line.substr(label.size()), 10, process) && process > 0;
  }
  return false;
}

/// Which namespace of that kind a thread is in.
[[nodiscard]] inline Result<struct ::stat> namespace_of(const char* thread, const char* kind) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%s/ns/%s", thread, kind);
  struct ::stat found{};
  if (::stat(path, &found) == 0) return found;
  return unexpected(Error::system("stat", errno).with_text(path, ": ", std::strerror(errno)));
}

[[nodiscard]] inline Result<Requester> find_requester() noexcept {
  const key_serial_t authorisation = keyctl_get_keyring_ID(KEY_SPEC_REQKEY_AUTH_KEY, 0);
  if (authorisation < 0) return unexpected(failed("keyctl_get_keyring_ID"));
  const auto keys = ProcKeys::acquire();
  if (!keys) return unexpected(keys.error());
  Requester requester;
  if (!find_thread(*keys, authorisation, requester.thread)) {
    return unexpected(Error::keyring("/proc/keys", EBADMSG, authorisation));
  }
  char thread[16];
  char path[32];
  std::snprintf(thread, sizeof thread, "%ld", static_cast<long>(requester.thread));
  std::snprintf(path, sizeof path, "/proc/%s/status", thread);
  const auto status = read_proc(path);
  if (!status) return unexpected(status.error());
  if (!find_process(status->text(), requester.process))
    return unexpected(Error::system("/proc/THREAD/status", EBADMSG));
  constexpr struct {
    const char* name;
    Namespace flag;
  } kinds[] = {{"mnt", Namespace::mount}, {"pid", Namespace::process}, {"user", Namespace::user}};
  for (const auto& kind : kinds) {
    const auto there = namespace_of(thread, kind.name);
    if (!there) return unexpected(there.error());
    const auto here = namespace_of("thread-self", kind.name);
    if (!here) return unexpected(here.error());
    if (there->st_dev != here->st_dev || there->st_ino != here->st_ino) requester.elsewhere |= kind.flag;
  }
  return requester;
}

}  // namespace keyring_detail

GSSKEY_END_ABI
}  // namespace gsskey
