// A user key is no logon key, whatever its number.
// expect: could not convert|no viable conversion|cannot convert
#include <gsskey/keyring.hpp>

using namespace gsskey;

KeyRef<key_type::User> named(const Key<key_type::User>& user, const Key<key_type::Logon>& logon) {
#ifdef MUST_FAIL
  static_cast<void>(user);
  return logon;
#else
  static_cast<void>(logon);
  return user;
#endif
}
