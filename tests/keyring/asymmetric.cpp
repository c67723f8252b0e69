// Public keys in the kernel, held against openssl; what this kernel lacks of it is refused as it should be.
#include <gsskey/keyring.hpp>
#include <gsskey/keyring/asymmetric.hpp>

#include <cstring>
#include <optional>
#include <string>

#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/child.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using key_type::Asymmetric;
using key_type::User;
using support::error_of;
using support::has_type;
using support::is_usage;
using support::lacks;
using support::must;
using support::Unchecked;

namespace {

/// Whether the kernel looked at a signature and said no.
bool is_policy(const Result<void>& verified) { return !verified && verified.error().domain() == Domain::policy; }

/// The private half of NAME.key, unless this kernel has no parser for PKCS#8.
std::optional<Key<Asymmetric>> private_key(const KeyringRef& ring, const support::Certificates& certificates,
                                           const std::string& name) {
  certificates.run("openssl pkcs8 -topk8 -nocrypt -in " + name + ".key -outform DER -out private.der");
  auto key = ring.create(Asymmetric{"private"}, certificates.read("private.der"));
  if (key) return *std::move(key);
  CHECK(error_of(key) == EBADMSG);
  lacks("private keys in PKCS#8");
  return {};
}

}  // namespace

TEST_CASE("asymmetric: a certificate is described by name and identifier, and found by its identifiers") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = must(session->create(Asymmetric{""}, der));
  const auto info = must(key.describe());
  CHECK(info.type() == "asymmetric");
  CHECK(info.permissions().bits() == 0x39010000);
  const std::string description{info.description()};
  REQUIRE(description.starts_with("lizard: "));
  const auto identifier = description.substr(8);
  CHECK(identifier.size() == 40);
  CHECK(must(session->search<Asymmetric>("id:" + identifier)) == KeyRef<Asymmetric>{key});
  CHECK(must(session->search<Asymmetric>("id:" + identifier.substr(20))) == KeyRef<Asymmetric>{key});  // its end
  CHECK(must(session->search<Asymmetric>("ex:" + identifier)) == KeyRef<Asymmetric>{key});
  CHECK(error_of(session->search<Asymmetric>("ex:" + identifier.substr(20))) == ENOKEY);
  CHECK(must(session->search<Asymmetric>(description)) == KeyRef<Asymmetric>{key});
  CHECK(error_of(session->create(Asymmetric{description}, der)) == EEXIST);

  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));  // the right to read changes nothing
  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  const auto as_other_type = KeyRef<Unchecked<"asymmetric">>::from_serial(key.serial());
  CHECK(error_of(as_other_type.update(ByteView{der}, no_timeout)) == EOPNOTSUPP);
}

TEST_CASE("asymmetric: what is not an RSA certificate in DER") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto refused = [&](const std::string& bytes) { return error_of(session->create(Asymmetric{"x"}, bytes)); };
  CHECK(refused("no certificate") == EBADMSG);
  CHECK(refused(certificates.read("lizard.pem")) == EBADMSG);
  CHECK(refused(der.substr(0, der.size() - 1)) == EBADMSG);
  CHECK(refused(der + "x") == 0);  // what follows the certificate is passed over
  CHECK(refused("") == EINVAL);
  certificates.run("openssl pkey -in lizard.key -pubout -outform DER -out public.der");
  CHECK(refused(certificates.read("public.der")) == EBADMSG);
  if (private_key(*session, certificates, "lizard")) {
    CHECK(error_of(session->create(Asymmetric{""}, certificates.read("private.der"))) == EINVAL);  // it has no name
  }
  // Of other algorithms: if the kernel has them, they are keys like any other.
  const int elliptic = refused(certificates.make("elliptic", {}, "ec -pkeyopt ec_paramgen_curve:P-256"));
  CHECK((elliptic == 0 || elliptic == ENOENT || elliptic == ENOPKG));
  if (elliptic != 0) lacks("keys on elliptic curves");
  const int edwards = refused(certificates.make("edwards", {}, "ed25519"));
  CHECK((edwards == 0 || edwards == ENOPKG));
  if (edwards != 0) lacks("Ed25519");
}

