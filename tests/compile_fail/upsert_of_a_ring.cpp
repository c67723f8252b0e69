// add_key would replace a ring of that name, and its members would die.
// expect: constraints not satisfied|no matching (member )?function|no match|unsatisfied
#include <gsskey/keyring.hpp>

using namespace gsskey;

bool make(KeyringRef ring) {
#ifdef MUST_FAIL
  return ring.upsert(key_type::Keyring{"ring"}, ByteView{}).has_value();
#else
  return ring.create(key_type::Keyring{"ring"}).has_value();
#endif
}
