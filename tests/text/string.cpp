// to_string() and operator<<: what they print, and what they refuse.
#include <gsskey/text/gss.hpp>
#include <gsskey/text/string.hpp>

#include <cerrno>
#include <iomanip>
#include <sstream>
#include <string>

#include "support/catch.hpp"

using namespace gsskey;

template <class T>
constexpr bool prints = requires(std::ostream& out, const T& value) {
  out << value;
  to_string(value);
};
static_assert(prints<Error> && prints<Seconds> && prints<Oid> && prints<ContextFlags> && prints<Name>);
static_assert(prints<MechName<mech::Krb5>> && prints<AdvisedError>);
static_assert(!prints<SecretBytes> && !prints<ByteView>);

TEST_CASE("each of them as a string") {
  CHECK(to_string(Error::keyring("keyctl_read", EACCES, 7)) == "keyctl_read (key 7): Permission denied");
  CHECK(to_string(Seconds{600}) + ' ' + to_string(Seconds::indefinite()) == "600s indefinite");
  CHECK(to_string(mech::Krb5::oid) == "1.2.840.113554.1.2.2");
  CHECK(to_string(ContextFlag::integrity | ContextFlag::mutual) == "mutual|integrity");
  CHECK(to_string(Name{}) == "none");
  CHECK(to_string(advised(Error::usage("x", "y"))) == "x: y");
}

TEST_CASE("a stream's width and fill are those of text") {
  std::ostringstream out;
  out << std::setw(6) << Seconds{5} << '|' << std::left << std::setfill('*') << std::setw(6) << Seconds{5} << '|'
      << Error::usage("call", "why");
  CHECK(out.str() == "    5s|5s****|call: why");
}
