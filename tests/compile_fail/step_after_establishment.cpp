// An established context takes no handshake tokens: it has no step.
// expect: step
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

void late(SecurityContext<mech::Krb5>& context, Acceptor<mech::Krb5>& handshake) {
#ifdef MUST_FAIL
  static_cast<void>(context.step("token"));
#else
  static_cast<void>(handshake.step("token"));
#endif
  static_cast<void>(context);
}
