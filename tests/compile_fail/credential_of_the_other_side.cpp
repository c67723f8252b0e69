// A credential for initiating holds no key to accept with.
// expect: (no matching|could not convert|cannot convert|no viable)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

Acceptor<mech::Krb5> mixed(const Credential<mech::Krb5, Initiate>& ticket, const Credential<mech::Krb5, Both>& both) {
#ifdef MUST_FAIL
  return Acceptor<mech::Krb5>{ticket};
#else
  static_cast<void>(ticket);
  return Acceptor<mech::Krb5>{both};
#endif
}
