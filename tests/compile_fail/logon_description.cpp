// The kernel wants "prefix:rest" for a logon key; a literal that is not is refused here.
// expect: does_not_have_the_shape_of_this_key_type
#include <gsskey/keyring.hpp>

using namespace gsskey;

Result<Key<key_type::Logon>> password(KeyringRef ring) {
#ifdef MUST_FAIL
  return ring.create(key_type::Logon{"password"}, "secret");
#else
  return ring.create(key_type::Logon{"cifs:password"}, "secret");
#endif
}
