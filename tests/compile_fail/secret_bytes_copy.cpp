// Two owners of one secret would be two places to wipe. The twin moves.
// expect: deleted
#include <utility>

#include <gsskey/core/bytes.hpp>

gsskey::SecretBytes twin(gsskey::SecretBytes secret) {
#ifdef MUST_FAIL
  gsskey::SecretBytes other = secret;
#else
  gsskey::SecretBytes other = std::move(secret);
#endif
  return other;
}
