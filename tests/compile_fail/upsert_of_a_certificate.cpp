// What takes no new payload would be replaced by another key, not updated.
// expect: constraints not satisfied|no matching (member )?function|no match|unsatisfied
#include <gsskey/keyring.hpp>

using namespace gsskey;

bool make(KeyringRef ring, ByteView certificate) {
#ifdef MUST_FAIL
  return ring.upsert(key_type::Asymmetric{""}, certificate).has_value();
#else
  return ring.put(key_type::Asymmetric{""}, certificate).has_value();
#endif
}
