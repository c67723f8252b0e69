// Only a mechanism name has an exported form (RFC 2743 section 1.1.5).
// expect: export_name
#include <gsskey/gss.hpp>

#include <utility>

using namespace gsskey;

Result<Buffer> stored(const Name& name) {
#ifdef MUST_FAIL
  return name.export_name();
#else
  auto canonical = name.canonicalize<mech::Krb5>();
  if (!canonical) return unexpected(canonical.error());
  return canonical->export_name();
#endif
}
