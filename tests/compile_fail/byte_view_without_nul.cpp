// A constant char array whose last byte is not NUL would lose that byte. The twin says how many bytes it means.
// expect: not_a_literal
#include <gsskey/core/bytes.hpp>

std::size_t length(gsskey::ByteView bytes) { return bytes.size(); }

constexpr char magic[4] = {'G', 'S', 'S', '1'};

std::size_t twin() {
#ifdef MUST_FAIL
  return length(magic);
#else
  return length({magic, sizeof magic}) + length("a literal");
#endif
}
