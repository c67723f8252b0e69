// What may be negotiated is the credential to say: there is none by default. (Without
// any argument the acceptor is empty.)
// expect: (no matching|constraints not satisfied)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

using Corporate = mech::Negotiate<mech::Krb5, mech::Ntlmssp>;

Acceptor<Corporate> anybody(const Credential<Corporate, Accept>& credential) {
#ifdef MUST_FAIL
  static_cast<void>(credential);
  return Acceptor<Corporate>{AcceptorOptions<Corporate>{}};
#else
  return Acceptor<Corporate>{credential};
#endif
}
