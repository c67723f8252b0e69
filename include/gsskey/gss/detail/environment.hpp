// gsskey/gss/detail/environment: what a variable of the environment says. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string_view>

#include <gsskey/gss/platform/select.hpp>

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

extern "C" char**
    environ;  // POSIX leaves its declaration to programs; <cstdlib> takes as long as a whole header of ours

/// getenv(); nullptr: the variable is not set.
[[nodiscard]] inline const char* variable(std::string_view name) noexcept {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name.data(), name.size()) == 0 && (*entry)[name.size()] == '=') {
      return *entry + name.size() + 1;
    }
  }
  return nullptr;
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
