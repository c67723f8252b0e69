// A handshake protects no messages: it has no wrap. The twin establishes first.
// expect: wrap
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

Result<Buffer> early(Initiator<mech::Krb5> handshake) {
#ifdef MUST_FAIL
  return handshake.wrap("secret");
#else
  auto context = std::move(handshake).establish();
  if (!context) return unexpected(context.error());
  return context->wrap("secret");
#endif
}
