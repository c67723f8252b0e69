// Types of keys: shapes of their descriptions, and on the kernel what each can do and what it refuses.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/key_type.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using key_type::Logon;
using key_type::User;
using support::error_of;
using support::has;
using support::has_type;
using support::is_usage;
using support::lacks;
using support::must;
using support::Unchecked;

TEST_CASE("a description is refused where it has not the shape of its type") {
  const auto is_refused = []<class Shape>(const std::string& text) {
    return Description<Shape>{text}.c_str() == nullptr;
  };
  const std::string nul{"a\0b", 3};
  for (const std::string& text :
       {std::string{}, std::string{"a"}, std::string{"a:"}, std::string{"a:b"}, std::string{":b"}, nul}) {
    CAPTURE(text);
    CHECK(is_refused.operator()<AnyText>(text) == (text == nul));
    CHECK(is_refused.operator()<NonEmptyText>(text) == (text == nul || text.empty()));
    CHECK(is_refused.operator()<PrefixedText>(text) == (text == nul || text.find(':') + 1 < 2));
  }
  const std::string kept = "a:b";
  CHECK(Logon{kept}.description.c_str() == kept.c_str());  // borrowed, not copied
}

TEST_CASE("logon: made, updated, found, and never read") {
  const support::Session session;
  const auto key = must(session->create(Logon{"program:name"}, "secret"));
  CHECK(must(session->search<Logon>("program:name")) == KeyRef<Logon>{key});
  CHECK(must(request_key<Logon>("program:name")) == KeyRef<Logon>{key});
  REQUIRE(key.update("another", no_timeout));
  CHECK(must(session->upsert(Logon{"program:name"}, "a third")) == KeyRef<Logon>{key});
  CHECK(must(key.describe()).type() == "logon");
  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));  // the right to read changes nothing
  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  CHECK(error_of(session->create(Logon{"program:name"}, "x")) == EEXIST);
}

TEST_CASE("big_key: payloads of every size to one byte below a mebibyte") {
  const support::Session session;
  if (!has_type(*session, key_type::BigKey{"big"}, "x")) {
    CHECK_FALSE(has(KeyringCapability::big_key));
    return;
  }
  CHECK(has(KeyringCapability::big_key));
  for (const std::size_t size : {1u, 512u, 513u, 4097u, 32768u, (1u << 20) - 1}) {
    const std::string payload(size, 'x');
    const auto key = must(session->create(key_type::BigKey{"big"}, payload));
    CHECK(must(key.read()).text() == payload);
    REQUIRE(key.update("short", no_timeout));
    CHECK(must(key.read()).text() == "short");
    const std::string large(100'000, 'y');  // more than an update by serial takes
    CHECK(is_usage(key.update(large, no_timeout)));
    CHECK(must(session->upsert(key_type::BigKey{"big"}, large)) == KeyRef<key_type::BigKey>{key});
    CHECK(must(key.read()).text() == large);
  }
  CHECK(is_usage(session->create(key_type::BigKey{"big"}, std::string(1u << 20, 'x'))));
  CHECK(error_of(session->create(Unchecked<"big_key">{"big"}, std::string(1u << 20, 'x'))) == EINVAL);
}

TEST_CASE("types of other modules are ENODEV where they are not loaded") {
  const support::Session session;
  const auto check = [&]<KeyType T>(const T& type) {
    CAPTURE(T::name);
    const auto key = session->create(type, "x");
    if (key) return;
    const int error = error_of(key);
    CHECK(
        (error == ENODEV || error == EINVAL || error == EPERM));  // the latter if it is there: "x" means nothing to it
    if (error == ENODEV) lacks(T::name);
  };
  check(Unchecked<"rxrpc">{"afs@EXAMPLE.ORG"});
  check(Unchecked<"ceph">{"client.admin"});
  check(Unchecked<"psk">{"identity"});
  check(Unchecked<"pkcs7_test">{"message"});
}
