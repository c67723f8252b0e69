// Messages in pieces: they are the same tokens as whole ones, and refused like them.
#include <gsskey/gss/context/iov.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

Bytes bytes(std::string_view text) { return {text.begin(), text.end()}; }

struct Sealed {
  Bytes header;
  Bytes data;
  Bytes trailer;
  [[nodiscard]] Bytes token() const {
    Bytes all = header;
    all.insert(all.end(), data.begin(), data.end());
    all.insert(all.end(), trailer.begin(), trailer.end());
    return all;
  }
};

template <Mechanism M>
Sealed seal(SecurityContext<M>& context, std::string_view message, Bytes associated = {}) {
  Sealed made;
  made.data = bytes(message);
  std::array lengths{IovBuffer{IovType::header}, IovBuffer{IovType::sign_only, associated},
                     IovBuffer{IovType::data, made.data}, IovBuffer{IovType::padding}, IovBuffer{IovType::trailer}};
  must(wrap_iov_length(context, std::span<IovBuffer>{lengths}));
  CHECK(lengths[3].size() == 0);
  made.header.resize(lengths[0].size());
  made.trailer.resize(lengths[4].size());
  std::array pieces{IovBuffer{IovType::header, made.header}, IovBuffer{IovType::sign_only, associated},
                    IovBuffer{IovType::data, made.data}, IovBuffer{IovType::padding, std::span<unsigned char>{}},
                    IovBuffer{IovType::trailer, made.trailer}};
  must(wrap_iov(context, std::span<IovBuffer>{pieces}));
  return made;
}

template <Mechanism M>
Result<void> open(SecurityContext<M>& context, Sealed& sealed, Bytes associated = {}) {
  std::array pieces{IovBuffer{IovType::header, sealed.header}, IovBuffer{IovType::sign_only, associated},
                    IovBuffer{IovType::data, sealed.data}, IovBuffer{IovType::trailer, sealed.trailer}};
  return unwrap_iov(context, std::span<IovBuffer>{pieces});
}

}  // namespace

