// One program, linked with no GSS library, that has MIT krb5 and Heimdal as it finds them when it runs.
#include "dlopen_side.hpp"

#include <gsskey/testing/test_realm.hpp>

#include <dlfcn.h>

#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

TEST_CASE("a session with each library") {
  const auto realm = must(TestRealm::start({.users = {{"alice", "secret"}}, .services = {"host/localhost"}}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  for (const char* const library : {"libgssapi_krb5.so.2", "libgssapi.so.3"}) {
    REQUIRE(::dlopen(library, RTLD_NOW | RTLD_NOLOAD) == nullptr);
  }
  for (int time = 0; time < 2; ++time) {  // by turns
    CHECK(must(mit_side().session()) == "alice@GSSKEY.TEST");
    CHECK(must(heimdal_side().session()) == "alice@GSSKEY.TEST");
  }
  CHECK_FALSE(mit_side().library_build().empty());
  CHECK_FALSE(heimdal_side().library_build().empty());
  CHECK(mit_side().library_build() != heimdal_side().library_build());
}

TEST_CASE("what a library can do is asked when it is there") {
  const auto mit = must(mit_side().capabilities());
  const auto heimdal = must(heimdal_side().capabilities());
  CHECK(mit.credential_store);
  CHECK_FALSE(heimdal.credential_store);
  CHECK(mit.pseudo_random);
  CHECK(heimdal.pseudo_random);
  CHECK(mit.krb5_extensions);
  CHECK(heimdal.krb5_extensions);
}

TEST_CASE("a function that is in the table and not in the library is no capability") {
  const auto bare = must(bare_side().capabilities());
  CHECK(bare.spnego);
  CHECK_FALSE(bare.password);
  CHECK_FALSE(bare.pseudo_random);
  CHECK_FALSE(bare.credential_export);
}

TEST_CASE("a library that is not there is an error of everything, and says so") {
  const auto capabilities = missing_side().capabilities();
  REQUIRE_FALSE(capabilities);
  CHECK(capabilities.error().domain() == Domain::unavailable);
  CHECK(std::string{capabilities.error().operation()} == "dlopen");
  CHECK(std::string{capabilities.error().text()}.find("libnowhere.so.1: ") == 0);  // in the dynamic linker's words
  const auto session = missing_side().session();
  REQUIRE_FALSE(session);
  CHECK(std::string{session.error().operation()} == "gss_import_name");
  CHECK(session.error().major_status() == 16u << 16);
}

TEST_CASE("a library without a function of RFC 2744 is none") {
  const auto capabilities = incomplete_side().capabilities();
  REQUIRE_FALSE(capabilities);
  CHECK(capabilities.error().domain() == Domain::unavailable);
  CHECK(std::string{capabilities.error().text()}.find(" has no gss_wrap") != std::string::npos);
}
