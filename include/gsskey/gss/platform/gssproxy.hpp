// gsskey/gss/platform/gssproxy: whether gssproxy's plugin stands between a program and its library. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <strings.h>

#include <cstring>
#include <string_view>

#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

extern "C" char** environ;  // POSIX leaves its declaration to programs; <cstdlib>, for getenv, takes long to read

/// Whether gssproxy's plugin stands before every mechanism, as it reads its variable.
[[nodiscard]] inline bool is_proxied() noexcept {
  if constexpr (!known_faults.proxied_export_crashes) return false;
  constexpr std::string_view variable = "GSS_USE_PROXY=";
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, variable.data(), variable.size()) != 0) continue;
    constexpr const char* values[] = {"1", "on", "true", "yes"};
    for (const char* const yes : values) {
      if (::strcasecmp(*entry + variable.size(), yes) == 0) return true;
    }
  }
  return false;
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
