// Establishing ends a handshake, so that it has to be given up; the compiler says how.
// expect: write std::move\(handshake\)\.establish\(\)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

void end(Acceptor<mech::Krb5>& handshake) {
#ifdef MUST_FAIL
  static_cast<void>(handshake.establish());
#else
  static_cast<void>(std::move(handshake).establish());
#endif
}
