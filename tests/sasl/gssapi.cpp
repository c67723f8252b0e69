// SASL's GSSAPI, both ends of ours: every pair of strengths, the layer, and who is who.
#include <gsskey/sasl/gssapi.hpp>

#include <gsskey/io/record_layer.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using support::carried;
using support::log_in;
using support::must;
using support::sasl_client;
using support::sasl_server;

namespace {

using Layer = RecordLayer<SecurityContext<mech::Krb5>>;

}  // namespace

TEST_CASE("gssapi: each pair of strengths, and messages of each layer in both directions") {
  const struct {
    std::uint32_t min, max;
  } strengths[] = {{0, 0}, {0, 1}, {0, 256}, {1, 1}, {1, 256}, {2, 256}};
  const std::string text(5000, 'x');
  for (const auto& [client_min, client_max] : strengths) {
    for (const auto& [server_min, server_max] : strengths) {
      CAPTURE(client_min, client_max, server_min, server_max);
      auto ends = log_in(sasl_client({.min_ssf = client_min, .max_ssf = client_max, .max_buffer = 1000}),
                         sasl_server({.min_ssf = server_min, .max_ssf = server_max, .max_buffer = 2000}));
      const std::uint32_t least = std::max(client_min, server_min);
      const std::uint32_t most = std::min(client_max, server_max);
      REQUIRE(ends.has_value() == (least <= most));
      if (!ends) {
        CHECK(ends.error().domain() == Domain::policy);
        continue;
      }
      auto& [client, server] = *ends;
      CHECK(client.ssf == (most > 1 ? 256 : most));
      CHECK(server.ssf == client.ssf);
      CHECK(client.layer.protection == server.layer.protection);
      CHECK(support::shown(server.peer) == "alice@GSSKEY.TEST");
      CHECK(server.authzid == "alice@GSSKEY.TEST");
      CHECK(client.authzid.empty());
      CHECK(support::shown(client.peer) == "host/localhost@GSSKEY.TEST");

      const bool has_layer = most > 0;
      Layer ours{std::move(client.context), client.layer};
      Layer theirs{std::move(server.context), server.layer};
      std::size_t to_server = 0;
      std::size_t to_client = 0;
      CHECK(carried(ours, theirs, text, to_server) == text);
      CHECK(carried(theirs, ours, text, to_client) == text);
      if (has_layer) {
        CHECK(to_server <= 2004);
        CHECK(to_server > 1900);
        CHECK(to_client <= 1004);
        CHECK(to_client > 900);
      }
    }
  }
}

TEST_CASE("gssapi: a layer that encrypts takes nothing that is not, and no frame that is too long") {
  auto ends = must(log_in(sasl_client(), sasl_server({.max_buffer = 1000})));
  Layer ours{std::move(ends.client.context), {.max_sent = 5000, .protection = Protection::integrity}};
  Layer theirs{std::move(ends.server.context), ends.server.layer};
  static_cast<void>(must(ours.seal("hello")));
  std::string packet;
  for (const ByteView part : ours.unsent()) packet += part.text();
  const auto put = theirs.put({packet.data(), packet.size()});
  REQUIRE_FALSE(put);
  CHECK(put.error().domain() == Domain::policy);

  auto others = must(log_in(sasl_client(), sasl_server({.max_buffer = 1000})));
  Layer long_frames{std::move(others.server.context), others.server.layer};
  const auto refused = long_frames.put("\x00\x00\x03\xe9");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().minor_status() == EMSGSIZE);
}

TEST_CASE("gssapi: a client acts as another where the server says so") {
  const auto allows = [](const Name&, std::string_view authzid) -> Result<void> {
    if (authzid == "u:www") return {};
    return unexpected(Error::policy("authorize", 0, "no"));
  };
  const auto ends = must(log_in(sasl_client({.authzid = "u:www"}), sasl_server({.authorize = allows})));
  CHECK(ends.server.authzid == "u:www");
  CHECK(ends.client.authzid == "u:www");
  CHECK_FALSE(log_in(sasl_client({.authzid = "u:root"}), sasl_server({.authorize = allows})));
}

TEST_CASE("gssapi: bindings, which RFC 4752 has not, are compared where both have them") {
  const auto one = ChannelBindings{"tls-server-end-point:", "one"};
  const auto other = ChannelBindings{"tls-server-end-point:", "other"};
  CHECK(log_in(sasl_client({.bindings = one}), sasl_server({.bindings = one})));
  CHECK(log_in(sasl_client({.bindings = one}), sasl_server()));
  CHECK_FALSE(log_in(sasl_client({.bindings = one}), sasl_server({.bindings = other})));
}
