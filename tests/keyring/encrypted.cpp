// The commands that encrypted and trusted keys are made of; what the kernel makes of them is in suite_types.cpp.
#include <gsskey/keyring.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

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
