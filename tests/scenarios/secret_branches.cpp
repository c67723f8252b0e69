// No branch and no address depends on a key, on a MAC that is expected or on a plaintext: run by valgrind, to which
// they are memory that was never set. What a comparison of MACs comes to is told to everybody, so that is where a
// secret ends. With an argument the program has such a branch, and valgrind must find it.
#include <gsskey/handoff/envelope.hpp>
#include <gsskey/messages/detail/keys.hpp>

#include <valgrind/memcheck.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;
int comparisons = 0;

void hide(const void* secret, std::size_t size) { VALGRIND_MAKE_MEM_UNDEFINED(secret, size); }
void show(const void* told, std::size_t size) { VALGRIND_MAKE_MEM_DEFINED(told, size); }

int failures = 0;
void expect(bool holds, const char* what, const char* name) {
  if (holds) return;
  std::printf("%s: %s\n", name, what);
  ++failures;
}

/// A token that is whole, and the same with a bit of its MAC, and one of its message, changed.
template <class Open>
void check(const char* name, const Bytes& token, Open open) {
  expect(open(token), "a whole token is refused", name);
  for (const std::size_t at : {token.size() - 1, token.size() / 2}) {
    Bytes altered = token;
    altered[at] ^= 1;
    expect(!open(altered), "an altered token is taken", name);
  }
}

void messages(const rfc3961::EncryptionType& type) {
  Bytes base(type.key_size, 0x42);
  auto sender = must(rfc4121::Sender::create({&type, base, false}));
  // Key derivation is OpenSSL's, and is done once; the derived keys are what every message meets.
  auto encryption = must(rfc3961::derive_key(type, base, 24, rfc3961::Purpose::encryption));
  auto integrity = must(rfc3961::derive_key(type, base, 24, rfc3961::Purpose::integrity));
  auto signing = must(rfc3961::derive_key(type, base, 25, rfc3961::Purpose::checksum));
  hide(encryption.data(), encryption.size());
  hide(integrity.data(), integrity.size());
  hide(signing.data(), signing.size());
  auto opening = must(rfc3961::OpeningKey::with_keys(type, encryption, integrity));
  auto checksum = must(rfc3961::Checksum::create(type, signing));

  for (const std::size_t size : {0u, 15u, 100u, 5000u}) {
    const Bytes message(size, 0x17);
    Bytes token(2 * rfc4121::header_size + rfc3961::block_size + size + type.mac_size);
    if (!sender.wrap(message, token.data())) std::abort();
    check(type.name, token, [&](const Bytes& sealed) {
      Bytes body(size);
      unsigned char header[rfc4121::header_size];
      const ByteView rest = ByteView{sealed}.subview(rfc4121::header_size);
      return opening.open({rest, 0}, body.data(), size, header) == rfc3961::Opened::whole;
    });
    Bytes mic(rfc4121::header_size + type.mac_size);
    if (!sender.get_mic(message, mic.data())) std::abort();
    check(type.name, mic, [&](const Bytes& signature) {
      const ByteView view{signature};
      return checksum.start() && checksum.update(message) && checksum.update(view.subview(0, rfc4121::header_size)) &&
             checksum.verify(signature.data() + rfc4121::header_size) == rfc3961::Opened::whole;
    });
  }
}

void seals() {
  auto bytes = must(SecretBytes::with_size(SealKey::size));
  const auto key = must(SealKey::from_bytes(std::move(bytes)));
  hide(key.bytes().data(), key.bytes().size());
  const Bytes token(1000, 0x17);
  const auto sealed = must(seal(key, token, mech::Krb5::oid, Seconds{3600}));
  show(sealed.data(), sealed.size());  // is what everybody sees
  check("seal", {sealed.begin(), sealed.end()},
        [&](const Bytes& seal) { return open_seal<mech::Krb5>(key, seal).has_value(); });
}

}  // namespace

/// In the place of OpenSSL's, which our comparisons call: the same work, and its outcome is no secret.
extern "C" int CRYPTO_memcmp(const void* a, const void* b, std::size_t size) {
  ++comparisons;
  unsigned char difference = 0;
  for (std::size_t at = 0; at < size; ++at) {
    difference = static_cast<unsigned char>(
        difference | (static_cast<const unsigned char*>(a)[at] ^ static_cast<const unsigned char*>(b)[at]));
  }
  show(&difference, sizeof difference);
  return difference;
}

int main(int argc, char**) {
  if (RUNNING_ON_VALGRIND == 0) {
    std::printf("not run by valgrind\n");
    return 77;
  }
  if (argc > 1) {
    volatile unsigned char secret = 7;
    hide(const_cast<unsigned char*>(&secret), 1);
    if (secret == 7) std::printf("the secret is 7\n");
    return 0;
  }
  for (const rfc3961::EncryptionType& type : rfc3961::encryption_types) {
    // OpenSSL's Camellia looks its key up in tables.
    if (type.derivation != rfc3961::Derivation::cmac) messages(type);
  }
  seals();
  std::printf("%d comparisons, %d failures\n", comparisons, failures);
  return failures == 0 && comparisons > 0 ? 0 : 1;
}
