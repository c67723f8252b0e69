// Contexts into bytes and back: the messages go on, and only a whole token of this implementation and mechanism is
// taken.
#include <gsskey/gss/context/export.hpp>

#include <string>
#include <type_traits>

#include "support/catch.hpp"
#include "support/environment.hpp"
#include "support/handles.hpp"
#include "support/read_only.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {
template <Mechanism M>
std::string wrapped(SecurityContext<M>& context, ByteView message) {
  return std::string{must(context.wrap(message)).text()};
}
}  // namespace

TEMPLATE_TEST_CASE("exported here, imported there, traffic both ways", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  must(ends.acceptor.unwrap(wrapped(ends.initiator, "before")));

  auto token = must(export_context(std::move(ends.acceptor)));
  CHECK_FALSE(ends.acceptor);  // only one instance is active
  CHECK(token.size() > 0);
  auto moved = must(import_context<TestType>(token));
  CHECK(must(moved.unwrap(wrapped(ends.initiator, "after"))).text() == "after");
  CHECK(must(ends.initiator.unwrap(wrapped(moved, "back"))).text() == "back");
  must(moved.verify_mic("m", must(ends.initiator.get_mic("m"))));

  auto other = must(import_context<TestType>(must(export_context(std::move(ends.initiator)))));
  CHECK(must(moved.unwrap(wrapped(other, "both moved"))).text() == "both moved");
  CHECK(must(moved.inquire()).mechanism == mech::Krb5::oid);
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("no export where gssproxy's plugin would crash; the context works on") {
  auto ends = support::pair<mech::Krb5>();
  {
    const support::Environment proxy{"GSS_USE_PROXY", "Yes"};
    const auto refused = export_context(std::move(ends.acceptor));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::policy);
  }
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("still here")))).text() == "still here");
  const support::Environment no_proxy{"GSS_USE_PROXY", "no"};
  CHECK(export_context(std::move(ends.acceptor)).has_value());
}
#endif

TEST_CASE("the exported token is secret: wiped when it dies") {
  auto ends = support::pair<mech::Krb5>();
  // that it is a SecretBytes is what makes it so; tests/core/bytes looks at the freed memory
  static_assert(std::is_same_v<decltype(export_context(std::move(ends.acceptor))), Result<SecretBytes>>);
}

TEST_CASE("an exported context of one mechanism is not imported as another") {
  auto ends = support::pair<mech::Krb5>();
  const auto token = must(export_context(std::move(ends.acceptor)));
  support::Handles handles;
  {
    const auto wrong = import_context<mech::Ntlmssp>(token);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().domain() == Domain::policy);
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("cut, changed and empty export tokens are refused, before the library sees them") {
  auto ends = support::pair<mech::Krb5>();
  const auto token = must(export_context(std::move(ends.acceptor)));
  for (std::size_t size = 0; size < token.size(); size += 3) {
    CAPTURE(size);
    CHECK_FALSE(import_context<mech::Krb5>(ByteView{token}.subview(0, size)));
  }
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string bad{token.text()};
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto refused = import_context<mech::Krb5>(bad);
    CAPTURE(i);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::usage);
  }
  CHECK(import_context<mech::Krb5>(token));
}

TEST_CASE("a token is read from memory that cannot be written") {
  auto ends = support::pair<mech::Krb5>();
  const support::ReadOnly exported{must(export_context(std::move(ends.acceptor)))};
  CHECK(import_context<mech::Krb5>(exported.view()));
}

TEST_CASE("an empty context is not exported") {
  auto ends = support::pair<mech::Krb5>();
  const auto kept = std::move(ends.initiator);
  CHECK(export_context(std::move(ends.initiator)).error().domain() == Domain::usage);
  CHECK(kept);
}
