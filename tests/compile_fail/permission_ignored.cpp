// Who asks and does not look lets everybody in.
// expect: (nodiscard|unused)
#include <gsskey/gss.hpp>
#include <gsskey/gss/name/local.hpp>

using namespace gsskey;

bool let_in(const Name& peer) {
#ifdef MUST_FAIL
  may_act_as(peer, "www-data");
#else
  if (!may_act_as(peer, "www-data")) return false;
#endif
  return true;
}
