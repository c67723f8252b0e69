// SASL's GS2-KRB5 and GS2-KRB5-PLUS, both ends of ours, and each end against one that breaks each of its rules.
#include <gsskey/sasl/gs2.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/sasl.hpp"

using namespace gsskey;
using namespace std::string_literals;
using support::must;
using support::refuses;

namespace {

using mech::Krb5;
using Plain = sasl::Gs2Krb5;
using Plus = sasl::Gs2Krb5Plus;

const ChannelBindings unique{"tls-unique", "one"};
const ChannelBindings exporter{"tls-exporter", "one"};
const ChannelBindings other{"tls-exporter", "other"};

template <class Mech = Plain>
sasl::Client<Mech> client(sasl::ClientOptions options = {}) {
  auto& credential = support::initiator_credential<Krb5>();  // first: Heimdal reads its configuration once
  options.min_ssf = 0;
  return sasl::Client<Mech>{support::target(), credential, std::move(options)};
}
template <class Mech = Plain>
sasl::Server<Mech> server(sasl::ServerOptions options = {}) {
  options.min_ssf = 0;
  return sasl::Server<Mech>{support::acceptor_credential<Krb5>(), std::move(options)};
}
ByteView bytes_of(std::string_view text) { return {text.data(), text.size()}; }

/// What is sent of a first token: all but its framing, whose OID ends behind these bytes.
std::string unframed(std::string_view token) {
  const std::string_view oid = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
  return std::string{token.substr(token.find(oid) + oid.size())};
}
/// A client's first message, with this header, and bindings that begin with what the client calls its header.
std::string message(std::string_view header, std::string_view bound, ContextFlags flags = ContextFlag::mutual) {
  support::realm();
  auto initiator =
      support::initiator<Krb5>({.demand = flags, .bindings = ChannelBindings::from_application_data(bytes_of(bound))});
  return std::string{header} + unframed(ByteView{must(initiator.step()).token}.text());
}
std::string message(std::string_view header) { return message(header, header); }

/// "ok", or what becomes of a client that says this first.
template <class Mech = Plain>
std::string verdict_on(std::string_view first, sasl::ServerOptions options = {}) {
  auto ours = server<Mech>(std::move(options));
  const auto challenge = ours.step(bytes_of(first));
  CHECK(ours.is_complete() == challenge.has_value());
  if (challenge) return "ok";
  CHECK(refuses(ours));
  const Error& error = challenge.error();
  CAPTURE(error.text());
  if (error.domain() == Domain::transport) CHECK(error.minor_status() == EPROTO);
  return error.domain() == Domain::transport ? "malformed"
         : error.domain() == Domain::policy  ? "policy"
         : error.domain() == Domain::usage   ? "usage"
                                             : "gss";
}
const auto anybody = [](const Name&, std::string_view) -> Result<void> { return {}; };

template <class Mech>
Error failure_of(sasl::Client<Mech> ours) {
  auto response = ours.step();
  REQUIRE_FALSE(response);
  CHECK(refuses(ours));
  return response.error();
}

}  // namespace

TEST_CASE("gs2: logins, and what the first message says of the channel") {
  const auto check = [](auto ours, auto theirs, std::string_view header) {
    const auto first = must(ours.step());
    CHECK(first->text().substr(0, header.size()) == header);
    CHECK(first->text().substr(header.size(), 2) == "\x01\x00"s);  // of an AP-REQ, whose framing is gone
    CHECK_FALSE(ours.is_complete());
    const auto last = must(theirs.step(ByteView{*first}));
    CHECK(theirs.is_complete());
    CHECK(must(ours.step(ByteView{last.value()}))->empty());
    CHECK(ours.is_complete());
    const auto at_client = must(std::move(ours).establish());
    const auto at_server = must(std::move(theirs).establish());
    CHECK(at_client.ssf == 0);
    CHECK(at_server.ssf == 0);
    CHECK(at_client.layer.protection == Protection::none);
    CHECK(at_server.layer.protection == Protection::none);
    CHECK(support::shown(at_client.peer) == "host/localhost@GSSKEY.TEST");
    CHECK(support::shown(at_server.peer) == "alice@GSSKEY.TEST");
    CHECK(at_server.authzid == "alice@GSSKEY.TEST");
    CHECK(must(at_client.context.inquire()).flags.contains(ContextFlag::mutual));
    CHECK(ours.step(ByteView{}).error().domain() == Domain::usage);
    CHECK(refuses(theirs));
  };
  check(client(), server(), "n,,");
  check(client(), server({.bindings = unique}), "n,,");
  check(client({.bindings = unique}), server(), "y,,");
  check(client<Plus>({.bindings = unique}), server<Plus>({.bindings = unique}), "p=tls-unique,,");
  check(client<Plus>({.bindings = exporter}), server<Plus>({.bindings = exporter}), "p=tls-exporter,,");
}

