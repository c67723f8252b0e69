// A GSS library that has the functions of RFC 2744 and no others; without gss_wrap, where WITHOUT_WRAP says so.
#include <gsskey/gss/platform/rfc2744.hpp>

#ifdef WITHOUT_WRAP
#define gss_wrap not_gss_wrap
#endif
#define DEFINED(name)                                                      \
  extern "C" unsigned name() { return 16u << 16; } /* GSS_S_UNAVAILABLE */ \
  static_assert(true)                              /* for the semicolon */
GSSKEY_GSS_RFC2744(DEFINED);
