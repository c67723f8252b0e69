// gsskey/keyring/proc: /proc/keys, the keys that this process may view, and /proc/key-users, the quotas.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include <gsskey/keyring/keyring.hpp>

namespace gsskey::inline GSSKEY_ABI {

namespace keyring_detail {

/// A file of /proc, whose size nobody knows before. Errors: system.
[[nodiscard]] inline Result<SecretBytes> read_proc(const char* path) noexcept {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return unexpected(Error::system("open", errno).with_text(path, ": ", std::strerror(errno)));
  auto text = SecretBytes::with_size(4096);
  std::size_t size = 0;
  while (text) {
    const ::ssize_t count = ::read(file, text->data() + size, text->size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      text = unexpected(Error::system("read", errno));
      break;
    }
    if (count == 0) {
      if (auto cut = text->resize(size); !cut) text = unexpected(cut.error());
      break;
    }
    size += static_cast<std::size_t>(count);
    if (size < text->size()) continue;
    if (auto grown = text->resize(2 * size); !grown) text = unexpected(grown.error());
  }
  ::close(file);
  return text;
}

/// The next word of a line whose columns are padded with spaces.
[[nodiscard]] inline std::string_view take_column(std::string_view& line) noexcept {
  while (line.starts_with(' ')) line.remove_prefix(1);
  const std::size_t size = line.find(' ') == std::string_view::npos ? line.size() : line.find(' ');
  const std::string_view word = line.substr(0, size);
  line.remove_prefix(size);
  return word;
}

}  // namespace keyring_detail

/// One line of /proc/keys. Views into it.
struct ProcKey {
  AnyKeyRef key;
  std::string_view
      flags;  ///< "IRDQUNi": instantiated, revoked, dead, in quota, under construction, negative, invalidated
  std::uint32_t usage = 0;   ///< references in the kernel
  std::string_view timeout;  ///< "perm", "expd", or what is left: "23s", "5m", "2h", "3d", "1w"
  Permissions permissions;
  uid_t user = 0;
  gid_t group = 0;
  std::string_view type;  ///< cut at nine characters
  std::string_view text;  ///< what the type tells: most often the description, ": " and the size
};

/// The keys that this process may view, as they were when they were read. A description may hold line feeds, and its
/// owner may write into it what looks like a line of another key: good for people, not for decisions.
class ProcKeys {
 public:
  /// /proc/keys. Errors: system.
  [[nodiscard]] static Result<ProcKeys> read() noexcept {
    auto text = keyring_detail::read_proc("/proc/keys");
    if (!text) return unexpected(text.error());
    return ProcKeys{*std::move(text)};
  }
  explicit ProcKeys(SecretBytes text) noexcept : text_{std::move(text)} {}

  /// Calls `visit(const ProcKey&)` for each.
  template <class Visit>
  void for_each(Visit visit) const {
    std::string_view rest = text_.text();
    ProcKey entry;
    while (take_line(rest, entry)) visit(static_cast<const ProcKey&>(entry));
  }
  /// The line of one key.
  [[nodiscard]] Result<ProcKey> find(const KeyHandle auto& key) const noexcept {
    std::string_view rest = text_.text();
    ProcKey entry;
    while (take_line(rest, entry)) {
      if (entry.key.serial() == key.serial()) return entry;
    }
    return unexpected(Error::keyring("/proc/keys", ENOKEY, key.serial()));
  }

