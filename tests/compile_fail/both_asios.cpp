// One Asio or the other.
// expect: define GSSKEY_ASIO_STANDALONE or GSSKEY_ASIO_BOOST, not both
#ifdef MUST_FAIL
#define GSSKEY_ASIO_BOOST
#endif
#include <gsskey/asio/handshake.hpp>

int main() {}