TEST_CASE("gs2: -PLUS was struck from the list, or the channel is another") {
  const auto struck = support::log_in(client({.bindings = unique}), server({.bindings = unique}));
  REQUIRE_FALSE(struck);
  CHECK(struck.error().domain() == Domain::policy);
  const auto type = support::log_in(client<Plus>({.bindings = unique}), server<Plus>({.bindings = exporter}));
  REQUIRE_FALSE(type);
  CHECK(type.error().domain() == Domain::policy);
  const auto data = support::log_in(client<Plus>({.bindings = other}), server<Plus>({.bindings = exporter}));
  REQUIRE_FALSE(data);
  CHECK(routine_error(data.error()) == RoutineError::bad_bindings);
}

TEST_CASE("gs2: whom the client acts as") {
  const std::string longest(20000, ',');  // much more than bindings with a prefix have
  for (const std::string& authzid : {"u:www"s, "a,b=c"s, "=2C,=3D"s, "\xc3\xbc\xf0\x9f\x94\x91"s, longest}) {
    std::string asked;
    const sasl::ServerOptions rule{.authorize = [&](const Name& peer, std::string_view wanted) -> Result<void> {
      CHECK(support::shown(peer) == "alice@GSSKEY.TEST");
      asked = wanted;
      return {};
    }};
    const auto ends = must(support::log_in(client({.authzid = authzid}), server(rule)));
    CHECK(asked == authzid);
    CHECK(ends.server.authzid == authzid);
    CHECK(ends.client.authzid == authzid);
  }
  const sasl::ServerOptions nobody{.authorize = [](const Name&, std::string_view) -> Result<void> {
    return unexpected(Error::policy("authorize", 0, "no"));
  }};
  CHECK(verdict_on(message("n,a=u:www,"), nobody) == "policy");
  CHECK(verdict_on(message("n,,"), nobody) == "ok");  // it is not asked of who they are
  CHECK(verdict_on(message("n,a=u:www,")) == "policy");
  CHECK(verdict_on(message("n,a=alice@GSSKEY.TEST,")) == "ok");

  auto ours = server({.authorize = [](const Name&, std::string_view) -> Result<void> {
    throw std::runtime_error{"the database is down"};
  }});
  const std::string first = message("n,a=u:www,");
  CHECK_THROWS_AS(static_cast<void>(ours.step(bytes_of(first))), std::runtime_error);
  CHECK(refuses(ours));
}

