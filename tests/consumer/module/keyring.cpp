// A program that imports both halves: a key is made, read, and goes with its owner.
#include <string>

import gsskey;
import gsskey.keyring;
using namespace gsskey;

int main() {
  const auto session = Keyring::join_session();
  if (!session) return 1;
  const auto key = session->create(key_type::User{"gsskey:module"}, std::string{"secret"});
  if (!key) return 2;
  const auto bytes = key->read();
  const Result<Name> name = Name::user("alice");
  const Rights rights = Right::view | Right::read;
  return bytes && bytes->text() == "secret" && name && rights.contains(Right::read) ? 0 : 3;
}
