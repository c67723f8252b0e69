// Seals: opened, altered bit by bit, cut off, foreign, expired; and their format, made and taken apart by OpenSSL
// alone.
#include <gsskey/handoff/envelope.hpp>

#include <openssl/evp.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;
using namespace std::string_view_literals;

namespace {

constexpr Seconds minute{60};

std::string bytes_of(std::string_view hexadecimal) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hexadecimal.size(); at += 2) {
    bytes.push_back(static_cast<char>(digit(hexadecimal[at]) * 16 + digit(hexadecimal[at + 1])));
  }
  return bytes;
}

/// As the format says it, without anything of the header under test.
struct Parts {
  std::string magic = "gssS";
  std::string format = "\1";
  std::string implementation;
  std::string build;
  std::string expiry = std::string(8, '\xff');
  std::string key_id;
  std::string length;
  std::string mechanism_length;
  std::string nonce = std::string(12, '\7');
  std::string mechanism;
  std::string token;

  static Parts of(ByteView sealed) {
    const std::string_view text = sealed.text();
    Parts parts;
    parts.magic = text.substr(0, 4);
    parts.format = text.substr(4, 1);
    parts.implementation = text.substr(5, 1);
    parts.build = text.substr(6, 20);
    parts.expiry = text.substr(26, 8);
    parts.key_id = text.substr(34, 8);
    parts.length = text.substr(42, 4);
    parts.mechanism_length = text.substr(46, 1);
    parts.nonce = text.substr(47, 12);
    parts.mechanism = text.substr(59, static_cast<unsigned char>(text[46]));
    return parts;
  }
  [[nodiscard]] std::string header() const {
    return magic + format + implementation + build + expiry + key_id + length + mechanism_length + nonce + mechanism;
  }
};

const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

/// AES-256-GCM: cipher text and tag.
std::string encrypt(const std::string& key, const std::string& nonce, const std::string& header,
                    const std::string& token) {
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  std::string out(token.size() + 16, '\0');
  auto* const data = reinterpret_cast<unsigned char*>(out.data());
  int size = 0;
  REQUIRE(EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce)) == 1);
  REQUIRE(EVP_EncryptUpdate(cipher, nullptr, &size, bytes(header), static_cast<int>(header.size())) == 1);
  REQUIRE(EVP_EncryptUpdate(cipher, data, &size, bytes(token), static_cast<int>(token.size())) == 1);
  REQUIRE(EVP_EncryptFinal_ex(cipher, data + size, &size) == 1);
  REQUIRE(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, data + token.size()) == 1);
  EVP_CIPHER_CTX_free(cipher);
  return out;
}

SealKey key_of(std::string_view raw) { return must(SealKey::from_bytes(must(SecretBytes::copy_of(raw)))); }

template <Mechanism M = mech::Krb5>
SealFault fault_of(const SealKey& key, ByteView sealed) {
  const auto opened = open_seal<M>(key, sealed);
  if (opened) return SealFault::none;
  CHECK(opened.error().domain() == Domain::seal);
  CHECK(opened.error().operation() == "open_seal"sv);
  return seal_fault(opened.error());
}

}  // namespace

TEST_CASE("what was sealed comes out again, whatever its size, and is not to be seen in the seal") {
  const auto key = must(SealKey::generate());
  std::mt19937 random{7};
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 32u, 300u, 4095u, 4096u, 50000u, 1u << 20}) {
    CAPTURE(size);
    std::string token(size, '\0');
    for (char& byte : token) byte = static_cast<char>(random());
    const auto sealed = must(seal(key, token, mech::Krb5::oid, minute));
    CHECK(sealed.size() == 59 + mech::Krb5::oid.size() + size + 16);
    CHECK(must(open_seal<mech::Krb5>(key, sealed)).text() == token);
    CHECK(must(open_seal<mech::Any>(key, sealed)).text() == token);
    if (size >= 16) CHECK(sealed.text().find(token.substr(0, 16)) == std::string_view::npos);
  }
}

