// Sets of buffers: who owns them, and what is in them.
#include <gsskey/gss/buffer_set.hpp>

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>

#include "support/catch.hpp"

using namespace gsskey;

static_assert(std::ranges::random_access_range<const BufferSet> && std::ranges::sized_range<const BufferSet>);
static_assert(std::is_same_v<std::ranges::range_value_t<BufferSet>, ByteView>);

namespace {
gss_detail::gss_buffer_set_t filled() {
  gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
  OM_uint32 minor = 0;
  for (const ByteView bytes : {ByteView{"first"}, ByteView{"second one"}, ByteView{}}) {
    gss_buffer_desc raw{bytes.size(), const_cast<unsigned char*>(bytes.data())};
    REQUIRE(gss_add_buffer_set_member(&minor, &raw, &set) == GSS_S_COMPLETE);
  }
  return set;
}
}  // namespace

TEST_CASE("the elements of a set, in order") {
  const BufferSet set = BufferSet::adopt(filled());
  REQUIRE(set.size() == 3);
  CHECK(set[0].text() == "first");
  CHECK(set[1].text() == "second one");
  CHECK(set[2].empty());
}

TEST_CASE("a set is a range of its elements") {
  const BufferSet set = BufferSet::adopt(filled());
  std::string all;
  for (const ByteView element : set) all.append(element.text()).append("|");
  CHECK(all == "first|second one||");
  CHECK((*(set.end() - 2)).text() == "second one");
  CHECK(set.begin()[1].text() == "second one");
  CHECK(std::ranges::find(set, ByteView{"second one"}) == set.begin() + 1);
  CHECK(std::ranges::max(set, {}, &ByteView::size).text() == "second one");
  CHECK(set.contains("first"));
  CHECK_FALSE(set.contains("firs"));
  const BufferSet none;
  CHECK(none.empty());
  CHECK(none.begin() == none.end());
  CHECK_FALSE(none.contains(""));
}

TEST_CASE("iterators survive a move of the set") {
  BufferSet set = BufferSet::adopt(filled());
  const auto second = set.begin() + 1;
  const BufferSet moved = std::move(set);
  CHECK((*second).text() == "second one");
  CHECK(moved.end() - second == 2);
}

TEST_CASE("a set has one owner") {
  BufferSet first = BufferSet::adopt(filled());
  const auto* const raw = first.get();
  BufferSet second = std::move(first);
  CHECK(first.size() == 0);
  CHECK(second.get() == raw);
  first = std::move(second);
  CHECK(first.get() == raw);
  *first.put() = filled();
  CHECK(first.size() == 3);
  auto* const released = first.release();
  CHECK(first.get() == nullptr);
  CHECK(BufferSet::adopt(released).size() == 3);
}
