// Two owners would take the key down twice.
// expect: deleted
#include <gsskey/keyring.hpp>

#include <utility>

using namespace gsskey;

Key<key_type::User> second(Key<key_type::User>& first) {
#ifdef MUST_FAIL
  return first;
#else
  return std::move(first);
#endif
}
