// What ends of SASL ask for where nobody says anything: never less than integrity, and nothing in somebody's place.
#include <gsskey/sasl/session.hpp>

#include "support/catch.hpp"

using namespace gsskey;

TEST_CASE("session: by default a login without protection is none") {
  const sasl::ClientOptions client;
  const sasl::ServerOptions server;
  CHECK(client.min_ssf == 1);
  CHECK(server.min_ssf == 1);
  CHECK(client.authzid.empty());
  CHECK_FALSE(server.authorize);
  CHECK(server.buffer_of_silent_clients == 0);
}
