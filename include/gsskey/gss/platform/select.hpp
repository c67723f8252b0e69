// gsskey/gss/platform/select: which GSS-API implementation this is built for. The one file that asks.
// SPDX-License-Identifier: MIT
#pragma once

// The build defines one of four macros (gsskey-mit.pc, gsskey-heimdal.pc, gsskey-gnu.pc; CMake targets likewise),
// because no gssapi.h has a version macro. Or a fifth: GSSKEY_GSS_PLATFORM, the file of an implementation that is not
// among them, in <> or "". Without any, it is the one whose headers are there, if no other's are.
#if !defined(GSSKEY_GSS_MIT) && !defined(GSSKEY_GSS_HEIMDAL) && !defined(GSSKEY_GSS_GNU) && \
    !defined(GSSKEY_GSS_APPLE) && !defined(GSSKEY_GSS_PLATFORM) &&                          \
    __has_include(<gssapi/gssapi_ext.h>) + __has_include(<gssapi/gssapi_spnego.h>) + __has_include(<gss.h>) == 1
#if __has_include(<gssapi/gssapi_ext.h>)
#define GSSKEY_GSS_MIT
#elif __has_include(<gssapi/gssapi_spnego.h>)
#define GSSKEY_GSS_HEIMDAL
#else
#define GSSKEY_GSS_GNU
#endif
#endif

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

#ifdef GSSKEY_GSS_DLOPEN
#include <gsskey/gss/platform/rfc2744.hpp>
namespace gsskey {
GSSKEY_BEGIN_GSS_ABI
GSSKEY_GSS_RFC2744(GSSKEY_GSS_FUNCTION);
GSSKEY_END_GSS_ABI
}  // namespace gsskey
#endif
