// How object identifiers, flags, names and errors with advice read in one line.
#include <gsskey/text/gss.hpp>

#include <cerrno>
#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/line.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::line_of;
using support::must;

static_assert(HasLine<Oid> && HasLine<ContextFlags> && HasLine<Name> && HasLine<MechName<mech::Krb5>> &&
              HasLine<AdvisedError>);

TEST_CASE("with advice where there is some") {
  const Error error = Error::gss("gss_init_sec_context", GSS_S_FAILURE, 0x96c73a25, "krb5").with_text("Clock skew");
  CHECK(line_of(advised(error)) ==
        "gss_init_sec_context (krb5): Clock skew; set the clocks of client, server "
        "and KDC: at most five minutes apart");
  const Error other = Error::usage("x", "y");
  CHECK(line_of(advised(other)) == "x: y");
  const auto kept = advised(Error::system("open", ENOENT).with_text("a text of its own"));
  CHECK(line_of(kept) == "open: a text of its own");  // it has a copy
}

TEST_CASE("object identifiers and flags") {
  CHECK(line_of(mech::Krb5::oid) == "1.2.840.113554.1.2.2");
  CHECK(line_of(Oid{}) == "none");
  CHECK(line_of(ContextFlags{}) == "none");
  const auto flags = ContextFlag::integrity | ContextFlag::mutual;
  CHECK(line_of(flags) == "mutual|integrity");
  CHECK(line_of(ContextFlags::from_bits(0x400)) == "0x400");
  CHECK(line_of(flags | ContextFlags::from_bits(0x80000200)) == "mutual|integrity|0x80000200");
  for (std::uint32_t bit = 0; bit < 16; ++bit) {
    const bool is_named = bit != 9 && bit != 10;
    CHECK(line_of(ContextFlags::from_bits(1u << bit)).starts_with("0x") != is_named);
  }
}

TEST_CASE("names are as displayed, without what would rule a terminal") {
  CHECK(line_of(Name{}) == "none");
  const Name plain = must(Name::user("alice"));
  CHECK(line_of(plain) == must(plain.display()).text());
  const Name nasty = must(Name::user("al\x1b[2Jice"));
  const std::string shown = line_of(nasty);
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(shown.find("al") == 0);
}

TEST_CASE("what both print with appends to a string too") {
  std::string line;
  append_line(line, Error::system("open", ENOENT));
  append_line(line, Seconds{3});
  append_line(line, mech::Spnego::oid);
  CHECK(line == "open: No such file or directory3s1.3.6.1.5.5.2");
}
