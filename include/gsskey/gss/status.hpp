// gsskey/gss/status: major and minor status, taken apart and put into words at the moment of the failure.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

/// What went wrong: one of these per major status.
/// See: RFC 2744 section 3.9.1.
enum class RoutineError : std::uint32_t {
  none = 0,
  bad_mech = 1u << 16,
  bad_name = 2u << 16,
  bad_nametype = 3u << 16,
  bad_bindings = 4u << 16,
  bad_status = 5u << 16,
  bad_mic = 6u << 16,
  no_cred = 7u << 16,
  no_context = 8u << 16,
  defective_token = 9u << 16,
  defective_credential = 10u << 16,
  credentials_expired = 11u << 16,
  context_expired = 12u << 16,
  failure = 13u << 16,
  bad_qop = 14u << 16,
  unauthorized = 15u << 16,
  unavailable = 16u << 16,
  duplicate_element = 17u << 16,
  name_not_mn = 18u << 16,
  bad_mech_attr = 19u << 16,
};

/// Which parameter was unusable.
/// See: RFC 2744 section 3.9.1.
enum class CallingError : std::uint32_t {
  none = 0,
  inaccessible_read = 1u << 24,
  inaccessible_write = 2u << 24,
  bad_structure = 3u << 24,
};

/// The supplementary bits of a status, several at once: what a per-message call says about order.
/// See: RFC 2744 section 3.9.1.
enum class Supplementary : std::uint32_t {
  continue_needed = 1,
  duplicate_token = 2,
  old_token = 4,
  unsequenced_token = 8,
  gap_token = 16,
};

/// Returns the part of an Error of Domain::gss that says what went wrong; none of any other.
[[nodiscard]] inline RoutineError routine_error(const Error& error) noexcept {
  return static_cast<RoutineError>(error.major_status() & 0x00ff0000u);
}
/// Returns the part that says which parameter was unusable; none of other domains.
[[nodiscard]] inline CallingError calling_error(const Error& error) noexcept {
  return static_cast<CallingError>(error.major_status() & 0xff000000u);
}
/// Returns whether `error` says this about order; false of other domains.
[[nodiscard]] inline bool has(const Error& error, Supplementary bit) noexcept {
  return (error.major_status() & static_cast<std::uint32_t>(bit)) != 0;
}

namespace gss_detail {

/// Text under construction. Cut off when full: no status has more to say.
class StatusText {
 public:
  void append(const char* part) noexcept { append(part, std::strlen(part)); }
  void append(const char* chars, std::size_t size) noexcept {
    while (size != 0 && (chars[size - 1] == '\0' || chars[size - 1] == '\n')) --size;
    if (size == 0) return;
    if (size_ != 0) put("; ", 2);
    put(chars, size);
  }
  [[nodiscard]] std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND { return detail::view_of(chars_, size_); }

 private:
  void put(const char* chars, std::size_t size) noexcept {
    const std::size_t room = sizeof chars_ - size_;
    const std::size_t count = size < room ? size : room;
    std::memcpy(chars_ + size_, chars, count);
    size_ += count;
  }
  char chars_[1024];
  std::size_t size_ = 0;
};

/// Our own table: Heimdal 7.8 prints OLD as "reordered", does not know UNSEQ and GAP, and hides a routine error behind
/// a supplementary bit.
inline void append_major(StatusText& text, std::uint32_t major) noexcept {
  constexpr const char* routine[] = {
      "the mechanism is not supported",
      "the name is invalid",
      "the name type is not supported",
      "the channel bindings differ",
      "the status code is invalid",
      "the MIC does not match",
      "no credentials, or they cannot be used",
      "there is no context",
      "the token is invalid",
      "the credential is invalid",
      "the credentials have expired",
      "the context has expired",
      "failure",
      "the quality of protection is not supported",
      "forbidden by local policy",
      "the operation is not available",
      "the element exists already",
      "the name is not a mechanism name",
      "the mechanism attribute is not known",
  };
  constexpr const char* calling[] = {"a required input is missing", "a required output is missing",
                                     "a parameter is malformed"};
  constexpr const char* supplementary[] = {"another token is needed", "the token is a duplicate",
                                           "the token is too old to judge", "the token is out of order",
                                           "a token before it is missing"};
  if (const std::uint32_t code = major >> 16 & 0xff; code != 0) {
    text.append(code <= std::size(routine) ? routine[code - 1] : "unknown routine error");
  }
  if (const std::uint32_t code = major >> 24; code != 0) {
    text.append(code <= std::size(calling) ? calling[code - 1] : "unknown calling error");
  }
  for (std::uint32_t bit = 0; bit < std::size(supplementary); ++bit) {
    if ((major >> bit & 1) != 0) text.append(supplementary[bit]);
  }
}

/// A part of what gss_display_status says of a minor status. `more` is 0 before the first part and after the last.
class MinorWords {
 public:
  MinorWords(OM_uint32 minor, gss_OID mechanism, OM_uint32& more) noexcept {
    OM_uint32 ignored = 0;
    is_known_ = GSS_ERROR(gss_display_status(&ignored, minor, GSS_C_MECH_CODE, mechanism, &more, &words_)) == 0;
  }
  MinorWords(const MinorWords&) = delete;
  MinorWords& operator=(const MinorWords&) = delete;
  ~MinorWords() {
    OM_uint32 ignored = 0;
    (void)gss_release_buffer(&ignored, &words_);
  }
  [[nodiscard]] bool is_known() const noexcept { return is_known_; }
  [[nodiscard]] std::string_view view() const noexcept GSSKEY_LIFETIMEBOUND {
    return detail::view_of(static_cast<const char*>(words_.value), words_.length);
  }

