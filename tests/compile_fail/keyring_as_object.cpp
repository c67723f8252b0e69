// Keyring is where the rings of the process are; an owned ring is a Key like any other.
// expect: deleted
#include <gsskey/keyring.hpp>

using namespace gsskey;

#ifdef MUST_FAIL
using Owner = Keyring;
#else
using Owner = Key<key_type::Keyring>;
#endif

Owner owner() { return Owner{}; }
