// tests/faults/text: what is printed, each allocation failing once.
// SPDX-License-Identifier: MIT
#include <gsskey/text/string.hpp>
#include <gsskey/text/system_error.hpp>

#include <cerrno>
#include <string>
#include <system_error>

#include "faults/faults.hpp"

using namespace gsskey;
using faults::again;
using faults::check;

namespace {

void text() {
  const auto words = [](std::error_code code) {
    return again([&]() -> Result<std::string> { return code.message(); });
  };
  check(words(RoutineError::no_cred).find("no credentials") != std::string::npos, "words of a major status");
  check(words(Krb5Status::kdc_unreachable) == "no KDC of the realm answers", "words of Kerberos");
  check(words({static_cast<int>(Krb5Status::client_expired) + 90, krb5_category()}).size() > 20,
        "a number of Kerberos");
  check(words({static_cast<int>(Domain::policy), refusal_category()}) == "what was demanded was not granted",
        "words of a refusal");
  const auto error = Error::keyring("keyctl_read", EACCES, 7);
  check(again([&]() -> Result<std::string> { return to_string(error); }) == "keyctl_read (key 7): Permission denied",
        "a line");
}

const faults::Register registered{"text", &text};

}  // namespace
