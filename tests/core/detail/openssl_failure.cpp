// OpenSSL whose memory runs out at each of its allocations, or that has no random numbers: what is said, and that it
// passes.
#include <gsskey/core/detail/openssl_failure.hpp>
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/messages/take_over.hpp>

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/proverr.h>
#include <openssl/rand.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/must.hpp"
#include "support/openssl_memory.hpp"
#include "support/protector.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using namespace support;
using namespace std::string_view_literals;
namespace memory = support::openssl_memory;

namespace {

constexpr Seconds minute{60};

/// What a call may have come to: done, or, where memory was short, that; and the queue of errors is empty.
template <class T>
bool is_right(int turn, const Result<T>& result) {
  const bool short_of_memory = !result && result.error().domain() == Domain::system &&
                               result.error().minor_status() == static_cast<std::uint32_t>(ENOMEM);
  if ((result || (turn == 0 && short_of_memory)) && ERR_peek_error() == 0) return true;
  if (!result) {
    std::fprintf(stderr, "turn %d: %s: %.*s\n", turn, result.error().operation(),
                 static_cast<int>(result.error().text().size()), result.error().text().data());
  }
  if (const auto left = ERR_peek_error(); left != 0) {
    char text[256];
    ERR_error_string_n(left, text, sizeof text);
    std::fprintf(stderr, "left in the queue: %s\n", text);
  }
  return false;
}

template <class Work>
void sweep(Work work) {
  for (const bool for_good : {false, true}) {
    const auto swept = memory::fail_each(for_good, work);
    CAPTURE(for_good);
    CHECK(swept.failed > 0);
    CHECK(swept.wrong == 0);
    WARN((for_good ? "each from one on: " : "each one: ") << swept.failed << " allocations failed");
  }
}

/// While one lives, OpenSSL's generator has no random numbers, and says so as it does.
struct NoRandomNumbers {
  static inline bool now = false;
  static int draw(unsigned char* to, int size, int (*usual)(OSSL_LIB_CTX*, unsigned char*, std::size_t, unsigned)) {
    if (!now) return usual(nullptr, to, static_cast<std::size_t>(size), 0);
    ERR_raise(ERR_LIB_PROV, PROV_R_ERROR_RETRIEVING_ENTROPY);
    return 0;
  }
  NoRandomNumbers() { now = true; }
  NoRandomNumbers(const NoRandomNumbers&) = delete;
  NoRandomNumbers& operator=(const NoRandomNumbers&) = delete;
  ~NoRandomNumbers() { now = false; }
};

/// While one lives, OpenSSL's MACs take so many updates and then no more, nor finish.
struct NoMac {
  static inline long left = -1;
  static bool fails(bool is_update) { return left == 0 || (left > 0 && is_update && left-- == 0); }
  explicit NoMac(long updates) { left = updates; }
  NoMac(const NoMac&) = delete;
  NoMac& operator=(const NoMac&) = delete;
  ~NoMac() { left = -1; }
};

void take_over_without_memory() {
  for (const bool for_good : {false, true}) {
    long failed = 0;
    for (long at = 0; at < 2000; ++at) {
      auto both = handshakes<mech::Krb5>();
      auto peer = must(std::move(both.acceptor).establish());
      memory::fail(at, for_good);
      auto ours = take_over(std::move(both.initiator));
      memory::recover();
      if (!memory::has_failed) {
        REQUIRE(ours);
        break;
      }
      ++failed;
      if (ours) continue;  // it could do without
      CAPTURE(for_good, at, ours.error().error.operation(), ours.error().error.text());
      CHECK(ours.error().error.domain() == Domain::system);
      CHECK(ours.error().error.minor_status() == static_cast<std::uint32_t>(ENOMEM));
      REQUIRE(ours.error().context);
      CHECK(must(peer.unwrap(must(ours.error().context.wrap("goes on")))).text() == "goes on");
      auto again = must(take_over_after(std::move(ours.error().context), {0}));
      CHECK(must(peer.unwrap(must(again.wrap("and faster")))).text() == "and faster");
    }
    CHECK(failed > 0);
    WARN(failed << " allocations failed");
  }
}

void take_over_without_random_numbers() {
  auto both = handshakes<mech::Krb5>();
  auto peer = must(std::move(both.acceptor).establish());
  {
    const NoRandomNumbers none;
    auto refused = take_over(std::move(both.initiator));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.domain() == Domain::policy);
    CHECK(refused.error().error.operation() == "RAND_bytes"sv);
    CHECK(ERR_peek_error() == 0);
    REQUIRE(refused.error().context);
    CHECK(must(peer.unwrap(must(refused.error().context.wrap("goes on")))).text() == "goes on");
    CHECK(SealKey::generate().error().domain() == Domain::policy);

    const auto key = must(SealKey::from_bytes(must(SecretBytes::with_size(SealKey::size))));
    const auto sealed = seal(key, "token", mech::Krb5::oid, minute);
    REQUIRE_FALSE(sealed);
    CHECK(sealed.error().domain() == Domain::policy);
    CHECK(ERR_peek_error() == 0);
  }
  auto next = handshakes<mech::Krb5>();
  auto other = must(std::move(next.acceptor).establish());
  auto ours = taken(std::move(next.initiator));
  const NoRandomNumbers none;
  if (std::getenv("MESON_EXE_WRAPPER") == nullptr) {  // qemu does not do MADV_WIPEONFORK
    // A child does not ask OpenSSL, where it could wait for ever.
    CHECK(support::in_child(60, [&] {
            for (int at = 0; at < 600; ++at) {
              const auto token = ours.wrap("of the child");
              if (!token || must(other.unwrap(*token)).text() != "of the child") return 1;
            }
            return 0;
          }) == 0);
  }
  int sent = 0;
  auto token = ours.wrap("message");
  for (; token && sent < 1000; ++sent) {
    CHECK(must(other.unwrap(*token)).text() == "message");
    token = ours.wrap("message");
  }
  CHECK(sent == 255);  // those that were drawn while there were some
  REQUIRE_FALSE(token);
  CHECK(token.error().domain() == Domain::policy);
  CHECK(ERR_peek_error() == 0);
  const auto loose = must(ours.wrap_unencrypted("needs no confounder"));
  CHECK(must(other.unwrap_unencrypted(loose)).message.text() == "needs no confounder");
}

}  // namespace

