// Tokens about a context that do not end it; deletion_token.cpp has the one that does.
#include <gsskey/gss/context_token.hpp>

#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

TEMPLATE_TEST_CASE("no token ends a context of RFC 4121, not even a MIC of nothing", "", mech::Krb5, mech::Spnego) {
  static_cast<void>(support::pair<TestType>());
  const support::Handles handles;
  {
    auto ends = support::pair<TestType>();
    const auto mic = must(ends.initiator.get_mic(""));
    const auto message = must(ends.initiator.wrap("message"));
    // RFC 1964 section 1.2.3, framed as RFC 2743 section 3.1 says; the checksum is made up.
    const std::string deletion{
        "\x60\x23\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x02\x11\x00\xff\xff\xff\xff"
        "0123456789abcdef",
        37};
    for (const ByteView token : {ByteView{mic}, ByteView{message}, ByteView{deletion}, ByteView{"x"}, ByteView{"\x60"},
                                 ByteView{"\x60\x7f"}}) {
      CAPTURE(token.size());
      const auto processed = process_context_token(std::move(ends.acceptor), token);
      REQUIRE_FALSE(processed);
      CHECK(processed.error().domain() == Domain::gss);
      CHECK(std::string{processed.error().operation()} == "gss_process_context_token");
      REQUIRE(ends.acceptor);
    }
    must(ends.acceptor.verify_mic("", mic));
    CHECK(must(ends.acceptor.unwrap(message)).text() == "message");
    CHECK(must(ends.initiator.unwrap(must(ends.acceptor.wrap("back")))).text() == "back");
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("an empty context and an empty token are misuses") {
  auto ends = support::pair<mech::Krb5>();
  CHECK(process_context_token(std::move(ends.acceptor), ByteView{}).error().domain() == Domain::usage);
  REQUIRE(ends.acceptor);
  const auto moved = std::move(ends.acceptor);
  CHECK(process_context_token(std::move(ends.acceptor), "x").error().domain() == Domain::usage);
}
