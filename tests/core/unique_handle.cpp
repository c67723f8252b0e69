// gsskey/core/unique_handle: every handle is closed once, at the right moment.
// SPDX-License-Identifier: MIT
#include <gsskey/core/unique_handle.hpp>

#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace {

struct CountedTraits {
  using Handle = int;
  static constexpr Handle none = -1;
  static inline std::vector<Handle> closed;
  static void close(Handle handle) noexcept { closed.push_back(handle); }
};
using Owner = gsskey::UniqueHandle<CountedTraits>;
using Closed = std::vector<int>;

struct Fresh {
  Fresh() { CountedTraits::closed.clear(); }
};

}  // namespace

TEST_CASE_METHOD(Fresh, "an owner closes at its end, an empty one never") {
  {
    const Owner owner = Owner::adopt(3);
    const Owner empty;
    const Owner none = Owner::adopt(CountedTraits::none);
    CHECK(owner);
    CHECK(owner.get() == 3);
    CHECK_FALSE(empty);
    CHECK_FALSE(none);
    CHECK(CountedTraits::closed.empty());
  }
  CHECK(CountedTraits::closed == Closed{3});
}

TEST_CASE_METHOD(Fresh, "0 is a handle like any other") {
  CHECK(Owner::adopt(0));
  CHECK(CountedTraits::closed == Closed{0});
}

TEST_CASE_METHOD(Fresh, "a move carries the handle") {
  Owner from = Owner::adopt(3);
  {
    const Owner to{std::move(from)};
    CHECK(to.get() == 3);
    CHECK_FALSE(from);
    CHECK(CountedTraits::closed.empty());
  }
  CHECK(CountedTraits::closed == Closed{3});
}

TEST_CASE_METHOD(Fresh, "move-assignment closes at once what was owned") {
  Owner from = Owner::adopt(3);
  Owner to = Owner::adopt(4);
  to = std::move(from);
  CHECK(CountedTraits::closed == Closed{4});
  CHECK(to.get() == 3);
  CHECK_FALSE(from);
}

TEST_CASE_METHOD(Fresh, "moving onto itself changes nothing") {
  Owner owner = Owner::adopt(3);
  Owner& same = owner;
  owner = std::move(same);
  CHECK(owner.get() == 3);
  CHECK(CountedTraits::closed.empty());
}

TEST_CASE_METHOD(Fresh, "release gives up, reset closes, each once") {
  Owner owner = Owner::adopt(3);
  CHECK(owner.release() == 3);
  owner.reset();
  CHECK(CountedTraits::closed.empty());
  owner = Owner::adopt(4);
  owner.reset();
  owner.reset();
  CHECK(CountedTraits::closed == Closed{4});
}

TEST_CASE_METHOD(Fresh, "put closes before a C call writes, inout leaves the handle for it to read") {
  Owner owner = Owner::adopt(3);
  int* out = owner.put();
  CHECK(CountedTraits::closed == Closed{3});
  CHECK(*out == CountedTraits::none);
  *out = 4;
  CHECK(owner.get() == 4);

  int* both = owner.inout();
  CHECK(*both == 4);
  CHECK(CountedTraits::closed == Closed{3});
  *both = 5;
  CHECK(owner.get() == 5);
}

TEST_CASE_METHOD(Fresh, "a vector of owners closes all of them once") {
  {
    std::vector<Owner> owners;
    for (int handle = 0; handle < 5; ++handle) owners.push_back(Owner::adopt(handle));
    owners.erase(owners.begin() + 1);
  }
  CHECK(CountedTraits::closed.size() == 5);
}
