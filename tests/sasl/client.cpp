// SASL's client, by its mechanism GSSAPI, against servers that break each of its rules.
#include <gsskey/sasl/client.hpp>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using namespace std::string_literals;
using support::must;
using support::sasl_client;
using support::ScriptedServer;

namespace {

/// The octets that a client with these options answers to such an offer, or the domain of its error.
std::string answer_to(std::string_view offer, sasl::ClientOptions options) {
  auto client = sasl_client(std::move(options));
  ScriptedServer server{client};
  CHECK(server.last_response->empty());  // mutual: it is owed, though there is no token
  const auto reply = server.offer(client, offer);
  CHECK(client.is_complete() == reply.has_value());
  if (reply) return server.opened(*reply);
  CHECK(support::refuses(client));
  return reply.error().domain() == Domain::transport ? "malformed" : "policy";
}

}  // namespace

TEST_CASE("client: of what is offered the strongest layer that will do") {
  const auto any = sasl::ClientOptions{.min_ssf = 0, .max_buffer = 0x12345};
  CHECK(answer_to("\x07\x01\x00\x00"s, any) == "\x04\x01\x23\x45"s);
  CHECK(answer_to("\x03\x01\x00\x00"s, any) == "\x02\x01\x23\x45"s);
  CHECK(answer_to("\x01\x00\x00\x00"s, any) == "\x01\x00\x00\x00"s);
  CHECK(answer_to("\xff\x01\x00\x00"s, any) == "\x04\x01\x23\x45"s);  // bits that nobody knows

  const auto integrity = sasl::ClientOptions{.max_ssf = 1, .max_buffer = 0x12345};
  CHECK(answer_to("\x07\x01\x00\x00"s, integrity) == "\x02\x01\x23\x45"s);
  CHECK(answer_to("\x05\x01\x00\x00"s, integrity) == "policy");
  CHECK(answer_to("\x01\x00\x00\x00"s, integrity) == "policy");

  const auto encrypted = sasl::ClientOptions{.min_ssf = 2};
  CHECK(answer_to("\x07\x01\x00\x00"s, encrypted) == "\x04\x01\x00\x00"s);
  CHECK(answer_to("\x03\x01\x00\x00"s, encrypted) == "policy");
}

TEST_CASE("client: what is below the layer counts") {
  // TLS of 256 bits, and no more than that is wanted: no layer.
  auto client = sasl_client({.external_ssf = 256});
  ScriptedServer server{client};
  const auto reply = must(server.offer(client, "\x07\x01\x00\x00"s));
  CHECK(server.opened(reply) == "\x01\x00\x00\x00"s);
  CHECK(answer_to("\x07\x01\x00\x00"s, {.min_ssf = 256, .max_ssf = 512, .external_ssf = 256}) == "\x04\x01\x00\x00"s);
  // A key that is stronger than it may be.
  CHECK(answer_to("\x07\x01\x00\x00"s, {.max_ssf = 56}) == "\x02\x01\x00\x00"s);
  CHECK(answer_to("\x07\x01\x00\x00"s, {.min_ssf = 512, .max_ssf = 1024}) == "policy");
}

TEST_CASE("client: offers that are none") {
  const auto any = sasl::ClientOptions{.min_ssf = 0};
  for (const std::string_view offer : {""s, "\x07"s, "\x07\x01\x00"s, "\x07\x01\x00\x00\x00"s, "\x00\x01\x00\x00"s,
                                       "\xf8\x01\x00\x00"s, "\x01\x00\x00\x01"s}) {
    CHECK(answer_to(offer, any) == "malformed");
  }
  const auto lenient = sasl::ClientOptions{.min_ssf = 0, .ignore_unused_buffer = true};
  CHECK(answer_to("\x01\x00\x00\x01"s, lenient) == "\x01\x00\x00\x00"s);
  CHECK(answer_to("\x01\x00\x00\x01"s, {.ignore_unused_buffer = true}) == "policy");  // still no layer
  // Layers of a server that takes no token: none, or refused.
  CHECK(answer_to("\x07\x00\x00\x00"s, any) == "\x01\x00\x00\x00"s);
  CHECK(answer_to("\x06\x00\x00\x00"s, any) == "policy");
  CHECK(answer_to("\x07\x00\x00\x00"s, {}) == "policy");
  // A buffer without room for a single byte.
  CHECK(answer_to("\x04\x00\x00\x10"s, any) != "\x04\x01\x00\x00"s);
}

