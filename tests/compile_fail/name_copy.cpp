// One handle, one owner. The twin moves.
// expect: deleted
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

using Owner = Name;

Owner twin(Owner owner) {
#ifdef MUST_FAIL
  Owner other = owner;
#else
  Owner other = std::move(owner);
#endif
  return other;
}