TEST_CASE("asymmetric: what the kernel encrypts, openssl decrypts") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = must(session->create(Asymmetric{"key"}, der));
  const auto pkcs1 = must(PublicKey::from_key(key, "pkcs1"));
  const auto info = must(pkcs1.query());
  CHECK(info.operations == FlagSet<PublicKeyOperation>{PublicKeyOperation::encrypt, PublicKeyOperation::verify});
  CHECK(info.key_bits == 2048);
  CHECK(info.max_encrypted_size == 256);
  CHECK(info.max_signature_size == 256);
  for (const std::size_t size : {1u, 32u, 245u}) {
    CAPTURE(size);
    const std::string text(size, 'x');
    const auto encrypted = must(pkcs1.encrypt(text));
    CHECK(encrypted.size() == 256);
    certificates.write("encrypted", encrypted.text());
    certificates.run(
        "openssl pkeyutl -decrypt -inkey lizard.key -pkeyopt rsa_padding_mode:pkcs1 -in encrypted -out decrypted");
    CHECK(certificates.read("decrypted") == text);
  }
  const std::string too_long(246, 'x');
  CHECK(error_of(pkcs1.encrypt(too_long)) == EOVERFLOW);

  const auto raw = must(PublicKey::from_key(key, "raw"));
  std::string block(256, 'x');
  block.front() = '\0';  // below the modulus
  const auto encrypted = must(raw.encrypt(block));
  certificates.write("encrypted", encrypted.text());
  certificates.run(
      "openssl pkeyutl -decrypt -inkey lizard.key -pkeyopt rsa_padding_mode:none -in encrypted -out decrypted");
  CHECK(certificates.read("decrypted") == block);
}

TEST_CASE("asymmetric: what openssl signs, the kernel verifies") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = must(session->create(Asymmetric{"key"}, der));
  certificates.write("message", "the message");
  certificates.run("openssl dgst -sha256 -binary -out digest message");
  certificates.run("openssl dgst -sha256 -sign lizard.key -out signature message");
  const auto digest = certificates.read("digest");
  const auto signature = certificates.read("signature");
  REQUIRE(digest.size() == 32);
  REQUIRE(signature.size() == 256);
  const auto sha256 = must(PublicKey::from_key(key, "pkcs1", "sha256"));
  CHECK(sha256.verify(digest, signature));
  if constexpr (sizeof(std::size_t) > 4) {  // more than the 32 bits that the size is handed on in
    const support::Mapping longer{std::size_t{0xffffffff} + 1 + digest.size(), PROT_READ | PROT_WRITE};
    std::memcpy(longer.data(), digest.data(), digest.size());
    CHECK(is_usage(sha256.verify({longer.data(), longer.size()}, signature)));
    const support::Mapping signed_longer{std::size_t{0xffffffff} + 1 + signature.size(), PROT_READ | PROT_WRITE};
    std::memcpy(signed_longer.data(), signature.data(), signature.size());
    CHECK(is_usage(sha256.verify(digest, {signed_longer.data(), signed_longer.size()})));
    CHECK(is_usage(sha256.sign({longer.data(), longer.size()})));
    CHECK(is_usage(sha256.encrypt({longer.data(), longer.size()})));
    CHECK(is_usage(sha256.decrypt({longer.data(), longer.size()})));
  }

  auto other_digest = digest;
  other_digest[0] = static_cast<char>(other_digest[0] ^ 1);
  CHECK(is_policy(sha256.verify(other_digest, signature)));
  auto other_signature = signature;
  other_signature[100] = static_cast<char>(other_signature[100] ^ 1);
  CHECK(is_policy(sha256.verify(digest, other_signature)));
  CHECK(is_policy(sha256.verify(digest, std::string_view{signature}.substr(1))));
  CHECK(is_policy(sha256.verify(digest, "")));
  CHECK(is_policy(sha256.verify("", signature)));
  CHECK(is_policy(must(PublicKey::from_key(key, "pkcs1", "sha512")).verify(digest, signature)));
  CHECK(is_policy(must(PublicKey::from_key(key, "pkcs1")).verify(digest, signature)));
}

