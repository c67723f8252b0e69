// What only the kernel may read has no read().
// expect: constraints not satisfied|no matching (member )?function|invalid reference to function
#include <gsskey/keyring.hpp>

using namespace gsskey;

#ifdef MUST_FAIL
using Type = key_type::Logon;
#else
using Type = key_type::User;
#endif

Result<SecretBytes> payload(const Key<Type>& key) { return key.read(); }
