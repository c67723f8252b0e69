// Messages protected by OpenSSL, with contexts of the library at the other end, for every encryption type.
#include <gsskey/gss/message.hpp>
#include <gsskey/messages/take_over.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/protector.hpp"

using namespace gsskey;
using support::Bytes;
using support::bytes_of;
using support::EnctypeRow;
using support::handshakes;
using support::in_realm_of;
using support::message_of;
using support::must;
using support::taken;

static_assert(MessageContext<MessageProtector>);
static_assert(MessageContext<SecurityContext<mech::Krb5>>);
static_assert(!std::is_copy_constructible_v<MessageProtector>);

namespace {

/// One message each way that there is, from one end to the other.
template <class From, class To>
void exchange(From& from, To& to, const Bytes& message) {
  CAPTURE(message.size());
  REQUIRE(ByteView{must(to.unwrap(must(from.wrap(message))))} == ByteView{message});
  const auto open = must(to.unwrap_unencrypted(must(from.wrap_unencrypted(message))));
  REQUIRE_FALSE(open.confidential);
  REQUIRE(ByteView{open.message} == ByteView{message});
  must(to.verify_mic(message, must(from.get_mic(message))));
}
template <class From, class To>
void exchange_sizes(From& from, To& to) {
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 100u, 455u, 464u, 465u, 8192u, 70000u}) {
    exchange(from, to, message_of(size));
  }
}

/// Every call that takes memory of the caller's.
template <Mechanism M>
void check_memory(MessageProtector& ours, SecurityContext<M>& theirs) {
  const MessageRoom room = must(ours.room());
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 100u, 455u, 464u, 465u, 5000u, 70000u}) {
    CAPTURE(size);
    const Bytes message = message_of(size);
    Bytes memory(room.header + size + room.trailer + 3, 0xee);
    auto token = must(wrap_into(ours, message, memory));
    REQUIRE(token.data() == memory.data());
    REQUIRE(memory[token.size()] == 0xee);
    REQUIRE(bytes_of(must(theirs.unwrap(token))) == message);

    const ByteView pieces[] = {ByteView{message}.subview(0, size / 3), {}, ByteView{message}.subview(size / 3)};
    token = must(wrap_into(ours, pieces, memory));
    REQUIRE(bytes_of(must(theirs.unwrap(token))) == message);

    Bytes block(8 + room.header + size + room.trailer + 8, 0xee);
    std::copy(message.begin(), message.end(), block.begin() + 8 + static_cast<std::ptrdiff_t>(room.header));
    token = must(wrap_in_place(ours, {block, 8 + room.header, size}));
    REQUIRE(token.data() == block.data() + 8);
    REQUIRE(std::count(block.begin(), block.begin() + 8, 0xee) == 8);
    REQUIRE(std::count(block.end() - 8, block.end(), 0xee) == 8);
    REQUIRE(bytes_of(must(theirs.unwrap(token))) == message);

    const auto from_peer = must(theirs.wrap(message));
    Bytes plain(from_peer.size(), 0xee);
    const auto copied = must(unwrap_into(ours, from_peer, plain));
    REQUIRE(ByteView{copied} == ByteView{message});
    Bytes in_place = bytes_of(must(theirs.wrap(message)));
    const auto inside = must(unwrap_in_place(ours, in_place));
    REQUIRE(ByteView{inside} == ByteView{message});
    REQUIRE(inside.data() >= in_place.data());
    REQUIRE(inside.data() + inside.size() <= in_place.data() + in_place.size());
  }
  const Bytes message = message_of(100);
  Bytes small(room.header + 100 + room.trailer - 1, 0xee);
  CHECK(wrap_into(ours, message, small).error().domain() == Domain::usage);
  CHECK(wrap_into(ours, message, std::span<unsigned char>{small}.first(3)).error().domain() == Domain::usage);
  CHECK(wrap_in_place(ours, {small, room.header, 100}).error().domain() == Domain::usage);
  CHECK(wrap_in_place(ours, {small, room.header - 1, 1}).error().domain() == Domain::usage);
  CHECK(wrap_in_place(ours, {small, small.size() + 1, 0}).error().domain() == Domain::usage);
  CHECK(std::count(small.begin(), small.end(), 0xee) == static_cast<long>(small.size()));
  const auto token = must(theirs.wrap(message));
  CHECK(unwrap_into(ours, token, std::span<unsigned char>{small}.first(99)).error().domain() == Domain::usage);
  CHECK(bytes_of(must(ours.unwrap(token))) == message);  // nothing was used up
}