 private:
  [[nodiscard]] static bool parse(std::string_view line, ProcKey& entry) noexcept {
    using namespace keyring_detail;
    std::uint32_t serial = 0;
    std::uint32_t bits = 0;
    if (line.size() < 9 || line[8] != ' ' || !parse_number(line.substr(0, 8), 16, serial)) return false;
    line.remove_prefix(9);
    entry.flags = take_column(line);
    if (entry.flags.size() != 7 || !parse_number(take_column(line), 10, entry.usage)) return false;
    entry.timeout = take_column(line);
    if (!parse_number(take_column(line), 16, bits) || !parse_id(take_column(line), entry.user) ||
        !parse_id(take_column(line), entry.group) || line.size() < 11) {
      return false;
    }
    line.remove_prefix(1);
    entry.key = AnyKeyRef::from_serial(static_cast<key_serial_t>(serial));
    entry.permissions = Permissions::from_bits(bits);
    std::string_view type = line.substr(0, 9);
    while (type.ends_with(' ')) type.remove_suffix(1);
    entry.type = type;
    entry.text = line.substr(10);
    return true;
  }
  // What does not look like a key belongs to the description before.
  [[nodiscard]] static bool take_line(std::string_view& rest, ProcKey& entry) noexcept {
    while (!rest.empty()) {
      std::size_t size = rest.find('\n') == std::string_view::npos ? rest.size() : rest.find('\n');
      const bool is_key = parse(rest.substr(0, size), entry);
      ProcKey next;
      while (is_key && size < rest.size()) {
        const std::string_view following = rest.substr(size + 1);
        const std::string_view line = following.substr(0, following.find('\n'));
        if (following.empty() || parse(line, next)) break;
        size += 1 + line.size();
      }
      if (is_key) {
        const char* const end = rest.data() + size;
        entry.text = detail::view_of(entry.text.data(), static_cast<std::size_t>(end - entry.text.data()));
      }
      rest.remove_prefix(size < rest.size() ? size + 1 : size);
      if (is_key) return true;
    }
    return false;
  }

  SecretBytes text_;
};

/// What a user's keys count, and may count: number, and bytes of payloads, descriptions and links.
struct KeyQuota {
  std::uint32_t keys = 0;
  std::uint32_t max_keys = 0;
  std::uint32_t bytes = 0;
  std::uint32_t max_bytes = 0;
};

/// The line of `user` in `text`, which has the form of /proc/key-users. ENOENT: the user has no keys.
[[nodiscard]] inline Result<KeyQuota> parse_key_quota(std::string_view text, uid_t user) noexcept {
  using namespace keyring_detail;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
    std::string_view id;
    std::uint32_t number = 0;
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (!take_field(line, ':', id) || !parse_id(id, number) || number != user) continue;
    static_cast<void>(take_column(line));  // references
    static_cast<void>(take_column(line));  // all keys / those that are instantiated
    std::string_view keys = take_column(line);
    std::string_view bytes = take_column(line);
    std::string_view used_keys;
    std::string_view used_bytes;
    KeyQuota quota;
    if (take_field(keys, '/', used_keys) && take_field(bytes, '/', used_bytes) &&
        parse_number(used_keys, 10, quota.keys) && parse_number(keys, 10, quota.max_keys) &&
        parse_number(used_bytes, 10, quota.bytes) && parse_number(bytes, 10, quota.max_bytes)) {
      return quota;
    }
    return unexpected(Error::system("/proc/key-users", EBADMSG));
  }
  return unexpected(Error::system("/proc/key-users", ENOENT));
}
/// /proc/key-users, as it is now.
[[nodiscard]] inline Result<KeyQuota> key_quota(uid_t user) noexcept {
  auto text = keyring_detail::read_proc("/proc/key-users");
  if (!text) return unexpected(text.error());
  return parse_key_quota(text->text(), user);
}

/// `call()`, a Result, again and again while it says EDQUOT, for at most `limit`: what was unlinked counts until the
/// kernel's collector has come by, within some tenths of a second. Blocks; EDQUOT at the end comes with the figures.
template <class Call>
[[nodiscard]] auto wait_for_quota(Seconds limit, Call call) -> decltype(call()) {
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
    if (now() >= end) {
      const auto quota = key_quota(::geteuid());
      if (!quota) return result;
      char text[128];
      const int size = std::snprintf(text, sizeof text, "%s: %u of %u keys, %u of %u bytes", std::strerror(EDQUOT),
                                     quota->keys, quota->max_keys, quota->bytes, quota->max_bytes);
      return unexpected(std::move(result).error().with_text(detail::view_of(text, static_cast<std::size_t>(size))));
    }
    const ::timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace gsskey::inline GSSKEY_ABI
