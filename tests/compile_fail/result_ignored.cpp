// An error that nobody looks at. The twin looks.
// expect: ignoring return value
#include <gsskey/core/bytes.hpp>

bool twin(gsskey::SecretBytes& secret) {
#ifdef MUST_FAIL
  secret.resize(5);
  return true;
#else
  return secret.resize(5).has_value();
#endif
}
