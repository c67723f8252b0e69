// instantiate() uses the authority up: it takes it by &&.
// expect: qualifiers|rvalue|discards
#include <gsskey/keyring.hpp>

#include <utility>

using namespace gsskey;

Result<void> answer(Authority<key_type::User>& authority) {
#ifdef MUST_FAIL
  return authority.instantiate("payload");
#else
  return std::move(authority).instantiate("payload");
#endif
}
