// A borrowed credential must outlive the handshake; a temporary does not.
// expect: deleted
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

Acceptor<mech::Krb5> dangling(Credential<mech::Krb5, Accept>& credential) {
#ifdef MUST_FAIL
  return Acceptor<mech::Krb5>{std::move(credential)};
#else
  return Acceptor<mech::Krb5>{credential};
#endif
}
