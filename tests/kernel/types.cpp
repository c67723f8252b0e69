// The types of keys on the real kernel, each with what it can do and what it refuses; and what this kernel has of the
// rest: Diffie-Hellman, notifications, capabilities. Where it has not, the refusal is what is tested.
#include <gsskey/keyring.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "support/as_user.hpp"
#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/child.hpp"
#include "support/session.hpp"
#include "support/skip.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using key_type::Asymmetric;
using key_type::Encrypted;
using key_type::Logon;
using key_type::Trusted;
using key_type::User;
using support::Answers;
using support::error_of;
using support::is_usage;
using support::must;
using support::outcome;
using support::Unchecked;

namespace {

/// Whether the kernel looked at a signature and said no.
bool is_policy(const Result<void>& verified) { return !verified && verified.error().domain() == Domain::policy; }

bool has(KeyringCapability capability) { return must(keyring_capabilities()).contains(capability); }

void lacks(const char* what) { std::fprintf(stderr, "this kernel lacks %s\n", what); }

/// Whether keys of such a type can be made; if not, what the kernel says must be ENODEV.
template <KeyType T>
bool has_type(const KeyringRef& ring, const T& type, const typename T::Payload& payload) {
  const auto key = ring.create(type, payload);
  if (key) return true;
  CHECK(error_of(key) == ENODEV);
  lacks(T::name);
  return false;
}

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

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(std::string{digits.substr(at, 2)}, nullptr, 16));
  }
  return bytes;
}

}  // namespace

TEST_CASE("logon: made, updated, found, and never read") {
  const support::Session session;
  const auto key = must(session->create(Logon{"program:name"}, "secret"));
  CHECK(must(session->search<Logon>("program:name")) == KeyRef<Logon>{key});
  CHECK(must(request_key<Logon>("program:name")) == KeyRef<Logon>{key});
  REQUIRE(key.update("another", no_timeout));
  CHECK(must(session->upsert(Logon{"program:name"}, "a third")) == KeyRef<Logon>{key});
  CHECK(must(key.describe()).type() == "logon");
  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  REQUIRE(key.set_permissions(Permissions{}.possessor(all_rights)));  // the right to read changes nothing
  CHECK(error_of(AnyKeyRef::from_serial(key.serial()).read()) == EOPNOTSUPP);
  CHECK(error_of(session->create(Logon{"program:name"}, "x")) == EEXIST);
}

