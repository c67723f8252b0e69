// Pseudo-random bytes from a context: the same at both ends, others for every other question.
#include <gsskey/gss/context/prf.hpp>

#include <dlfcn.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/realm.hpp"

using namespace gsskey;
using support::must;

namespace {

/// By so many bytes the library's answers are cut off.
std::size_t cut_off = 0;

template <Mechanism M>
std::string bytes_of(const SecurityContext<M>& context, ByteView input, std::size_t size, PrfKey key = PrfKey::full) {
  return std::string{must(pseudo_random(context, input, size, key)).text()};
}

}  // namespace

extern "C" OM_uint32 gss_pseudo_random(OM_uint32* minor, gss_ctx_id_t context, int key, const gss_buffer_t in,
                                       ssize_t size, gss_buffer_t out) {
  static auto* const library = reinterpret_cast<decltype(&gss_pseudo_random)>(dlsym(RTLD_NEXT, "gss_pseudo_random"));
  const OM_uint32 major = library(minor, context, key, in, size, out);
  if (out->length != 0) out->length -= cut_off;
  return major;
}

TEMPLATE_TEST_CASE("both ends get the same bytes", "", mech::Krb5, mech::Spnego) {
  const auto ends = support::pair<TestType>();
  for (const PrfKey key : {PrfKey::full, PrfKey::partial}) {
    for (const std::size_t size : {1u, 15u, 16u, 17u, 44u, 1000u, 1u << 14}) {
      CAPTURE(size);
      const auto ours = bytes_of(ends.initiator, "gsskey test", size, key);
      CHECK(ours.size() == size);
      CHECK(ours == bytes_of(ends.acceptor, "gsskey test", size, key));
    }
  }
}

TEST_CASE(
    "another input, another key or another context gives other bytes; "
    "the same gives the same again") {
  const auto ends = support::pair<mech::Krb5>();
  const auto bytes = bytes_of(ends.initiator, "a", 32);
  CHECK(bytes_of(ends.initiator, "a", 32) == bytes);
  CHECK(bytes_of(ends.initiator, "b", 32) != bytes);
  CHECK(bytes_of(ends.initiator, "", 32) != bytes);
  CHECK(bytes_of(ends.initiator, ByteView{"a\0", 2}, 32) != bytes);
  CHECK(bytes_of(ends.initiator, "a", 32, PrfKey::partial) != bytes);
  CHECK(bytes_of(support::pair<mech::Krb5>().initiator, "a", 32) != bytes);
}

TEST_CASE("less is the beginning of more, and no block comes twice (RFC 4402)") {
  const auto ends = support::pair<mech::Krb5>();
  const auto bytes = bytes_of(ends.initiator, std::string(61, '\0'), 64);
  for (const std::size_t size : {1u, 16u, 33u}) {
    CHECK(bytes_of(ends.initiator, std::string(61, '\0'), size) == bytes.substr(0, size));
  }
  CHECK(bytes.substr(0, 16) != bytes.substr(16, 16));
}

TEST_CASE("nothing at all is an error; what is too much is, too (limits.cpp)") {
  const auto ends = support::pair<mech::Krb5>();
  CHECK(pseudo_random(ends.initiator, "x", 0).error().domain() == Domain::usage);
  CHECK(pseudo_random(ends.initiator, "x", static_cast<std::size_t>(-1)).error().domain() == Domain::usage);
}

TEST_CASE("a key that the mechanism does not know is refused by it") {
  const auto ends = support::pair<mech::Krb5>();
  const auto bytes = pseudo_random(ends.initiator, "x", 16, static_cast<PrfKey>(2));
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().domain() == Domain::gss);
}

TEST_CASE("an empty context answers") {
  auto ends = support::pair<mech::Krb5>();
  const auto moved = std::move(ends.initiator);
  CHECK(pseudo_random(ends.initiator, "x", 16).error().domain() == Domain::usage);
  CHECK(pseudo_random(moved, "x", 16));
}

TEST_CASE("fewer bytes than were asked for are an error") {
  const auto ends = support::pair<mech::Krb5>();
  cut_off = 1;
  const auto bytes = pseudo_random(ends.initiator, "x", 16);
  cut_off = 0;
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().domain() == Domain::policy);
  static_cast<void>(must(pseudo_random(ends.initiator, "x", 16)));
}
