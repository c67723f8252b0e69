// Security identifiers: one text and one form of bytes for each, and nothing else is taken.
#include <gsskey/krb5/sid.hpp>

#include <set>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/must.hpp"

using namespace gsskey;
using support::must;

namespace {

using Octets = std::vector<unsigned char>;

constexpr Sid administrators{"S-1-5-32-544"};
static_assert(administrators.authority() == 5 && administrators.count() == 2 && administrators[1] == 544);
static_assert(administrators[2] == 0 && !administrators.empty() && Sid{}.empty());
static_assert(administrators.to_text().view() == "S-1-5-32-544");

std::string text_of(const Sid& sid) { return std::string{sid.to_text().view()}; }
Octets bytes_of(const Sid& sid) {
  const SidBytes bytes = sid.to_bytes();
  return {bytes.begin(), bytes.end()};
}

/// The largest that there is.
std::string largest() {
  std::string text = "S-1-0xffffffffffff";
  for (int count = 0; count < 15; ++count) text += "-4294967295";
  return text;
}

}  // namespace

TEST_CASE("the same identifier as text and as bytes") {
  const struct {
    std::string text;
    Octets bytes;
  } cases[] = {
      {"S-1-5-32-544", {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}},
      {"S-1-0-0", {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
      {"S-1-5-21-397955417-626881126-188441444-512",
       {1,    5,    0,    0,    0,    0,    0,    5,    21,   0,    0, 0, 0x59, 0x51,
        0xb8, 0x17, 0x66, 0x72, 0x5d, 0x25, 0x64, 0x63, 0x3b, 0x0b, 0, 2, 0,    0}},
      {"S-1-4294967295-1", {1, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}},
      {"S-1-0x000100000000-4294967295", {1, 1, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
  };
  for (const auto& [text, bytes] : cases) {
    CAPTURE(text);
    const Sid sid = must(Sid::parse(text));
    CHECK(text_of(sid) == text);
    CHECK(bytes_of(sid) == bytes);
    CHECK(must(Sid::from_bytes(bytes)) == sid);
  }
  const Sid large = must(Sid::parse(largest()));
  CHECK(text_of(large) == largest());
  CHECK(bytes_of(large) == bytes_of(must(Sid::from_bytes(bytes_of(large)))));
  CHECK(bytes_of(large).size() == 68);
}

TEST_CASE("letters may be small or large") {
  CHECK(must(Sid::parse("s-1-5-32-544")) == administrators);
  CHECK(text_of(must(Sid::parse("S-1-0X00ABcdef0123-1"))) == "S-1-0x00abcdef0123-1");
}

TEST_CASE("text that is no identifier, or not the one text of it") {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "S",
                                                          "S-",
                                                          "S-1",
                                                          "S-1-",
                                                          "S-1-5",
                                                          "S-1-5-",
                                                          "S-2-5-1",
                                                          "S-11-5-1",
                                                          "X-1-5-1",
                                                          "S-1-5-1-",
                                                          "S-1-5--1",
                                                          "S-1-5-1 ",
                                                          " S-1-5-1",
                                                          "S-1-05-1",
                                                          "S-1-5-01",
                                                          "S-1-5-4294967296",
                                                          "S-1-5-99999999999",
                                                          "S-1-4294967296-1",
                                                          "S-1-0x000000000005-1",
                                                          "S-1-0x1-1",
                                                          "S-1-0x0001000000000-1",
                                                          "S-1-0x00010000000g-1",
                                                          "S-1-5-+1",
                                                          "S-1-5-0x1",
                                                          "S-1--5-1",
                                                          std::string{"S-1-5-1\0", 8},
                                                          largest() + "-1"}) {
    CAPTURE(text);
    const auto sid = Sid::parse(text);
    REQUIRE_FALSE(sid);
    CHECK(sid.error().domain() == Domain::usage);
    CHECK(std::string{sid.error().operation()} == "Sid::parse");
  }
}

TEST_CASE("bytes that are no identifier: each cut, each that is longer, other revisions and counts") {
  const Octets whole = bytes_of(must(Sid::parse(largest())));
  const auto refused = [](const Octets& bytes) {
    const auto sid = Sid::from_bytes(bytes);
    return !sid && sid.error().domain() == Domain::usage;
  };
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  }
  Octets longer = whole;
  longer.push_back(0);
  CHECK(refused(longer));
  for (unsigned value = 0; value < 256; ++value) {
    CAPTURE(value);
    Octets other = whole;
    other[0] = static_cast<unsigned char>(value);
    CHECK(refused(other) == (value != 1));
    other = whole;
    other[1] = static_cast<unsigned char>(value);
    CHECK(refused(other) == (value != 15));
  }
  CHECK(refused({1, 0, 0, 0, 0, 0, 0, 5}));
  Octets sixteen = whole;
  sixteen[1] = 16;
  sixteen.insert(sixteen.end(), 4, 0);
  CHECK(refused(sixteen));
}

TEST_CASE("a relative identifier within a domain") {
  const Sid domain{"S-1-5-21-1-2-3"};
  CHECK(text_of(must(domain.with_rid(4294967295))) == "S-1-5-21-1-2-3-4294967295");
  CHECK(text_of(domain) == "S-1-5-21-1-2-3");
  CHECK(Sid{}.with_rid(1).error().domain() == Domain::usage);
  CHECK(must(Sid::parse(largest())).with_rid(1).error().domain() == Domain::usage);
}

TEST_CASE("an order in which each is equal to itself alone") {
  const std::vector<Sid> ascending{
      Sid{},          Sid{"S-1-0-1"},  Sid{"S-1-5-1"},  Sid{"S-1-5-1-0"},           Sid{"S-1-5-1-1"},
      Sid{"S-1-5-2"}, Sid{"S-1-5-10"}, Sid{"S-1-16-1"}, Sid{"S-1-0x010000000000-1"}};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      CAPTURE(i, j);
      CHECK((ascending[i] == ascending[j]) == (i == j));
      CHECK((ascending[i] < ascending[j]) == (i < j));
    }
  }
  CHECK(std::set<Sid>{ascending.rbegin(), ascending.rend()}.size() == ascending.size());
}

TEST_CASE("the empty identifier has neither text nor bytes") {
  CHECK(Sid{}.to_text().view().empty());
  CHECK(bytes_of(Sid{}).empty());
}
