// The commands that encrypted and trusted keys are made of, and what the kernel makes of them.
#include <gsskey/keyring.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/kernel.hpp"
#include "support/session.hpp"
#include "support/unchecked.hpp"

using namespace gsskey;
using key_type::Encrypted;
using key_type::Trusted;
using key_type::User;
using support::error_of;
using support::has_type;
using support::is_usage;
using support::lacks;
using support::must;
using support::Unchecked;

TEST_CASE("commands of encrypted keys") {
  using Kind = MasterKey::Kind;
  CHECK(must(EncryptedPayload::generate({Kind::user, "kmk"}, 32)).text() == "new default user:kmk 32");
  CHECK(must(EncryptedPayload::generate({Kind::trusted, "kmk:1"}, 64, EncryptedFormat::ecryptfs)).text() ==
        "new ecryptfs trusted:kmk:1 64");
  CHECK(must(EncryptedPayload::generate({Kind::user, "k"}, 4294967295, EncryptedFormat::enc32)).text() ==
        "new enc32 user:k 4294967295");
  CHECK(must(EncryptedPayload::load("default user:kmk 32 00ff")).text() == "load default user:kmk 32 00ff");
  CHECK(must(EncryptedPayload::load(std::string(32762, '0'))).size() == 32767);
  CHECK(EncryptedPayload::load(std::string(32763, '0')).error().domain() == Domain::usage);
  CHECK(EncryptedPayload::load({"x", static_cast<std::size_t>(-1)}).error().domain() == Domain::usage);
  CHECK(must(EncryptedUpdate::seal_with({Kind::user, "other"})).text() == "update user:other");
  CHECK(must(EncryptedUpdate::seal_with({Kind::trusted, "other"})).text() == "update trusted:other");
}

TEST_CASE("a description that would be read as more than one word is refused") {
  for (const std::string& name : {std::string{}, std::string{"a b"}, std::string{"a\tb"}, std::string{"a\nb"},
                                  std::string{" "}, std::string{"a\0b", 3}}) {
    CAPTURE(name);
    const MasterKey master{MasterKey::Kind::user, name};
    CHECK(EncryptedPayload::generate(master, 32).error().domain() == Domain::usage);
    CHECK(EncryptedUpdate::seal_with(master).error().domain() == Domain::usage);
    if (!name.empty()) CHECK(TrustedPayload::generate(32, {.hash = name}).error().domain() == Domain::usage);
  }
}

TEST_CASE("commands of trusted keys") {
  CHECK(must(TrustedPayload::generate(32)).text() == "new 32");
  CHECK(must(TrustedPayload::generate(128, {.key_handle = "0x81000001", .migratable = false})).text() ==
        "new 128 keyhandle=0x81000001 migratable=0");
  CHECK(must(TrustedPayload::load("00ff", {.pcr_lock = "7"})).text() == "load 00ff pcrlock=7");
  CHECK(must(TrustedPayload::seal_with({.key_authority = "aa",
                                        .blob_authority = "bb",
                                        .pcr_info = "cc",
                                        .hash = "sha256",
                                        .policy_digest = "dd",
                                        .policy_handle = "ee"}))
            .text() == "update keyauth=aa blobauth=bb pcrinfo=cc hash=sha256 policydigest=dd policyhandle=ee");
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
