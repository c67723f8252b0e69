// gsskey/gss/platform/pac_guard: whether Heimdal verifies the PACs of tickets, as krb5.conf tells it. Internal.
// SPDX-License-Identifier: MIT
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/select.hpp>

#ifdef GSSKEY_GSS_PAC_CHECK_IS_OPTIONAL
#include <dlfcn.h>

#include <cerrno>
#include <cstddef>
#endif

namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
namespace gss_detail {

/// That the implementation refuses a context whose PAC has another server checksum, or another client than the ticket.
[[nodiscard]] inline Result<void> pacs_are_verified([[maybe_unused]] const char* operation) noexcept {
#ifdef GSSKEY_GSS_PAC_CHECK_IS_OPTIONAL
  // krb5.conf is Heimdal's to read. No program has to link with libkrb5 for that: libgssapi has loaded it.
  void* const library = ::dlopen("libkrb5.so.26", RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return unexpected(Error::system("dlopen", ENOMEM).with_text("libkrb5 is not loaded"));
  constexpr const char* names[] = {"krb5_init_context", "krb5_config_get_bool_default", "krb5_free_context"};
  void* functions[3] = {};
  bool are_there = true;
  for (std::size_t at = 0; at < 3 && are_there; ++at) {
    functions[at] = ::dlsym(library, names[at]);
    are_there = functions[at] != nullptr;
  }
  Result<void> answer = unexpected(Error::system("dlsym", ENOMEM).with_text("libkrb5 lacks what reads krb5.conf"));
  if (are_there) {
    const auto init = reinterpret_cast<int (*)(void**)>(functions[0]);
    const auto ask = reinterpret_cast<int (*)(void*, const void*, int, ...)>(functions[1]);
    const auto free = reinterpret_cast<void (*)(void*)>(functions[2]);
    void* context = nullptr;
    answer = unexpected(Error::unavailable(operation, "krb5.conf, which may say check_pac = false, cannot be read"));
    if (init(&context) == 0) {
      constexpr int unless_it_is_said = 1;
      const bool checks = ask(context, nullptr, unless_it_is_said, "libdefaults", "check_pac", nullptr) != 0;
      free(context);
      answer =
          checks
              ? Result<void>{}
              : unexpected(Error::unavailable(operation, "krb5.conf has check_pac = false: Heimdal verifies no PAC"));
    }
  }
  ::dlclose(library);
  return answer;
#else
  return {};
#endif
}

}  // namespace gss_detail
GSSKEY_END_GSS_ABI
}  // namespace gsskey
