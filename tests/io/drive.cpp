// The handshake loop: what is sent and when, what is refused and why; on real contexts, and on a scripted handshake for
// what no library does on demand.
#include <gsskey/io/drive.hpp>
#include <gsskey/io/fd_stream.hpp>
#include <gsskey/io/framing.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/courier.hpp"
#include "support/realm.hpp"
#include "support/slow_peer.hpp"

using namespace gsskey;
using support::must;

namespace {

/// A token in gss memory.
Buffer token_of(const std::string& text) {
  if (text.empty()) return {};
  support::realm();  // before the first gss call of the program: Heimdal reads its configuration once
  auto name = must(Name::import_name<name_type::user>(text));
  return std::move(must(name.display()).buffer);
}

/// One leg of a script.
struct Leg {
  std::string expected_input;
  std::string token;
  bool complete = false;
  bool fails = false;
};

template <bool Starts>
struct Scripted {
  using Context = std::string;
  static constexpr bool starts = Starts;
  std::deque<Leg> legs;
  bool establishes = true;

  expected<Step, StepFailure> step(ByteView input) {
    if (legs.empty()) return unexpected(StepFailure{Error::usage("step", "no leg left"), {}});
    const Leg leg = legs.front();
    legs.pop_front();
    CHECK(input.text() == leg.expected_input);
    if (leg.fails) return unexpected(StepFailure{Error::usage("step", "scripted failure"), token_of(leg.token)});
    return Step{token_of(leg.token), leg.complete};
  }
  Result<std::string> establish() && {
    if (!establishes) return unexpected(Error::policy("establish", 0, "scripted refusal"));
    return "established";
  }
};

/// A peer that has answered already; records what it is sent.
struct Wire {
  std::deque<std::string> incoming;
  std::vector<std::string> sent{};
  bool send_fails = false;

  Result<void> send(ByteView token) {
    if (send_fails) return unexpected(Error::transport("send", EPIPE));
    sent.emplace_back(token.text());
    return {};
  }
  Result<std::string> receive(std::size_t max_size) {
    if (incoming.empty()) return unexpected(Error::transport("receive", ECONNRESET));
    std::string token = incoming.front();
    incoming.pop_front();
    if (token.size() > max_size && ignores_cap == false) return unexpected(Error::transport("receive", EMSGSIZE));
    return token;
  }
  bool ignores_cap = false;
};
static_assert(BlockingTransport<Wire>);
static_assert(SteppedHandshake<Initiator<mech::Krb5>>);
static_assert(SteppedHandshake<Acceptor<mech::Spnego>>);

using Sent = std::vector<std::string>;

/// Two connected sockets, closed at the end.
struct Sockets {
  int ends[2];
  Sockets() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); }
  Sockets(const Sockets&) = delete;
  ~Sockets() {
    close(0);
    close(1);
  }
  void close(int end) {
    if (ends[end] >= 0) ::close(std::exchange(ends[end], -1));
  }
};

}  // namespace

TEST_CASE("the initiator sends first, and establishes after the last token") {
  Wire wire{{"b"}};
  CHECK(drive(Scripted<true>{{{"", "a"}, {"b", "", true}}}, wire).value() == "established");
  CHECK(wire.sent == Sent{"a"});  // COMPLETE without a token: nothing to send
}

TEST_CASE("a token that comes with completion is sent before the context is used") {
  Wire wire{{"a"}};
  CHECK(drive(Scripted<false>{{{"a", "b", true}}}, wire));
  CHECK(wire.sent == Sent{"b"});

  Wire one_way{};
  CHECK(drive(Scripted<true>{{{"", "a", true}}}, one_way));
  CHECK(one_way.sent == Sent{"a"});
}

TEST_CASE("an empty token in the middle is sent, and taken") {
  Wire wire{{"", "c"}};
  CHECK(drive(Scripted<true>{{{"", "a"}, {"", ""}, {"c", "", true}}}, wire));
  CHECK(wire.sent == Sent{"a", ""});
}

