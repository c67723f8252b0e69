// How errors and durations read in one line.
#include <gsskey/gss/context_flags.hpp>
#include <gsskey/gss/platform/select.hpp>
#include <gsskey/text/line.hpp>

#include <cerrno>
#include <string>

#include "support/catch.hpp"
#include "support/line.hpp"

using namespace gsskey;
using support::line_of;

static_assert(HasLine<Error> && HasLine<Seconds> && !HasLine<SecretBytes> && !HasLine<ByteView> && !HasLine<int>);

TEST_CASE("an error is one line: the call, the mechanism or the key, the words") {
  const Error expired = Error::gss("gss_wrap", GSS_S_CONTEXT_EXPIRED, 0, "krb5").with_text("the context has expired");
  CHECK(line_of(expired) == "gss_wrap (krb5): the context has expired");
  CHECK(line_of(Error::keyring("keyctl_read", EACCES, 7)) == "keyctl_read (key 7): Permission denied");
  CHECK(line_of(Error::keyring("keyctl_read", EACCES, -3)) == "keyctl_read (key -3): Permission denied");
  CHECK(line_of(Error::keyring("add_key", EDQUOT, 0)) == "add_key: Disk quota exceeded");
  CHECK(line_of(Error::system("open", ENOENT)) == "open: No such file or directory");
  CHECK(line_of(Error::transport("recv", ECONNRESET, "the peer closed")) == "recv: the peer closed");
  CHECK(line_of(Error::usage("Name::service", "a service is needed")) == "Name::service: a service is needed");
}

TEST_CASE("a line stays one, whoever wrote its words") {
  CHECK(line_of(Error::system("kinit", EIO).with_text("a\nb\x1b[2J\x7f\xc3\xa9")) == "kinit: a?b?[2J?\xc3\xa9");
}

TEST_CASE("what was not granted is named") {
  const auto flags = ContextFlag::mutual | ContextFlag::sequence;
  CHECK(line_of(Error::policy("gss_accept_sec_context", flags.bits(), "not granted")) ==
        "gss_accept_sec_context: not granted: mutual|sequence");
  CHECK(line_of(Error::policy("gss_wrap_size_limit", 0, "too small")) == "gss_wrap_size_limit: too small");
}

TEST_CASE("durations in seconds") {
  CHECK(line_of(Seconds{600}) == "600s");
  CHECK(line_of(Seconds{}) == "0s");
  CHECK(line_of(Seconds::indefinite()) == "indefinite");
}