TEST_CASE("gs2: headers that will do, and those that will not") {
  CHECK(verdict_on(message("n,,")) == "ok");
  CHECK(verdict_on(message("y,,")) == "ok");
  CHECK(verdict_on(message("n,,"), {.bindings = unique}) == "ok");
  CHECK(verdict_on(message("y,,"), {.bindings = unique}) == "policy");
  CHECK(verdict_on(message("p=tls-unique,,", "p=tls-unique,,one")) == "policy");
  CHECK(verdict_on(message("p=tls-unique,,", "p=tls-unique,,one"), {.bindings = unique}) == "policy");
  CHECK(verdict_on<Plus>(message("p=tls-unique,,", "p=tls-unique,,one"), {.bindings = unique}) == "ok");
  CHECK(verdict_on<Plus>(message("p=tls-unique,,", "p=tls-unique,,tls-unique:one"), {.bindings = unique}) == "gss");
  CHECK(verdict_on<Plus>(message("p=tls-unique,,"), {.bindings = unique}) == "gss");
  for (const std::string_view header : {"n,,", "y,,"}) {
    CHECK(verdict_on<Plus>(message(header), {.bindings = unique}) == "policy");
  }
  for (const std::string_view type : {"tls-exporter", "tls-uniqu", "tls-unique2", "TLS-UNIQUE"}) {
    const std::string header = "p=" + std::string{type} + ",,";
    CHECK(verdict_on<Plus>(message(header, header + "one"), {.bindings = unique}) == "policy");
  }
  for (const std::string& header : {""s,
                                    ","s,
                                    ",,"s,
                                    "N,,"s,
                                    "x,,"s,
                                    "nn,,"s,
                                    "p,,"s,
                                    "p=,,"s,
                                    "p=tls unique,,"s,
                                    "p=tls=unique,,"s,
                                    "F,"s,
                                    "F,,"s,
                                    "f,n,,"s,
                                    "F,F,n,,"s,
                                    "n=tls-unique,,"s,
                                    "n,a=,"s,
                                    "n,a,"s,
                                    "n,b=www,"s,
                                    "n,A=www,"s,
                                    "n,www,"s,
                                    "n,a=w=ww,"s,
                                    "n,a=www=2,"s,
                                    "n,a=www=,"s,
                                    "n,a==2c,"s,
                                    "n,a==3d,"s,
                                    "n,a==41,"s,
                                    "n,a=w\0w,"s,
                                    "n,a=\xff,"s,
                                    "n,a=\xc0\x80,"s,
                                    " n,,"s}) {
    CAPTURE(header);
    CHECK(verdict_on(message(header, "n,,"), {.authorize = anybody}) == "malformed");
  }
  for (const std::string_view nothing : {"", "n", "n,", "n,,", "F,n,,", "n,a=www,", "n,,,"}) {
    CHECK(verdict_on(nothing) != "ok");
  }
}

TEST_CASE("gs2: F goes with a token that has no framing, and with no other") {
  support::realm();
  auto initiator = support::initiator<Krb5>(
      {.demand = ContextFlag::mutual, .bindings = ChannelBindings::from_application_data("n,,")});
  const auto step = must(initiator.step());
  const std::string framed{ByteView{step.token}.text()};
  CHECK(verdict_on("F,n,," + framed) == "malformed");
  CHECK(verdict_on("n,," + framed) == "gss");
  CHECK(verdict_on("F,n,," + unframed(framed)) == "gss");  // to Kerberos, this is no token
  CHECK(verdict_on("n,," + unframed(framed)) == "ok");
}

TEST_CASE("gs2: tokens of SPNEGO, with framing and without") {
  support::realm();
  auto initiator = support::initiator<mech::Spnego>(
      {.demand = ContextFlag::mutual, .bindings = ChannelBindings::from_application_data("n,,")});
  const std::string token{ByteView{must(initiator.step()).token}.text()};
  CHECK(verdict_on("F,n,," + token) == "malformed");
  CHECK(verdict_on("n,," + token) == "gss");
  const std::size_t end_of_oid = token.find("\x2b\x06\x01\x05\x05\x02") + 6;
  REQUIRE(end_of_oid > 6);
  CHECK(verdict_on("n,," + token.substr(end_of_oid)) == "gss");
  CHECK(verdict_on("F,n,," + token.substr(end_of_oid)) == "gss");

  auto ours = client();
  static_cast<void>(must(ours.step()));
  auto acceptor = support::acceptor<mech::Spnego>({.demand = {}});
  const auto reply = must(acceptor.step(bytes_of(token)));
  CHECK_FALSE(ours.step(ByteView{reply.token}));
  CHECK(refuses(ours));
}

