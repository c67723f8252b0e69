// gsskey/keyring/proc_keys: /proc/keys: the keys that this process may view, line by line.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include <gsskey/core/bytes.hpp>
#include <gsskey/core/detail/text_reader.hpp>
#include <gsskey/core/error.hpp>
#include <gsskey/keyring/description.hpp>
#include <gsskey/keyring/detail/proc_file.hpp>
#include <gsskey/keyring/key_list.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// One line of /proc/keys.
/// Owner: of the text that its views show, the ProcKeys.
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
/// owner may write into it what looks like a line of another key: good for people, not for decisions. Move-only.
/// Threads: one at a time; any number while nobody moves it.
/// Owner: of its text, this object; nothing of the keys.
/// See: proc(5), "/proc/keys".
class ProcKeys {
 public:
  /// Reads /proc/keys.
  /// Errors: system, with errno, of open or read, or ENOMEM.
  [[nodiscard]] static Result<ProcKeys> acquire() noexcept {
    auto text = keyring_detail::read_proc("/proc/keys");
    if (!text) return unexpected(text.error());
    return ProcKeys{*std::move(text)};
  }
  /// Takes a text of the form of /proc/keys.
  explicit ProcKeys(SecretBytes text) noexcept : text_{std::move(text)} {}

  /// Calls `visit(const ProcKey&)` for each line.
  template <class Visit>
  void for_each(Visit visit) const {
    detail::TextReader in{text_.text()};
    ProcKey entry;
    while (take_key(in, entry)) visit(static_cast<const ProcKey&>(entry));
  }
  /// Returns the line of one key.
  /// Errors: keyring, ENOKEY, if there is none.
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

GSSKEY_END_ABI
}  // namespace gsskey
