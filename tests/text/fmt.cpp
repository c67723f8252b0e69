// {fmt}: what is printed, and what is refused.
#include <gsskey/text/fmt.hpp>
#include <gsskey/text/gss.hpp>
#include <gsskey/text/handshake.hpp>

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace gsskey;

template <class T>
constexpr bool prints = fmt::is_formattable<T>::value;
static_assert(prints<Error> && prints<Seconds> && prints<Oid> && prints<ContextFlags> && prints<Name>);
static_assert(prints<MechName<mech::Krb5>> && prints<AdvisedError> && prints<HandshakeReport> && prints<Enctype>);
static_assert(!prints<SecretBytes> && !prints<ByteView>);

TEST_CASE("each of them with {}") {
  CHECK(fmt::format("{}", Error::keyring("keyctl_read", EACCES, 7)) == "keyctl_read (key 7): Permission denied");
  CHECK(fmt::format("{} {}", Seconds{600}, Seconds::indefinite()) == "600s indefinite");
  CHECK(fmt::format("{} {}", mech::Krb5::oid, Oid{}) == "1.2.840.113554.1.2.2 none");
  CHECK(fmt::format("{}", ContextFlag::integrity | ContextFlag::mutual) == "mutual|integrity");
  CHECK(fmt::format("{}", Name{}) == "none");
  CHECK(fmt::format("{}", advised(Error::usage("x", "y"))) == "x: y");
}

TEST_CASE("width, fill and precision are those of text") {
  CHECK(fmt::format("{:>6}|{:*<6}|{:.2}", Seconds{5}, Seconds{5}, Seconds{1234}) == "    5s|5s****|12");
  const std::vector<Seconds> several{Seconds{1}, Seconds{2}};
  CHECK(fmt::format("{}", fmt::join(several, ",")) == "1s,2s");
  CHECK(fmt::format("{}", std::chrono::seconds{5}) == "5s");  // not ours
}
