// gsskey/gss/platform/gssproxy: whether gssproxy's plugin stands between a program and its library. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <strings.h>

#include <gsskey/gss/detail/environment.hpp>
#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// Whether gssproxy's plugin stands before every mechanism, as it reads its variable.
[[nodiscard]] inline bool is_proxied() noexcept {
  if constexpr (!known_faults.proxied_export_crashes) return false;
  const char* const value = variable("GSS_USE_PROXY");
  if (value == nullptr) return false;
  constexpr const char* values[] = {"1", "on", "true", "yes"};
  for (const char* const yes : values) {
    if (::strcasecmp(value, yes) == 0) return true;
  }
  return false;
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
