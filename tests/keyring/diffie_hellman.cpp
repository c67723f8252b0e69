// Shared secrets: values of RFC 3526 and OpenSSL, or EOPNOTSUPP from a kernel without them.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/diffie_hellman.hpp>

#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"

using namespace gsskey;
using key_type::User;
using support::error_of;
using support::has;
using support::is_usage;
using support::lacks;
using support::must;

namespace {

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(std::string{digits.substr(at, 2)}, nullptr, 16));
  }
  return bytes;
}

}  // namespace

TEST_CASE("Diffie-Hellman: both sides come to the same, or the kernel lacks it") {
  const support::Session session;
  // RFC 3526, group 14; the kernel refuses primes that are much shorter. The other values are OpenSSL's (BN_mod_exp).
  const std::string_view digits =
      "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b"
      "302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe6"
      "49286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d"
      "670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718"
      "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff";
  const std::string modulus = from_hex(digits);
  const std::string_view expected_public =
      "444ceb5c1f41a443507569df25d7737d527f9a046ff51d72a90f8d27e57cbdec8c7ea57668e3e1e98ca63bb828af313c2d26960ea3617ec9"
      "e02123bc80c350b81aed28e825d1d3ca274f211dffa3f363aafdac8a8c05e556b7b9741766409c9ab1ccba209586d17d4407120820534ff2"
      "5766fbc49e51d67959bf88a839aea7de4ba3f378d578a88b5d9d2ed116a17299e6401d680b18a7e15a7b666f960d2d1a4f5abf0d8bebe416"
      "91ee5fc5c1e5b9f922d3ef7048ec943a84992d5c766c40b7d6568dfa295f0a61916e451d8e084089ee4f7d907ba13f240c2b40a6bd394ad0"
      "fac5cc7653f048bd36b5cd20a3472542bc924524d50829b975441b08b8f351ad";
  const std::string_view expected_shared =
      "32628b7f759e8b878bd33ff18f9481bc0cb1aa230d40809a3fdd9b068387eb74ef88b7c6416824e086ad0ea95e07744efd1a2b16cdfae34f"
      "46aeccc10e4570d5ce6ea44974d3fe274fe67792108ac9fdb27db742a05e2a1c529675e08601fbf19a370b1353d9fadea954d8be9ee85cd1"
      "7f9cbe13eed960a28f8871e7c166352fbd17d7e6f28911452086deecdfe44c4899ff63ed460f8bc376d7b0047966734b01daffd9037ba57e"
      "462288a2f3126840c2119df6b9f040e3159e0734ebdb82bdff45651570c95e2c4521fcfab3e461b5c6c335d5c265c4ddfa2354c6af740201"
      "a95862688b27c76b9bc3fc70b97be408d6a55d8f1316c4dcbfcdfca49e9d6ef2";
  const auto prime = must(session->create(User{"prime"}, modulus));
  const auto base = must(session->create(User{"base"}, "\x02"));
  const auto secret = must(session->create(User{"secret"}, std::string(32, '\x5a')));
  const auto peer_secret = must(session->create(User{"peer's secret"}, std::string(32, '\x3c')));
  const KeyRef<User> keys[] = {secret, prime, base};
  const auto result = diffie_hellman(keys[0], keys[1], keys[2]);
  if (!has(KeyringCapability::diffie_hellman)) {
    lacks("Diffie-Hellman");
    CHECK(error_of(result) == EOPNOTSUPP);
    CHECK(error_of(diffie_hellman(keys[0], keys[1], keys[2], "sha256", {}, 32)) == EOPNOTSUPP);
    return;
  }
  REQUIRE(result);
  CHECK(result->text() == from_hex(expected_public));
  const auto own = must(session->create(User{"own"}, *result));
  const auto peer =
      must(session->create(User{"peer"}, must(diffie_hellman(KeyRef<User>{peer_secret}, keys[1], keys[2]))));
  const auto shared = must(diffie_hellman(keys[0], keys[1], KeyRef<User>{peer}));
  CHECK(shared.text() == from_hex(expected_shared));
  CHECK(shared.text() == must(diffie_hellman(KeyRef<User>{peer_secret}, keys[1], KeyRef<User>{own})).text());
  const auto five = must(session->create(User{"five"}, "\x05"));
  CHECK(must(diffie_hellman(KeyRef<User>{five}, keys[1], keys[2])).text() == std::string(255, '\0') + '\x20');

  // SP800-56A: what `openssl kdf ... SSKDF` makes of expected_public.
  const auto derived = [&](Description<NonEmptyText> hash, ByteView other_info, std::size_t size) {
    return std::string{must(diffie_hellman(keys[0], keys[1], keys[2], hash, other_info, size)).text()};
  };
  CHECK(derived("sha256", "other", 32) == from_hex("007e4e03920e9cf6981c705f3a82a854f5276d17a209210b11728d7fe3fa4bf9"));
  CHECK(
      derived("sha256", {}, 100) ==
      from_hex("f8c8ccf32ffed47574103864fdab53177905a82cb8e9222a9c595a2d44c886c21e4131f99469ea0a8a16fba4760cac789287"
               "007e5d180e4210b05dd22db4674265c77d075c0880c255d0f7a8a586122622f27d34959dfa2ecfd0e6f0a3cc9e3bf5d27be8"));
  const auto most = derived("sha256", std::string(64, 'x'), 1024);
  CHECK(most.size() == 1024);
  CHECK(most.substr(992) == from_hex("f8d953ee114594e44b0fb51a5ab6fbe5602251986f5348b7b4e2f79a5fee1b56"));

  CHECK(error_of(diffie_hellman(keys[0], keys[1], keys[2], "no_such_hash", {}, 32)) == ENOENT);

  const auto short_prime = must(session->create(User{"short prime"}, modulus.substr(0, 128)));
  CHECK(error_of(diffie_hellman(keys[0], KeyRef<User>{short_prime}, keys[2])) == EINVAL);
  // Other than read(), it is not content with possession and the right to search.
  REQUIRE(secret.set_permissions(
      Permissions{}.possessor(all_rights.without(Right::read)).accepting(Risk::possessor_reads_anyway)));
  CHECK(must(secret.read()).size() == 32);
  CHECK(error_of(diffie_hellman(keys[0], keys[1], keys[2])) == ENOKEY);
}

TEST_CASE("Diffie-Hellman: no keys, no hash") {
  const support::Session session;
  using namespace std::string_literals;
  const auto number = must(session->create(User{"number"}, "\x05"));
  const KeyRef<User> key = number;
  CHECK(is_usage(diffie_hellman(key, key, key, "a\0b"s, {}, 32)));
  CHECK(is_usage(diffie_hellman(key, key, key, ""s, {}, 32)));
  CHECK(is_usage(diffie_hellman(key, key, key, "sha256", {}, 1025)));
  CHECK(is_usage(diffie_hellman(key, key, key, "sha256", std::string(65, 'x'), 32)));
  if constexpr (sizeof(std::size_t) > 4) {
    const support::Mapping info{std::size_t{0xffffffff} + 1 + 5, PROT_READ};  // would count as 5 bytes
    CHECK(is_usage(diffie_hellman(key, key, key, "sha256", {info.data(), info.size()}, 32)));
  }
}
