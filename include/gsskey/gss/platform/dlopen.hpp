// gsskey/gss/platform/dlopen: functions of a GSS library that a program is not linked with. The build defines
// GSSKEY_GSS_DLOPEN as the library's name, in "", beside the macro of the implementation whose headers it has.
// SPDX-License-Identifier: MIT
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <type_traits>

#include <gsskey/core/config.hpp>

// An object: a function of that name would be ambiguous with the header's, and the same for two implementations.
#define GSSKEY_GSS_LOADED(name, type) \
  GSSKEY_HIDDEN inline constinit ::gsskey::LoadedFunction<type> name { GSSKEY_GSS_DLOPEN, #name }

namespace gsskey {
GSSKEY_BEGIN_ABI

template <class Function>
class LoadedFunction;

/// A function that is looked up when it is first called. Where there is no such library, or no such function in it, a
/// call answers GSS_S_UNAVAILABLE; the next one looks again. What was loaded stays until the process ends: handles
/// belong to it.
template <class R, class... Arguments>
class LoadedFunction<R(Arguments...)> {
 public:
  constexpr LoadedFunction(const char* library, const char* name) noexcept : library_{library}, name_{name} {}

  [[nodiscard]] R operator()(Arguments... arguments) noexcept {
    if (void* const found = find()) return reinterpret_cast<R (*)(Arguments...)>(found)(arguments...);
    if constexpr (std::is_same_v<R, std::uint32_t>) return std::uint32_t{16} << 16;  // RFC 2744 section 3.9.1
    return R{};                                                                      // of gss_userok: no
  }

  /// Its address, nullptr where it is not there.
  [[nodiscard]] void* find() noexcept {
    void* found = __atomic_load_n(&address_, __ATOMIC_ACQUIRE);
    if (found != nullptr) return found;
    void* const library = ::dlopen(library_, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    found = ::dlsym(library, name_);
    __atomic_store_n(&address_, found, __ATOMIC_RELEASE);
    return found;
  }

 private:
  const char* library_;
  const char* name_;
  void* address_ = nullptr;
};

GSSKEY_END_ABI
}  // namespace gsskey
