// A string_view does not end with NUL, which the kernel's calls need.
// expect: no matching|no match|could not convert|no viable conversion|cannot convert
#include <gsskey/keyring.hpp>

#include <string>
#include <string_view>

using namespace gsskey;

#ifdef MUST_FAIL
using Text = std::string_view;
#else
using Text = std::string;
#endif

Result<KeyRef<key_type::User>> find(KeyringRef ring, const Text& text) { return ring.search<key_type::User>(text); }
