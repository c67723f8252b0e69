// A MIC that nobody looks at proves nothing; Result<void> itself would warn nowhere.
// expect: (nodiscard|unused)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

void sloppy(SecurityContext<mech::Krb5>& context, ByteView mic) {
#ifdef MUST_FAIL
  context.verify_mic("message", mic);
#else
  if (!context.verify_mic("message", mic)) return;
#endif
}
