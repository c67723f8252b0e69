// Not knowing whether the peer is anonymous is not knowing who it is.
// expect: (no match for .operator!|invalid argument type)
#include <gsskey/gss.hpp>

using namespace gsskey;

bool let_in(const Name& peer) {
#ifdef MUST_FAIL
  return !peer.is_anonymous();
#else
  return peer.is_anonymous().no();
#endif
}
