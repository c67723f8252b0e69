// There is no yes or no in it that could be forgotten: success is the permission.
// expect: (void|indirection)
#include <gsskey/gss.hpp>
#include <gsskey/gss/name/local.hpp>

using namespace gsskey;

bool let_in(const Name& peer) {
  const auto allowed = may_act_as(peer, "www-data");
#ifdef MUST_FAIL
  const bool yes = *allowed;
  return yes;
#else
  return allowed.has_value();
#endif
}