// In place of OpenSSL's.
int RAND_bytes(unsigned char* to, int size) { return NoRandomNumbers::draw(to, size, &RAND_bytes_ex); }
int EVP_MAC_update(EVP_MAC_CTX* context, const unsigned char* bytes, std::size_t size) {
  static auto* const usual = reinterpret_cast<decltype(&EVP_MAC_update)>(::dlsym(RTLD_NEXT, "EVP_MAC_update"));
  return NoMac::fails(true) ? 0 : usual(context, bytes, size);
}
int EVP_MAC_final(EVP_MAC_CTX* context, unsigned char* to, std::size_t* size, std::size_t room) {
  static auto* const usual = reinterpret_cast<decltype(&EVP_MAC_final)>(::dlsym(RTLD_NEXT, "EVP_MAC_final"));
  return NoMac::left >= 0 ? 0 : usual(context, to, size, room);
}
int EVP_MD_CTX_copy_ex(EVP_MD_CTX* to, const EVP_MD_CTX* from) {
  static auto* const usual = reinterpret_cast<decltype(&EVP_MD_CTX_copy_ex)>(::dlsym(RTLD_NEXT, "EVP_MD_CTX_copy_ex"));
  return NoMac::fails(false) ? 0 : usual(to, from);
}
int EVP_DigestUpdate(EVP_MD_CTX* context, const void* bytes, std::size_t size) {
  static auto* const usual = reinterpret_cast<decltype(&EVP_DigestUpdate)>(::dlsym(RTLD_NEXT, "EVP_DigestUpdate"));
  return NoMac::fails(true) ? 0 : usual(context, bytes, size);
}
int EVP_DigestFinal_ex(EVP_MD_CTX* context, unsigned char* to, unsigned* size) {
  static auto* const usual = reinterpret_cast<decltype(&EVP_DigestFinal_ex)>(::dlsym(RTLD_NEXT, "EVP_DigestFinal_ex"));
  return NoMac::left >= 0 ? 0 : usual(context, to, size);
}
int RAND_priv_bytes(unsigned char* to, int size) { return NoRandomNumbers::draw(to, size, &RAND_priv_bytes_ex); }