/// Every bit, every length. `accept`, with what was not changed, at the end.
template <class Accept>
void check_integrity(const Bytes& token, Accept accept) {
  for (std::size_t bit = 0; bit < 8 * token.size(); ++bit) {
    const std::size_t at = bit / 8;
    Bytes changed = token;
    changed[at] = static_cast<unsigned char>(changed[at] ^ 1u << bit % 8);
    CAPTURE(bit);
    const Result<void> refused = accept(changed);
    REQUIRE_FALSE(refused);
    REQUIRE((routine_error(refused.error()) == RoutineError::bad_mic ||
             routine_error(refused.error()) == RoutineError::defective_token));
  }
  for (std::size_t size = 0; size < token.size(); ++size) {
    CAPTURE(size);
    REQUIRE_FALSE(accept(Bytes(token.begin(), token.begin() + static_cast<long>(size))));
  }
  Bytes longer = token;
  longer.push_back(0);
  REQUIRE_FALSE(accept(longer));
  must(accept(token));
}
template <Mechanism M>
void check_forgeries(MessageProtector& ours, SecurityContext<M>& theirs) {
  const Bytes message = message_of(50);
  const auto no_value = [](auto result) -> Result<void> {
    if (!result) return unexpected(result.error());
    return {};
  };
  // Turned by no count: a count that is changed then turns by another one.
  check_integrity(bytes_of(must(theirs.wrap(message))), [&](Bytes token) { return no_value(ours.unwrap(token)); });
  check_integrity(bytes_of(must(theirs.wrap_unencrypted(message))),
                  [&](Bytes token) { return no_value(ours.unwrap_unencrypted(token)); });
  check_integrity(bytes_of(must(theirs.get_mic(message))), [&](Bytes mic) { return ours.verify_mic(message, mic); });
  const auto mic = must(theirs.get_mic(message));
  CHECK(routine_error(ours.verify_mic(message_of(49), mic).error()) == RoutineError::bad_mic);
  must(ours.verify_mic(message, mic));
  // In place, what was decrypted is wiped.
  for (const std::size_t size : {50u, 3000u}) {
    const Bytes original = bytes_of(must(theirs.wrap(message_of(size))));
    Bytes token = original;
    token[16] ^= 1;
    CHECK(routine_error(unwrap_in_place(ours, token).error()) == RoutineError::bad_mic);
    const Bytes plain = message_of(size);
    CHECK(std::search(token.begin(), token.end(), plain.begin() + 1, plain.begin() + 33) == token.end());
    token = original;
    must(unwrap_in_place(ours, token));
  }
  // What one sent is not what the other sent.
  CHECK(routine_error(ours.unwrap(must(ours.wrap(message))).error()) == RoutineError::bad_mic);
  CHECK(routine_error(ours.verify_mic(message, must(ours.get_mic(message))).error()) == RoutineError::bad_mic);
  // A MIC is no wrap token, nor the other way round.
  CHECK(routine_error(ours.unwrap(must(theirs.get_mic(message))).error()) == RoutineError::defective_token);
}

}  // namespace