 private:
  gss_buffer_desc words_{0, nullptr};
  bool is_known_;
};

/// Appends the words for a minor status. message_context is kept across turns and the turns are bounded: more than one
/// implementation has never set it back to 0.
inline void append_minor(StatusText& text, std::uint32_t minor, gss_OID mechanism) noexcept {
  OM_uint32 more = 0;
  for (int turn = 0; turn < 8; ++turn) {
    const MinorWords words{minor, mechanism, more};
    if (!words.is_known()) return;
    // MIT krb5 gives some failures a minor that stands for none: what the C library calls error 0, in its language.
    if (words.view() != detail::view_of(std::strerror(0))) text.append(words.view().data(), words.view().size());
    if (more == 0) return;
  }
}

/// The codes of Kerberos, as krb5.h and gssapi_krb5.h have them.
struct CodeTable {
  OM_uint32 first;
  OM_uint32 size;
};
GSSKEY_HIDDEN inline constexpr CodeTable kerberos_codes[] = {{0x96c73a00, 256}, {0x025ea100, 40}};
[[nodiscard]] constexpr bool is_of_kerberos(OM_uint32 code) noexcept {
  for (const auto& table : kerberos_codes) {
    if (code - table.first < table.size) return true;
  }
  return false;
}
/// Whether a minor status is an errno that a file can give, and not one of memory or of arguments.
[[nodiscard]] constexpr bool is_of_file(OM_uint32 code) noexcept {
  return code != 0 && code < 256 && code != ENOMEM && code != EINVAL;
}

/// The code that Kerberos gave, of a minor status that known_faults.minor_codes_are_mapped; other codes as they are.
/// Whoever has a mapped one sees the words of Kerberos' own: of all codes that this process has met, those of the same
/// words are looked for (some 6 us).
[[nodiscard]] inline OM_uint32 unmapped(OM_uint32 minor, gss_OID mechanism) noexcept {
  constexpr OM_uint32 first_mapped = 100'000;  // one for each pair of mechanism and code that the process meets
  if (minor < first_mapped || minor >= 2 * first_mapped) return minor;
  OM_uint32 more = 0;
  const MinorWords wanted{minor, mechanism, more};
  if (!wanted.is_known()) return minor;
  if (wanted.view() == detail::view_of(std::strerror(0))) return 0;  // as in append_minor()
  const auto has_these_words = [&](OM_uint32 code) {
    more = 0;
    const MinorWords known{code, mechanism, more};
    return known.is_known() && known.view() == wanted.view();
  };
  for (const auto& table : kerberos_codes) {
    for (OM_uint32 code = table.first; code != table.first + table.size; ++code) {
      if (has_these_words(code)) return code;
    }
  }
  // Of errno, where Kerberos has told more than the C library does, or of a disk: others use it as well.
  constexpr OM_uint32 of_disks[] = {ENOSPC, EDQUOT, EROFS};
  for (const OM_uint32 code : of_disks) {
    if (has_these_words(code)) return code;
  }
  for (OM_uint32 code = 1; code < 134; ++code) {
    if (wanted.view() != detail::view_of(std::strerror(static_cast<int>(code))) && has_these_words(code)) return code;
  }
  return minor;
}

/// The Error of a gss_* call that just failed. Call it before any other gss_* call of the thread, cleanup included: the
/// text of `minor` is kept per thread and for the last failure only.
[[gnu::cold, gnu::noinline]] inline Error failed_call(const char* operation, OM_uint32 major, OM_uint32 minor,
                                                      gss_OID mechanism = GSS_C_NO_OID,
                                                      const char* mechanism_name = "") noexcept {
  StatusText text;
  append_major(text, major);
  if (minor != 0) append_minor(text, minor, mechanism);
  if constexpr (known_faults.minor_codes_are_mapped) minor = unmapped(minor, mechanism);
  return Error::gss(operation, major, minor, mechanism_name).with_text(text.view());
}

}  // namespace gss_detail

GSSKEY_END_GSS_ABI
}  // namespace gsskey