TEST_CASE("gs2: a token without bindings, or with others, logs nobody in") {
  // What somebody has caught of another mechanism, behind a header of their own.
  const auto caught = [] { return unframed(must(support::sasl_client().step())->text()); };
  for (const std::string_view header : {"n,,", "y,,", "n,a=root,"}) {
    CHECK(verdict_on(std::string{header} + caught(), {.authorize = anybody}) == "policy");
  }
  CHECK(verdict_on<Plus>("p=tls-unique,," + caught(), {.authorize = anybody, .bindings = unique}) == "policy");
  CHECK(verdict_on(message("n,,", "y,,")) == "gss");
  CHECK(verdict_on(message("n,,", "F,n,,")) == "gss");
  CHECK(verdict_on(message("n,a=root,", "n,,"), {.authorize = anybody}) == "gss");
  CHECK(verdict_on(message("n,,", "n,a=root,"), {.authorize = anybody}) == "gss");
  CHECK(verdict_on(message("n,a=root,", "n,a=rooT,"), {.authorize = anybody}) == "gss");
}

TEST_CASE("gs2: authentication is mutual") {
  CHECK(verdict_on(message("n,,", "n,,", {})) == "policy");
  CHECK(verdict_on(message("n,,", "n,,", ContextFlag::integrity)) == "policy");

  auto ours = client();
  static_cast<void>(must(ours.step()));
  CHECK_FALSE(ours.step(ByteView{}));  // a server that would have the client do without
  CHECK(refuses(ours));
}

TEST_CASE("gs2: first messages that are cut, lengthened, altered, repeated or huge") {
  // Each time another one: MIT krb5 refuses what it has seen before.
  const auto first = [] { return std::string{must(client({.authzid = "u:www"}).step())->text()}; };
  const sasl::ServerOptions rule{.authorize = anybody};
  const std::size_t whole = first().size();
  for (std::size_t size = 0; size < whole; size += size < 20 ? 1 : 13) {
    CAPTURE(size);
    const auto message = first();  // not each is as long as the others
    CHECK(verdict_on(message.substr(0, std::min(size, message.size() - 1)), rule) != "ok");
  }
  for (std::size_t at = 0; at < whole + 7; at += at < 20 ? 1 : 7) {
    CAPTURE(at);
    std::string altered = first();
    if (at < altered.size()) {
      altered[at] = static_cast<char>(altered[at] ^ 0x20);
    } else {
      altered += 'x';
    }
    auto ours = server(rule);
    if (!ours.step(bytes_of(altered))) {
      CHECK(refuses(ours));
      continue;
    }
    // What no key protects: of the ticket, around it and behind it.
    CHECK(at > 20);
    const auto session = must(std::move(ours).establish());
    CHECK(session.authzid == "u:www");
    CHECK(support::shown(session.peer) == "alice@GSSKEY.TEST");
  }
  CHECK(verdict_on("n,a=www," + first(), rule) != "ok");
  CHECK(verdict_on(std::string(1u << 20, 'n'), rule) == "malformed");
  CHECK(verdict_on("n,a=" + std::string(1u << 20, 'n'), rule) == "malformed");
  CHECK(verdict_on("n,," + std::string(1u << 20, 'n'), rule) == "gss");

  auto ours = server(rule);
  static_cast<void>(must(ours.step(std::nullopt)));
  const std::string once = first();
  static_cast<void>(must(ours.step(bytes_of(once))));
  CHECK_FALSE(ours.step(bytes_of(once)));  // behind the last
  CHECK(std::move(ours).establish());
}

