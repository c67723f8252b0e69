// The key would be gone before its name is used.
// expect: deleted
#include <gsskey/keyring.hpp>

#include <utility>

using namespace gsskey;

KeyRef<key_type::User> dangling(Key<key_type::User>& key) {
#ifdef MUST_FAIL
  return KeyRef<key_type::User>{std::move(key)};
#else
  return KeyRef<key_type::User>{key};
#endif
}
