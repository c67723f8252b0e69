// Sides of credentials, with the numbers of the C header.
#include <gsskey/gss/usage.hpp>

#include "support/catch.hpp"

using namespace gsskey;

static_assert(Usage<Initiate> && Usage<Accept> && Usage<Both> && !Usage<int> && !Usage<const Initiate>);

TEST_CASE("each side is that of gss_acquire_cred") {
  CHECK(Initiate::usage == GSS_C_INITIATE);
  CHECK(Accept::usage == GSS_C_ACCEPT);
  CHECK(Both::usage == GSS_C_BOTH);
}
