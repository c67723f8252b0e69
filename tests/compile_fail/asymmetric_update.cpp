// The kernel takes no new payload for a public key.
// expect: constraints not satisfied|no matching (member )?function|invalid reference to function
#include <gsskey/keyring.hpp>

using namespace gsskey;

#ifdef MUST_FAIL
using Type = key_type::Asymmetric;
#else
using Type = key_type::User;
#endif

Result<void> renew(KeyRef<Type> key) { return key.update("new", no_timeout); }