TEMPLATE_TEST_CASE("pieces are encrypted and decrypted where they are", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  for (const std::size_t size : {0u, 1u, 64u, 4096u, 65536u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    Sealed sealed = seal(ends.initiator, message);
    if (size >= 64) CHECK(sealed.data != bytes(message));
    REQUIRE(open(ends.acceptor, sealed));
    CHECK(sealed.data == bytes(message));
  }
}

TEMPLATE_TEST_CASE("pieces one after the other are an ordinary token", "", mech::Krb5, mech::Spnego) {
  auto ends = support::pair<TestType>();
  const std::string message(1000, 'm');
  const Bytes token = seal(ends.initiator, message).token();
  CHECK(must(ends.acceptor.unwrap(token)).text() == message);
}

TEST_CASE("associated data is protected and not sent") {
  auto ends = support::pair<mech::Krb5>();
  Sealed sealed = seal(ends.initiator, "message", bytes("header of a protocol"));
  SECTION("as it was") {
    REQUIRE(open(ends.acceptor, sealed, bytes("header of a protocol")));
    CHECK(sealed.data == bytes("message"));
  }
  SECTION("changed") { CHECK_FALSE(open(ends.acceptor, sealed, bytes("Header of a protocol"))); }
  SECTION("missing") { CHECK_FALSE(open(ends.acceptor, sealed)); }
}

TEST_CASE("a changed byte in any piece is refused") {
  auto ends = support::pair<mech::Krb5>();
  const Sealed good = seal(ends.initiator, "a message of some length");
  for (const auto part : {&Sealed::header, &Sealed::data, &Sealed::trailer}) {
    for (std::size_t at = 0; at < (good.*part).size(); ++at) {
      for (const int change : {0x01, 0x41, 0x80, 0xff}) {
        CAPTURE(at, change);
        Sealed sealed = good;
        (sealed.*part)[at] = static_cast<unsigned char>((sealed.*part)[at] ^ change);
        CHECK_FALSE(open(ends.acceptor, sealed));
      }
    }
  }
}

TEST_CASE("a header and data alone, as a rotated token has them, and what a peer may write into that header") {
  auto ends = support::pair<mech::Krb5>();
  const auto wrapped = must(ends.initiator.wrap("a message of some length"));
  const Bytes token{wrapped.begin(), wrapped.end()};
  const std::size_t message = std::string_view{"a message of some length"}.size();
  for (std::size_t at = 0; at < 16; ++at) {
    for (const int change : {0x01, 0x41, 0x80, 0xff}) {
      CAPTURE(at, change);
      Bytes changed = token;
      changed[at] = static_cast<unsigned char>(changed[at] ^ change);
      const std::span<unsigned char> all{changed};
      std::array pieces{IovBuffer{IovType::header, all.first(all.size() - message)},
                        IovBuffer{IovType::data, all.last(message)}};
      CHECK_FALSE(unwrap_iov(ends.acceptor, std::span<IovBuffer>{pieces}));
    }
  }
}

TEST_CASE("a message of pieces is taken once") {
  auto ends = support::pair<mech::Krb5>();
  const Sealed sealed = seal(ends.initiator, "message");
  Sealed once = sealed;
  Sealed twice = sealed;
  CHECK(open(ends.acceptor, once));
  const auto refused = open(ends.acceptor, twice);
  REQUIRE_FALSE(refused);
  CHECK((refused.error().major_status() & GSS_S_DUPLICATE_TOKEN) != 0);
}

TEST_CASE("AEAD of whole messages") {
  auto ends = support::pair<mech::Krb5>();
  const auto token = must(wrap_aead(ends.initiator, "associated", "message"));
  if (known_faults.unwrap_iov_refuses_streams) {
    CHECK(unwrap_aead(ends.acceptor, "associated", token).error().domain() == Domain::unavailable);
    gss_buffer_desc in{token.size(), const_cast<unsigned char*>(token.data())};
    gss_buffer_desc beside{10, const_cast<char*>("associated")};
    gss_buffer_desc out{0, nullptr};
    OM_uint32 minor = 0;
    CHECK(gss_unwrap_aead(&minor, ends.acceptor.get(), &in, &beside, &out, nullptr, nullptr) != GSS_S_COMPLETE);
    return;
  }
  CHECK(must(unwrap_aead(ends.acceptor, "associated", token)).text() == "message");
  const auto second = must(wrap_aead(ends.initiator, "associated", "message"));
  CHECK_FALSE(unwrap_aead(ends.acceptor, "Associated", second));
}

TEST_CASE("checksums over pieces") {
  auto ends = support::pair<mech::Krb5>();
  Bytes one = bytes("a mess");
  Bytes two = bytes("age");
  std::array lengths{IovBuffer{IovType::data, one}, IovBuffer{IovType::sign_only, two}, IovBuffer{IovType::mic_token}};
  const auto asked = get_mic_iov_length(ends.initiator, std::span<IovBuffer>{lengths});
  if (!capabilities.mic_iov) {
    REQUIRE_FALSE(asked);
    CHECK(asked.error().domain() == Domain::unavailable);
    return;
  }
  must(Result<void>{asked});
  Bytes mic(lengths[2].size());
  std::array pieces{IovBuffer{IovType::data, one}, IovBuffer{IovType::sign_only, two},
                    IovBuffer{IovType::mic_token, mic}};
  must(get_mic_iov(ends.initiator, std::span<IovBuffer>{pieces}));
  SECTION("of pieces") {
    CHECK(verify_mic_iov(ends.acceptor, std::span<IovBuffer>{pieces}));
    CHECK_FALSE(verify_mic_iov(ends.acceptor, std::span<IovBuffer>{pieces}));  // once
  }
  SECTION("of the whole") { CHECK(ends.acceptor.verify_mic("a message", mic)); }
  SECTION("changed") {
    two[0] = 'A';
    CHECK_FALSE(verify_mic_iov(ends.acceptor, std::span<IovBuffer>{pieces}));
  }
}

TEST_CASE("an empty context refuses pieces too") {
  auto ends = support::pair<mech::Krb5>();
  auto moved = std::move(ends.initiator);
  Bytes data = bytes("x");
  std::array pieces{IovBuffer{IovType::header}, IovBuffer{IovType::data, data}};
  const std::span<IovBuffer> all{pieces};
  CHECK(wrap_iov(ends.initiator, all).error().domain() == Domain::usage);
  CHECK(wrap_iov_length(ends.initiator, all).error().domain() == Domain::usage);
  CHECK(unwrap_iov(ends.initiator, all).error().domain() == Domain::usage);
  CHECK(wrap_aead(ends.initiator, "a", "b").error().domain() == Domain::usage);
  CHECK_FALSE(unwrap_aead(ends.initiator, "a", "b"));
}