TEST_CASE("big_key: payloads of every size to one byte below a mebibyte") {
  const support::Session session;
  if (!has_type(*session, key_type::BigKey{"big"}, "x")) {
    CHECK_FALSE(has(KeyringCapability::big_key));
    return;
  }
  CHECK(has(KeyringCapability::big_key));
  for (const std::size_t size : {1u, 512u, 513u, 4097u, 32768u, (1u << 20) - 1}) {
    const std::string payload(size, 'x');
    const auto key = must(session->create(key_type::BigKey{"big"}, payload));
    CHECK(must(key.read()).text() == payload);
    REQUIRE(key.update("short", no_timeout));
    CHECK(must(key.read()).text() == "short");
    const std::string large(100'000, 'y');  // more than an update by serial takes
    CHECK(is_usage(key.update(large, no_timeout)));
    CHECK(must(session->upsert(key_type::BigKey{"big"}, large)) == KeyRef<key_type::BigKey>{key});
    CHECK(must(key.read()).text() == large);
  }
  CHECK(is_usage(session->create(key_type::BigKey{"big"}, std::string(1u << 20, 'x'))));
  CHECK(error_of(session->create(Unchecked<"big_key">{"big"}, std::string(1u << 20, 'x'))) == EINVAL);
}

TEST_CASE("encrypted: generated, loaded again, sealed anew") {
  const support::Session session;
  const auto master = must(session->create(User{"master"}, "0123456789abcdef0123456789abcdef"));
  const auto payload = must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, 32));
  if (!has_type(*session, Encrypted{"first"}, payload)) return;
  auto key = must(session->create(Encrypted{"first"}, payload));
  CHECK(must(key.describe()).type() == "encrypted");
  const auto blob = must(key.read());
  CHECK(blob.text().starts_with("default user:master 32 "));
  CHECK(must(key.read()).text() == blob.text());
  {
    const auto other = must(session->create(Encrypted{"second"}, payload));
    CHECK_FALSE(must(other.read()).text() == blob.text());  // random
  }
  {
    const auto copy = must(session->create(Encrypted{"copy"}, must(EncryptedPayload::load(blob))));
    CHECK(must(copy.read()).text() == blob.text());
  }
  // Another master: the same key, another blob, which the first master does not open any more.
  const auto second_master = must(session->create(User{"second-master"}, "another master key of any length"));
  REQUIRE(key.update(must(EncryptedUpdate::seal_with({MasterKey::Kind::user, "second-master"})), no_timeout));
  const auto sealed = must(key.read());
  CHECK(sealed.text().starts_with("default user:second-master 32 "));
  REQUIRE(key.update(must(EncryptedUpdate::seal_with({MasterKey::Kind::user, "master"})), no_timeout));
  CHECK(must(key.read()).text() == blob.text());

  for (const std::uint32_t size : {20u, 128u, 4096u}) {
    const auto of_size = must(
        session->create(Encrypted{"size"}, must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, size))));
    CHECK(must(of_size.read()).text().starts_with("default user:master " + std::to_string(size) + " "));
  }
  for (const std::uint32_t size : {0u, 1u, 19u, 4097u, 0xffffffffu}) {
    CAPTURE(size);
    CHECK(error_of(session->create(
              Encrypted{"size"}, must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, size)))) == EINVAL);
  }
  const auto enc32 = must(
      session->create(Encrypted{"nvdimm"},
                      must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, 32, EncryptedFormat::enc32))));
  CHECK(must(enc32.read()).text().starts_with("enc32 user:master 32 "));
  CHECK(error_of(
            session->create(Encrypted{"nvdimm2"}, must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, 64,
                                                                                  EncryptedFormat::enc32)))) == EINVAL);
  // eCryptfs keys are described by sixteen hex digits, and are 64 bytes.
  const auto for_ecryptfs = [](std::uint32_t size) {
    return must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, size, EncryptedFormat::ecryptfs));
  };
  const auto ecryptfs = must(session->create(Encrypted{"0123456789abcdef"}, for_ecryptfs(64)));
  CHECK(must(ecryptfs.read()).text().starts_with("ecryptfs user:master 64 "));
  CHECK(error_of(session->create(Encrypted{"not sixteen digits"}, for_ecryptfs(64))) == EINVAL);
  CHECK(error_of(session->create(Encrypted{"0123456789abcdee"}, for_ecryptfs(32))) == EINVAL);
}

