// The payload of an encrypted key is a command, not its bytes.
// expect: no matching|no match|could not convert|no viable conversion|cannot convert
#include <gsskey/keyring.hpp>

using namespace gsskey;

bool make(KeyringRef ring, const EncryptedPayload& payload) {
#ifdef MUST_FAIL
  static_cast<void>(payload);
  return ring.create(key_type::Encrypted{"disk"}, "0123456789abcdef").has_value();
#else
  return ring.create(key_type::Encrypted{"disk"}, payload).has_value();
#endif
}
