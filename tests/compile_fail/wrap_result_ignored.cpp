// A wrap whose result is dropped loses the message, or the error.
// expect: (nodiscard|unused)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

void sloppy(SecurityContext<mech::Krb5>& context) {
#ifdef MUST_FAIL
  context.wrap("message");
#else
  static_cast<void>(context.wrap("message"));
#endif
}
