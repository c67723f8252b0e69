// gsskey/keyring/proc: /proc/keys, the keys that this process may view, and /proc/key-users, the quotas.
// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include <gsskey/core/detail/text_reader.hpp>
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
[[nodiscard]] inline std::string_view take_column(detail::TextReader& line) noexcept {
  line.skip_all_of(" ");
  return line.take_until_any(" ");
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
    detail::TextReader in{text_.text()};
    ProcKey entry;
    while (take_key(in, entry)) visit(static_cast<const ProcKey&>(entry));
  }
  /// The line of one key.
  [[nodiscard]] Result<ProcKey> find(const KeyHandle auto& key) const noexcept GSSKEY_LIFETIMEBOUND {
    detail::TextReader in{text_.text()};
    ProcKey entry;
    while (take_key(in, entry)) {
      if (entry.key.serial() == key.serial()) return entry;
    }
    return unexpected(Error::keyring("/proc/keys", ENOKEY, key.serial()));
  }

 private:
  [[nodiscard]] static bool parse(std::string_view line, ProcKey& entry) noexcept {
    using namespace keyring_detail;
    detail::TextReader in{line};
    std::string_view id;
    std::string_view type;
    std::uint32_t serial = 0;
    std::uint32_t bits = 0;
    if (!in.take(8, id) || !in.skip_only(' ') || !parse_number(id, 16, serial)) return false;
    entry.flags = take_column(in);
    if (entry.flags.size() != 7 || !parse_number(take_column(in), 10, entry.usage)) return false;
    entry.timeout = take_column(in);
    if (!parse_number(take_column(in), 16, bits) || !parse_id(take_column(in), entry.user) ||
        !parse_id(take_column(in), entry.group) || !in.skip_only(' ') || !in.take(9, type) || !in.skip_only(' ')) {
      return false;
    }
    entry.key = AnyKeyRef::from_serial(static_cast<key_serial_t>(serial));
    entry.permissions = Permissions::from_bits(bits);
    while (type.ends_with(' ')) type.remove_suffix(1);
    entry.type = type;
    entry.text = in.rest();
    return true;
  }
  // What does not look like a key belongs to the description before.
  [[nodiscard]] static bool take_key(detail::TextReader& in, ProcKey& entry) noexcept {
    std::string_view line;
    while (in.take_line(line)) {
      if (!parse(line, entry)) continue;
      ProcKey next;
      detail::TextReader ahead = in;
      while (ahead.take_line(line) && !parse(line, next)) {
        const char* const end = line.data() + line.size();
        entry.text = detail::view_of(entry.text.data(), static_cast<std::size_t>(end - entry.text.data()));
        in = ahead;
      }
      return true;
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
      const int size = std::snprintf(text, sizeof text, ": %u of %u keys, %u of %u bytes", quota->keys, quota->max_keys,
                                     quota->bytes, quota->max_bytes);
      const Error error = result.error();
      return unexpected(Error{error}.with_text(error.text(), detail::view_of(text, static_cast<std::size_t>(size))));
    }
    const ::timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace gsskey::inline GSSKEY_ABI
