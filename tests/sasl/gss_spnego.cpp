// SASL's GSS-SPNEGO, both ends of ours: every pair of strengths, with a layer that is what was granted, and ends that
// break each of its rules.
#include <gsskey/sasl/gss_spnego.hpp>

#include <gsskey/gss/credential/options.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using support::carried;
using support::log_in;
using support::must;
using support::refuses;

namespace {

using Mech = sasl::GssSpnego::Gss;
using Client = sasl::Client<sasl::GssSpnego>;
using Server = sasl::Server<sasl::GssSpnego>;
using Layer = RecordLayer<SecurityContext<Mech>>;

/// Asks for everything, as Kerberos does.
Credential<Mech, Initiate>& usual() { return support::initiator_credential<Mech>(); }
/// Asks for what it is told.
Credential<Mech, Initiate>& exact() {
  support::realm();
  static auto credential = [] {
    auto made = must(Credential<Mech, Initiate>::acquire_default());
    must(set_no_ci_flags(made));
    return made;
  }();
  return credential;
}
Client client(sasl::ClientOptions options = {}, Credential<Mech, Initiate>& credential = exact()) {
  return Client{support::target(), credential, std::move(options)};
}
Server server(sasl::ServerOptions options = {}) {
  return Server{support::acceptor_credential<Mech>(), std::move(options)};
}
ByteView bytes_of(std::string_view text) { return {text.data(), text.size()}; }

/// What `ours` says to the first token of an initiator that asks for these flags.
Result<sasl::Message> answer_to(ContextFlags flags, Server& ours) {
  auto& credential = exact();
  Initiator<Mech> initiator{support::target(), credential, {.demand = flags}};
  return ours.step(ByteView{must(initiator.step()).token});
}

}  // namespace

TEST_CASE("gss_spnego: each pair of strengths, and messages of each layer in both directions") {
  const struct {
    std::uint32_t min, max;
  } strengths[] = {{0, 0}, {0, 1}, {0, 256}, {1, 1}, {1, 256}, {2, 256}};
  const std::string text(5000, 'x');
  for (const bool is_exact : {true, false}) {
    for (const auto& [client_min, client_max] : strengths) {
      for (const auto& [server_min, server_max] : strengths) {
        CAPTURE(is_exact, client_min, client_max, server_min, server_max);
        auto ends = log_in(
            client({.min_ssf = client_min, .max_ssf = client_max, .max_buffer = 1000}, is_exact ? exact() : usual()),
            server({.min_ssf = server_min, .max_ssf = server_max, .max_buffer = 1000}));
        const std::uint32_t granted = is_exact ? client_max : 256;
        REQUIRE(ends.has_value() == (granted <= client_max && granted <= server_max && granted >= server_min));
        if (!ends) {
          CHECK(ends.error().domain() == Domain::policy);
          continue;
        }
        auto& [ours, theirs] = *ends;
        CHECK(ours.ssf == granted);
        CHECK(theirs.ssf == granted);
        CHECK(support::shown(theirs.peer) == "alice@GSSKEY.TEST");
        CHECK(theirs.authzid == "alice@GSSKEY.TEST");
        CHECK(ours.authzid.empty());
        CHECK(support::shown(ours.peer) == "host/localhost@GSSKEY.TEST");
        const auto protection = granted > 1    ? Protection::encrypted
                                : granted == 1 ? Protection::integrity
                                               : Protection::none;
        CHECK(ours.layer.protection == protection);
        CHECK(theirs.layer.protection == protection);

        Layer at_client{std::move(ours.context), ours.layer};
        Layer at_server{std::move(theirs.context), theirs.layer};
        std::size_t longest = 0;
        CHECK(carried(at_client, at_server, text, longest) == text);
        CHECK(carried(at_server, at_client, text, longest) == text);
        if (granted > 0) {
          CHECK(longest <= 1004);
          CHECK(longest > 900);
        }
      }
    }
  }
}