TEMPLATE_TEST_CASE("every operation and encryption type, with a context at the other end", "", mech::Krb5,
                   mech::Spnego) {
  const EnctypeRow row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  CAPTURE(row.name);
  in_realm_of(row.name, [&] {
    {
      auto both = handshakes<TestType>();
      auto ours = taken(both.initiator);
      auto theirs = must(std::move(both.acceptor).establish());
      CHECK(std::string{ours.encryption_type()} == row.name);
      CHECK(must(ours.room()).header == 32);
      CHECK(must(ours.room()).trailer == 16 + row.mac_size);
      exchange_sizes(ours, theirs);
      exchange_sizes(theirs, ours);
      check_memory(ours, theirs);
    }
    {
      auto both = handshakes<TestType>();
      auto theirs = must(std::move(both.initiator).establish());
      auto ours = taken(both.acceptor);
      exchange_sizes(theirs, ours);
      exchange_sizes(ours, theirs);
      check_memory(ours, theirs);
    }
    {
      auto both = handshakes<TestType>();
      auto initiator = taken(both.initiator);
      auto acceptor = taken(both.acceptor);
      for (const std::size_t size : {0u, 1u, 1000u, 70000u}) {
        exchange(initiator, acceptor, message_of(size));
        exchange(acceptor, initiator, message_of(size));
      }
    }
  });
}

TEST_CASE("changed and cut tokens: the errors that say so") {
  const EnctypeRow row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  CAPTURE(row.name);
  in_realm_of(row.name, [&] {
    auto both = handshakes<mech::Krb5>();
    auto theirs = must(std::move(both.initiator).establish());
    auto ours = taken(both.acceptor);
    check_forgeries(ours, theirs);
  });
}

TEST_CASE("keys of RC4 and DES3 are refused, and the context is what it was") {
  const char* const enctype = GENERATE("arcfour-hmac-md5\n allow_rc4 = true\n allow_weak_crypto = true",
                                       "des3-cbc-sha1\n allow_des3 = true\n allow_weak_crypto = true");
  CAPTURE(enctype);
  in_realm_of(enctype, [] {
    auto both = handshakes<mech::Krb5>();
    auto refused = take_over(std::move(both.initiator));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.domain() == Domain::policy);
    REQUIRE(refused.error().context);
    auto acceptor = must(std::move(both.acceptor).establish());
    exchange(refused.error().context, acceptor, message_of(100));
    const auto again = take_over_after(std::move(acceptor), MessagesReceived{3});
    REQUIRE_FALSE(again);
    REQUIRE(acceptor);
    exchange(acceptor, refused.error().context, message_of(100));
  });
}

namespace {

constexpr unsigned hour = 3600;  // of seconds, for whoever runs everything in idle time
const char* const everything = std::getenv("GSSKEY_TEST_EVERYTHING");

/// `size` bytes in one piece, of which a few are not zero; what is not written to takes no memory.
class LargeMessage {
 public:
  LargeMessage(MessageRoom room, std::size_t size)
      : room_{room}, block_{room.header + size + room.trailer, PROT_READ | PROT_WRITE} {
    for (std::size_t at = 0; at < size; at += mark_distance) message()[at] = 0x5a;
  }
  [[nodiscard]] MessageBlock block() { return {whole(), room_.header, message().size()}; }
  [[nodiscard]] std::span<unsigned char> whole() { return {block_.data(), block_.size()}; }
  [[nodiscard]] std::span<unsigned char> message() {
    return whole().subspan(room_.header, block_.size() - room_.header - room_.trailer);
  }
  /// Whether `bytes` are this message. They are not afterwards.
  [[nodiscard]] static bool is_in(std::span<unsigned char> bytes, std::size_t size) {
    if (bytes.size() != size) return false;
    for (std::size_t at = 0; at < size; at += mark_distance) {
      if (std::exchange(bytes[at], 0) != 0x5a) return false;
    }
    return std::memcmp(bytes.data(), bytes.data() + 1, size - 1) == 0;  // all as the first, which is 0
  }

