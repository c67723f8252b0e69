// HTTP Negotiate: handshakes whose tokens travel in headers.
#include <gsskey/http/negotiate.hpp>

#include <array>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/handles.hpp"
#include "support/hostile_http.hpp"
#include "support/middle.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Spnego = mech::Spnego;
using Headers = std::vector<std::string_view>;

HttpInitiator<Spnego> client(InitiatorOptions options = {}) {
  return HttpInitiator<Spnego>{support::initiator<Spnego>(options)};
}
HttpAcceptor<Spnego> server(HttpAcceptorOptions<Spnego> options = {}) {
  return HttpAcceptor<Spnego>{support::acceptor_credential<Spnego>(), options};
}

std::string peer_of(const SecurityContext<Spnego>& context) {
  return std::string{must(must(context.inquire()).initiator.display()).text()};
}

Headers headers(const std::string& value) { return Headers(value.empty() ? 0 : 1, value); }

/// A request and its repetitions, until the server gives a context; the client's is checked against it.
std::string log_in(HttpInitiator<Spnego> ours, HttpAcceptor<Spnego>& theirs, bool waits_for_challenge) {
  std::string authorization = waits_for_challenge ? std::string{} : must(ours.authorize());
  while (true) {
    auto answer = theirs.step(authorization);
    if (!answer) {
      if (!answer.error().is_challenge) throw std::runtime_error{std::string{answer.error().error.text()}};
      CHECK(answer.error().status == 401);
      authorization = must(ours.authorize(headers(answer.error().www_authenticate)));
      continue;
    }
    auto context = must(std::move(ours).establish(headers(answer->www_authenticate)));
    CHECK(must(answer->context.unwrap(must(context.wrap("over HTTP")))).text() == "over HTTP");
    return peer_of(answer->context);
  }
}

}  // namespace

TEST_CASE("a client logs in, asked or unasked, and again over the same connection") {
  auto theirs = server();
  CHECK(log_in(client(), theirs, true) == "alice@GSSKEY.TEST");
  CHECK(log_in(client(), theirs, false) == "alice@GSSKEY.TEST");
  const auto answer = theirs.step("");
  REQUIRE_FALSE(answer);  // so that an `if` lets in nobody but who has logged in
  CHECK(answer.error().is_challenge);
  CHECK(answer.error().status == 401);
  CHECK(answer.error().www_authenticate == "Negotiate");
}

TEST_CASE("flags are demanded only where somebody says so") {
  const ContextFlags few = ContextFlag::mutual;  // as browsers do
  auto theirs = server();
  CHECK(log_in(client({.demand = few}), theirs, true) == "alice@GSSKEY.TEST");
  auto keeps = server({.handshake = {.keep_delegated = true}});  // which says nothing of demands
  CHECK(log_in(client({.demand = few}), keeps, true) == "alice@GSSKEY.TEST");

  auto strict = server({.handshake = {.demand = ContextFlag::replay}});
  auto ours = client({.demand = few});
  const auto answer = strict.step(must(ours.authorize()));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().status == 401);
  CHECK(answer.error().www_authenticate == "Negotiate");
  CHECK(answer.error().error.domain() == Domain::policy);
  CHECK_FALSE(answer.error().is_challenge);
}

