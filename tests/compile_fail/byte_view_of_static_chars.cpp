// A char array of static storage is no literal either, although its address is a constant: what is in it is not.
// expect: (not a|not usable in a) constant expression
#include <gsskey/core/bytes.hpp>

std::size_t length(gsskey::ByteView bytes) { return bytes.size(); }

char buffer[64];

std::size_t twin() {
#ifdef MUST_FAIL
  return length(buffer);
#else
  return length({buffer, sizeof buffer}) + length("a literal");
#endif
}
