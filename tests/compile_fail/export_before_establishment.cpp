// A context that is half open is not exported (Heimdal 7.8 would crash).
// expect: export_context
#include <gsskey/gss.hpp>
#include <gsskey/gss/context/export.hpp>

#include <utility>

using namespace gsskey;

void early(Acceptor<mech::Krb5> handshake, SecurityContext<mech::Krb5> context) {
#ifdef MUST_FAIL
  static_cast<void>(export_context(std::move(handshake)));
#else
  static_cast<void>(export_context(std::move(context)));
#endif
}
