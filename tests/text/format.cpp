// std::format, where it is: the same lines, and the same refusals.
#include <gsskey/text/format.hpp>
#include <gsskey/text/gss.hpp>
#include <gsskey/text/handshake.hpp>

#include <cerrno>
#include <string>

#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace gsskey;

TEST_CASE("lines of std::format") {
#ifdef __cpp_lib_format
  static_assert(std::is_default_constructible_v<std::formatter<HandshakeReport, char>>);
  static_assert(!std::is_default_constructible_v<std::formatter<SecretBytes, char>>);
  static_assert(!std::is_default_constructible_v<std::formatter<ByteView, char>>);
  CHECK(std::format("{}", Error::keyring("keyctl_read", EACCES, 7)) == "keyctl_read (key 7): Permission denied");
  CHECK(std::format("{:>6}|{:*<6}", Seconds{5}, Seconds{5}) == "    5s|5s****");
  CHECK(std::format("{} {}", mech::Krb5::oid, ContextFlag::mutual | ContextFlag::replay) ==
        "1.2.840.113554.1.2.2 mutual|replay");
  CHECK(std::format("{}", Name{}) == "none");
#endif
}
