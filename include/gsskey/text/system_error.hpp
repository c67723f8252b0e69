// gsskey/text/system_error: errors as std::error_code, for programs whose interfaces speak that.
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <type_traits>

#include <gsskey/core/error.hpp>
#include <gsskey/gss/status.hpp>
#include <gsskey/krb5/status.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI

namespace gss_detail {

/// In static memory, and never destroyed: an error_code may be looked at while the process ends.
template <class Category>
union Forever {
  Category category;
  constexpr Forever() noexcept : category{} {}
  constexpr ~Forever() {}
};

/// Has major statuses as values.
class GSSKEY_HIDDEN MajorCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "gss"; }
  [[nodiscard]] std::string message(int value) const override {
    StatusText text;
    append_major(text, static_cast<std::uint32_t>(value));
    return std::string{text.view()};
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<RoutineError>(static_cast<std::uint32_t>(value) & 0x00ff0000u)) {
      case RoutineError::no_cred:
      case RoutineError::credentials_expired:
      case RoutineError::context_expired:
      case RoutineError::unauthorized:
      case RoutineError::bad_bindings:
        return std::errc::permission_denied;
      case RoutineError::bad_mic:
      case RoutineError::defective_token:
        return std::errc::bad_message;
      case RoutineError::bad_mech:
      case RoutineError::unavailable:
        return std::errc::not_supported;
      default:
        return {value, *this};
    }
  }
};

/// Our own table: the libraries have words only for what just happened on the same thread.
[[nodiscard]] constexpr const char* words_of(Krb5Status status) noexcept {
  switch (status) {
    case Krb5Status::client_expired:
      return "the user has expired";
    case Krb5Status::client_unknown:
      return "the realm has no such user";
    case Krb5Status::server_unknown:
      return "the realm has no such service";
    case Krb5Status::client_revoked:
      return "the user is locked";
    case Krb5Status::password_expired:
      return "the password has expired";
    case Krb5Status::preauth_failed:
      return "preauthentication failed";
    case Krb5Status::bad_integrity:
      return "wrong key or password";
    case Krb5Status::ticket_expired:
      return "the ticket has expired";
    case Krb5Status::ticket_not_yet_valid:
      return "the ticket is not valid yet";
    case Krb5Status::replay:
      return "the request is a replay";
    case Krb5Status::not_us:
      return "the ticket is for another service";
    case Krb5Status::clock_skew:
      return "the clocks differ too much";
    case Krb5Status::message_modified:
      return "the message was modified";
    case Krb5Status::wrong_key_version:
      return "wrong key version";
    case Krb5Status::no_key:
      return "no key for the service";
    case Krb5Status::mutual_failed:
      return "mutual authentication failed";
    case Krb5Status::realm_unknown:
      return "no KDC is configured for the realm";
    case Krb5Status::kdc_unreachable:
      return "no KDC of the realm answers";
    case Krb5Status::not_in_cache:
    case Krb5Status::no_ticket_of_that_name:
      return "no such ticket in the credential cache";
    case Krb5Status::not_in_keytab:
    case Krb5Status::end_of_keytab:
    case Krb5Status::no_key_of_that_name:
      return "no such key in the keytab";
    case Krb5Status::no_cache:
      return "no such credential cache";
    case Krb5Status::key_version_not_in_keytab:
      return "no key of that version in the keytab";
  }
  return nullptr;
}

/// Has Krb5Status as values.
class GSSKEY_HIDDEN Krb5Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "krb5"; }
  [[nodiscard]] std::string message(int value) const override {
    const char* words = words_of(static_cast<Krb5Status>(value));
    return words != nullptr ? words : "reason " + std::to_string(value & 0xff) + " of Kerberos";
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Krb5Status>(value)) {
      case Krb5Status::kdc_unreachable:
      case Krb5Status::realm_unknown:
        return std::errc::host_unreachable;
      case Krb5Status::no_cache:
        return std::errc::no_such_file_or_directory;
      default:
        return std::errc::permission_denied;
    }
  }
};

/// Has the domains of Error as values that are refusals: usage, policy, unavailable, seal.
class GSSKEY_HIDDEN RefusalCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "gsskey"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<Domain>(value)) {
      case Domain::usage:
        return "a call that the object's state or the arguments do not allow";
      case Domain::policy:
        return "what was demanded was not granted";
      case Domain::unavailable:
        return GSSKEY_GSS_NAME " lacks the call";
      case Domain::seal:
        return "a seal that does not open";
      default:
        return "unknown";
    }
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<Domain>(value)) {
      case Domain::usage:
        return std::errc::invalid_argument;
      case Domain::policy:
        return std::errc::permission_denied;
      case Domain::unavailable:
        return std::errc::function_not_supported;
      case Domain::seal:
        return std::errc::bad_message;
      default:
        return {value, *this};
    }
  }
};

// One of each: error codes compare their addresses.
GSSKEY_SHARED constinit Forever<MajorCategory> major_category;
GSSKEY_SHARED constinit Forever<Krb5Category> krb5_category;
GSSKEY_SHARED constinit Forever<RefusalCategory> refusal_category;

}  // namespace gss_detail

/// Returns the category of major statuses, to be compared with RoutineError. Static, and never destroyed.
[[nodiscard]] inline const std::error_category& gss_category() noexcept { return gss_detail::major_category.category; }
/// Returns the category of reasons of Kerberos, to be compared with Krb5Status. Static, and never destroyed.
[[nodiscard]] inline const std::error_category& krb5_category() noexcept { return gss_detail::krb5_category.category; }
/// Returns the category of refusals: its values are usage, policy, unavailable and seal of Domain. Static, and never
/// destroyed.
[[nodiscard]] inline const std::error_category& refusal_category() noexcept {
  return gss_detail::refusal_category.category;
}

/// Makes the code of gss_category() that an error of that routine error has.
[[nodiscard]] inline std::error_code make_error_code(RoutineError error) noexcept {
  return {static_cast<int>(error), gss_category()};
}
/// Makes the code of krb5_category() that an error with that reason has.
[[nodiscard]] inline std::error_code make_error_code(Krb5Status status) noexcept {
  return {static_cast<int>(status), krb5_category()};
}

/// Makes the code of an Error, without the words and the name of the call, for which an error_code has no room. Where
/// the mechanism gave a reason of Kerberos the code is of krb5_category(), else that of a gss error is of
/// gss_category(). A refusal is of refusal_category(), and what came from errno of std::generic_category(). Never 0.
[[nodiscard]] inline std::error_code make_error_code(const Error& error) noexcept {
  const auto minor = static_cast<int>(error.minor_status());
  switch (error.domain()) {
    case Domain::gss: {
      const auto status = krb5_status(error);
      constexpr std::uint32_t table = static_cast<std::uint32_t>(Krb5Status::client_expired) & ~0xffu;
      const bool is_krb5 = (error.minor_status() & ~0xffu) == table || status == Krb5Status::no_ticket_of_that_name ||
                           status == Krb5Status::no_key_of_that_name;
      return is_krb5 ? make_error_code(status)
                     : std::error_code{static_cast<int>(error.major_status()), gss_category()};
    }
    case Domain::usage:
    case Domain::policy:
    case Domain::unavailable:
    case Domain::seal:
      return {static_cast<int>(error.domain()), refusal_category()};
    default:
      return {minor != 0 ? minor : EIO, std::generic_category()};
  }
}

GSSKEY_END_GSS_ABI
}  // namespace gsskey

template <>
struct std::is_error_code_enum<gsskey::RoutineError> : std::true_type {};
template <>
struct std::is_error_code_enum<gsskey::Krb5Status> : std::true_type {};
