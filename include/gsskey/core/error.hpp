// gsskey/core/error: the one error type of the library, and Result<T>.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <gsskey/core/detail/shared_text.hpp>
#include <gsskey/core/detail/text.hpp>
#include <gsskey/core/expected.hpp>

namespace gsskey {
GSSKEY_BEGIN_ABI

/// Says who refused, and so what the numbers of an Error mean.
enum class Domain : std::uint8_t {
  gss,          ///< a gss_* call: major and minor status
  keyring,      ///< add_key, request_key or keyctl: minor status is errno
  system,       ///< another call of the operating system: minor status is errno
  transport,    ///< the caller's transport or our framing: minor status is errno
  usage,        ///< the caller: a call that the object's state or the arguments do not allow
  policy,       ///< what was demanded was not granted; minor status holds the missing ContextFlag bits, if flags
  unavailable,  ///< the GSS implementation that this was built for lacks the call
  seal,         ///< a sealed token that does not open: minor status is a SealFault (handoff/envelope.hpp)
};

/// Says what failed, where and why. It is complete at the moment of the failure: the text of a GSS minor status is lost
/// on the next gss call and on other threads, so the Error has captured it (gss/status.hpp). A value: copies share the
/// text, nothing throws. Success and errors from errno allocate nothing; a gss error allocates its text once.
/// Threads: each copy one at a time; copies, which share their text, at the same time.
class [[nodiscard]] Error {
 public:
  /// Makes the error of a call that the caller must not make. `text` must be a literal.
  static Error usage(const char* operation, const char* text) noexcept {
    return {Domain::usage, operation, 0, 0, text};
  }
  /// Makes the error of a demand that was not met. `flags` are the ContextFlag bits that are missing, 0 if it was not
  /// about flags. `text` must be a literal.
  static Error policy(const char* operation, std::uint32_t flags, const char* text) noexcept {
    return {Domain::policy, operation, 0, flags, text};
  }
  /// Makes the error of a call that the GSS implementation lacks. `text` must be a literal that names the
  /// implementation.
  static Error unavailable(const char* operation, const char* text) noexcept {
    return {Domain::unavailable, operation, 0, 0, text};
  }
  /// Makes the error of a seal that does not open. `fault` is a SealFault. `text` must be a literal.
  static Error seal(const char* operation, std::uint32_t fault, const char* text) noexcept {
    return {Domain::seal, operation, 0, fault, text};
  }
  /// Makes the error of a failed system call, with its errno.
  static Error system(const char* operation, int error_number) noexcept {
    return {Domain::system, operation, 0, static_cast<std::uint32_t>(error_number), nullptr};
  }
  /// Makes the error of a failed send or receive. `text`, a literal, is for where errno alone does not say enough.
  static Error transport(const char* operation, int error_number, const char* text = nullptr) noexcept {
    return {Domain::transport, operation, 0, static_cast<std::uint32_t>(error_number), text};
  }
  /// Makes the error of a failed key operation on the key `serial` (0: none), with its errno.
  static Error keyring(const char* operation, int error_number, std::int32_t serial) noexcept {
    Error error{Domain::keyring, operation, 0, static_cast<std::uint32_t>(error_number), nullptr};
    error.serial_ = serial;
    return error;
  }
  /// Makes the error of a failed gss call, as yet without text: with_text() gives it that of gss_display_status().
  /// `mechanism` must be static.
  static Error gss(const char* operation, std::uint32_t major, std::uint32_t minor, const char* mechanism) noexcept {
    Error error{Domain::gss, operation, major, minor, nullptr};
    error.mechanism_ = mechanism;
    return error;
  }