 private:
  static constexpr std::size_t mark_distance = (std::size_t{1} << 26) + 7;
  MessageRoom room_;
  support::Mapping block_;
};

/// Without GSSKEY_TEST_EVERYTHING one that stands for the others: they take an hour, and 4 GiB; if that names an
/// encryption type, for this alone. Around where sizes end that count bits in 32, bytes in 31 or in 32 bits.
std::vector<std::size_t> large_sizes(std::string_view enctype) {
  std::vector<std::size_t> sizes{std::size_t{1} << 20};
  if constexpr (sizeof(std::size_t) > 4) {
    const std::string_view wanted{everything ? everything : "none"};
    const bool is_wanted = wanted == "1" || wanted == enctype;
    for (const unsigned bits : {29u, 31u, 32u}) {
      const std::size_t edge = std::size_t{1} << bits;
      if (is_wanted) sizes.insert(sizes.end(), {edge - 128, edge - 77, edge - 1, edge, edge + 5, edge + 128});
    }
  }
  return sizes;
}

}  // namespace

TEST_CASE("messages of every size, in place, from protector to protector") {
  const auto row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  in_realm_of(row.name, [&] {
    auto both = handshakes<mech::Krb5>();
    auto ours = taken(std::move(both.initiator));
    auto theirs = taken(std::move(both.acceptor));
    for (const std::size_t size : large_sizes(row.name)) {
      CAPTURE(row.name, size);
      CHECK(support::in_child(hour, [&] {
              LargeMessage large{must(ours.room()), size};
              const auto token = must(wrap_in_place(ours, large.block()));
              return LargeMessage::is_in(must(unwrap_in_place(theirs, token)), size) ? 0 : 1;
            }) == 0);
      CHECK(support::in_child(hour, [&] {
              LargeMessage large{must(ours.room()), size};
              const ByteView message{large.message().data(), size};
              must(theirs.verify_mic(message, must(ours.get_mic(message))));
              const auto mic = must(ours.get_mic(message));
              large.message().back() ^= 1;  // the last byte counts
              return theirs.verify_mic(message, mic) ? 1 : 0;
            }) == 0);
      if (everything) std::printf("%s %zu\n", row.name, size);
    }
  });
}

// With GSSKEY_TEST_EVERYTHING: at limits.message, beyond which the library's own checksums are wrong.
TEST_CASE("the longest messages of a SecurityContext and a protector are the same ones") {
  const auto row = GENERATE(from_range(std::begin(support::enctypes), std::end(support::enctypes)));
  const std::size_t size = everything ? limits.message.size : std::size_t{1} << 20;
  in_realm_of(row.name, [&] {
    CAPTURE(row.name);
    auto both = handshakes<mech::Krb5>();
    auto ours = taken(std::move(both.initiator));
    auto theirs = must(std::move(both.acceptor).establish());
    CHECK(support::in_child(120, [&] {
            LargeMessage large{must(ours.room()), size};
            const auto token = must(wrap_in_place(ours, large.block()));
            auto plain = must(theirs.unwrap({token.data(), token.size()}));
            return LargeMessage::is_in({plain.data(), plain.size()}, size) ? 0 : 1;
          }) == 0);
    CHECK(support::in_child(120, [&] {
            LargeMessage large{must(ours.room()), size};
            auto token = must(theirs.wrap({large.message().data(), size}));
            const auto raw = token.release();
            const auto plain = must(unwrap_in_place(ours, {static_cast<unsigned char*>(raw.value), raw.length}));
            return LargeMessage::is_in(plain, size) ? 0 : 1;
          }) == 0);
    CHECK(support::in_child(120, [&] {
            LargeMessage large{must(ours.room()), size};
            const ByteView message{large.message().data(), size};
            must(ours.verify_mic(message, must(theirs.get_mic(message))));
            must(theirs.verify_mic(message, must(ours.get_mic(message))));
            return 0;
          }) == 0);
  });
}
