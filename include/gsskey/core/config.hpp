// gsskey/core/config: the one file that asks the compiler what it can do, and the first inline namespace.
// SPDX-License-Identifier: MIT
#pragma once

#if __cplusplus < 202002L
#include <gsskey needs C++20: compile with -std=c++20>  // no #error: what follows that is hundreds of other errors
#endif

#include <version>  // first, always: without it the answer below would depend on the order of includes

/// Gives the version of these headers in three numbers: semantic versioning.
#define GSSKEY_VERSION_MAJOR 0
#define GSSKEY_VERSION_MINOR 2
#define GSSKEY_VERSION_PATCH 0

/// GSSKEY_ABI is the inline namespace that all of gsskey lives in. It has the version, the minor one until 1.0, and the
/// type behind `gsskey::expected`: translation units that disagree about either (-std=c++20 and -std=c++23 on g++ 12,
/// say) fail to link.
#if defined(__cpp_lib_expected) && __cpp_lib_expected >= 202202L
#define GSSKEY_STD_EXPECTED 1
#define GSSKEY_ABI v0_2_std
#else
#define GSSKEY_STD_EXPECTED 0
#define GSSKEY_ABI v0_2_tl
#endif

/// Says of an object or a parameter that what the function returns refers to it: it must live as long. clang then warns
/// of views of temporaries (-Wdangling); g++ has no such attribute.
#if defined(__clang__)
#define GSSKEY_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define GSSKEY_LIFETIMEBOUND
#endif

/// Gives each library a constant of its own, which it does not export. Without it g++ makes constants unique in the
/// process (STB_GNU_UNIQUE), and a plug-in that has one is never unloaded. Not for classes: g++ then warns of every
/// class of the user's that has one as a member. Functions are inline, and hidden by -fvisibility-inlines-hidden, which
/// the build files give.
#define GSSKEY_HIDDEN [[gnu::visibility("hidden")]]

/// Gives a program and the libraries that it is linked with one variable together, in place of `inline`, and yet no
/// reason to keep a plug-in for ever. A plug-in (dlopen, RTLD_LOCAL) has its own.
#define GSSKEY_SHARED [[gnu::weak, gnu::visibility("default")]]

/// Opens GSSKEY_ABI within `namespace gsskey {`: a line of its own, for tools that read no macros.
#define GSSKEY_BEGIN_ABI inline namespace GSSKEY_ABI {
#define GSSKEY_END_ABI }

namespace gsskey {
/// abi_tag reaches what the namespace alone does not: a function of the user's that only *returns* a `Result<T>`, whose
/// mangled name would otherwise be the same in both modes. Declared here once; reopened without the attribute.
inline namespace GSSKEY_ABI __attribute__((abi_tag)) {}
}  // namespace gsskey
