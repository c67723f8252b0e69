// What the kernel tells of a key, parsed strictly.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/description.hpp>

#include <unistd.h>

#include <string>

#include "support/catch.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::must;

TEST_CASE("a description may hold anything but NUL") {
  const support::Session session;
  for (const std::string& text : {std::string{"a;b;c"}, std::string{";"}, std::string{"line\nfeed"},
                                  std::string{"\xff\xfe not UTF-8"}, std::string(4095, 'd'), std::string{" "}}) {
    CAPTURE(text);
    const auto key = must(session->create(User{text}, "x"));
    const auto info = must(key.describe());
    CHECK(info.type() == "user");
    CHECK(info.description() == text);
    CHECK(info.user() == ::geteuid());
    CHECK(info.permissions().bits() == 0x3f010000);
    CHECK(must(session->search<User>(text)) == KeyRef<User>{key});
  }
  const auto nul = session->create(User{std::string{"a\0b", 3}}, "x");
  REQUIRE_FALSE(nul);
  CHECK(nul.error().domain() == Domain::usage);
  const auto empty = session->create(User{std::string{}}, "x");
  REQUIRE_FALSE(empty);
  CHECK(empty.error().domain() == Domain::usage);
  const auto logon = session->create(key_type::Logon{std::string{"no colon"}}, "x");
  REQUIRE_FALSE(logon);
  CHECK(logon.error().text() == key_type::Logon{"a:b"}.description.rule);
}

TEST_CASE("what the kernel describes is parsed strictly") {
  const auto parse = [](std::string text) { return KeyInfo::parse(must(SecretBytes::copy_of(text))); };
  const std::string good{"user;0;-2;3f010000;a;b", 22};
  const auto info = must(parse(good + '\0'));
  CHECK(info.type() == "user");
  CHECK(info.group() == 65534U + 0xffff0000U);
  CHECK(info.description() == "a;b");
  CHECK(must(parse(std::string{"user;0;0;3f010000;"} + '\0')).description().empty());
  for (const char* bad : {"", "user", "user;0;0;3f010000", "user;x;0;3f010000;a", "user;0;;3f010000;a",
                          "user;0;0;3f01000;a", "user;0;0;3f0100000;a", "user;0;0;3f01000g;a", "user;0;0; 3f01000;a"}) {
    CAPTURE(bad);
    CHECK(error_of(parse(std::string{bad} + '\0')) == EBADMSG);
  }
  CHECK(error_of(parse(good)) == EBADMSG);  // no NUL
}
