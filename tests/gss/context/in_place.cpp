// One block, one message: in place it becomes the token of wrap(), and the plaintext again.
#include <gsskey/gss/context/in_place.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

std::string text(std::span<const unsigned char> bytes) { return {bytes.begin(), bytes.end()}; }

/// A block with a message in it, and what surrounds the room.
Bytes block_of(std::string_view message, MessageRoom room, std::size_t extra = 8) {
  Bytes block(extra + room.header + message.size() + room.trailer + extra, 0xee);
  std::copy(message.begin(), message.end(), block.begin() + static_cast<std::ptrdiff_t>(extra + room.header));
  return block;
}

bool contains(std::span<const unsigned char> outer, std::span<const unsigned char> inner) {
  return inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size();
}

}  // namespace

TEMPLATE_TEST_CASE("the token in the block is that of wrap, and the rest is left alone", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  const MessageRoom room = must(ends.initiator.room());
  CHECK(room.header == 32);  // aes256-cts-hmac-sha1-96: 16 of header, 16 of confounder
  CHECK(room.trailer == 28);
  for (const std::size_t size : {0u, 1u, 63u, 64u, 4096u, 65536u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    Bytes block = block_of(message, room);
    const auto token = must(wrap_in_place(ends.initiator, {block, 8 + room.header, size}));
    CHECK(token.data() == block.data() + 8);
    CHECK(token.size() == room.header + size + room.trailer);
    CHECK(std::count(block.begin(), block.begin() + 8, 0xee) == 8);
    CHECK(std::count(block.end() - 8, block.end(), 0xee) == 8);
    CHECK(must(ends.acceptor.unwrap(token)).text() == message);
  }
}

TEMPLATE_TEST_CASE("tokens of wrap, of wrap_in_place and of wrap_into are unwrapped in place", "", mech::Krb5,
                   mech::Spnego) {
  auto ends = support::pair<TestType>();
  const MessageRoom room = must(ends.acceptor.room());
  for (const std::size_t size : {0u, 1u, 64u, 16384u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    const auto wrapped = must(ends.initiator.wrap(message));
    Bytes token{wrapped.begin(), wrapped.end()};
    auto plain = must(unwrap_in_place(ends.acceptor, token));
    CHECK(text(plain) == message);
    CHECK(contains(token, plain));

    Bytes block = block_of(message, room);
    const auto in_place = must(wrap_in_place(ends.initiator, {block, 8 + room.header, size}));
    plain = must(unwrap_in_place(ends.acceptor, in_place));
    CHECK(text(plain) == message);
    CHECK(contains(block, plain));

    Bytes memory(room.header + size + room.trailer);
    const auto into = must(wrap_into(ends.initiator, message, memory));
    CHECK(into.size() == memory.size());
    CHECK(text(must(unwrap_in_place(ends.acceptor, into))) == message);
  }
}

TEST_CASE("no allocation of ours, and none more than the library's own") {
  auto ends = support::pair<mech::Krb5>();
  const MessageRoom room = must(ends.initiator.room());
  Bytes block = block_of(std::string(1000, 'm'), room);
  Bytes same = block;
  const auto count = [](auto work) {
    const long before = support::heap::allocations;
    work();
    return support::heap::allocations - before;
  };
  static_cast<void>(must(wrap_in_place(ends.initiator, {same, 8 + room.header, 1000})));
  const long ours =
      count([&] { static_cast<void>(must(wrap_in_place(ends.initiator, {block, 8 + room.header, 1000}))); });
  const long theirs = count([&] {
    gss_iov_buffer_desc pieces[] = {
        {GSS_IOV_BUFFER_TYPE_HEADER, {room.header, same.data() + 8}},
        {GSS_IOV_BUFFER_TYPE_DATA, {1000, same.data() + 8 + room.header}},
        {GSS_IOV_BUFFER_TYPE_PADDING, {0, nullptr}},
        {GSS_IOV_BUFFER_TYPE_TRAILER, {room.trailer, same.data() + 8 + room.header + 1000}}};
    OM_uint32 minor = 0;
    REQUIRE(gss_wrap_iov(&minor, ends.initiator.get(), 1, GSS_C_QOP_DEFAULT, nullptr, pieces, 4) == GSS_S_COMPLETE);
  });
  CHECK(ours == theirs);
}

TEST_CASE("a block without the room is refused, and nothing is written") {
  auto ends = support::pair<mech::Krb5>();
  const MessageRoom room = must(ends.initiator.room());
  Bytes block = block_of("message", room, 0);
  const Bytes before = block;
  const MessageBlock bad[] = {{block, room.header - 1, 7},
                              {block, room.header + 1, 7},
                              {block, room.header, 8},
                              {block, block.size() + 1, 0},
                              {block, room.header, static_cast<std::size_t>(-1)},
                              {{}, 0, 0}};
  for (const MessageBlock& message : bad) {
    const auto refused = wrap_in_place(ends.initiator, message);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().domain() == Domain::usage);
  }
  CHECK(block == before);
  CHECK_FALSE(wrap_into(ends.initiator, "message!", block));
  CHECK_FALSE(wrap_into(ends.initiator, "x", std::span<unsigned char>{block}.first(3)));
  CHECK(must(wrap_in_place(ends.initiator, {block, room.header, 7})).size() == block.size());
}

TEST_CASE("every bit and every length of a token counts in place too") {
  auto ends = support::pair<mech::Krb5>();
  const auto wrapped = must(ends.initiator.wrap("a message"));
  const Bytes token{wrapped.begin(), wrapped.end()};
  for (std::size_t at = 0; at < token.size(); ++at) {
    CAPTURE(at);
    Bytes changed = token;
    changed[at] ^= 0x41;
    CHECK_FALSE(unwrap_in_place(ends.acceptor, changed));
    Bytes cut{token.begin(), token.begin() + static_cast<std::ptrdiff_t>(at)};
    CHECK_FALSE(unwrap_in_place(ends.acceptor, cut));
  }
}

TEST_CASE("a message that was not encrypted, and one that comes twice") {
  auto ends = support::pair<mech::Krb5>();
  const auto open = must(ends.initiator.wrap_unencrypted("open"));
  Bytes token{open.begin(), open.end()};
  const auto refused = unwrap_in_place(ends.acceptor, token);
  REQUIRE_FALSE(refused);
  const auto sealed = must(ends.initiator.wrap("sealed"));
  Bytes once{sealed.begin(), sealed.end()};
  Bytes twice = once;
  CHECK(unwrap_in_place(ends.acceptor, once));
  const auto repeated = unwrap_in_place(ends.acceptor, twice);
  REQUIRE_FALSE(repeated);
  CHECK((repeated.error().major_status() & GSS_S_DUPLICATE_TOKEN) != 0);
}