TEST_CASE("garbage, and a good login afterwards") {
  support::acceptor_credential<Spnego>();
  const support::Handles handles;
  {
    auto theirs = server();
    const struct {
      std::string_view authorization;
      int status;
    } table[] = {{"Negotiate Zm9v", 401},
                 {"Negotiate YIIBAgYGKwYBBQUC", 401},
                 {"Negotiate TlRMTVNTUAABAAAA", 401},
                 {"Negotiate ???", 400},
                 {"Negotiate", 400}};
    for (const auto& [authorization, status] : table) {
      CAPTURE(authorization);
      const auto answer = theirs.step(authorization);
      REQUIRE_FALSE(answer);
      CHECK(answer.error().status == status);
      CHECK_FALSE(answer.error().error.text().empty());
      CHECK(answer.error().www_authenticate.starts_with(status == 401 ? "Negotiate" : ""));
    }
    const auto oversized = theirs.step(negotiate_header(std::string(65537, 'x')));
    REQUIRE_FALSE(oversized);
    CHECK(oversized.error().status == 400);
    CHECK(oversized.error().error.minor_status() == EMSGSIZE);
    // As long as is allowed: the library has to refuse it.
    const auto long_one = theirs.step(negotiate_header(std::string(65536, 'x')));
    REQUIRE_FALSE(long_one);
    CHECK(long_one.error().status == 401);
    CHECK(log_in(HttpInitiator<Spnego>{Initiator<Spnego>{support::target()}}, theirs, true) == "alice@GSSKEY.TEST");
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("an answer says who sent the request, and has what they delegated; the next has nothing of it") {
  auto theirs = server({.handshake = {.keep_delegated = true}});
  for (const bool delegates : {true, false}) {
    CAPTURE(delegates);
    auto ours = client({.request = delegates ? ContextFlags{ContextFlag::delegate} : ContextFlags{}});
    const auto answer = theirs.step(must(ours.authorize()));
    REQUIRE(answer);
    CHECK(must(answer->peer.display()).text() == "alice@GSSKEY.TEST");
    CHECK(static_cast<bool>(answer->delegated) == delegates);
  }
}

TEST_CASE("a token cut off anywhere is refused") {
  auto token = must(parse_authorization(must(client().authorize()))).token;
  for (std::size_t size = 1; size < token.size(); size += 37) {
    const auto answer = server().step(negotiate_header(ByteView{token}.subview(0, size)));
    REQUIRE_FALSE(answer);  // a challenge where SPNEGO asks for a token that it understands
    CHECK(answer.error().status == 401);
  }
}

TEST_CASE("a ticket for another service") {
  static const auto other = must(Credential<Spnego, Accept>::acquire(must(Name::host_service("other", "localhost"))));
  HttpAcceptor<Spnego> theirs{other};
  const auto answer = theirs.step(must(client().authorize()));
  REQUIRE_FALSE(answer);
  CHECK(answer.error().status == 401);
  CHECK(answer.error().error.domain() == Domain::gss);
  CHECK_FALSE(answer.error().error.text().empty());
}

TEST_CASE("a replayed header") {
  const auto authorization = must(client().authorize());
  REQUIRE(server().step(authorization));
  const auto again = server().step(authorization);
#if defined(GSSKEY_GSS_MIT)
  REQUIRE_FALSE(again);
  CHECK(again.error().status == 401);
#else
  CHECK(again);  // Heimdal has no replay cache
#endif
}

TEST_CASE("channel bindings: the same, others, none") {
  const ChannelBindings ours{"tls-server-end-point", "this certificate"};
  const ChannelBindings others{"tls-server-end-point", "another certificate"};
  auto bound = server({.handshake = {.bindings = ours}});
  CHECK(log_in(client({.bindings = ours}), bound, true) == "alice@GSSKEY.TEST");
  CHECK_FALSE(bound.step(must(client({.bindings = others}).authorize())));
  CHECK(log_in(client(), bound, true) == "alice@GSSKEY.TEST");
  if constexpr (capabilities.channel_bound_flag) {
    auto strict = server({.handshake = {.demand = ContextFlag::channel_bound, .bindings = ours}});
    CHECK_FALSE(strict.step(must(client().authorize())));
    CHECK(log_in(client({.bindings = ours}), strict, true) == "alice@GSSKEY.TEST");
  }
}

TEST_CASE("a handshake of more rounds than are allowed ends, on either side") {
  // Three legs: the server gets two tokens, and the client one before the response that serves the request.
  const InitiatorOptions dce{.demand = ContextFlag::mutual, .request = ContextFlag::dce_style};
  const auto end_of = [&](unsigned client_rounds, unsigned server_rounds) -> std::string {
    auto theirs = server({.max_rounds = server_rounds});
    HttpInitiator<Spnego> ours{support::initiator<Spnego>(dce), {.max_rounds = client_rounds}};
    std::string authorization = must(ours.authorize());
    while (true) {
      auto answer = theirs.step(authorization);
      if (answer) return peer_of(answer->context);
      const HttpRefusal& refusal = answer.error();
      if (!refusal.is_challenge) {
        CHECK(refusal.status == 400);
        CHECK(refusal.www_authenticate.empty());
        CHECK(refusal.error.minor_status() == static_cast<std::uint32_t>(EPROTO));
        CHECK(log_in(client(), theirs, false) == "alice@GSSKEY.TEST");  // the next one begins afresh
        return "server";
      }
      auto next = ours.authorize(refusal.www_authenticate);
      if (!next) {
        CHECK(next.error().minor_status() == static_cast<std::uint32_t>(EPROTO));
        return "client";
      }
      authorization = *std::move(next);
    }
  };
  CHECK(end_of(16, 16) == "alice@GSSKEY.TEST");
  CHECK(end_of(1, 2) == "alice@GSSKEY.TEST");
  CHECK(end_of(16, 1) == "server");
  CHECK(end_of(0, 16) == "client");
}

TEST_CASE("a client takes no longer token than it may") {
  HttpInitiator<Spnego> ours{support::initiator<Spnego>(), {.max_token_size = 10}};
  auto theirs = server();
  const auto answer = theirs.step(must(ours.authorize()));
  REQUIRE(answer);
  const auto context = std::move(ours).establish(answer->www_authenticate);
  REQUIRE_FALSE(context);
  CHECK(context.error().minor_status() == static_cast<std::uint32_t>(EMSGSIZE));
}

TEST_CASE("what a server may say to a client") {
  const auto values = [](std::string_view value) { return std::array{value}; };
  auto ours = client();
  SECTION("another scheme") {
    const auto answer = ours.authorize(values("Basic realm=\"a\""));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().text() == "the server does not offer Negotiate");
  }
  SECTION("a hint, before there was a token of ours") {
    auto theirs = server();
    const auto answer = theirs.step(must(ours.authorize(values("Negotiate YA4GBisGAQUFAqAEMAKgAA=="))));
    REQUIRE(answer);
    CHECK(std::move(ours).establish(answer->www_authenticate));
  }
  SECTION("no") {
    REQUIRE(ours.authorize(values("Negotiate")));
    const auto answer = ours.authorize(values("Negotiate"));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().text() == "the server refuses and does not say why");
  }
  SECTION("garbage") {
    REQUIRE(ours.authorize(values("Negotiate")));
    const auto answer = ours.authorize(values("Negotiate Zm9v"));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().domain() == Domain::gss);
  }
  SECTION("yes, without a proof") {
    REQUIRE(ours.authorize());
    CHECK_FALSE(ours.authorize());  // begun
    const auto context = std::move(ours).establish("");
    REQUIRE_FALSE(context);
    CHECK(context.error().minor_status() == static_cast<std::uint32_t>(ContextFlag::mutual));
  }
  SECTION("yes, without the last token, which proves nothing that was demanded") {
    auto lax = client({.demand = {}});
    REQUIRE(lax.authorize());
    const auto context = std::move(lax).establish("");
    REQUIRE_FALSE(context);
    CHECK(context.error().domain() == Domain::transport);
    CHECK(context.error().text().find("dropped it") != std::string_view::npos);
  }
  SECTION("yes, unasked") {
    const auto context = std::move(ours).establish("");
    REQUIRE_FALSE(context);
    CHECK(context.error().domain() == Domain::usage);
    CHECK(context.error().text() == "no request had an Authorization header: the server wants no login");
  }
  SECTION("why not, which the library tells") {
    static const auto other = must(Credential<Spnego, Accept>::acquire(must(Name::host_service("other", "localhost"))));
    HttpAcceptor<Spnego> theirs{other};
    const auto refused = theirs.step(must(ours.authorize()));
    REQUIRE_FALSE(refused);
    const auto answer = ours.authorize(values(refused.error().www_authenticate));
    REQUIRE_FALSE(answer);
    CHECK_FALSE(answer.error().text().empty());
  }
}