TEST_CASE("gs2: last messages that are cut, lengthened, altered, repeated, another's or huge") {
  std::string others;
  {
    auto ours = client();
    auto theirs = server();
    others = must(theirs.step(ByteView{must(ours.step()).value()}))->text();
  }
  const auto is_taken = [](auto alter) {
    auto ours = client();
    auto theirs = server();
    const auto first = must(ours.step());
    const std::string last{must(theirs.step(ByteView{*first}))->text()};
    const std::string altered = alter(last, std::string{first->text()});
    const auto response = ours.step(bytes_of(altered));
    CHECK(ours.is_complete() == response.has_value());
    if (!response) CHECK(refuses(ours));
    return response.has_value();
  };
  CHECK(is_taken([](const std::string& last, const std::string&) { return last; }));
  CHECK_FALSE(is_taken([&](const std::string&, const std::string&) { return others; }));
  CHECK_FALSE(is_taken([](const std::string&, const std::string& first) { return first; }));
  CHECK_FALSE(is_taken([](const std::string& last, const std::string&) { return last + 'x'; }));
  CHECK_FALSE(is_taken([](const std::string& last, const std::string&) { return "n,," + last; }));
  CHECK_FALSE(is_taken([](const std::string&, const std::string&) { return std::string(1u << 20, 'n'); }));
  for (std::size_t at = 0; at < others.size(); at += at < 20 ? 1 : 5) {
    CAPTURE(at);
    CHECK_FALSE(is_taken(
        [&](const std::string& last, const std::string&) { return last.substr(0, std::min(at, last.size() - 1)); }));
  }
  for (std::size_t at = others.size() - 30; at < others.size(); ++at) {
    CAPTURE(at);
    CHECK_FALSE(is_taken([&](std::string last, const std::string&) {
      last[std::min(at, last.size() - 1)] = static_cast<char>(last[std::min(at, last.size() - 1)] ^ 0x20);
      return last;
    }));
  }
  auto ours = client();
  auto theirs = server();
  const auto last = must(theirs.step(ByteView{must(ours.step()).value()}));
  static_cast<void>(must(ours.step(ByteView{*last})));
  CHECK_FALSE(ours.step(ByteView{*last}));
  CHECK(std::move(ours).establish());
}

TEST_CASE("gs2: options that cannot be, and calls out of turn") {
  for (const auto& options :
       {sasl::ClientOptions{.authzid = "w\0ww"s}, sasl::ClientOptions{.authzid = "\xff"},
        sasl::ClientOptions{.max_buffer = 0x1000000}, sasl::ClientOptions{.bindings = {"tls-unique", {}}}}) {
    CHECK(failure_of(client(options)).domain() == Domain::usage);
  }
  const ChannelBindings no_types[] = {{},
                                      {"tls unique", "one"},
                                      ChannelBindings::from_application_data("tls-unique"),
                                      ChannelBindings::from_application_data("tls-unique:")};
  for (const auto& bindings : no_types) {
    CHECK(failure_of(client<Plus>({.bindings = bindings})).domain() == Domain::usage);
    CHECK(verdict_on<Plus>("p=tls-unique,,token", {.bindings = bindings}) == "usage");
  }
  CHECK(verdict_on("n,,token", {.max_ssf = 256, .max_buffer = 0x1000000}) == "usage");
  CHECK(verdict_on("n,,token", {.bindings = {"tls-unique", {}}}) == "usage");

  // What is below has to be as strong as it must be.
  auto& credential = support::initiator_credential<Krb5>();
  CHECK(failure_of(sasl::Client<Plain>{support::target(), credential}).domain() == Domain::policy);
  sasl::Server<Plain> weak{support::acceptor_credential<Krb5>(), {.min_ssf = 129, .external_ssf = 128}};
  CHECK(weak.step(bytes_of(message("n,,"))).error().domain() == Domain::policy);
  CHECK(refuses(weak));
  CHECK(support::log_in(sasl::Client<Plain>{support::target(), credential, {.external_ssf = 128}},
                        sasl::Server<Plain>{support::acceptor_credential<Krb5>(), {.external_ssf = 128}}));

  auto greeted = client();
  const auto response = greeted.step(ByteView{"a greeting"});
  REQUIRE_FALSE(response);
  CHECK(response.error().minor_status() == EPROTO);
  auto silent = client();
  static_cast<void>(must(silent.step(ByteView{})));
  CHECK(silent.step().error().domain() == Domain::usage);
  auto waiting = server();
  CHECK(must(waiting.step(std::nullopt))->empty());  // the client goes first
  CHECK(std::move(waiting).establish().error().domain() == Domain::usage);
  CHECK(waiting.step(std::nullopt).error().domain() == Domain::usage);
}
