// Dotted text is checked at compile time, and the diagnostic names the rule.
// expect: not_an_object_identifier
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

#ifdef MUST_FAIL
constexpr Oid oid{"1.40.1"};
#else
constexpr Oid oid{"1.39.1"};
#endif
static_assert(oid.size() > 0);