TEST_CASE("a client's step on another thread") {
  auto theirs = server();
  const auto authorize_elsewhere = [](std::string challenge) {
    auto job = [ours = client(), challenge = std::move(challenge)]() mutable {
      auto authorization = ours.authorize(challenge);
      return std::pair{std::move(ours), std::move(authorization)};
    };
    return std::async(std::launch::async, std::move(job)).get();
  };
  auto [ours, authorization] = authorize_elsewhere("Basic realm=\"a\",Negotiate");
  const auto answer = theirs.step(must(std::move(authorization)));
  REQUIRE(answer);
  const auto context = must(std::move(ours).establish(answer->www_authenticate));
  CHECK(must(context.inquire()).flags.contains(ContextFlag::mutual));

  CHECK(authorize_elsewhere("Basic realm=\"a\"").second.error().text() == "the server does not offer Negotiate");
}

TEST_CASE("a server that lies is not believed, and not asked for ever") {
  const auto log_in_at = [](const support::HttpLie& lie, std::size_t& requests) -> Result<SecurityContext<Spnego>> {
    auto theirs = server();
    auto ours = client();
    std::string authorization;
    for (requests = 0;; ++requests) {
      REQUIRE(requests < 20);
      const auto reply = lie.answer(support::http_reply(theirs, authorization), requests, authorization);
      if (reply.status == 200) return std::move(ours).establish(reply.values());
      auto next = ours.authorize(reply.values());
      if (!next) return unexpected(next.error());
      authorization = *std::move(next);
    }
  };
  std::string proof;
  std::size_t requests = 0;
  REQUIRE(log_in_at({"", true,
                     [&](support::HttpReply honest, std::size_t, const std::string&) {
                       if (honest.status == 200) proof = honest.www_authenticate.at(0);
                       return honest;
                     }},
                    requests));
  CHECK(requests == 1);
  support::acceptor_credential<Spnego>();
  const support::Handles handles;
  for (const auto& lie : support::http_lies(proof)) {
    CAPTURE(lie.name);
    const auto context = log_in_at(lie, requests);
    CHECK(context.has_value() == lie.is_harmless);
    CHECK(requests <= 2);
    if (!context) CHECK_FALSE(context.error().text().empty());
  }
  CHECK(handles.leaked() == 0);
}

