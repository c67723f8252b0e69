// DCE style (MS-KILE section 3.2.1.1.6): three legs, tokens without framing, messages of header and data only.
#include <gsskey/gss/context/iov.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

using Bytes = std::vector<unsigned char>;

InitiatorOptions dce_style() {
  InitiatorOptions options;
  options.demand = options.demand | ContextFlag::dce_style;
  return options;
}

struct Sealed {
  Bytes header;
  Bytes data;
};

template <Mechanism M>
Sealed seal(SecurityContext<M>& context, std::string_view message) {
  Sealed made{{}, {message.begin(), message.end()}};
  std::array pieces{IovBuffer{IovType::header}, IovBuffer{IovType::data, made.data}};
  must(wrap_iov_length(context, std::span<IovBuffer>{pieces}));
  made.header.resize(pieces[0].size());
  pieces[0] = IovBuffer{IovType::header, made.header};
  must(wrap_iov(context, std::span<IovBuffer>{pieces}));
  return made;
}
template <Mechanism M>
Result<void> open(SecurityContext<M>& context, Sealed& sealed) {
  std::array pieces{IovBuffer{IovType::header, sealed.header}, IovBuffer{IovType::data, sealed.data}};
  return unwrap_iov(context, std::span<IovBuffer>{pieces});
}

template <Mechanism M>
support::Ends<M> pair() {
  return must(support::establish(support::initiator<M>(dce_style()), support::acceptor<M>()));
}

}  // namespace

TEST_CASE("three legs of Kerberos, none of them framed") {
  auto initiator = support::initiator<mech::Krb5>(dce_style());
  auto acceptor = support::acceptor<mech::Krb5>();
  const auto request = must(initiator.step());
  CHECK(request.token.begin()[0] == 0x6e);  // AP-REQ
  const auto reply = must(acceptor.step(request.token));
  CHECK_FALSE(reply.complete);
  CHECK_FALSE(acceptor.peer_name());
  CHECK(reply.token.begin()[0] == 0x6f);  // AP-REP
  const auto confirmation = must(initiator.step(reply.token));
  CHECK(confirmation.complete);
  CHECK(confirmation.token.begin()[0] == 0x6f);
  const auto last = must(acceptor.step(confirmation.token));
  CHECK(last.complete);
  CHECK(last.token.size() == 0);
  CHECK(must(acceptor.peer_name().display()).text() == support::realm().realm.principal("alice"));
}

TEMPLATE_TEST_CASE("messages of header and data, and whole ones", "", mech::Krb5, mech::Spnego) {
  auto ends = pair<TestType>();
  CHECK(must(ends.acceptor.inquire()).flags.contains(ContextFlag::dce_style));
  for (const std::size_t size : {1u, 15u, 16u, 1000u}) {
    CAPTURE(size);
    const std::string message(size, 'm');
    Sealed there = seal(ends.initiator, message);
    CHECK(there.header.size() == 76);                     // sixteen bytes of filler more than in a token of wrap()
    if (size > 8) CHECK(there.data != Bytes(size, 'm'));  // one byte in 256 is the same
    must(open(ends.acceptor, there));
    CHECK(there.data == Bytes(size, 'm'));
    Sealed back = seal(ends.acceptor, message);
    must(open(ends.initiator, back));
    CHECK(back.data == Bytes(size, 'm'));
  }
  CHECK(must(ends.acceptor.unwrap(must(ends.initiator.wrap("whole")))).text() == "whole");
}

TEST_CASE("a changed byte of a header or of the data is refused, and nothing beyond them is touched") {
  auto ends = pair<mech::Krb5>();
  const Sealed good = seal(ends.initiator, "a message of some length");
  for (const auto part : {&Sealed::header, &Sealed::data}) {
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

TEST_CASE("replies that are none") {
  const auto reply = GENERATE(as<std::string>{}, "", "x", "\x6f", std::string{"\x6f\x00", 2}, "\x6f\x02\x30\x00x",
                              std::string{"\x6f\x02\x30\x00", 4}, "\x60\x84");
  auto initiator = support::initiator<mech::Krb5>(dce_style());
  must(initiator.step());
  CHECK_FALSE(initiator.step(reply));
}
