// gsskey/gss/platform/select: which GSS-API implementation this is built for. The one file that asks.
// SPDX-License-Identifier: MIT
#pragma once

// One of four macros is defined by the build (gsskey-mit.pc, gsskey-heimdal.pc, gsskey-gnu.pc; CMake targets
// likewise), because no gssapi.h has a version macro and __has_include sees the other library's headers. Or a fifth:
// GSSKEY_GSS_PLATFORM, the file of an implementation that is not among them, in <> or "".
#if defined(GSSKEY_GSS_MIT) + defined(GSSKEY_GSS_HEIMDAL) + defined(GSSKEY_GSS_GNU) + defined(GSSKEY_GSS_APPLE) + \
        defined(GSSKEY_GSS_PLATFORM) !=                                                                           \
    1
#error "gsskey: define exactly one of GSSKEY_GSS_MIT, _HEIMDAL, _GNU (the .pc files do), _APPLE (with -framework GSS)"
#elif defined(GSSKEY_GSS_MIT)
#include <gsskey/gss/platform/mit.hpp>  // IWYU pragma: export
#elif defined(GSSKEY_GSS_HEIMDAL)
#include <gsskey/gss/platform/heimdal.hpp>  // IWYU pragma: export
#elif defined(GSSKEY_GSS_APPLE)
#include <gsskey/gss/platform/apple.hpp>  // IWYU pragma: export
#elif defined(GSSKEY_GSS_GNU)
#include <gsskey/gss/platform/gnu.hpp>  // IWYU pragma: export
#else
#include GSSKEY_GSS_PLATFORM
#endif
