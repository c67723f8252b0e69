// Sets of buffers: who owns them, and what is in them.
#include <gsskey/gss/buffer_set.hpp>

#include <utility>

#include "support/catch.hpp"

using namespace gsskey;

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
