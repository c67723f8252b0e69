// A key that was not revoked, and nobody looked.
// expect: ignoring return value
#include <gsskey/keyring.hpp>

bool twin(const gsskey::Key<gsskey::key_type::User>& key) {
#ifdef MUST_FAIL
  key.revoke();
  return true;
#else
  return key.revoke().has_value();
#endif
}