TEST_CASE("an error token goes out before the error comes back") {
  Wire wire{{"b"}};
  const auto failed = drive(Scripted<true>{{{"", "a"}, {"b", "why", false, true}}}, wire);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().text() == "scripted failure");
  CHECK(wire.sent == Sent{"a", "why"});
}

TEST_CASE("an error without a token sends nothing") {
  Wire wire{{"a"}};
  CHECK_FALSE(drive(Scripted<false>{{{"a", "", false, true}}}, wire));
  CHECK(wire.sent.empty());
}

TEST_CASE("the failure counts, not that the peer could not be told of it") {
  Wire wire{{"a"}};
  wire.send_fails = true;
  const auto failed = drive(Scripted<false>{{{"a", "why", false, true}}}, wire);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().text() == "scripted failure");
}

TEST_CASE("what the transport reports comes back as it is") {
  Wire closed{};
  const auto no_answer = drive(Scripted<true>{{{"", "a"}}}, closed);
  REQUIRE_FALSE(no_answer);
  CHECK(no_answer.error().domain() == Domain::transport);
  CHECK(no_answer.error().minor_status() == ECONNRESET);

  Wire broken{};
  broken.send_fails = true;
  CHECK(drive(Scripted<true>{{{"", "a"}}}, broken).error().minor_status() == EPIPE);
}

TEST_CASE("the last token that cannot be sent is no established context") {
  Wire wire{{"a"}};
  wire.send_fails = true;
  CHECK_FALSE(drive(Scripted<false>{{{"a", "b", true}}}, wire));
}

TEST_CASE("a refusal to establish is an error after the last token") {
  Wire wire{{"a"}};
  const auto refused = drive(Scripted<false>{{{"a", "b", true}}, false}, wire);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::policy);
  CHECK(wire.sent == Sent{"b"});
}

TEST_CASE("tokens longer than the cap are refused, by the transport or after it") {
  for (const bool ignores_cap : {false, true}) {
    Wire wire{{std::string(65537, 'x')}};
    wire.ignores_cap = ignores_cap;
    const auto refused = drive(Scripted<false>{{}}, wire);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().minor_status() == EMSGSIZE);
  }
  const std::string longest(65536, 'x');
  Wire wire{{longest}};
  CHECK(drive(Scripted<false>{{{longest, "", true}}}, wire));
  Wire small{{"12345"}};
  CHECK(drive(Scripted<false>{{}}, small, {.max_token_size = 4}).error().minor_status() == EMSGSIZE);
}

