// Tokens and MICs as owners of bytes.
#include <gsskey/messages/token.hpp>

#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/heap.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

static_assert(!std::is_copy_constructible_v<MessageToken> && std::is_nothrow_move_constructible_v<MessageToken>);
static_assert(std::is_nothrow_move_assignable_v<MessageToken>);

namespace {

MessageToken token_of(const std::string& text) {
  auto token = must(MessageToken::with_size(text.size()));
  std::memcpy(token.data(), text.data(), text.size());
  return token;
}

}  // namespace

TEST_CASE("a token has the size that was asked for, and one owner") {
  auto token = token_of("token");
  CHECK(token.text() == "token");
  CHECK(token.end() - token.begin() == 5);
  const unsigned char* const bytes = token.data();
  auto moved = std::move(token);
  CHECK((moved.data() == bytes && moved.size() == 5));
  CHECK(token.empty());  // NOLINT(bugprone-use-after-move)
  CHECK(token.text().empty());
  auto& same = moved;
  moved = std::move(same);
  CHECK(moved.text() == "token");
  moved = token_of("other");
  CHECK(moved.text() == "other");
  CHECK(MessageToken{}.empty());
  const auto none = must(MessageToken::with_size(0));
  CHECK((none.empty() && none.data() != nullptr));
}

TEST_CASE("no memory for a token is an error") {
  const auto token = MessageToken::with_size(static_cast<std::size_t>(-1));
  REQUIRE_FALSE(token);
  CHECK(token.error().domain() == Domain::system);
  CHECK(token.error().minor_status() == ENOMEM);
}

TEST_CASE("a token becomes a secret where it is, and what is cut off is wiped at once") {
  auto token = token_of("secret, and more");
  const unsigned char* const bytes = token.data();
  const SecretBytes secret = std::move(token).to_secret(6);
  CHECK(secret.text() == "secret");
  CHECK(secret.data() == bytes);
  CHECK(std::string(bytes + 6, bytes + 16) == std::string(10, '\0'));
  CHECK(token.empty());  // NOLINT(bugprone-use-after-move)
  CHECK(token_of("all").to_secret(100).text() == "all");
}

TEST_CASE("a MIC has its bytes in itself") {
  MessageMic mic{28};
  CHECK(mic.size() == 28);
  std::memset(mic.data(), 'm', mic.size());
  CHECK(mic.text() == std::string(28, 'm'));
  CHECK(static_cast<const void*>(mic.data()) >= &mic);
  CHECK(static_cast<const void*>(mic.data() + MessageMic::max_size) <= &mic + 1);
  const MessageMic copy = mic;
  CHECK(copy.text() == mic.text());
  CHECK(copy.data() != mic.data());
}
