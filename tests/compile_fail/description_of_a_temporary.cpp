// The description lives in what describe() returned, which ends with the expression.
// expect: deleted
#include <gsskey/keyring.hpp>

#include <string_view>

using namespace gsskey;

bool is_ours(AnyKeyRef key) {
#ifdef MUST_FAIL
  const std::string_view description = key.describe()->description();
  return description == "ours";
#else
  const auto info = key.describe();
  return info && info->description() == "ours";
#endif
}
