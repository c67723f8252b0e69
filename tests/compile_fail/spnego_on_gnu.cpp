// GNU GSS has no SPNEGO and would send a raw Kerberos token instead.
// expect: has no SPNEGO
#include <gsskey/gss.hpp>

using namespace gsskey;

#ifdef MUST_FAIL
using Wanted = mech::Spnego;
#else
using Wanted = mech::Krb5;
#endif

bool start(Initiator<Wanted>& initiator) { return initiator.step().has_value(); }
