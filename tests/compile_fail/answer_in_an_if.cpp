// Whether the names could be compared is not whether they are equal.
// expect: (could not convert|not contextually convertible)
#include <gsskey/gss.hpp>

using namespace gsskey;

bool let_in(const Name& peer, const Name& admin) {
#ifdef MUST_FAIL
  if (peer.equals(admin)) return true;
#else
  if (peer.equals(admin).yes()) return true;
#endif
  return false;
}