TEST_CASE("asymmetric: what the kernel signs, openssl verifies") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = private_key(*session, certificates, "lizard");
  if (!key) return;
  const auto certificate = must(session->create(Asymmetric{"certificate"}, der));
  certificates.write("message", "the message");
  for (const std::string hash : {"sha256", "sha512"}) {
    CAPTURE(hash);
    certificates.run("openssl dgst -" + hash + " -binary -out digest message");
    const auto digest = certificates.read("digest");
    const auto used = must(PublicKey::from_key(*key, "pkcs1", hash));
    const auto info = must(used.query());
    CHECK(info.operations == FlagSet<PublicKeyOperation>{PublicKeyOperation::encrypt, PublicKeyOperation::decrypt,
                                                         PublicKeyOperation::sign, PublicKeyOperation::verify});
    CHECK(info.key_bits == 2048);
    CHECK(info.max_signature_size == 256);
    const auto signature = must(used.sign(digest));
    certificates.write("signature", signature.text());
    certificates.run("openssl x509 -in lizard.pem -noout -pubkey -out public.pem");
    certificates.run("openssl dgst -" + hash + " -verify public.pem -signature signature message");
    certificates.run("openssl dgst -" + hash + " -sign lizard.key -out same message");  // PKCS #1 v1.5 has no salt
    CHECK(certificates.read("same") == signature.text());
    CHECK(used.verify(digest, signature));
    CHECK(must(PublicKey::from_key(certificate, "pkcs1", hash)).verify(digest, signature));
    CHECK(is_policy(used.verify(certificates.read("message"), signature)));
    CHECK(error_of(used.sign(std::string(257, 'x'))) == EINVAL);
  }
  certificates.run("openssl pkeyutl -sign -inkey lizard.key -in message -out same");
  const auto of_bytes = must(PublicKey::from_key(*key, "pkcs1"));  // without a hash: of bytes, not of a digest
  CHECK(must(of_bytes.sign(ByteView{"the message"})).text() == certificates.read("same"));
}

TEST_CASE("asymmetric: what openssl encrypts, the kernel decrypts") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = private_key(*session, certificates, "lizard");
  if (!key) return;
  const auto pkcs1 = must(PublicKey::from_key(*key, "pkcs1"));
  const auto raw = must(PublicKey::from_key(*key, "raw"));
  const auto encrypted_by_openssl = [&](const std::string& text, const std::string& padding) {
    certificates.write("text", text);
    certificates.run("openssl pkeyutl -encrypt -inkey lizard.key -pkeyopt rsa_padding_mode:" + padding +
                     " -in text -out encrypted");
    return certificates.read("encrypted");
  };
  for (const std::size_t size : {1u, 32u, 245u}) {
    CAPTURE(size);
    const std::string text(size, 'x');
    CHECK(must(pkcs1.decrypt(encrypted_by_openssl(text, "pkcs1"))).text() == text);
  }
  std::string block(256, 'x');
  block.front() = '\0';  // below the modulus
  CHECK(must(raw.decrypt(encrypted_by_openssl(block, "none"))).text() == block);
  CHECK(error_of(pkcs1.decrypt(encrypted_by_openssl(block, "none"))) == EINVAL);  // no padding
  CHECK(error_of(pkcs1.decrypt(std::string(257, 'x'))) == EINVAL);

  const auto certificate = must(session->create(Asymmetric{"certificate"}, der));
  const auto encrypted = must(must(PublicKey::from_key(certificate, "pkcs1")).encrypt("secret"));
  CHECK(must(pkcs1.decrypt(encrypted)).text() == "secret");
  CHECK(error_of(AnyKeyRef::from_serial(key->serial()).read()) == EOPNOTSUPP);
  CHECK(must(key->describe()).description() == "private");
}

