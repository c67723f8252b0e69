#include <gsskey/gss/loaded.hpp>

#include "support/catch.hpp"

using namespace gsskey;

TEST_CASE("a library that the program is linked with has what its table says") {
  const auto found = loaded_capabilities();
  REQUIRE(found);
  CHECK(found->spnego == capabilities.spnego);
  CHECK(found->context_inquiry == capabilities.context_inquiry);
  CHECK(found->credential_store == capabilities.credential_store);
}
