// gsskey/keyring/quota: how many keys a user has and may have (/proc/key-users), and waiting for what was freed.
// SPDX-License-Identifier: MIT
#pragma once

#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/core/seconds.hpp>
#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/detail/proc_file.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// What a user's keys count, and may count.
/// Units: `bytes` are those of payloads, descriptions and links.
struct KeyQuota {
  std::uint32_t keys = 0;
  std::uint32_t max_keys = 0;
  std::uint32_t bytes = 0;
  std::uint32_t max_bytes = 0;
};

/// Finds the line of `user` in `text`, which has the form of /proc/key-users.
/// Errors: system: ENOENT, if the user has no keys; EBADMSG, for a line of another form.
/// See: proc(5), "/proc/key-users".
[[nodiscard]] inline Result<KeyQuota> parse_key_quota(std::string_view text, uid_t user) noexcept {
  using namespace keyring_detail;
  detail::TextReader in{text};
  std::string_view line;
  while (in.take_line(line)) {
    detail::TextReader columns{line};
    std::string_view id;
    std::uint32_t number = 0;
    columns.skip_all_of(" ");
    if (!columns.take_field(':', id) || !parse_id(id, number) || number != user) continue;
    static_cast<void>(take_column(columns));  // references
    static_cast<void>(take_column(columns));  // all keys / those that are instantiated
    detail::TextReader keys{take_column(columns)};
    detail::TextReader bytes{take_column(columns)};
    std::string_view used_keys;
    std::string_view used_bytes;
    KeyQuota quota;
    if (keys.take_field('/', used_keys) && bytes.take_field('/', used_bytes) &&
        parse_number(used_keys, 10, quota.keys) && parse_number(keys.rest(), 10, quota.max_keys) &&
        parse_number(used_bytes, 10, quota.bytes) && parse_number(bytes.rest(), 10, quota.max_bytes)) {
      return quota;
    }
    return unexpected(Error::system("/proc/key-users", EBADMSG));
  }
  return unexpected(Error::system("/proc/key-users", ENOENT));
}
/// Reads the line of `user` in /proc/key-users, as it is now.
/// Errors: those of parse_key_quota(); system, with errno, of open or read, or ENOMEM.
[[nodiscard]] inline Result<KeyQuota> key_quota(uid_t user) noexcept {
  auto text = keyring_detail::read_proc("/proc/key-users");
  if (!text) return unexpected(text.error());
  return parse_key_quota(text->text(), user);
}

namespace keyring_detail {

/// EDQUOT with the figures of this user, if they can be read.
[[nodiscard, gnu::cold]] inline Error with_figures(const Error& error) noexcept {
  const auto quota = key_quota(::geteuid());
  if (!quota) return error;
  char text[128];
  const int size = std::snprintf(text, sizeof text, ": %u of %u keys, %u of %u bytes", quota->keys, quota->max_keys,
                                 quota->bytes, quota->max_bytes);
  return Error{error}.with_text(error.text(), detail::view_of(text, static_cast<std::size_t>(size)));
}

}  // namespace keyring_detail

/// Calls `call()`, which returns a Result, again and again while it says EDQUOT, for at most `limit`: what was unlinked
/// counts until the kernel's collector has come by, within some tenths of a second.
/// Errors: those of `call`; EDQUOT at the end comes with the figures of the user's quota.
/// Blocks: until `call` says something else, for `limit` at most, and as long as the last `call` takes.
template <class Call>
[[nodiscard]] inline auto wait_for_quota(Seconds limit, Call call) -> decltype(call()) {
  const auto now = [] {
    ::timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
  };
  const std::int64_t end = now() + static_cast<std::int64_t>(limit.count()) * 1000;
  while (true) {
    auto result = call();
    if (result || result.error().domain() != Domain::keyring ||
        result.error().minor_status() != static_cast<std::uint32_t>(EDQUOT)) {
      return result;
    }
    if (now() >= end) return unexpected(keyring_detail::with_figures(result.error()));
    const ::timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

GSSKEY_END_ABI
}  // namespace gsskey