TEST_CASE("asymmetric: keys on elliptic curves verify") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto key =
      session->create(Asymmetric{"key"}, certificates.make("elliptic", {}, "ec -pkeyopt ec_paramgen_curve:P-256"));
  if (!key) {
    const int refused = error_of(key);
    CHECK((refused == ENODEV || refused == ENOENT || refused == ENOPKG));
    return lacks("keys on elliptic curves");
  }
  certificates.write("message", "the message");
  certificates.run("openssl dgst -sha256 -binary -out digest message");
  certificates.run("openssl dgst -sha256 -sign elliptic.key -out signature message");
  auto digest = certificates.read("digest");
  const auto signature = certificates.read("signature");
  const auto sha256 = must(PublicKey::from_key(*key, "x962", "sha256"));
  const auto info = must(sha256.query());
  CHECK(info.operations.contains(PublicKeyOperation::verify));
  CHECK(info.key_bits == 256);
  CHECK(info.max_signature_size >= signature.size());
  CHECK(sha256.verify(digest, signature));
  digest[0] = static_cast<char>(digest[0] ^ 1);
  CHECK(is_policy(sha256.verify(digest, signature)));
  CHECK_FALSE(sha256.sign(digest));
  CHECK(error_of(must(PublicKey::from_key(*key, "pkcs1", "sha256")).query()) == EINVAL);
}

TEST_CASE("asymmetric: a certificate neither signs nor decrypts, and words that mean nothing") {
  const support::Session session;
  if (!support::Certificates::can_make()) return support::skip("openssl is not installed");
  support::Certificates certificates;
  const auto der = certificates.make("lizard");
  if (!has_type(*session, Asymmetric{"probe"}, der)) return;
  const auto key = must(session->create(Asymmetric{"key"}, der));
  const std::string digest(32, 'd');
  const std::string block(256, '\1');
  CHECK(error_of(must(PublicKey::from_key(key, "pkcs1", "sha256")).sign(digest)) == EINVAL);
  CHECK(error_of(must(PublicKey::from_key(key, "pkcs1")).decrypt(block)) == EINVAL);
  for (const char* encoding : {"oaep", "pss", "pkcs7"}) {
    CAPTURE(encoding);
    const auto used = must(PublicKey::from_key(key, encoding));
    CHECK(error_of(used.query()) == EINVAL);
    CHECK(error_of(used.encrypt("x")) == EINVAL);
  }
  for (const char* word : {"", "two words", "a=b", "line\nfeed"}) {
    CHECK(is_usage(PublicKey::from_key(key, word)));
    if (*word != '\0') CHECK(is_usage(PublicKey::from_key(key, "pkcs1", word)));
  }
  CHECK(is_usage(PublicKey::from_key(key, std::string(80, 'x'))));
  CHECK(is_usage(must(PublicKey::from_key(KeyRef<Asymmetric>{}, "pkcs1")).query()));
  CHECK(is_usage(must(PublicKey::from_key(KeyRef<Asymmetric>{}, "pkcs1")).encrypt("x")));
  CHECK(is_usage(must(PublicKey::from_key(KeyRef<Asymmetric>{}, "pkcs1")).verify(digest, block)));

  const auto user = must(session->create(User{"user"}, "x"));
  const auto of_user = must(PublicKey::from_key(KeyRef<Asymmetric>::from_serial(user.serial()), "pkcs1"));
  CHECK(error_of(of_user.query()) == EOPNOTSUPP);
  CHECK(error_of(of_user.verify(digest, block)) == EOPNOTSUPP);

  const auto pkcs1 = must(PublicKey::from_key(key, "pkcs1", "sha256"));
  REQUIRE(key.set_permissions(Permissions{}.user(all_rights.without(Right::search))));
  CHECK(error_of(pkcs1.query()) == EACCES);
  CHECK(error_of(pkcs1.verify(digest, block)) == EACCES);
  REQUIRE(key.set_permissions(Permissions{}.user(all_rights)));
  REQUIRE(key.revoke());
  CHECK(error_of(pkcs1.query()) == EKEYREVOKED);
  CHECK(error_of(pkcs1.verify(digest, block)) == EKEYREVOKED);
}