TEST_CASE("the memory of OpenSSL is ours to withhold") { REQUIRE(memory::is_installed); }

TEST_CASE("sealing and opening for the first time: short of memory is no other error, and passes") {
  memory::begin();
  sweep([](int turn) {
    const auto key = SealKey::generate();
    if (!key) return is_right(turn, key);
    const auto sealed = seal(*key, "token", mech::Krb5::oid, minute);
    if (!sealed) return is_right(turn, sealed);
    const auto opened = open_seal<mech::Krb5>(*key, *sealed);
    return is_right(turn, opened) && (!opened || opened->text() == "token");
  });
}

TEST_CASE("keys derived for the first time, for every encryption type") {
  memory::begin();
  for (const auto& type : rfc3961::encryption_types) {
    CAPTURE(type.name);
    const Bytes key(type.key_size, 7);
    sweep([&](int turn) {
      auto sender = rfc4121::Sender::create({&type, key, false});
      if (!sender) return is_right(turn, sender);
      auto receiver = rfc4121::Receiver::create({&type, key, true});
      return is_right(turn, receiver);
    });
  }
}

TEST_CASE("what this OpenSSL does not have is unavailable, and leaves nothing in the thread's queue") {
  const auto lacking = rfc3961::Hmac::create("NONE-OF-THESE", "key");
  REQUIRE_FALSE(lacking);
  CHECK(lacking.error().domain() == Domain::unavailable);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("taking over with memory short: an error that says so, and the context goes on") {
  memory::begin();
  in_realm_of("aes256-cts-hmac-sha384-192", [] { take_over_without_memory(); });
}

TEST_CASE("without random numbers: no take-over, the context goes on; later, no message, and no number used") {
  in_realm_of("aes256-cts-hmac-sha1-96", [] { take_over_without_random_numbers(); });
}

TEST_CASE("a checksum that cannot be computed is no altered message, and nothing of the message stays") {
  for (const auto& type : rfc3961::encryption_types) {
    CAPTURE(type.name);
    const Bytes key(type.key_size, 7);
    auto sender = must(rfc4121::Sender::create({&type, key, false}));
    auto receiver = must(rfc4121::Receiver::create({&type, key, false}));
    for (const bool encrypts : {true, false}) {
      for (const std::size_t size : {1u, 100u, 20000u}) {
        CAPTURE(encrypts, size);
        const Bytes message = message_of(size);
        Bytes token(size + 100);
        REQUIRE((encrypts ? sender.wrap(message, token.data()) : sender.wrap_unencrypted(message, token.data())));
        token.resize(size + rfc4121::header_size + type.mac_size + (encrypts ? 32u : 0u));
        rfc4121::WrapToken wrap;
        REQUIRE((wrap.header.read(token, true) && wrap.read_rest(token, type.mac_size)));
        Bytes body(size);
        for (const long updates : {0, 1, 2, 1000}) {
          CAPTURE(updates);
          {
            const NoMac none{updates};
            CHECK(receiver.open(wrap, token, body.data()) == rfc3961::Opened::failed);
          }
          CHECK(body == Bytes(size));
        }
        CHECK(receiver.open(wrap, token, body.data()) == rfc3961::Opened::whole);
        CHECK(body == message);
        token.back() ^= 1;
        body = Bytes(size);  // where the checksum is looked at first, nothing is written
        CHECK(receiver.open(wrap, token, body.data()) == rfc3961::Opened::forged);
        CHECK(body == Bytes(size));
      }
    }
    Bytes mic(rfc4121::header_size + type.mac_size);
    REQUIRE(sender.get_mic("message", mic.data()));
    {
      const NoMac none{1};
      CHECK(receiver.check("message", mic) == rfc3961::Opened::failed);
    }
    CHECK(receiver.check("message", mic) == rfc3961::Opened::whole);
  }
}
