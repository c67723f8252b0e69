// The same cases over everything that protects messages, with the library itself, in plain C, at the other end.
#include <gsskey/gss/context/expiring.hpp>
#include <gsskey/gss/message.hpp>
#include <gsskey/krb5/principal.hpp>
#include <gsskey/messages/take_over.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/message_calls.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using mech::Krb5;
using support::Bytes;
using support::bytes_of;
using support::must;

static_assert(MessageContext<SecurityContext<Krb5>>);
static_assert(MessageContext<SecurityContext<mech::Spnego>>);
static_assert(MessageContext<ExpiringContext<Krb5>>);
static_assert(MessageContext<MessageProtector>);
static_assert(OwnedBytes<MessageToken>);
static_assert(OwnedBytes<MessageMic>);

namespace {

template <class C>
inline constexpr bool is_protector = std::is_same_v<C, MessageProtector>;

template <class C, class M = Krb5>
struct Ends {
  C ours;  ///< the initiator's
  SecurityContext<M> peer;
};

template <class C>
auto ends_of() {
  support::realm();
  if constexpr (is_protector<C>) {
    auto both = support::handshakes<Krb5>();
    auto ours = support::taken(std::move(both.initiator));
    return Ends<C>{std::move(ours), must(std::move(both.acceptor).establish())};
  } else {
    using M = typename C::Mechanism;
    auto both = support::pair<M>();
    if constexpr (std::is_same_v<C, ExpiringContext<M>>) {
      return Ends<C, M>{must(C::from_context(std::move(both.initiator))), std::move(both.acceptor)};
    } else {
      return Ends<C, M>{std::move(both.initiator), std::move(both.acceptor)};
    }
  }
}

/// gss_wrap of the peer.
Bytes wrapped(gss_ctx_id_t peer, std::string_view message, bool encrypt = true) {
  OM_uint32 minor = 0;
  int encrypted = 0;
  gss_buffer_desc in{message.size(), const_cast<char*>(message.data())};
  gss_buffer_desc out{0, nullptr};
  REQUIRE(gss_wrap(&minor, peer, encrypt, GSS_C_QOP_DEFAULT, &in, &encrypted, &out) == GSS_S_COMPLETE);
  REQUIRE((encrypted != 0) == encrypt);
  const Buffer token = Buffer::adopt(out);
  return bytes_of(token);
}
/// gss_unwrap of the peer.
std::string unwrapped(gss_ctx_id_t peer, ByteView token, bool is_encrypted = true) {
  Bytes copy = bytes_of(token);
  OM_uint32 minor = 0;
  int encrypted = 0;
  gss_buffer_desc in{copy.size(), copy.data()};
  gss_buffer_desc out{0, nullptr};
  REQUIRE(gss_unwrap(&minor, peer, &in, &out, &encrypted, nullptr) == GSS_S_COMPLETE);
  CHECK((encrypted != 0) == is_encrypted);
  const Buffer message = Buffer::adopt(out);
  return std::string{message.text()};
}

std::string text(std::span<const unsigned char> bytes) { return {bytes.begin(), bytes.end()}; }
bool is_within(std::span<const unsigned char> inner, std::span<const unsigned char> outer) {
  return inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size();
}

/// unwrap and its kin, of which each demands that a message was encrypted, and none twice.
template <class C, class Check>
void each_unwrap(C& context, ByteView token, Check check) {
  Bytes memory(token.size());
  Bytes copy = bytes_of(token);
  check("unwrap", context.unwrap(token));
  check("unwrap_into", unwrap_into(context, token, memory));
  check("unwrap_in_place", unwrap_in_place(context, std::span<unsigned char>{copy}));
}

bool says_duplicate(const Error& error) { return (error.major_status() & GSS_S_DUPLICATE_TOKEN) != 0; }

}  // namespace

#define ALL_CONTEXTS SecurityContext<Krb5>, SecurityContext<mech::Spnego>, ExpiringContext<Krb5>, MessageProtector

