// SASL's server, by its mechanism GSSAPI, against clients that break each of its rules.
#include <gsskey/sasl/server.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using namespace std::string_literals;
using support::must;
using support::sasl_server;
using support::ScriptedClient;

namespace {

constexpr ContextFlags cyrus =
    ContextFlag::mutual | ContextFlag::sequence | ContextFlag::integrity | ContextFlag::confidentiality;
const sasl::ServerOptions any{.min_ssf = 0};

/// "ok" and the layer, or the domain of the error, of a server to whom a client says this.
std::string verdict_on(std::string_view choice, const sasl::ServerOptions& options, ContextFlags flags = cyrus) {
  auto server = sasl_server(options);
  ScriptedClient client{server, flags};
  REQUIRE_FALSE(client.failure);
  const auto outcome = client.choose(server, choice);
  CHECK(server.is_complete() == outcome.has_value());
  if (outcome) {
    CHECK_FALSE(outcome->has_value());
    const auto session = must(std::move(server).establish());
    return "ok " + std::to_string(static_cast<int>(session.layer.protection));
  }
  CHECK(support::refuses(server));
  return outcome.error().domain() == Domain::transport ? "malformed"
         : outcome.error().domain() == Domain::policy  ? "policy"
                                                       : "other";
}

/// What is offered to a client that asked for these flags; "policy" if nothing is.
std::string offer_to(ContextFlags flags, const sasl::ServerOptions& options) {
  auto server = sasl_server(options);
  const ScriptedClient client{server, flags};
  if (!client.failure) return client.offer;
  CHECK(client.failure->domain() == Domain::policy);
  CHECK(support::refuses(server));
  return "policy";
}

}  // namespace

TEST_CASE("server: it offers the layers that will do, of those that the context allows") {
  const ContextFlags login = ContextFlag::integrity;  // no mutual authentication: the offer comes at once
  const ContextFlags integrity = ContextFlag::mutual | ContextFlag::sequence | ContextFlag::integrity;
  // MIT krb5's initiators ask for confidentiality, whether they are told to or not.
  const auto made = support::pair<mech::Krb5>({.demand = integrity}, {.demand = {}});
  const bool always_encrypts = must(made.acceptor.inquire()).flags.contains(ContextFlag::confidentiality);
  CHECK(offer_to(cyrus, any) == "\x07\x01\x00\x00"s);
  CHECK(offer_to(integrity, any) == (always_encrypts ? "\x07\x01\x00\x00"s : "\x03\x01\x00\x00"s));
  CHECK(offer_to(login, any) == "\x01\x00\x00\x00"s);
  CHECK(offer_to(cyrus, {}) == "\x06\x01\x00\x00"s);
  CHECK(offer_to(integrity, {.max_ssf = 1, .max_buffer = 0x20}) == "\x02\x00\x00\x20"s);
  CHECK(offer_to(login, {}) == "policy");
  CHECK((offer_to(integrity, {.min_ssf = 2}) == "policy") == !always_encrypts);
  CHECK(offer_to(cyrus, {.min_ssf = 2}) == "\x04\x01\x00\x00"s);
  CHECK(offer_to(cyrus, {.min_ssf = 257, .max_ssf = 1024}) == "policy");
  CHECK(offer_to(cyrus, {.max_ssf = 1}) == "\x02\x01\x00\x00"s);
  CHECK(offer_to(cyrus, {.external_ssf = 256}) == "\x01\x00\x00\x00"s);
  CHECK(offer_to(cyrus, {.max_ssf = 512, .external_ssf = 256}) == "\x07\x01\x00\x00"s);
}

TEST_CASE("server: a principal with a slash in a component is not taken for one of two components") {
  const auto bob = must(Name::principal("bob\\/admin@GSSKEY.TEST"));
  const auto taken_for = [&](std::string_view authzid) { return sasl_detail::authorize("", {}, bob, authzid); };
  CHECK(must(taken_for("")) == "bob\\/admin@GSSKEY.TEST");
  CHECK(must(taken_for("bob\\/admin@GSSKEY.TEST")) == "bob\\/admin@GSSKEY.TEST");
  CHECK(taken_for("bob/admin@GSSKEY.TEST").error().domain() == Domain::policy);
}

TEST_CASE("server: a choice is one of what was offered") {
  CHECK(verdict_on("\x04\x00\x10\x00"s, any) == "ok 4");
  CHECK(verdict_on("\x02\x00\x10\x00"s, any) == "ok 2");
  CHECK(verdict_on("\x01\x00\x00\x00"s, any) == "ok 1");
  CHECK(verdict_on("\x06\x00\x10\x00"s, any) == "ok 4");  // Samba's clients
  CHECK(verdict_on("\x07\x00\x10\x00"s, {.max_ssf = 1}) == "ok 2");
  CHECK(verdict_on("\x01\x00\x00\x00"s, {}) == "policy");
  CHECK(verdict_on("\x04\x00\x10\x00"s, {.max_ssf = 1}) == "policy");
  CHECK(verdict_on("\x00\x00\x00\x00"s, any) == "policy");
  CHECK(verdict_on("\x08\x00\x10\x00"s, any) == "policy");
  CHECK(verdict_on("\x01\x00\x00\x01"s, any) == "malformed");
  CHECK(verdict_on("\x01\x00\x00\x01"s, {.min_ssf = 0, .ignore_unused_buffer = true}) == "ok 1");
  for (const std::string_view choice : {""s, "\x04"s, "\x04\x00\x10"s}) CHECK(verdict_on(choice, any) == "malformed");
}

