// gsskey/core/flag_set.
// SPDX-License-Identifier: MIT
#include <gsskey/core/flag_set.hpp>

#include "support/catch.hpp"

namespace {
enum class Colour : std::uint32_t { red = 1, green = 2, blue = 0x80000000 };
using Colours = gsskey::FlagSet<Colour>;
}  // namespace

TEST_CASE("flags make a set") {
  const Colours none;
  const Colours both = {Colour::red, Colour::blue};
  CHECK(none.empty());
  CHECK(both.bits() == 0x80000001);
  CHECK(both.contains(Colour::red));
  CHECK(both.contains(Colour::blue));
  CHECK_FALSE(both.contains(Colour::green));
  CHECK_FALSE(both.contains({Colour::red, Colour::green}));
  CHECK(both.contains(none));
  CHECK((Colours{Colour::red} | Colour::blue) == both);
  CHECK(both.without(Colour::red) == Colours{Colour::blue});
  Colours grown = {Colour::red};
  CHECK(&(grown |= Colour::blue) == &grown);
  CHECK(grown == both);
  CHECK(both.without(Colour::green) == both);
}

TEST_CASE("bits without a name are carried along and compared") {
  const Colours newer = Colours::from_bits(0x41);
  CHECK(newer.contains(Colour::red));
  CHECK_FALSE(newer == Colours{Colour::red});
  CHECK((newer | Colour::green).bits() == 0x43);
  CHECK(newer.without(Colour::red).bits() == 0x40);
}
