// A member whose body is in a header of its own: the compiler names what is missing, and shows the line that says where
// it is. The twin includes it.
// expect: InPlace
#include <gsskey/gss.hpp>
#ifndef MUST_FAIL
#include <gsskey/gss/context/in_place.hpp>
#endif

using namespace gsskey;

bool has_room(const SecurityContext<mech::Krb5>& context) { return context.room().has_value(); }