TEST_CASE("server: a layer for a client that takes no token of it") {
  CHECK(verdict_on("\x04\x00\x00\x00"s, any) == "malformed");
  CHECK(verdict_on("\x02\x00\x00\x00"s, any) == "malformed");
  CHECK(verdict_on("\x04\x00\x00\x00"s, {.min_ssf = 0, .buffer_of_silent_clients = 4096}) == "ok 4");
  CHECK(verdict_on("\x02\x00\x00\x01"s, any) != "ok 2");  // without room for a byte
}

TEST_CASE("server: who may act as whom") {
  const auto choice = [](std::string_view authzid) { return "\x04\x00\x10\x00"s.append(authzid); };
  std::string asked;
  const sasl::ServerOptions rule{.authorize = [&](const Name& peer, std::string_view authzid) -> Result<void> {
    asked = support::shown(peer) + " as " + std::string{authzid};
    if (authzid == "www") return {};
    return unexpected(Error::policy("authorize", 0, "no"));
  }};
  CHECK(verdict_on(choice("www"), rule) == "ok 4");
  CHECK(asked == "alice@GSSKEY.TEST as www");
  CHECK(verdict_on(choice("root"), rule) == "policy");
  CHECK(asked == "alice@GSSKEY.TEST as root");
  asked.clear();
  CHECK(verdict_on(choice(""), rule) == "ok 4");
  for (const std::string_view malformed : {"w\0ww"s, "www\0"s, "\xff"s, "\xed\xa0\x80"s}) {
    CHECK(verdict_on(choice(malformed), rule) == "malformed");
  }
  CHECK(asked.empty());  // it is asked neither of nobody nor of what is no text
  CHECK(verdict_on(choice("alice@GSSKEY.TEST"), {}) == "ok 4");
  CHECK(verdict_on(choice("alice"), {}) == "policy");
  CHECK(verdict_on(choice("bob@GSSKEY.TEST"), {}) == "policy");

  auto server = sasl_server(rule);
  ScriptedClient client{server, cyrus};
  static_cast<void>(must(client.choose(server, choice("www"))));
  const auto session = must(std::move(server).establish());
  CHECK(session.authzid == "www");
  CHECK(support::shown(session.peer) == "alice@GSSKEY.TEST");
  CHECK(session.layer.max_sent == 0x1004);
}

TEST_CASE("server: an exchange without a rule that throws stays closed") {
  auto server = sasl_server({.authorize = [](const Name&, std::string_view) -> Result<void> {
    throw std::runtime_error{"the database is down"};
  }});
  ScriptedClient client{server, cyrus};
  CHECK_THROWS_AS(static_cast<void>(client.choose(server, "\x04\x00\x10\x00www"s)), std::runtime_error);
  CHECK(support::refuses(server));
}

TEST_CASE("server: responses that are not wrapped, altered, or out of turn") {
  for (int how = 0; how < 3; ++how) {
    auto server = sasl_server();
    ScriptedClient client{server, cyrus};
    const auto token = must(client.context.wrap_unencrypted(support::ScriptedServer::bytes_of("\x04\x00\x10\x00"s)));
    std::string bytes{token.text()};
    if (how == 0) bytes[bytes.size() - 1] = static_cast<char>(bytes[bytes.size() - 1] ^ 1);
    if (how == 1) bytes.pop_back();
    if (how == 2) bytes = "\x04\x00\x10\x00"s;
    CHECK_FALSE(server.step(support::ScriptedServer::bytes_of(bytes)));
    CHECK(support::refuses(server));
  }
  for (const std::string_view garbage : {"", "garbage", "\x60\x01"}) {
    auto server = sasl_server();
    CHECK_FALSE(server.step(support::ScriptedServer::bytes_of(garbage)));
    CHECK(support::refuses(server));
  }
  {
    // Behind the last token of a mutual authentication there is an empty response, and nothing else.
    auto server = sasl_server();
    auto initiator = support::initiator<mech::Krb5>({.demand = cyrus});
    static_cast<void>(must(server.step(ByteView{must(initiator.step()).token})));
    const auto challenge = server.step(ByteView{"\x04\x00\x10\x00"});
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().minor_status() == EPROTO);
  }
  {
    auto server = sasl_server();
    CHECK(must(server.step(std::nullopt))->empty());  // the client goes first
    const auto challenge = server.step(std::nullopt);
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().domain() == Domain::usage);
  }
  auto server = sasl_server();
  CHECK(std::move(server).establish().error().domain() == Domain::usage);
  ScriptedClient client{server, cyrus};
  static_cast<void>(must(client.choose(server, "\x04\x00\x10\x00"s)));
  CHECK_FALSE(client.choose(server, "\x04\x00\x10\x00"s));
  CHECK(std::move(server).establish());
  CHECK(support::refuses(server));
}

TEST_CASE("server: options that cannot be") {
  for (const auto& options : {sasl::ServerOptions{.min_ssf = 2, .max_ssf = 1}, sasl::ServerOptions{.max_buffer = 0},
                              sasl::ServerOptions{.max_buffer = 0x1000000}}) {
    const auto challenge = sasl_server(options).step(ByteView{must(support::initiator<mech::Krb5>().step()).token});
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().domain() == Domain::usage);
  }
}
