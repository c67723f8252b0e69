// The session's ring is no property of another ring.
// expect: no member named .session
#include <gsskey/keyring.hpp>

using namespace gsskey;

Result<KeyringRef> session_of([[maybe_unused]] const KeyringRef& ring) {
#ifdef MUST_FAIL
  return ring.session();
#else
  return Keyring::session();
#endif
}