TEST_CASE("whoever sent a longer token than the cap is told so when the peer closes the connection") {
  const auto reason = [](std::size_t size, bool send_fails, std::size_t cap) {
    Wire wire{{}};
    wire.send_fails = send_fails;
    Scripted<true> ours{{{"", std::string(size, 'x')}}};
    return std::string{drive(std::move(ours), wire, {.max_token_size = cap}).error().text()};
  };
  const std::string closed = std::strerror(ECONNRESET);
  const std::string may_be = "; the token sent has 101 bytes, and at most 100 may be allowed";
  CHECK(reason(100, false, 100) == closed);
  CHECK(reason(101, false, 100) == closed + may_be);
  CHECK(reason(101, true, 100) == std::strerror(EPIPE) + may_be);
  // whoever allows more does not know whether the peer does
  CHECK(reason(65536, false, 100'000) == closed);
  CHECK(reason(65537, false, 100'000) == closed + "; the token sent has 65537 bytes, and at most 65536 may be allowed");
}

TEST_CASE("rounds are capped") {
  Wire wire{};
  Scripted<true> endless{{{"", "x"}}};
  for (int i = 0; i < 100; ++i) {
    wire.incoming.push_back("y");
    endless.legs.push_back({"y", "x"});
  }
  const auto refused = drive(std::move(endless), wire);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().domain() == Domain::transport);
  CHECK(refused.error().minor_status() == EPROTO);
  CHECK(wire.sent.size() == 17);  // the first token, and one for each of 16 rounds
}

TEMPLATE_TEST_CASE("two real ends over sockets", "", mech::Krb5, mech::Spnego, mech::Negotiate<mech::Krb5>) {
  support::initiator_credential<TestType>();
  Sockets sockets;
  Result<SecurityContext<TestType>> accepted = unexpected(Error::usage("", "not run"));
  std::thread server{[&, acceptor = support::acceptor<TestType>()]() mutable {
    FdStream stream{sockets.ends[1]};
    FramedTransport wire{stream};
    accepted = drive(std::move(acceptor), wire);
    sockets.close(1);
  }};
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  auto connected = drive(support::initiator<TestType>(), wire);
  sockets.close(0);
  server.join();
  REQUIRE(connected);
  REQUIRE(accepted);
  CHECK(must(accepted->unwrap(must(connected->wrap("hello")))).text() == "hello");
}

namespace {

/// What each end has when somebody carries its frames.
template <Mechanism M>
struct Carried {
  Result<SecurityContext<M>> initiator = unexpected(Error::usage("", "not run"));
  Result<SecurityContext<M>> acceptor = unexpected(Error::usage("", "not run"));
  std::vector<std::string> sent;
  bool is_altered = false;
};
template <Mechanism M>
Carried<M> carried(const InitiatorOptions& options, support::Courier courier) {
  Carried<M> ends;
  support::Wire wire{std::move(courier)};
  std::thread server{[&, acceptor = support::acceptor<M>()]() mutable {
    auto end = wire.acceptor();
    FramedTransport framed{end};
    ends.acceptor = drive(std::move(acceptor), framed);
    end.close();
  }};
  auto end = wire.initiator();
  FramedTransport framed{end};
  ends.initiator = drive(support::initiator<M>(options), framed);
  end.close();
  server.join();
  ends.sent = wire.sent();
  ends.is_altered = wire.is_altered();
  return ends;
}

/// Everything that a courier can do to one frame of the handshake: both ends go on only with what the other has sent.
template <Mechanism M>
void carry_badly(const InitiatorOptions& options, std::size_t legs) {
  support::initiator_credential<M>();
  const support::Courier honest{"honest", [](const support::Leg& leg) { return support::frame(leg.token); }};
  const auto another = carried<M>(options, honest);
  REQUIRE(another.initiator);
  REQUIRE(another.acceptor);
  REQUIRE(another.sent.size() == legs);
  const bool is_mutual = options.demand.contains(ContextFlag::mutual);
  const bool is_dce = options.request.contains(ContextFlag::dce_style);
  for (std::size_t at = 0; at < legs; ++at) {
    for (const auto& courier : support::couriers(at, another.sent)) {
      CAPTURE(M::name, courier.name, at, legs);
      auto ends = carried<M>(options, courier);
      if (!ends.initiator || !ends.acceptor) {
        CHECK(ends.is_altered);
        continue;
      }
      const bool is_replay = courier.name == "that of another handshake" && at == 0;
      const bool is_harmless =
          (is_dce && courier.name == "a byte more") ||                   // no DER around its tokens says where they end
          (!is_mutual && at == 1 && another.sent[1] == ends.sent[1]) ||  // SPNEGO's "yes" is the same each time
          (known_faults.accepts_own_dce_reply && at == 2 && courier.name == "the receiver's own last one") ||
          (!capabilities.replay_cache && !is_mutual && is_replay);
      CHECK((!ends.is_altered || is_harmless));
      const bool talk = ends.acceptor->unwrap(must(ends.initiator->wrap("hello"))).has_value();
      CHECK(talk == !is_replay);
    }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("frames that are lost, repeated, late, exchanged or changed", "", mech::Krb5, mech::Spnego,
                   mech::Negotiate<mech::Krb5>) {
  constexpr ContextFlags one_way = ContextFlag::confidentiality | ContextFlag::integrity | ContextFlag::replay;
  carry_badly<TestType>({}, 2);
  carry_badly<TestType>({.demand = one_way}, TestType::negotiates ? 2 : 1);
  if (!TestType::negotiates) carry_badly<TestType>({.request = ContextFlag::dce_style}, 3);
}

#if defined(GSSKEY_GSS_MIT)
TEST_CASE("over a wire the initiator learns from the error token why it was refused") {
  support::initiator_credential<mech::Krb5>();
  // The first server takes the token; it is sent again to a second one.
  auto initiator = support::initiator<mech::Krb5>();
  const Buffer token = std::move(must(initiator.step()).token);
  auto first = support::acceptor<mech::Krb5>();
  REQUIRE(first.step(token));

  Sockets sockets;
  Result<SecurityContext<mech::Krb5>> accepted = unexpected(Error::usage("", "not run"));
  std::thread server{[&, acceptor = support::acceptor<mech::Krb5>()]() mutable {
    FdStream stream{sockets.ends[1]};
    FramedTransport wire{stream};
    accepted = drive(std::move(acceptor), wire);
  }};
  FdStream stream{sockets.ends[0]};
  FramedTransport wire{stream};
  must(wire.send(token));
  const auto reason = must(wire.receive(65536));
  const auto told = initiator.step(reason);
  server.join();
  REQUIRE_FALSE(accepted);
  CHECK(accepted.error().text().find("replay") != std::string_view::npos);
  REQUIRE_FALSE(told);
  CHECK(told.error().error.text().find("replay") != std::string_view::npos);
}
#endif

TEST_CASE("the time is for the whole handshake, not for each byte: who sends a byte now and then is given up") {
  support::initiator_credential<mech::Krb5>();
  auto acceptor = support::acceptor<mech::Krb5>();
  auto initiator = support::initiator<mech::Krb5>();
  const Buffer token = std::move(must(initiator.step()).token);
  const auto header = FrameHeader::of(static_cast<std::uint32_t>(ByteView{token}.size()));
  const std::string frame = std::string{ByteView{header.bytes}.text()} + std::string{ByteView{token}.text()};
  REQUIRE(frame.size() > 100);

  const support::SlowPeer peer{frame};
  FdStream stream{peer.wire()};
  FramedTransport wire{stream};
  SECTION("each byte comes a tenth of a second after the one before, and there is a second") {
    stream.expires_after(std::chrono::seconds{1});
    const auto accepted = drive(std::move(acceptor), wire);
    CHECK(support::SlowPeer::taken() == 10);
    REQUIRE_FALSE(accepted);
    CHECK(accepted.error().domain() == Domain::transport);
    CHECK(accepted.error().minor_status() == ETIMEDOUT);
  }
  SECTION("there is an hour") {
    stream.expires_after(std::chrono::hours{1});
    CHECK(drive(std::move(acceptor), wire));
    CHECK(support::SlowPeer::taken() == static_cast<long>(frame.size()));
  }
}

TEST_CASE("a user with a very long name who delegates makes a long token, and the cap decides") {
  auto& realm = support::realm().realm;
  const std::string user(1800, 'u');  // about the longest that the KDC's database takes
  must(realm.kadmin("addprinc -clearpolicy -pw long \"" + user + "\""));
  const auto cache = must(realm.login(user, {.password = "long"}));
  const auto environment = must(realm.enter(cache));
  const auto credential = must(Credential<mech::Krb5, Initiate>::acquire_default());
  auto& acceptor_credential = support::acceptor_credential<mech::Krb5>();
  const auto is_accepted = [&](std::size_t cap) {
    Initiator<mech::Krb5> initiator{support::target(), credential, {.request = ContextFlag::delegate}};
    const auto first = must(initiator.step());
    CHECK(first.token.size() > 8000);
    Sockets sockets;
    Result<SecurityContext<mech::Krb5>> accepted = unexpected(Error::usage("", "not run"));
    std::thread server{[&] {
      FdStream stream{sockets.ends[1]};
      FramedTransport wire{stream};
      accepted = drive(Acceptor<mech::Krb5>{acceptor_credential}, wire, {.max_token_size = cap});
      sockets.close(1);
    }};
    FdStream stream{sockets.ends[0]};
    FramedTransport wire{stream};
    static_cast<void>(wire.send(first.token));  // the server may have hung up after the length
    static_cast<void>(wire.receive(65536));
    server.join();
    if (!accepted) CHECK(accepted.error().minor_status() == EMSGSIZE);
    return accepted.has_value();
  };
  CHECK(is_accepted(65536));
  CHECK_FALSE(is_accepted(8000));
}