TEST_CASE("encrypted: what is not well formed, tampered with, or sealed by a key that is not there") {
  const support::Session session;
  const auto payload = must(EncryptedPayload::generate({MasterKey::Kind::user, "absent"}, 32));
  if (!has_type(*session, Encrypted{"first"}, payload)) return;
  // Without master key it is made all the same; only who reads is told.
  const auto orphan = must(session->create(Encrypted{"orphan"}, payload));
  CHECK(error_of(orphan.read()) == ENOKEY);
  const auto master = must(session->create(User{"master"}, "0123456789abcdef0123456789abcdef"));
  const auto key =
      must(session->create(Encrypted{"key"}, must(EncryptedPayload::generate({MasterKey::Kind::user, "master"}, 32))));
  const auto blob = must(key.read());
  {
    std::string tampered{blob.text()};
    char& digit = tampered[tampered.size() - 5];
    digit = digit == '0' ? '1' : '0';
    CHECK(error_of(session->create(Encrypted{"tampered"}, must(EncryptedPayload::load(ByteView{tampered})))) == EINVAL);
    const std::string half{blob.text().substr(0, blob.size() / 2)};
    CHECK(error_of(session->create(Encrypted{"half"}, must(EncryptedPayload::load(ByteView{half})))) == EINVAL);
    CHECK(error_of(session->create(Encrypted{"words"}, must(EncryptedPayload::load(ByteView{"of no format"})))) ==
          EINVAL);
  }
  REQUIRE(session->unlink(master));
  REQUIRE(support::is_collected(KeyRef<User>{master}));
  CHECK(error_of(session->create(Encrypted{"copy"}, must(EncryptedPayload::load(blob)))) == ENOKEY);
  // Sealed by one that is not there: found out when it is read.
  REQUIRE(key.update(must(EncryptedUpdate::seal_with({MasterKey::Kind::user, "absent"})), no_timeout));
  CHECK(error_of(key.read()) == ENOKEY);
  CHECK(error_of(session->create(Unchecked<"encrypted">{"bytes"}, "0123456789abcdef")) == EINVAL);
  CHECK(error_of(session->create(Unchecked<"encrypted">{"empty"}, {})) == EINVAL);
  CHECK(error_of(session->create(Unchecked<"encrypted">{"no command"}, "default user:master 32")) == EINVAL);
  CHECK(error_of(session->create(Unchecked<"encrypted">{"no format"}, "new none user:master 32")) == EINVAL);
  CHECK(error_of(session->create(Unchecked<"encrypted">{"no kind"}, "new default none:master 32")) == EINVAL);
  // Data of the caller's own, which most kernels are built without, and which is hexadecimal in those that are not.
  CHECK(error_of(session->create(Unchecked<"encrypted">{"data"}, "new default user:master 32 not hexadecimal")) ==
        EINVAL);
  for (const char* words : {"", "two words", "line\nfeed"}) {
    CHECK(is_usage(EncryptedPayload::generate({MasterKey::Kind::user, words}, 32)));
    CHECK(is_usage(EncryptedUpdate::seal_with({MasterKey::Kind::user, words})));
  }
  const auto trusted = session->create(Trusted{"trusted"}, must(TrustedPayload::generate(32)));
  if (trusted || error_of(trusted) != ENODEV) return;  // its own case has the rest
  const auto by_trusted = session->create(Encrypted{"by trusted"},
                                          must(EncryptedPayload::generate({MasterKey::Kind::trusted, "absent"}, 32)));
  CHECK(error_of(by_trusted) == 0);
  if (by_trusted) CHECK(error_of(by_trusted->read()) == EOPNOTSUPP);
}

TEST_CASE("trusted: made, read and loaded again where there is a trust source") {
  const support::Session session;
  TrustedOptions options;
  auto key = session->create(Trusted{"sealed"}, must(TrustedPayload::generate(32)));
  if (!key && error_of(key) == EINVAL) {
    // A TPM 2 is told its storage key, which is here if it was set up as its specification recommends.
    options.key_handle = "81000001";
    key = session->create(Trusted{"sealed"}, must(TrustedPayload::generate(32, options)));
    if (!key) return lacks("a storage key in the TPM");
  }
  if (!key) {
    CHECK(error_of(key) == ENODEV);
    return lacks("trusted");
  }
  const auto blob = must(key->read());
  CHECK(blob.text().find_first_not_of("0123456789abcdef") == std::string_view::npos);
  {
    const auto copy = must(session->create(Trusted{"copy"}, must(TrustedPayload::load(blob, options))));
    CHECK(must(copy.read()).text() == blob.text());
    const auto other = must(session->create(Trusted{"other"}, must(TrustedPayload::generate(32, options))));
    CHECK_FALSE(must(other.read()).text() == blob.text());  // random
  }
  for (const std::uint32_t size : {31u, 129u}) {
    CAPTURE(size);
    CHECK(error_of(session->create(Trusted{"size"}, must(TrustedPayload::generate(size, options)))) == EINVAL);
  }
  std::string tampered{blob.text()};
  char& digit = tampered[tampered.size() / 2];
  digit = digit == '0' ? '1' : '0';
  CHECK_FALSE(session->create(Trusted{"tampered"}, must(TrustedPayload::load(tampered, options))));

  {
    // With a password of its own (a wrong one would count against the machine's TPM), and for this machine only.
    auto guarded = options;
    guarded.blob_authority = "000102030405060708090a0b0c0d0e0f10111213";
    const auto locked = must(session->create(Trusted{"locked"}, must(TrustedPayload::generate(32, guarded))));
    const auto locked_blob = must(locked.read());
    const auto again = must(session->create(Trusted{"again"}, must(TrustedPayload::load(locked_blob, guarded))));
    CHECK(must(again.read()).text() == locked_blob.text());
    auto bound = options;
    bound.migratable = false;
    const auto stays = must(session->create(Trusted{"stays"}, must(TrustedPayload::generate(32, bound))));
    CHECK(error_of(stays.update(must(TrustedPayload::seal_with(options)), no_timeout)) == EPERM);
  }
  REQUIRE(key->update(must(TrustedPayload::seal_with(options)), no_timeout));
  const auto sealed_anew = must(key->read());
  CHECK_FALSE(sealed_anew.text() == blob.text());

  const auto sealed_by = must(EncryptedPayload::generate({MasterKey::Kind::trusted, "sealed"}, 32));
  const auto sealed = session->create(Encrypted{"sealed by trusted"}, sealed_by);
  if (!sealed) {
    CHECK(error_of(sealed) == ENODEV);
    return lacks("encrypted");
  }
  const auto encrypted = must(sealed->read());
  CHECK(encrypted.text().starts_with("default trusted:sealed 32 "));
  REQUIRE(std::move(*key).close());
  key = session->create(Trusted{"sealed"}, must(TrustedPayload::load(blob, options)));  // the same, from the first blob
  REQUIRE(key);
  const auto loaded = must(session->create(Encrypted{"loaded"}, must(EncryptedPayload::load(encrypted))));
  CHECK(must(loaded.read()).text() == encrypted.text());
}

