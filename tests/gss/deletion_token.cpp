// The one token that ends a context, made by hand: no library makes any.
#include <gsskey/gss/context_token.hpp>
#include <gsskey/gss/lucid.hpp>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <future>
#include <numeric>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

std::string hmac(const std::string& key, const std::string& text) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), sum, &size);
  return {reinterpret_cast<const char*>(sum), size};
}

std::string md5(const std::string& text) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), sum, &size, EVP_md5(), nullptr);
  return {reinterpret_cast<const char*>(sum), size};
}

std::string rc4(const std::string& key, std::string text) {
  unsigned char state[256];
  std::iota(std::begin(state), std::end(state), static_cast<unsigned char>(0));
  for (unsigned i = 0, j = 0; i < 256; ++i) {
    j = (j + state[i] + static_cast<unsigned char>(key[i % key.size()])) % 256;
    std::swap(state[i], state[j]);
  }
  unsigned i = 0;
  unsigned j = 0;
  for (char& letter : text) {
    i = (i + 1) % 256;
    j = (j + state[i]) % 256;
    std::swap(state[i], state[j]);
    letter = static_cast<char>(static_cast<unsigned char>(letter) ^ state[(state[i] + state[j]) % 256]);
  }
  return text;
}

/// The initiator's context deletion token: RFC 1964 section 1.2.3 with the checksum of RFC 4757 section 7.2.
std::string deletion_token(const LucidContext& initiator) {
  const std::string key{initiator.key().bytes.text()};
  const std::string header{"\x01\x02\x11\x00\xff\xff\xff\xff", 8};
  const std::string usage{"\x0f\x00\x00\x00", 4};
  const std::string sum = hmac(hmac(key, std::string{"signaturekey\0", 13}), md5(usage + header)).substr(0, 8);
  std::string sequence(8, '\0');
  for (unsigned byte = 0; byte < 4; ++byte) {
    sequence[byte] = static_cast<char>(initiator.send_sequence() >> (24 - 8 * byte));
  }
  return "\x60\x23\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" + header +
         rc4(hmac(hmac(key, std::string(4, '\0')), sum), sequence) + sum;
}

/// One end taken apart, the other whole. Heimdal reads krb5.conf once in a thread.
template <Mechanism M>
support::Ends<M> rc4_ends() {
  static const auto realm = must(TestRealm::start({.realm = "RC4.TEST",
                                                   .users = {{"alice", "secret"}},
                                                   .services = {"host/localhost"},
                                                   .permitted_enctypes = "arcfour-hmac-md5\n allow_rc4 = true"}));
  const auto environment = must(realm.enter(must(realm.login("alice"))));
  return std::async(
             std::launch::async,
             [] {
               const auto initiator = must(Credential<M, Initiate>::acquire_default());
               const auto acceptor = must(Credential<M, Accept>::acquire_default());
               return must(support::establish(Initiator<M>{support::target(), initiator}, Acceptor<M>{acceptor}));
             })
      .get();
}

}  // namespace

TEST_CASE("a deletion token of RFC 1964 ends the context, a forged one does not") {
  auto ends = rc4_ends<mech::Krb5>();
  const auto lucid = must(export_lucid(std::move(ends.initiator)));
  REQUIRE(lucid.messages() == KerberosMessages::rfc1964);
  auto token = deletion_token(lucid);
  token.back() = static_cast<char>(token.back() ^ 1);
  const auto forged = process_context_token(std::move(ends.acceptor), token);
  REQUIRE_FALSE(forged);
  CHECK(forged.error().domain() == Domain::gss);
  REQUIRE(ends.acceptor);
  CHECK(ends.acceptor.wrap("still here"));
  const auto genuine = process_context_token(std::move(ends.acceptor), deletion_token(lucid));
#if defined(GSSKEY_GSS_MIT)
  CHECK(genuine);
  CHECK_FALSE(ends.acceptor);
  CHECK(ends.acceptor.wrap("gone").error().domain() == Domain::usage);
#else
  REQUIRE_FALSE(genuine);
  CHECK(routine_error(genuine.error()) == RoutineError::defective_token);
  CHECK(ends.acceptor.wrap("still here"));
#endif
}

TEST_CASE("in SPNEGO it does not") {
  auto ends = rc4_ends<mech::Spnego>();
  const auto lucid = must(export_lucid(std::move(ends.initiator)));
  const auto genuine = process_context_token(std::move(ends.acceptor), deletion_token(lucid));
  REQUIRE_FALSE(genuine);
#if defined(GSSKEY_GSS_MIT)
  CHECK(routine_error(genuine.error()) == RoutineError::unavailable);
#else
  CHECK(routine_error(genuine.error()) == RoutineError::defective_token);
#endif
  CHECK(ends.acceptor.wrap("still here"));
}
