// {fmt}: what is printed, and what is refused.
#include <gsskey/text/fmt.hpp>
#include <gsskey/text/gss.hpp>

#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

template <class T>
constexpr bool prints = fmt::is_formattable<T>::value;
static_assert(prints<Error> && prints<Seconds> && prints<Oid> && prints<ContextFlags> && prints<Name>);
static_assert(prints<MechName<mech::Krb5>> && prints<AdvisedError>);
static_assert(!prints<SecretBytes> && !prints<ByteView>);

TEST_CASE("an error is one line: the call, the mechanism or the key, the words") {
  const Error expired = Error::gss("gss_wrap", GSS_S_CONTEXT_EXPIRED, 0, "krb5").with_text("the context has expired");
  CHECK(fmt::format("{}", expired) == "gss_wrap (krb5): the context has expired");
  CHECK(fmt::format("{}", Error::keyring("keyctl_read", EACCES, 7)) == "keyctl_read (key 7): Permission denied");
  CHECK(fmt::format("{}", Error::keyring("keyctl_read", EACCES, -3)) == "keyctl_read (key -3): Permission denied");
  CHECK(fmt::format("{}", Error::keyring("add_key", EDQUOT, 0)) == "add_key: Disk quota exceeded");
  CHECK(fmt::format("{}", Error::system("open", ENOENT)) == "open: No such file or directory");
  CHECK(fmt::format("{}", Error::transport("recv", ECONNRESET, "the peer closed")) == "recv: the peer closed");
  CHECK(fmt::format("{}", Error::usage("Name::service", "a service is needed")) ==
        "Name::service: a service is needed");
}

TEST_CASE("a line stays one, whoever wrote its words") {
  CHECK(fmt::format("{}", Error::system("kinit", EIO).with_text("a\nb\x1b[2J\x7f\xc3\xa9")) ==
        "kinit: a?b?[2J?\xc3\xa9");
}

TEST_CASE("what was not granted is named") {
  const auto flags = ContextFlag::mutual | ContextFlag::sequence;
  CHECK(fmt::format("{}", Error::policy("gss_accept_sec_context", flags.bits(), "not granted")) ==
        "gss_accept_sec_context: not granted: mutual|sequence");
  CHECK(fmt::format("{}", Error::policy("gss_wrap_size_limit", 0, "too small")) == "gss_wrap_size_limit: too small");
}

TEST_CASE("with advice where there is some") {
  const Error error = Error::gss("gss_init_sec_context", GSS_S_FAILURE, 0x96c73a25, "krb5").with_text("Clock skew");
  CHECK(fmt::format("{}", advised(error)) ==
        "gss_init_sec_context (krb5): Clock skew; set the clocks of client, server "
        "and KDC: at most five minutes apart");
  const Error other = Error::usage("x", "y");
  CHECK(fmt::format("{}", advised(other)) == "x: y");
  const auto kept = advised(Error::system("open", ENOENT).with_text("a text of its own"));
  CHECK(fmt::format("{}", kept) == "open: a text of its own");  // it has a copy
}

TEST_CASE("durations, object identifiers and flags") {
  CHECK(fmt::format("{} {}", Seconds{600}, Seconds::indefinite()) == "600s indefinite");
  CHECK(fmt::format("{} {}", mech::Krb5::oid, Oid{}) == "1.2.840.113554.1.2.2 none");
  CHECK(fmt::format("{}", ContextFlags{}) == "none");
  const auto flags = ContextFlag::integrity | ContextFlag::mutual;
  CHECK(fmt::format("{}", flags) == "mutual|integrity");
  CHECK(fmt::format("{}", ContextFlags::from_bits(0x400)) == "0x400");
  CHECK(fmt::format("{}", flags | ContextFlags::from_bits(0x80000200)) == "mutual|integrity|0x80000200");
  for (std::uint32_t bit = 0; bit < 16; ++bit) {
    const bool is_named = bit != 9 && bit != 10;
    CHECK(fmt::format("{}", ContextFlags::from_bits(1u << bit)).starts_with("0x") != is_named);
  }
}

TEST_CASE("width, fill and precision are those of text") {
  CHECK(fmt::format("{:>6}|{:*<6}|{:.2}", Seconds{5}, Seconds{5}, Seconds{1234}) == "    5s|5s****|12");
  const std::vector<Seconds> several{Seconds{1}, Seconds{2}};
  CHECK(fmt::format("{}", fmt::join(several, ",")) == "1s,2s");
  CHECK(fmt::format("{}", std::chrono::seconds{5}) == "5s");  // not ours
}

TEST_CASE("names are as displayed, without what would rule a terminal") {
  CHECK(fmt::format("{}", Name{}) == "none");
  const Name plain = must(Name::user("alice"));
  CHECK(fmt::format("{}", plain) == must(plain.display()).text());
  const Name nasty = must(Name::user("al\x1b[2Jice"));
  const std::string shown = fmt::format("{}", nasty);
  CHECK(shown.find('\x1b') == std::string::npos);
  CHECK(shown.find("al") == 0);
}
