// Whether the NUL of a char array counts cannot be guessed at run time. The twin says how many bytes it means.
// expect: (not a|not usable in a) constant expression
#include <gsskey/core/bytes.hpp>

std::size_t length(gsskey::ByteView bytes) { return bytes.size(); }

std::size_t twin(char first) {
  const char buffer[4] = {first, 'b', 'c', 0};
#ifdef MUST_FAIL
  return length(buffer);
#else
  return length({buffer, 3}) + length("a literal");
#endif
}