  /// Returns who refused.
  [[nodiscard]] Domain domain() const noexcept { return domain_; }
  /// Returns the C call that failed ("gss_init_sec_context"), or ours that refused. Static, NUL-terminated.
  [[nodiscard]] const char* operation() const noexcept { return operation_; }
  /// Returns the major status of a gss error, which gss/status.hpp takes apart; 0 elsewhere.
  /// See: RFC 2744 section 3.9.1.
  [[nodiscard]] std::uint32_t major_status() const noexcept { return major_; }
  /// Returns the mechanism's own code, which is good in this process only, or errno: Domain says which.
  [[nodiscard]] std::uint32_t minor_status() const noexcept { return minor_; }
  /// Returns the mechanism of a gss error ("krb5"), "" elsewhere. Static, NUL-terminated.
  [[nodiscard]] const char* mechanism() const noexcept {
    return domain_ == Domain::gss && mechanism_ != nullptr ? mechanism_ : "";
  }
  /// Returns the key of a keyring error, 0 elsewhere.
  [[nodiscard]] std::int32_t serial() const noexcept { return domain_ == Domain::keyring ? serial_ : 0; }
  /// Returns why, in words, without operation and mechanism.
  /// Owner: this Error; good as long as it lives unchanged.
  [[nodiscard]] std::string_view text() const noexcept GSSKEY_LIFETIMEBOUND {
    if (text_) return text_.view();
    if (domain_ == Domain::gss) return {};
    const bool has_literal = domain_ != Domain::keyring && literal_ != nullptr;
    return detail::view_of(has_literal ? literal_ : std::strerror(static_cast<int>(minor_)));
  }

  /// Returns this error with a text made of `parts` (string_view or const char*), for what is known only at run time;
  /// with the text that it had, where memory is short.
  template <class... Parts>
  Error with_text(Parts... parts) && noexcept {
    if (auto text = detail::SharedText::joined({detail::view_of(parts)...})) text_ = std::move(text);
    return std::move(*this);
  }

 private:
  Error(Domain domain, const char* operation, std::uint32_t major, std::uint32_t minor, const char* text) noexcept
      : operation_{operation}, literal_{text}, major_{major}, minor_{minor}, domain_{domain} {}

  const char* operation_;
  detail::SharedText text_;
  union {
    const char* literal_;    // static text; every domain but the next two
    const char* mechanism_;  // Domain::gss
    std::int32_t serial_;    // Domain::keyring
  };
  std::uint32_t major_;
  std::uint32_t minor_;
  Domain domain_;
};
static_assert(sizeof(Error) <= 40);

/// Holds a value or an Error.
template <class T>
using Result = expected<T, Error>;

namespace detail {
template <class T, class...>
struct DependentType {
  using type = T;
};
/// T, made to depend on template parameters. A template's other types are completed as soon as it is read, called or
/// not, and a Result takes as long as a whole header of this library. Without it g++ 12 and clang 19 take 15 % more
/// instructions for #include <gsskey/gss.hpp>, and 5 to 11 % more for a program that also does a handshake.
template <class T, class... Parameters>
using Dependent = typename DependentType<T, Parameters...>::type;

/// "gss_init_sec_context (krb5): failure; Ticket expired", NUL-terminated. None where memory is short.
[[nodiscard]] inline SharedText line_of(const Error& error) noexcept {
  const bool has_mechanism = *error.mechanism() != '\0';
  return SharedText::joined({view_of(error.operation()), view_of(has_mechanism ? " (" : ""), view_of(error.mechanism()),
                             view_of(has_mechanism ? "): " : ": "), error.text(), view_of("", 1)});
}

}  // namespace detail

GSSKEY_END_ABI
}  // namespace gsskey

// Is thrown by value() of a Result that has none. As the standard library's own, or tl's, but for what().
#if GSSKEY_STD_EXPECTED
namespace std {
template <>
class bad_expected_access<gsskey::Error> : public bad_expected_access<void> {
#else
namespace tl {
template <>
class bad_expected_access<gsskey::Error> : public std::exception {
#endif
 public:
  template <class E>  // an Error; a template, so that only whoever calls value() pays for it
  explicit bad_expected_access(E error) : line_{gsskey::detail::line_of(error)}, error_{std::move(error)} {}

  /// Returns the line of the error: operation, mechanism and text.
  /// Owner: this exception, or a copy of it.
  [[nodiscard]] const char* what() const noexcept override { return line_ ? line_.view().data() : error_.operation(); }

  [[nodiscard]] const gsskey::Error& error() const& noexcept { return error_; }
  [[nodiscard]] gsskey::Error& error() & noexcept { return error_; }
  [[nodiscard]] const gsskey::Error&& error() const&& noexcept { return std::move(error_); }
  [[nodiscard]] gsskey::Error&& error() && noexcept { return std::move(error_); }

 private:
  gsskey::detail::SharedText line_;
  gsskey::Error error_;
};
}  // namespace std, or tl