TEST_CASE("two seals of the same differ, and so do two keys") {
  const auto key = must(SealKey::generate());
  const auto one = must(seal(key, "token", mech::Krb5::oid, minute));
  const auto two = must(seal(key, "token", mech::Krb5::oid, minute));
  CHECK(Parts::of(one).nonce != Parts::of(two).nonce);
  CHECK(one.text().substr(one.size() - 21) != two.text().substr(two.size() - 21));
  CHECK_FALSE(must(SealKey::generate()).bytes().text() == key.bytes().text());
  CHECK_FALSE(must(SealKey::generate()).id() == key.id());
}

TEST_CASE("AES-256-GCM of this machine is that of its specification (test case 16)") {
  CHECK(encrypt(bytes_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
                bytes_of("cafebabefacedbaddecaf888"), bytes_of("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
                bytes_of("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                         "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")) ==
        bytes_of("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                 "76fc6ece0f4e1768cddf8853bb2d551b"));
}

TEST_CASE("a seal is what the format says, byte for byte") {
  const std::string raw = bytes_of("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const auto key = key_of(raw);
  // SHA-256 of "gsskey seal key id", a NUL, and the key
  CHECK(std::string{ByteView{key.id().bytes}.text()} == bytes_of("19f6b6fd4f45ab01"));
  const auto sealed = must(seal(key, "token", mech::Krb5::oid, Seconds::indefinite()));
  const Parts parts = Parts::of(sealed);
  CHECK(parts.magic == "gssS");
  CHECK(parts.format == "\1");
  CHECK(parts.implementation == std::string(1, GSSKEY_GSS_NAME[0]));
  CHECK(parts.build != std::string(20, '\0'));
  CHECK(parts.expiry == std::string(8, '\xff'));
  CHECK(parts.key_id == std::string{ByteView{key.id().bytes}.text()});
  CHECK(parts.length == std::string("\0\0\0\5", 4));
  CHECK(parts.mechanism_length == "\11");
  CHECK(parts.mechanism == bytes_of("2a864886f712010202"));
  CHECK(std::string{sealed.text()} == parts.header() + encrypt(raw, parts.nonce, parts.header(), "token"));
}

TEST_CASE("a seal that OpenSSL alone has made opens, and each fact in it counts") {
  const std::string raw(32, 'k');
  const auto key = key_of(raw);
  const auto model = must(seal(key, "token", mech::Krb5::oid, Seconds::indefinite()));
  const auto made = [&](auto change) {
    Parts parts = Parts::of(model);
    change(parts);
    return parts.header() + encrypt(raw, parts.nonce, parts.header(), "token");
  };
  const auto nothing = made([](Parts&) {});
  CHECK(must(open_seal<mech::Krb5>(key, nothing)).text() == "token");
  CHECK(must(open_seal<mech::Krb5>(key, made([](Parts& parts) { parts.nonce = "another12345"; }))).text() == "token");

  CHECK(fault_of(key, made([](Parts& parts) { parts.magic = "gssk"; })) == SealFault::not_a_seal);
  CHECK(fault_of(key, made([](Parts& parts) { parts.format = "\2"; })) == SealFault::other_format);
  CHECK(fault_of(key, made([](Parts& parts) { parts.implementation = "X"; })) == SealFault::other_implementation);
  CHECK(fault_of(key, made([](Parts& parts) { parts.build = std::string(20, 'b'); })) == SealFault::other_build);
  CHECK(fault_of(key, made([](Parts& parts) { parts.expiry = std::string(8, '\0'); })) == SealFault::expired);
  CHECK(fault_of(key, made([](Parts& parts) { parts.key_id = "12345678"; })) == SealFault::foreign_key);
  CHECK(fault_of(key, made([](Parts& parts) { parts.length[3] = '\6'; })) == SealFault::wrong_size);
  CHECK(fault_of(key, made([](Parts& parts) { parts.mechanism = bytes_of("2b0601040182370202"); })) ==
        SealFault::other_mechanism);
}

TEST_CASE("every flipped bit is an error, and says which") {
  const auto key = must(SealKey::generate());
  const auto sealed = must(seal(key, "a token", mech::Krb5::oid, minute));
  const auto wanted = [](std::size_t at) {
    if (at < 4) return SealFault::not_a_seal;
    if (at < 5) return SealFault::other_format;
    if (at >= 34 && at < 42) return SealFault::foreign_key;
    if (at >= 42 && at < 47) return SealFault::wrong_size;
    return SealFault::altered;
  };
  std::string flipped{sealed.text()};
  for (std::size_t bit = 0; bit < 8 * flipped.size(); ++bit) {
    CAPTURE(bit);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK(fault_of(key, flipped) == wanted(bit / 8));
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
  }
  CHECK(must(open_seal<mech::Krb5>(key, flipped)).text() == "a token");
}

TEST_CASE("cut off anywhere, or with something behind it, no seal opens") {
  const auto key = must(SealKey::generate());
  const auto sealed = must(seal(key, "a token", mech::Krb5::oid, minute));
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    CAPTURE(size);
    CHECK(fault_of(key, ByteView{sealed}.subview(0, size)) ==
          (size < 4 ? SealFault::not_a_seal : SealFault::wrong_size));
  }
  CHECK(fault_of(key, std::string{sealed.text()} + "x") == SealFault::wrong_size);
  CHECK(fault_of(key, std::string{sealed.text()} + std::string{sealed.text()}) == SealFault::wrong_size);
}

TEST_CASE("another key, another mechanism, no time at all") {
  const auto key = must(SealKey::generate());
  const auto sealed = must(seal(key, "token", mech::Krb5::oid, minute));
  CHECK(fault_of(must(SealKey::generate()), sealed) == SealFault::foreign_key);
  CHECK(fault_of<mech::Ntlmssp>(key, sealed) == SealFault::other_mechanism);
  CHECK(fault_of<mech::Negotiate<mech::Ntlmssp>>(key, sealed) == SealFault::other_mechanism);
  CHECK(open_seal<mech::Negotiate<mech::Krb5>>(key, sealed));
  CHECK(fault_of(key, must(seal(key, "token", mech::Krb5::oid, Seconds{}))) == SealFault::expired);
  CHECK(seal_fault(Error::policy("open_seal", 5, "the seal was altered")) == SealFault::none);
  CHECK(seal_fault(Error::usage("open_seal", "the seal was altered")) == SealFault::none);
}

TEST_CASE("more than 1 GiB is refused, and not read: OpenSSL counts in int") {
  const auto key = must(SealKey::generate());
  for (const std::size_t size : {(std::size_t{1} << 30) + 1, static_cast<std::size_t>(-1)}) {
    const auto sealed = seal(key, {"x", size}, mech::Krb5::oid, Seconds{30});
    REQUIRE_FALSE(sealed);
    CHECK(sealed.error().text() == "the token is larger than 1 GiB");
  }
}

TEST_CASE("a key goes where its bytes go, and nothing is left in the one that was moved from") {
  auto key = must(SealKey::generate());
  const auto sealed = must(seal(key, "token", mech::Krb5::oid, minute));
  const auto copy = key_of(key.bytes().text());
  CHECK(copy.id() == key.id());
  CHECK(must(SealKeyId::parse(sealed)) == key.id());
  CHECK(must(open_seal<mech::Krb5>(copy, sealed)).text() == "token");
  // Whatever words an error comes to have on its way, what is wrong with the seal stays.
  const auto error = open_seal<mech::Krb5>(key, "no seal").error();
  CHECK(seal_fault(Error{error}.with_text("in other words")) == SealFault::not_a_seal);
  const auto moved = std::move(key);
  CHECK(key.bytes().empty());
  CHECK(open_seal<mech::Krb5>(key, sealed).error().domain() == Domain::usage);
  CHECK(seal(key, "token", mech::Krb5::oid, minute).error().domain() == Domain::usage);
  for (const std::size_t size : {0u, 16u, 31u, 33u}) {
    CHECK(SealKey::from_bytes(must(SecretBytes::with_size(size))).error().domain() == Domain::usage);
  }
}