TEST_CASE("a client that lies gets nowhere, and its connection serves the next one") {
  const auto token = [] { return std::string{must(parse_authorization(must(client().authorize()))).token.text()}; };
  for (const auto& forgery : support::http_forgeries(token())) {
    auto theirs = server();
    for (const auto& authorization : forgery.authorization) {
      CAPTURE(forgery.name, authorization.substr(0, 100));
      const auto answer = theirs.step(authorization);
      REQUIRE_FALSE(answer);
      CHECK((answer.error().status == 400 || answer.error().status == 401));
      CHECK(answer.error().www_authenticate.empty() == (answer.error().status == 400));
    }
    CHECK(log_in(client(), theirs, true) == "alice@GSSKEY.TEST");
  }
}

TEST_CASE("tokens of HTTP that somebody exchanges on their way") {
  const auto run = [](const support::Middle& middle, bool is_dce) {
    support::Outcome outcome;
    auto theirs = server();
    auto ours = client(is_dce ? InitiatorOptions{.request = ContextFlag::dce_style} : InitiatorOptions{});
    const auto carried = [&](const std::string& header) {
      const std::string token{must(parse_authorization(header)).token.text()};
      const std::string altered = middle({outcome.sent.size(), token, outcome.sent});
      outcome.sent.push_back(token);
      outcome.altered |= altered != token;
      return negotiate_header(altered);
    };
    auto authorization = ours.authorize();
    while (authorization) {
      auto answer = theirs.step(carried(*authorization));
      if (answer) {
        outcome.acceptor.believes = true;
        outcome.acceptor.peer = peer_of(answer->context);
        const auto proof = answer->www_authenticate;
        auto context = std::move(ours).establish(headers(proof.empty() ? proof : carried(proof)));
        outcome.initiator.believes = context.has_value();
        if (context) outcome.talk = answer->context.unwrap(must(context->wrap("over HTTP"))).has_value();
        break;
      }
      const std::string challenge = answer.error().www_authenticate;
      if (challenge.find(' ') == std::string::npos) break;
      authorization = ours.authorize(carried(challenge));
    }
    return outcome;
  };
  for (const bool is_dce : {false, true}) {
    const auto honest = run([](const support::Leg& leg) { return leg.token; }, is_dce);
    REQUIRE(honest.talk);
    support::another_handshake = honest.sent;
    int altered = 0;
    int both = 0;
    const auto plans = support::all_plans();
    for (std::size_t at = 0; at < plans.size(); ++at) {
      const auto& plan = plans[at];
      // Heimdal's client answers it, when the server has served the page already.
      const bool is_chosen = plan.front().name == "an empty MIC where there is none";
      if (at % (support::plan_step * 3) != (is_dce ? 1 : 0) && !is_chosen) continue;
      for (std::size_t leg = 0; leg < honest.sent.size(); ++leg) {
        std::set<std::string> done;
        const auto outcome = run(support::middle_of(plan, leg, done), is_dce);
        if (!outcome.altered) continue;
        ++altered;
        if (!outcome.both_believe()) continue;
        ++both;
        CAPTURE(plan.front().name, plan.back().name, leg);
        CHECK(outcome.talk);
        CHECK(outcome.acceptor.peer == "alice@GSSKEY.TEST");
      }
    }
    CHECK(altered > 0);
    CHECK(both < altered);  // the test of negotiation says which
  }
}