TEMPLATE_TEST_CASE("what is wrapped, the peer's gss_unwrap takes", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const MessageRoom room = must(ours.room());
  for (const std::size_t size : {0u, 1u, 64u, 5000u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    CHECK(unwrapped(peer.get(), must(ours.wrap(message))) == message);
    CHECK(unwrapped(peer.get(), must(ours.wrap_unencrypted(message)), false) == message);

    Bytes block(8 + room.header + size + room.trailer + 8, 0xee);
    auto token = must(wrap_into(ours, message, std::span{block}.subspan(8)));
    CHECK(token.data() == block.data() + 8);
    CHECK(token.size() == block.size() - 16);
    CHECK(unwrapped(peer.get(), token) == message);
    const ByteView pieces[] = {"ab", message, "", "c"};
    Bytes larger(block.size());
    CHECK(unwrapped(peer.get(), must(wrap_into(ours, pieces, larger))) == "ab" + message + "c");

    std::copy(message.begin(), message.end(), block.begin() + static_cast<std::ptrdiff_t>(8 + room.header));
    token = must(wrap_in_place(ours, {block, 8 + room.header, size}));
    CHECK(token.data() == block.data() + 8);
    CHECK(unwrapped(peer.get(), token) == message);
    CHECK(std::count(block.begin(), block.begin() + 8, 0xee) == 8);
    CHECK(std::count(block.end() - 8, block.end(), 0xee) == 8);
  }
}

TEMPLATE_TEST_CASE("what the peer's gss_wrap made is unwrapped", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const MessageRoom room = must(ours.room());
  for (const std::size_t size : {0u, 1u, 64u, 5000u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    CHECK(must(ours.unwrap(wrapped(peer.get(), message))).text() == message);
    const auto sealed = must(ours.unwrap_unencrypted(wrapped(peer.get(), message)));
    CHECK(sealed.message.text() == message);
    CHECK(sealed.confidential);
    const auto open = must(ours.unwrap_unencrypted(wrapped(peer.get(), message, false)));
    CHECK(open.message.text() == message);
    CHECK_FALSE(open.confidential);
    const auto ordered = must(ours.unwrap_with_ordering(wrapped(peer.get(), message)));
    CHECK(ordered.plaintext.text() == message);
    CHECK(ordered.ordering == Ordering::in_order);

    Bytes exact(size);
    auto plain = must(unwrap_into(ours, wrapped(peer.get(), message), exact));
    CHECK(text(plain) == message);
    CHECK(plain.size() == exact.size());
    CHECK(plain.data() == exact.data());
    Bytes token = wrapped(peer.get(), message);
    CHECK(token.size() == room.header + size + room.trailer);
    plain = must(unwrap_in_place(ours, token));
    CHECK(text(plain) == message);
    CHECK(is_within(plain, token));
  }
}

TEMPLATE_TEST_CASE("MICs, both ways", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  must(peer.verify_mic("message", must(ours.get_mic("message"))));
  must(ours.verify_mic("message", must(peer.get_mic("message"))));
  CHECK(routine_error(ours.verify_mic("massage", must(peer.get_mic("message"))).error()) == RoutineError::bad_mic);
}

TEMPLATE_TEST_CASE("memory that is too small is refused before anything is used up", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const MessageRoom room = must(ours.room());
  Bytes block(room.header + 7 + room.trailer);
  const auto is_usage = [](const auto& result) { return !result && result.error().domain() == Domain::usage; };
  CHECK(is_usage(wrap_into(ours, "8 octets", block)));
  CHECK(is_usage(wrap_into(ours, "x", std::span{block}.first(room.header))));
  CHECK(is_usage(wrap_in_place(ours, {block, room.header, 8})));
  CHECK(is_usage(wrap_in_place(ours, {block, room.header - 1, 7})));
  CHECK(is_usage(wrap_in_place(ours, {block, block.size() + 1, 0})));
  CHECK(unwrapped(peer.get(), must(wrap_into(ours, "7 octet", block))) == "7 octet");

  const Bytes token = wrapped(peer.get(), "8 octets");
  CHECK(is_usage(unwrap_into(ours, token, std::span{block}.first(7))));
  CHECK(text(must(unwrap_into(ours, token, std::span{block}.first(8)))) == "8 octets");
}

TEMPLATE_TEST_CASE("a token that was cut is refused at every length", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const Bytes token = wrapped(peer.get(), "a message");
  const Bytes mic = bytes_of(must(peer.get_mic("a message")));
  for (std::size_t size = 0; size < token.size(); ++size) {
    CAPTURE(size);
    const ByteView cut{token.data(), size};
    each_unwrap(ours, cut, [](const char* name, const auto& result) {
      CAPTURE(name);
      CHECK_FALSE(result);
    });
    CHECK_FALSE(ours.unwrap_unencrypted(cut));
    CHECK_FALSE(ours.unwrap_with_ordering(cut));
  }
  for (std::size_t size = 0; size < mic.size(); ++size) CHECK_FALSE(ours.verify_mic("a message", {mic.data(), size}));
  if (is_protector<TestType> || !known_faults.forgery_moves_window)
    CHECK(must(ours.unwrap(token)).text() == "a message");
}

TEMPLATE_TEST_CASE("what comes twice is refused", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const Bytes token = wrapped(peer.get(), "once");
  const Bytes mic = bytes_of(must(peer.get_mic("once")));
  CHECK(must(ours.unwrap(token)).text() == "once");
  each_unwrap(ours, token, [](const char* name, const auto& result) {
    CAPTURE(name);
    REQUIRE_FALSE(result);
    CHECK(says_duplicate(result.error()));
  });
  CHECK(says_duplicate(ours.unwrap_unencrypted(token).error()));
  auto ordered = ours.unwrap_with_ordering(token);
  if (is_protector<TestType> || !known_faults.order_before_integrity) {
    CHECK(must(std::move(ordered)).ordering == Ordering::duplicate);
  } else {
    REQUIRE_FALSE(ordered);
    CHECK(says_duplicate(ordered.error()));
  }
  must(ours.verify_mic("once", mic));
  CHECK(says_duplicate(ours.verify_mic("once", mic).error()));
}

TEMPLATE_TEST_CASE("a message that was not encrypted is refused where that is demanded", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const auto is_policy = [](const char* name, const auto& result) {
    CAPTURE(name);
    REQUIRE_FALSE(result);
    CHECK(result.error().domain() == Domain::policy);
  };
  is_policy("unwrap", ours.unwrap(wrapped(peer.get(), "open", false)));
  is_policy("unwrap_with_ordering", ours.unwrap_with_ordering(wrapped(peer.get(), "open", false)));
  Bytes memory(200);
  is_policy("unwrap_into", unwrap_into(ours, wrapped(peer.get(), "open", false), memory));
  Bytes token = wrapped(peer.get(), "open", false);
  is_policy("unwrap_in_place", unwrap_in_place(ours, token));
  CHECK(must(ours.unwrap(wrapped(peer.get(), "encrypted"))).text() == "encrypted");
}

TEMPLATE_TEST_CASE("what fits into a token, encrypted or not", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  for (const std::uint32_t size : {100u, 101u, 116u, 1000u, 65536u}) {
    CAPTURE(size);
    const auto encrypted = must(ours.wrap_size_limit(size));
    const auto open = must(ours.wrap_unencrypted_size_limit(size));
    CHECK(encrypted < open);
    const auto token = must(ours.wrap(std::string(encrypted, 'm')));
    CHECK(token.size() <= size);
    CHECK(token.size() > size - 32);
    CHECK(must(ours.wrap_unencrypted(std::string(open, 'm'))).size() <= size);
  }
  for (const std::uint32_t size : {0u, 20u}) {
    CHECK(ours.wrap_size_limit(size).error().domain() == Domain::policy);
    CHECK(ours.wrap_unencrypted_size_limit(size).error().domain() == Domain::policy);
  }
}

TEMPLATE_TEST_CASE("who, how long and how strong", "", ALL_CONTEXTS) {
  auto [ours, peer] = ends_of<TestType>();
  const auto info = must(ours.inquire());
  const auto theirs = must(peer.inquire());
  CHECK(must(info.initiator.display()).text() == "alice@GSSKEY.TEST");
  CHECK(info.initiator.equals(theirs.initiator).yes());
  CHECK(info.acceptor.equals(theirs.acceptor).yes());
  CHECK(info.mechanism == Krb5::oid);
  CHECK(info.is_initiator);
  CHECK(must(must(ours.peer()).principal()).text() == "host/localhost@GSSKEY.TEST");
  CHECK(info.flags.contains(ContextFlag::confidentiality));
  const auto lifetime = must(ours.lifetime());
  CHECK(lifetime > Seconds{3600});
  CHECK(lifetime <= info.lifetime);
  CHECK(info.lifetime.count() - lifetime.count() < 100);
  auto ssf = ours.sasl_ssf();
  if (is_protector<TestType> || capabilities.sasl_ssf) {
    CHECK(must(std::move(ssf)) == 256);
  } else {
    CHECK(ssf.error().domain() == Domain::unavailable);
  }
}

TEMPLATE_TEST_CASE("an empty one answers usage, and what it was moved to goes on", "", ALL_CONTEXTS) {
  auto [first, peer] = ends_of<TestType>();
  CHECK(first);
  auto second = std::move(first);
  CHECK_FALSE(first);
  for (const auto& [name, outcome] : support::message_calls(first)) {
    CAPTURE(name);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().domain() == Domain::usage);
  }
  CHECK(first.lifetime().error().domain() == Domain::usage);
  CHECK(must(second.unwrap(wrapped(peer.get(), "message"))).text() == "message");
}
