// MIT krb5 would silently take the default credential instead.
// expect: (no matching|could not convert|cannot convert|no viable)
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

Acceptor<mech::Spnego> mixed(const Credential<mech::Krb5, Accept>& krb5,
                             const Credential<mech::Spnego, Accept>& spnego) {
#ifdef MUST_FAIL
  return Acceptor<mech::Spnego>{krb5};
#else
  static_cast<void>(krb5);
  return Acceptor<mech::Spnego>{spnego};
#endif
}