TEST_CASE("client: an empty challenge before the offer, where the server has no token, is answered once") {
  auto client = sasl_client({.min_ssf = 0, .max_ssf = 0});
  ScriptedServer server{client};
  CHECK(must(client.step(ByteView{}))->empty());
  CHECK_FALSE(client.is_complete());
  CHECK(server.opened(must(server.offer(client, "\x01\x00\x00\x00"s))) == "\x01\x00\x00\x00"s);

  auto twice = sasl_client({.min_ssf = 0, .max_ssf = 0});
  ScriptedServer silent{twice};
  static_cast<void>(must(twice.step(ByteView{})));
  CHECK_FALSE(twice.step(ByteView{}));
  CHECK(support::refuses(twice));

  auto mutual = sasl_client();  // the server has proven itself, and now owes the offer
  ScriptedServer owing{mutual};
  CHECK_FALSE(mutual.step(ByteView{}));
  CHECK(support::refuses(mutual));
}

TEST_CASE("client: an offer that is not the server's") {
  for (std::size_t at = 0; at < 3; ++at) {
    auto client = sasl_client();
    ScriptedServer server{client};
    const auto token = must(server.context.wrap_unencrypted(ScriptedServer::bytes_of("\x07\x01\x00\x00"s)));
    std::string bytes{token.text()};
    if (at == 0) bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);
    if (at == 1) bytes.pop_back();
    if (at == 2) bytes = "\x07\x01\x00\x00"s;  // not wrapped
    CHECK_FALSE(client.step(ScriptedServer::bytes_of(bytes)));
    CHECK(support::refuses(client));
  }
}

TEST_CASE("client: the authorization identity is behind the choice, and is text") {
  auto client = sasl_client({.authzid = "u:b\xc3\xb6"
                                        "b"});
  ScriptedServer server{client};
  const auto reply = must(server.offer(client, "\x07\x01\x00\x00"s));
  CHECK(server.opened(reply) == "\x04\x01\x00\x00u:b\xc3\xb6"s + "b");
  CHECK(must(std::move(client).establish()).authzid ==
        "u:b\xc3\xb6"
        "b");

  for (const std::string& authzid : {"a\0b"s, "\xff"s, "\xc3"s}) {
    auto ours = sasl_client({.authzid = authzid});
    const auto response = ours.step();
    REQUIRE_FALSE(response);
    CHECK(response.error().domain() == Domain::usage);
  }
}

TEST_CASE("client: options that cannot be, and calls out of turn") {
  for (const auto& options : {sasl::ClientOptions{.min_ssf = 2, .max_ssf = 1}, sasl::ClientOptions{.max_buffer = 0},
                              sasl::ClientOptions{.max_buffer = 0x1000000}}) {
    auto client = sasl_client(options);
    const auto response = client.step();
    REQUIRE_FALSE(response);
    CHECK(response.error().domain() == Domain::usage);
  }
  {
    auto client = sasl_client();
    const auto response = client.step(ByteView{"a greeting"});
    REQUIRE_FALSE(response);
    CHECK(response.error().minor_status() == EPROTO);
  }
  {
    auto client = sasl_client();
    CHECK_FALSE(must(client.step(ByteView{}))->empty());  // a protocol without initial responses
    CHECK(std::move(client).establish().error().domain() == Domain::usage);
    const auto response = client.step();
    REQUIRE_FALSE(response);
    CHECK(response.error().domain() == Domain::usage);
  }
  for (const std::string_view garbage : {"", "garbage", "\x60\x01"}) {
    auto client = sasl_client();
    static_cast<void>(must(client.step()));
    CHECK_FALSE(client.step(ScriptedServer::bytes_of(garbage)));
    CHECK(support::refuses(client));
  }
  auto client = sasl_client();
  ScriptedServer server{client};
  static_cast<void>(must(server.offer(client, "\x07\x01\x00\x00"s)));
  CHECK_FALSE(server.offer(client, "\x07\x01\x00\x00"s));  // a second one; the first stands
  const auto session = must(std::move(client).establish());
  CHECK(session.layer.protection == Protection::encrypted);
  CHECK(session.layer.max_sent == 0x10004);
  CHECK(session.layer.max_received == 65540);
  CHECK(support::refuses(client));
}