TEST_CASE("a handshake does not go on over another connection, and two do not mix in one") {
  const InitiatorOptions dce{.request = ContextFlag::dce_style};  // of three legs
  auto one = client(dce);
  auto other = client(dce);
  auto here = server();
  auto there = server();
  const auto first = here.step(must(one.authorize()));
  REQUIRE_FALSE(first);
  const auto third = must(one.authorize(first.error().www_authenticate));
  const auto lost = there.step(third);
  REQUIRE_FALSE(lost);
  CHECK_FALSE(lost.error().is_challenge);
  // The beginning of another one in the place of the third leg, and then that.
  const auto mixed = here.step(must(other.authorize()));
  REQUIRE_FALSE(mixed);
  CHECK_FALSE(here.step(third));
  CHECK(log_in(client(), here, true) == "alice@GSSKEY.TEST");
  CHECK(log_in(client(), there, false) == "alice@GSSKEY.TEST");
}

TEST_CASE("a ticket of another realm") {
  const auto other =
      must(TestRealm::start({.realm = "OTHER.TEST", .users = {{"alice", "secret"}}, .services = {"host/localhost"}}));
  const auto cache = must(other.login("alice"));
  // In a thread of its own: Heimdal reads its configuration once per thread.
  const std::string authorization =
      std::async(std::launch::async, [&] {
        const auto environment = must(other.enter(cache));
        return must(HttpInitiator<Spnego>{Initiator<Spnego>{support::target()}}.authorize());
      }).get();
  auto theirs = server();
  const auto answer = theirs.step(authorization);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().status == 401);
  CHECK_FALSE(answer.error().is_challenge);
  CHECK(answer.error().error.domain() == Domain::gss);
}