TEST_CASE("types of other modules are ENODEV where they are not loaded") {
  const support::Session session;
  const auto check = [&]<KeyType T>(const T& type) {
    CAPTURE(T::name);
    const auto key = session->create(type, "x");
    if (key) return;
    const int error = error_of(key);
    CHECK(
        (error == ENODEV || error == EINVAL || error == EPERM));  // the latter if it is there: "x" means nothing to it
    if (error == ENODEV) lacks(T::name);
  };
  check(Unchecked<"rxrpc">{"afs@EXAMPLE.ORG"});
  check(Unchecked<"ceph">{"client.admin"});
  check(Unchecked<"psk">{"identity"});
  check(Unchecked<"pkcs7_test">{"message"});
}

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

TEST_CASE("notifications: told of what happens to a key, or the kernel lacks them") {
  const support::Session session;
  const auto key = must(session->create(User{"lizard"}, "gizzard"));
  if (!has(KeyringCapability::notifications)) {
    lacks("notifications");
    CHECK_FALSE(KeyWatch::open());
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    {
      const auto watch = KeyWatch::adopt(ends[0]);
      CHECK(error_of(watch.add(key, 7)) == EOPNOTSUPP);
      CHECK(error_of(watch.remove(key)) == EOPNOTSUPP);
      CHECK(is_usage(watch.add(KeyRef<User>{}, 7)));
    }
    ::close(ends[1]);
    return;
  }
  auto watch = must(KeyWatch::open());
  REQUIRE(watch.add(key, 7));
  REQUIRE(key.update("new", no_timeout));
  const auto event = must(watch.next());
  CHECK(event.kind == KeyEventKind::updated);
  CHECK(event.watch_id == 7);
  CHECK(event.key.serial() == key.serial());
  REQUIRE(watch.remove(key));
}

TEST_CASE("capabilities: the kernel says what it does, whoever asks") {
  const support::Session session;
  const auto all = must(keyring_capabilities());
  CHECK(all.contains(KeyringCapability::capabilities));
  CHECK(all.contains(KeyringCapability::invalidate));
  CHECK(all.contains(KeyringCapability::restrict_ring));
  CHECK(all.contains(KeyringCapability::move));
  if (::geteuid() != 0) return support::skip("only root becomes another user");
  const Answers answers = support::as_user(
      support::nobody, [](Answers& found) { found.push_back(static_cast<long>(must(keyring_capabilities()).bits())); });
  CHECK(answers == Answers{static_cast<long>(all.bits())});
}