TEST_CASE("gss_spnego: what is below the layer counts, and the error says what the credential needs") {
  const auto ends = must(log_in(client({.external_ssf = 256}), server({.external_ssf = 256})));
  CHECK(ends.client.ssf == 0);
  CHECK(ends.server.layer.protection == Protection::none);

  const auto both = must(log_in(client({.max_ssf = 512, .external_ssf = 256}),
                                server({.min_ssf = 512, .max_ssf = 512, .external_ssf = 256})));
  CHECK(both.client.layer.protection == Protection::encrypted);

  for (const bool at_client : {true, false}) {
    const auto refused = log_in(client({.external_ssf = at_client ? 256u : 0u}, usual()),
                                server({.external_ssf = at_client ? 0u : 256u}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text().find("set_no_ci_flags()") != std::string_view::npos);
  }
  CHECK_FALSE(log_in(client({.max_ssf = 1024}), server({.min_ssf = 257, .max_ssf = 1024})));
  CHECK_FALSE(log_in(client({.min_ssf = 257, .max_ssf = 1024}), server({.max_ssf = 1024})));
  CHECK_FALSE(log_in(client({.max_ssf = 128}), server()));  // a key that is stronger than it may be
}

TEST_CASE("gss_spnego: a token whose message has the length of the buffer is taken, and no longer one") {
  for (const std::size_t size : {1000u, 1100u}) {
    auto ends = must(log_in(client({.max_buffer = 1000}), server({.max_buffer = 1000})));
    CHECK(ends.server.layer.max_sent == 1004);
    Layer theirs{std::move(ends.server.context), {.max_sent = 5000}};
    Layer ours{std::move(ends.client.context), ends.client.layer};
    static_cast<void>(must(theirs.seal(std::string(size, 'x'))));
    std::string packet;
    for (const ByteView part : theirs.unsent()) packet += part.text();
    const auto put = ours.put({packet.data(), packet.size()});
    CHECK(put.has_value() == (size == 1000));
    if (!put) CHECK(put.error().minor_status() == EMSGSIZE);
  }
}

TEST_CASE("gss_spnego: the server's last token goes with its success, and without it there is no login") {
  auto ours = client();
  auto theirs = server();
  CHECK(must(theirs.step(std::nullopt))->empty());  // the client goes first
  const auto response = must(ours.step(ByteView{}));
  CHECK_FALSE(ours.is_complete());
  const auto last = must(theirs.step(ByteView{response.value()}));
  CHECK(theirs.is_complete());
  REQUIRE(last);

  const auto early = std::move(ours).establish();
  REQUIRE_FALSE(early);
  CHECK(early.error().domain() == Domain::usage);
  CHECK(must(ours.step(ByteView{*last}))->empty());
  CHECK(ours.is_complete());
  const auto again = ours.step(ByteView{*last});
  REQUIRE_FALSE(again);
  CHECK(again.error().domain() == Domain::usage);
  CHECK(std::move(ours).establish());
  CHECK(refuses(ours));
  CHECK_FALSE(theirs.step(ByteView{}));
  CHECK(std::move(theirs).establish());
  CHECK(refuses(theirs));
}

TEST_CASE("gss_spnego: the server refuses clients that ask for less, or for a layer without order") {
  const ContextFlags ordered = ContextFlag::mutual | ContextFlag::sequence;
  const struct {
    ContextFlags flags;
    sasl::ServerOptions options;
    bool is_let_in;
  } cases[] = {
      {ContextFlag::mutual, {}, false},
      {ordered, {}, false},
      {ordered | ContextFlag::integrity, {}, true},
      {ordered | ContextFlag::integrity, {.min_ssf = 2}, false},
      {ordered | ContextFlag::integrity | ContextFlag::confidentiality, {.min_ssf = 2}, true},
      {ordered | ContextFlag::confidentiality, {.min_ssf = 0}, true},  // Cyrus SASL looks at this flag alone, too
      {ContextFlag::mutual, {.min_ssf = 0}, true},
      {ContextFlags{}, {.min_ssf = 0}, true},
      {ContextFlag::mutual | ContextFlag::integrity, {.min_ssf = 0}, false},
      {ContextFlag::mutual | ContextFlag::integrity | ContextFlag::confidentiality, {.min_ssf = 0}, false},
      {ContextFlag::mutual | ContextFlag::integrity, {}, false},
  };
  for (const auto& [flags, options, is_let_in] : cases) {
    CAPTURE(flags.bits(), options.min_ssf);
    auto ours = server(options);
    const auto answer = answer_to(flags, ours);
    CHECK(answer.has_value() == is_let_in);
    CHECK(ours.is_complete() == is_let_in);
    if (answer) continue;
    CHECK(answer.error().domain() == Domain::policy);
    CHECK(refuses(ours));
  }
}

TEST_CASE("gss_spnego: messages that are cut, altered, repeated or none at all") {
  const std::string first{must(client().step()).value().text()};
  std::string last;
  {
    auto ours = client();
    auto theirs = server();
    last = must(theirs.step(ByteView{must(ours.step()).value()})).value().text();
  }
  for (const std::string_view garbage : {"garbage", "\x60\x01", "\xa1\x03\x30\x01"}) {
    auto ours = client();
    static_cast<void>(must(ours.step()));
    CHECK_FALSE(ours.step(bytes_of(garbage)));
    CHECK(refuses(ours));
    auto theirs = server();
    CHECK_FALSE(theirs.step(bytes_of(garbage)));
    CHECK(refuses(theirs));
  }
  {
    auto ours = client();
    static_cast<void>(must(ours.step()));
    CHECK_FALSE(ours.step(bytes_of(last)));  // of another login
    CHECK(refuses(ours));
  }
  for (const bool is_cut : {true, false}) {
    for (std::size_t at = 0; at < last.size(); ++at) {
      CAPTURE(is_cut, at);
      auto ours = client({.min_ssf = 2});
      auto theirs = server();
      std::string token{must(theirs.step(ByteView{must(ours.step()).value()})).value().text()};
      if (is_cut) {
        token.resize(std::min(at, token.size() - 1));
      } else if (at < token.size()) {
        token[at] = static_cast<char>(token[at] ^ 0x20);
      }
      if (ours.step(bytes_of(token))) {
        // What no key protects: the frame of SPNEGO. The context is the one of the server.
        CHECK_FALSE(is_cut);
        auto session = must(std::move(ours).establish());
        CHECK(session.ssf == 256);
        auto other = must(std::move(theirs).establish());
        CHECK(must(other.context.unwrap(must(session.context.wrap("hello")))).text() == "hello");
      } else {
        CHECK(refuses(ours));
      }
    }
  }
  for (std::size_t size = 0; size < first.size(); size += 7) {
    auto theirs = server();
    const auto challenge = theirs.step(bytes_of(std::string_view{first}.substr(0, size)));
    CHECK_FALSE(theirs.is_complete());
    if (size != 0) CHECK_FALSE(challenge);  // an empty one asks for what there is to negotiate
  }
}

TEST_CASE("gss_spnego: options that cannot be, and calls out of turn") {
  for (const auto& options : {sasl::ClientOptions{.min_ssf = 2, .max_ssf = 1}, sasl::ClientOptions{.max_buffer = 0},
                              sasl::ClientOptions{.max_buffer = 0x1000000}, sasl::ClientOptions{.authzid = "u:www"}}) {
    const auto response = client(options).step();
    REQUIRE_FALSE(response);
    CHECK(response.error().domain() == Domain::usage);
  }
  for (const auto& options : {sasl::ServerOptions{.min_ssf = 2, .max_ssf = 1}, sasl::ServerOptions{.max_buffer = 0},
                              sasl::ServerOptions{.max_buffer = 0x1000000}}) {
    const auto challenge = server(options).step(ByteView{must(client().step()).value()});
    REQUIRE_FALSE(challenge);
    CHECK(challenge.error().domain() == Domain::usage);
  }
  CHECK_FALSE(log_in(client({.max_buffer = 8}), server()));  // no room for a byte
  CHECK_FALSE(log_in(client(), server({.max_buffer = 8})));
  {
    auto ours = client();
    const auto response = ours.step(ByteView{"a greeting"});
    REQUIRE_FALSE(response);
    CHECK(response.error().minor_status() == EPROTO);
  }
  {
    auto ours = client();
    static_cast<void>(must(ours.step()));
    const auto response = ours.step();
    REQUIRE_FALSE(response);
    CHECK(response.error().domain() == Domain::usage);
  }
  auto theirs = server();
  static_cast<void>(must(theirs.step(std::nullopt)));
  CHECK(std::move(theirs).establish().error().domain() == Domain::usage);
  const auto challenge = theirs.step(std::nullopt);
  REQUIRE_FALSE(challenge);
  CHECK(challenge.error().domain() == Domain::usage);
}

TEST_CASE("gss_spnego: bindings are compared where both have them") {
  const auto one = ChannelBindings{"tls-server-end-point", "one"};
  const auto other = ChannelBindings{"tls-server-end-point", "other"};
  CHECK(log_in(client({.bindings = one}), server({.bindings = one})));
  CHECK(log_in(client({.bindings = one}), server()));
  CHECK_FALSE(log_in(client({.bindings = one}), server({.bindings = other})));
}
